# SPDX-License-Identifier: Apache-2.0
"""What a simulation asks of a forward market, whether it stands on a ledger or in this process.

Calls come in the order of market time. Bids of a period come before its gate, readings from its end on, perhaps after
bids of later periods. Bills come when all periods of a local day are settled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from commonwatt_chaincode.market.forward.bids import Bid
from commonwatt_chaincode.market.forward.bills import Bill, Settled
from commonwatt_chaincode.market.forward.outside import NOTHING, Outside
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.readings import Reading


class Award(NamedTuple):
    """What a home's bid came to, in Wh, with other communities too; ``code`` says why it was refused, or is empty."""

    bought_wh: int = 0
    sold_wh: int = 0
    code: str = ""
    outside: Outside = NOTHING


def fixed_naud(bill: Bill) -> int:
    """What a bill holds beside energy: supply, demand and carbon."""
    charges = (one.amount_naud for one in (bill.demand, bill.carbon) if one is not None)
    return bill.supply_naud + sum(charges)


@dataclass(frozen=True, slots=True)
class Cleared:
    """A period's price (None where nothing trades) and each bidding home's award."""

    price_uaud_per_kwh: int | None = None
    awards: Mapping[str, Award] = field(default_factory=dict)


class ForwardMarket(Protocol):
    """One community's market."""

    async def period(self, period: Period, bids: Sequence[Bid]) -> Cleared:
        """Take a period's bids, all within its window, and clear it at the gate."""
        ...

    async def settle(self, period: Period, readings: Sequence[Reading]) -> Mapping[str, Settled]:
        """Take a period's readings once it is over, and settle it: what each home's bill will say of it."""
        ...

    async def bill(self, day: int) -> Mapping[str, Bill]:
        """Bill a local day, all of whose periods are settled, by home."""
        ...
