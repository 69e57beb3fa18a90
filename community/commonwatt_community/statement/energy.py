# SPDX-License-Identifier: Apache-2.0
"""The energy of a statement, by where it came from or went, and by band and prices of the tariff."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from commonwatt_chaincode.market.forward.bills import BandSum
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.statements import cents

from ..market.results import HomeLine

BOUGHT, SHARED_IN, GRID_IN = "bought", "shared_in", "grid_in"
SOLD, SHARED_OUT, GRID_OUT, BREACH = "sold", "shared_out", "grid_out", "breach"
CONTRACTS, SHARING, OUTSIDE = "contracts", "sharing", "outside"
RECEIVED = (BOUGHT, SHARED_IN, GRID_IN)
GIVEN = (SOLD, SHARED_OUT, GRID_OUT, BREACH)
NETTED = (CONTRACTS, SHARING, OUTSIDE)
"""Received less given: of other communities always, of neighbours where no lines tell them apart."""

Rate = tuple[str, Prices]


class StatementLine(NamedTuple):
    """One line: its words and its cents; negative: the home receives.

    A line of energy has band, Wh and the mean price, an adjustment the period and the reason. The ``quantity`` is days
    for supply, watts for demand, and grams for carbon.
    """

    kind: str
    cents: int
    band: str = ""
    energy_wh: int | None = None
    price_uaud_per_kwh: int | None = None
    quantity: int | None = None
    period_id: int | None = None
    reason: str = ""


class _Sum(NamedTuple):
    energy_wh: int
    amount_naud: int

    def plus(self, energy_wh: int, amount_naud: int) -> "_Sum":
        return _Sum(self.energy_wh + energy_wh, self.amount_naud + amount_naud)


_NOTHING = _Sum(0, 0)


def energy_lines(bands: Sequence[BandSum], lines: Iterable[HomeLine]) -> list[StatementLine]:
    """A line for each kind, band and rate that has energy: received, then given, each by its source."""
    by_rate: defaultdict[Rate, list[HomeLine]] = defaultdict(list)
    for line in lines:
        by_rate[line.band, Prices(line.tou, line.feed_in, line.local_fee)].append(line)
    summed: defaultdict[Rate, list[BandSum]] = defaultdict(list)
    for band in bands:
        summed[band.band, band.prices].append(band)
    of_kind: defaultdict[str, list[StatementLine]] = defaultdict(list)
    for rate, group in sorted(summed.items()):
        for kind, one in _sums(group, by_rate[rate]).items():
            if one != _NOTHING:
                of_kind[kind].append(_line(kind, rate[0], one))
    return [line for kind in (*RECEIVED, *GIVEN, *NETTED) for line in of_kind[kind]]


def merged_bands(lines: Iterable[StatementLine]) -> list[StatementLine]:
    """The same energy with one line a kind: cents are summed, not rounded again."""
    found: dict[str, StatementLine] = {}
    for line in lines:
        before = found.get(line.kind)
        energy_wh, paid_cents = line.energy_wh or 0, line.cents
        if before is not None:
            energy_wh += before.energy_wh or 0
            paid_cents += before.cents
        found[line.kind] = StatementLine(line.kind, paid_cents, energy_wh=energy_wh)
    return list(found.values())


def _sums(bands: Sequence[BandSum], lines: Sequence[HomeLine]) -> dict[str, _Sum]:
    counted = [name for name in BandSum._fields[2:] if name != "exchange"]
    total = {name: sum(getattr(band, name) for band in bands) for name in counted}
    return {
        **_contracts(total, lines),
        **_shares(total, lines),
        OUTSIDE: _outside(bands),
        GRID_IN: _Sum(total["grid_in_wh"], total["grid_in_naud"]),
        GRID_OUT: _Sum(total["grid_out_wh"], total["grid_out_naud"]),
        BREACH: _Sum(total["breach_wh"], total["breach_naud"]),
    }


def _outside(bands: Sequence[BandSum]) -> _Sum:
    """Imports less exports of other communities, links' fees within."""
    traded = [band.exchange for band in bands if band.exchange is not None]
    energy_wh = sum(one.imported_wh - one.exported_wh for one in traded)
    return _Sum(energy_wh, sum(one.amount_naud for one in traded))


def _contracts(total: dict[str, int], lines: Sequence[HomeLine]) -> dict[str, _Sum]:
    """Bought and sold apart. Contracts never change, so lines of any version tell them; both together if not."""
    bought = sold = _NOTHING
    for line in lines:
        price = line.price_uaud_per_kwh or 0
        bought = bought.plus(line.bought_wh, line.bought_wh * price)
        sold = sold.plus(line.sold_wh, -line.sold_wh * price)
    net_naud = total["contract_naud"]
    whole = (bought.energy_wh, sold.energy_wh) == (total["bought_wh"], total["sold_wh"])
    if whole and bought.amount_naud + sold.amount_naud == net_naud:
        return {BOUGHT: bought, SOLD: sold}
    return _apart_if_one(BOUGHT, SOLD, CONTRACTS, total["bought_wh"], total["sold_wh"], net_naud)


def _shares(total: dict[str, int], lines: Sequence[HomeLine]) -> dict[str, _Sum]:
    """Received and given apart, where one sharing price explains the amount to the nAUD."""
    in_wh, out_wh, net_naud = total["shared_in_wh"], total["shared_out_wh"], total["shared_naud"]
    prices = {line.sharing_price_uaud_per_kwh for line in lines}
    for price in prices if len(prices) == 1 else ():
        if (in_wh - out_wh) * price == net_naud:
            return {SHARED_IN: _Sum(in_wh, in_wh * price), SHARED_OUT: _Sum(out_wh, -out_wh * price)}
    return _apart_if_one(SHARED_IN, SHARED_OUT, SHARING, in_wh, out_wh, net_naud)


def _apart_if_one(
    received: str, given: str, netted: str, in_wh: int, out_wh: int, net_naud: int
) -> dict[str, _Sum]:
    if not out_wh:
        return {received: _Sum(in_wh, net_naud)}
    if not in_wh:
        return {given: _Sum(out_wh, net_naud)}
    return {netted: _Sum(in_wh - out_wh, net_naud)}


def _line(kind: str, band: str, one: _Sum) -> StatementLine:
    price = abs(one.amount_naud) // abs(one.energy_wh) if one.energy_wh else None
    return StatementLine(kind, cents(one.amount_naud), band, one.energy_wh, price)
