# SPDX-License-Identifier: Apache-2.0
"""A home's contracts with other communities: energy that it gets and gives, and the exchange's money for it."""

from collections.abc import Iterable
from typing import NamedTuple


class Outside(NamedTuple):
    """What a home trades with other communities in a period, or several homes do, or one in several periods.

    ``amount_naud`` is what it pays for that, negative if it receives; ``fee_naud`` is the part of it that the grid gets
    for the links.
    """

    imported_wh: int = 0
    exported_wh: int = 0
    amount_naud: int = 0
    fee_naud: int = 0


NOTHING = Outside()


def together(some: Iterable[Outside | None]) -> Outside | None:
    """The sums; None where nobody traded."""
    traded = [one for one in some if one is not None and one != NOTHING]
    return Outside(*map(sum, zip(*traded, strict=True))) if traded else None
