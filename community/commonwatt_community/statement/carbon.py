# SPDX-License-Identifier: Apache-2.0
"""A home's carbon account: what its billed days emitted beside their quotas, and the money of it."""

from collections.abc import Iterable
from typing import NamedTuple

from commonwatt_chaincode.market.forward.bills import Bill


class CarbonAccount(NamedTuple):
    """Days with a quota. ``amount_naud`` is what the home pays for them, negative if it receives."""

    days: int
    days_above: int
    emitted_mg: int
    quota_mg: int
    amount_naud: int


def carbon_account(bills: Iterable[Bill]) -> CarbonAccount | None:
    """The account of some bills; None where no day of them has a quota."""
    lines = [one.carbon for one in bills if one.carbon is not None]
    if not lines:
        return None
    return CarbonAccount(
        len(lines),
        sum(line.emitted_mg > line.quota_mg for line in lines),
        sum(line.emitted_mg for line in lines),
        sum(line.quota_mg for line in lines),
        sum(line.amount_naud for line in lines),
    )
