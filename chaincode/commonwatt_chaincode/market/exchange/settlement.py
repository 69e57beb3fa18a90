# SPDX-License-Identifier: Apache-2.0
"""Settlement of a community's period with what it traded on the exchange: contracts with others count as its own do.

The sum of all amounts is what the grid gets and what the community owes the exchange.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..forward.balances import Metered, balance
from ..forward.settlement import Line, Terms, resettle, settle_part
from ..forward.sharing import plan_sharing
from .awards import NOTHING, Outside


@dataclass(frozen=True, slots=True)
class ExchangeSettlement:
    """Lines by home, whose amounts hold what the exchange books; ``outside`` by home, for those that traded there.

    ``grid_naud`` + ``exchange_naud`` is the sum of all amounts.
    """

    lines: dict[str, Line]
    outside: dict[str, Outside]
    shared_wh: int
    grid_naud: int
    exchange_naud: int


def settle_with_exchange(
    homes: Iterable[Metered], terms: Terms, outside: Mapping[str, Outside]
) -> ExchangeSettlement:
    """Settle all homes of a period. ``homes`` hold what they bought and sold within the community.

    What a home imported from the exchange counts as bought and what it exported as sold in its balance and in the
    local fee, not in what the clearing's price is paid for. Without trades it is ``settlement.settle``. ValueError as
    there, and for trades of a home that is not among them.
    """
    homes = tuple(homes)
    if strangers := outside.keys() - {one.home for one in homes}:
        raise ValueError(f"{min(strangers)[:80]} traded on the exchange and is not settled")
    if sum(one.bought_wh for one in homes) != sum(one.sold_wh for one in homes):
        raise ValueError("what the homes bought is not what they sold")
    promised = [_with(one, outside.get(one.home, NOTHING)) for one in homes]
    plan = plan_sharing(map(balance, promised), terms.sharing)
    part = settle_part(promised, plan, _priced(terms, homes))
    lines = {
        one.home: _booked(one, part.lines[one.home], terms, outside.get(one.home, NOTHING)) for one in homes
    }
    return ExchangeSettlement(
        dict(sorted(lines.items())),
        dict(sorted(outside.items())),
        plan.shared_wh,
        sum(line.grid_naud + line.fee_naud for line in lines.values()),
        sum(one.amount_naud for one in outside.values()),
    )


def resettle_with_exchange(metered: Metered, before: Line, terms: Terms, outside: Outside) -> Line:
    """Settle one home anew by another reading, with the grid alone, as ``settlement.resettle`` does.

    Its contracts with other communities stay as its own community's do.
    """
    line = resettle(_with(metered, outside), before, _priced(terms, [metered]))
    return _booked(metered, line, terms, outside)


def _with(metered: Metered, outside: Outside) -> Metered:
    if min(outside.imported_wh, outside.exported_wh) < 0:
        raise ValueError(f"{metered.home[:80]}: energy is negative")
    return metered._replace(
        bought_wh=metered.bought_wh + outside.imported_wh, sold_wh=metered.sold_wh + outside.exported_wh
    )


def _priced(terms: Terms, homes: Iterable[Metered]) -> Terms:
    """Terms under which contracts with others alone can be settled: their money does not rest on this price."""
    if terms.price_uaud_per_kwh is not None or any(one.bought_wh or one.sold_wh for one in homes):
        return terms
    return replace(terms, price_uaud_per_kwh=terms.prices.middle)


def _booked(metered: Metered, line: Line, terms: Terms, outside: Outside) -> Line:
    """The line with local contracts alone at the clearing's price, and the exchange's money in its amount."""
    contract_naud = (metered.bought_wh - metered.sold_wh) * (terms.price_uaud_per_kwh or 0)
    return line._replace(
        contract_naud=contract_naud,
        amount_naud=line.amount_naud - line.contract_naud + contract_naud + outside.amount_naud,
    )
