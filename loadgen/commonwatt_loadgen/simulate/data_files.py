# SPDX-License-Identifier: Apache-2.0
"""A simulation's results as tables: homes by interval, trades, rounds and bills, as CSV."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from commonwatt_chaincode.market.billing import Bill
from commonwatt_chaincode.market.orders import own_round_id
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import MINUTE_S, tou_by_minute
from commonwatt_community.hems.agent import Settlement
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.records import DayRecord, RoundRecord
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.tables import Tables, remove_data, wanted

_BILLED = tuple(Bill.__dataclass_fields__)
COLUMNS = {
    "homes": (
        "home",
        "start",
        "end",
        "use_wh",
        "generation_wh",
        "own_wh",
        "charged_wh",
        "spill_wh",
        "grid_charge_wh",
        "battery_wh",
        "need_wh",
        "bought_wh",
        "grid_wh",
        "sold_wh",
        "bought_uaud_per_kwh",
        "sold_uaud_per_kwh",
        "tou_uaud_per_kwh",
        "amount_naud",
    ),
    "trades": ("round", "time", "buyer", "seller", "energy_wh", "price_uaud_per_kwh", "amount_naud"),
    "rounds": (
        "round",
        "time",
        "buyer",
        "need_wh",
        "limit_uaud_per_kwh",
        "suggested_uaud_per_kwh",
        "tou_uaud_per_kwh",
        "offers",
        "offered_wh",
        "fills",
        "bought_wh",
        "bought_amount_naud",
        "grid_wh",
        "grid_amount_naud",
    ),
    "bills": ("home", "day", *_BILLED, "same_equipment_naud", "saved_naud"),
}


def data_files(
    options: SimulationOptions,
    folder: Path | None,
    homes: Sequence[HomeSpec],
    rules: Parameters,
    midnight_s: int,
    first_day: date,
) -> "AbstractContextManager[DataFiles | None]":
    """The tables to write, or None where the options want none, or the run is too long for them by default."""
    if folder is None:
        return nullcontext()
    if wanted(options.data, len(homes), options.days):
        return DataFiles(folder, homes, rules, midnight_s, first_day, options.parquet)
    remove_data(folder)
    return nullcontext()


@dataclass
class _Sold:
    energy_wh: int = 0
    revenue_naud: int = 0


@dataclass
class DataFiles:
    """The tables of one community's days, in a folder of their own; a context manager."""

    folder: Path
    homes: Sequence[HomeSpec]
    rules: Parameters
    midnight_s: int
    first_day: date
    parquet: bool = False
    _without_naud: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tables = Tables(self.folder, COLUMNS, parquet=self.parquet)
        self._tou = tou_by_minute(self.rules.tou)
        self._names = {home.home: home.draws_as for home in self.homes}

    def __enter__(self) -> "DataFiles":
        self._tables.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tables.__exit__(kind, error, trace)

    def add(self, day: DayRecord, without_naud: Mapping[str, int]) -> None:
        """Write a day; `without_naud` is what each home would have paid without a market for all days so far."""
        bought = {(one.request.home, one.opened_min): one for one in day.rounds}
        sold = sold_by_interval(day)
        self._tables.write("homes", [self._home_row(one, bought, sold) for one in day.settlements])
        self._tables.write("trades", [row for one in day.rounds for row in self._trade_rows(one)])
        self._tables.write("rounds", [self._round_row(one) for one in day.rounds])
        date_of_day = (self.first_day + timedelta(days=day.day)).isoformat()
        rows = []
        for home, bill in day.bills.items():
            without = without_naud[home] - self._without_naud.get(home, 0)
            billed = [getattr(bill, name) for name in _BILLED]
            rows.append([self._names[home], date_of_day, *billed, without, without - bill.amount_naud])
        self._without_naud = dict(without_naud)
        self._tables.write("bills", rows)

    def _home_row(
        self,
        settled: Settlement,
        bought: Mapping[tuple[str, int], RoundRecord],
        sold: Mapping[tuple[str, int], _Sold],
    ) -> list[Any]:
        one = bought.get((settled.home, settled.end_min))
        p2p_wh, paid = (one.request.p2p_energy_wh, one.request.p2p_amount_naud) if one else (0, 0)
        sales = sold.get((settled.home, settled.end_min), _Sold())
        tou = self._tou[settled.start_min % MINUTES_PER_DAY]
        grid_wh = settled.need_wh - p2p_wh
        spill_price = self.rules.feed_in if self.rules.spill_policy == "FEED_IN" else 0
        amount = paid + (grid_wh + settled.grid_charge_wh) * tou
        amount -= settled.spill_wh * spill_price + sales.revenue_naud
        return [
            self._names[settled.home],
            self._time(settled.start_min),
            self._time(settled.end_min),
            settled.use_wh,
            settled.generation_wh,
            settled.own_wh,
            settled.charged_wh,
            settled.spill_wh,
            settled.grid_charge_wh,
            settled.battery_wh,
            settled.need_wh,
            p2p_wh,
            grid_wh,
            sales.energy_wh,
            paid // p2p_wh if p2p_wh else "",
            sales.revenue_naud // sales.energy_wh if sales.energy_wh else "",
            tou,
            amount,
        ]

    def _trade_rows(self, one: RoundRecord) -> list[list[Any]]:
        return [
            [
                self._round_id(one),
                self._time(one.opened_min),
                self._names[fill.buyer],
                self._names[fill.seller],
                fill.energy_wh,
                fill.price_uaud_per_kwh,
                fill.amount_naud,
            ]
            for fill in one.fills
        ]

    def _round_row(self, one: RoundRecord) -> list[Any]:
        request = one.request
        return [
            self._round_id(one),
            self._time(one.opened_min),
            self._names[request.home],
            request.energy_wh,
            one.limit,
            one.sell_price,
            one.tou,
            len(one.offers),
            sum(offer.energy_wh for offer in one.offers),
            len(one.fills),
            request.p2p_energy_wh,
            request.p2p_amount_naud,
            request.grid_energy_wh,
            request.grid_amount_naud,
        ]

    def _round_id(self, one: RoundRecord) -> str:
        start_min = (one.opened_min - 1) // MINUTES_PER_DAY * MINUTES_PER_DAY + one.minute
        return own_round_id(self.midnight_s + start_min * MINUTE_S, one.request.home)

    def _time(self, minute: int) -> str:
        moment = datetime.combine(self.first_day, datetime.min.time()) + timedelta(minutes=minute)
        return moment.isoformat(timespec="minutes")


def sold_by_interval(day: DayRecord) -> dict[tuple[str, int], _Sold]:
    """What each home sold while each of its intervals ran, by home and the interval's end.

    A round that opens when an interval ends counts in the next one, and at midnight in the day's last one.
    """
    ends: dict[str, list[int]] = {}
    for settled in day.settlements:
        ends.setdefault(settled.home, []).append(settled.end_min)
    sold: dict[tuple[str, int], _Sold] = {}
    for one in day.rounds:
        for offer in one.offers:
            if offer.sold_wh:
                end = next((end for end in ends[offer.home] if end > one.opened_min), ends[offer.home][-1])
                sums = sold.setdefault((offer.home, end), _Sold())
                sums.energy_wh += offer.sold_wh
                sums.revenue_naud += offer.revenue_naud
    return sold
