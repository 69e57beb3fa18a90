# SPDX-License-Identifier: Apache-2.0
"""Energy and money of any stretch of a home's time, from settled lines or from bills."""

from collections.abc import Iterable
from typing import NamedTuple

from commonwatt_chaincode.market.forward.bills import Bill

from ..market.results import HomeLine
from ..statement.alone import saved_on_bands, saved_on_lines


class Sums(NamedTuple):
    """Wh by source, what the home pays in nAUD (negative: it receives), and what the market saved it."""

    bought_wh: int = 0
    shared_in_wh: int = 0
    grid_in_wh: int = 0
    sold_wh: int = 0
    shared_out_wh: int = 0
    grid_out_wh: int = 0
    breach_wh: int = 0
    import_wh: int = 0
    export_wh: int = 0
    amount_naud: int = 0
    saved_naud: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(*(one + more for one, more in zip(self, other, strict=True)))


_ENERGY = Sums._fields[:9]


def sums_of_lines(lines: Iterable[HomeLine]) -> Sums:
    """Settled periods; charges by the day are not among them."""
    lines = tuple(lines)
    energy = {name: sum(getattr(one, name) for one in lines) for name in _ENERGY}
    return Sums(amount_naud=sum(one.amount_naud for one in lines), saved_naud=saved_on_lines(lines), **energy)


def sums_of_bill(bill: Bill) -> Sums:
    """A billed day, with its charges and corrections."""
    energy = {name: sum(getattr(band, name) for band in bill.bands) for name in _ENERGY}
    return Sums(amount_naud=bill.amount_naud, saved_naud=saved_on_bands(bill.bands), **energy)


def total(parts: Iterable[Sums]) -> Sums:
    """All parts together."""
    found = Sums()
    for part in parts:
        found = found.plus(part)
    return found
