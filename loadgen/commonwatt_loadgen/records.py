# SPDX-License-Identifier: Apache-2.0
"""What happened on a simulated day: the one shape that the in-process and the on-ledger market both
produce.
"""

from dataclasses import dataclass
from typing import NamedTuple

from commonwatt_chaincode.market.billing import Bill, Metered, Sale, bill
from commonwatt_chaincode.market.clearing import Fill, RequestResult
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import tou_by_minute
from commonwatt_community.hems.agent import Settlement
from commonwatt_community.hems.energy import MINUTES_PER_DAY


class OfferMade(NamedTuple):
    """An offer and what became of it."""

    home: str
    energy_wh: int
    price_uaud_per_kwh: int
    sold_wh: int
    revenue_naud: int


class RoundRecord(NamedTuple):
    """One cleared round with its single request. `opened_min` counts from 0:00 of the first simulated day."""

    number: int
    opened_min: int
    minute: int
    tou: int
    sell_price: int
    limit: int
    request: RequestResult
    offers: tuple[OfferMade, ...]
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class DayRecord:
    """A day of a community: intervals and rounds in market order, bills and battery contents by home."""

    day: int
    settlements: list[Settlement]
    rounds: list[RoundRecord]
    bills: dict[str, Bill]
    battery_wh: dict[str, int]


def bills_of(
    homes: list[str], settlements: list[Settlement], rounds: list[RoundRecord], rules: Parameters
) -> dict[str, Bill]:
    """Every home's bill of a day by the contract's own billing rules."""
    sales: dict[str, list[Sale]] = {home: [] for home in homes}
    intervals: dict[str, list[Metered]] = {home: [] for home in homes}
    bought = {(one.request.home, one.opened_min): one.request for one in rounds}
    for one in rounds:
        for offer in one.offers:
            if offer.sold_wh:
                sales[offer.home].append(Sale(offer.sold_wh, offer.revenue_naud))
    tou = tou_by_minute(rules.tou)
    feed_in = rules.feed_in
    spill_price = feed_in if rules.spill_policy == "FEED_IN" else 0
    for settled in settlements:
        (
            home,
            start_min,
            end_min,
            use_wh,
            generation_wh,
            own_wh,
            need_wh,
            charged_wh,
            spill_wh,
            _,
            charge_wh,
        ) = settled
        request = bought.get((home, end_min))
        intervals[home].append(
            Metered(
                use_wh,
                generation_wh,
                own_wh,
                need_wh,
                charged_wh,
                spill_wh,
                charge_wh,
                request.p2p_energy_wh if request else 0,
                request.p2p_amount_naud if request else 0,
                tou[start_min % MINUTES_PER_DAY],
                feed_in,
                spill_price,
            )
        )
    return {home: bill(intervals[home], sales[home]) for home in homes}
