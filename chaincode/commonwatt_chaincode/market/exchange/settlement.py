# SPDX-License-Identifier: Apache-2.0
"""Settlement of a community's period with what it traded on the exchange: contracts with others count as its own do.

The sum of all amounts is what the grid gets and what the community owes the exchange.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..forward.balances import Metered
from ..forward.outside import NOTHING, Outside
from ..forward.settlement import Line, Terms, resettle, settle


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

    In a home's balance and its local fee, its imports from the exchange count as bought and its exports as sold. The
    clearing's price is not paid for them. Without trades it is ``settlement.settle``. ValueError as
    there, and for trades of a home that is not among them.
    """
    homes = tuple(homes)
    if strangers := outside.keys() - {one.home for one in homes}:
        raise ValueError(f"{min(strangers)[:80]} traded on the exchange and is not settled")
    if sum(one.bought_wh for one in homes) != sum(one.sold_wh for one in homes):
        raise ValueError("the homes' purchases differ from their sales")
    settlement = settle([_with(one, outside.get(one.home, NOTHING)) for one in homes], terms)
    return ExchangeSettlement(
        settlement.lines,
        dict(sorted(outside.items())),
        settlement.shared_wh,
        settlement.grid_naud,
        sum(one.amount_naud for one in outside.values()),
    )


def resettle_with_exchange(metered: Metered, before: Line, terms: Terms, outside: Outside) -> Line:
    """Settle one home anew by another reading, with the grid alone, as ``settlement.resettle`` does.

    Its contracts with other communities stay as its own community's do.
    """
    return resettle(_with(metered, outside), before, terms)


def _with(metered: Metered, outside: Outside) -> Metered:
    return metered._replace(outside=outside)
