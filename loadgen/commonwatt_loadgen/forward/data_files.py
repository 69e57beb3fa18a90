# SPDX-License-Identifier: Apache-2.0
"""The forward market's results as tables: homes by period, periods, bills, and who supplied whom, as CSV."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from commonwatt_chaincode.market.forward.bids import REQUEST
from commonwatt_chaincode.market.tariff import DAY_MIN
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.forward.engine import DayRecord, PeriodRecord
from commonwatt_loadgen.forward.flows import Flows, summed
from commonwatt_loadgen.forward.market import fixed_naud
from commonwatt_loadgen.forward.rules import ForwardRules
from commonwatt_loadgen.simulate.tables import Tables

Json = dict[str, Any]
_BID = ("bid", "bid_wh", "bid_uaud_per_kwh", "refused")
_PRICES = ("price_uaud_per_kwh", "tou_uaud_per_kwh", "feed_in_uaud_per_kwh")
_SUMS = ("requests", "offers", "refused", "requested_wh", "offered_wh")
COLUMNS = {
    "homes": ("home", "start", "period", *_BID, *_PRICES, "battery_wh", *Flows._fields),
    "periods": ("period", "start", *_SUMS, *_PRICES, *Flows._fields),
    "bills": (
        "home",
        "day",
        "contract_naud",
        "shared_naud",
        "grid_naud",
        "fee_naud",
        "supply_naud",
        "demand_naud",
        "carbon_naud",
        "amount_naud",
        "taxable_naud",
        "same_equipment_naud",
        "saved_naud",
    ),
    "pairs": ("from", "to", "traded_wh", "shared_wh"),
}


class ForwardTables:
    """Writes the tables of one community's days."""

    def __init__(
        self,
        folder: Path,
        homes: Sequence[HomeSpec],
        rules: ForwardRules,
        first_day: date,
        *,
        parquet: bool = False,
    ) -> None:
        self.tables = Tables(folder, COLUMNS, parquet=parquet)
        self._names = {home.home: home.draws_as for home in homes}
        self._rules = rules
        self._first_day = first_day

    def add(self, day: DayRecord, flows: Sequence[Mapping[str, Flows]]) -> None:
        """Write a day with what each of its periods came to, by home."""
        for record, by_home in zip(day.periods, flows, strict=True):
            self.tables.write("homes", self._home_rows(record, by_home))
            self.tables.write("periods", [self._period_row(record, by_home)])
        date_of_day = (self._first_day + timedelta(days=day.day)).isoformat()
        rows = []
        for home, bill in day.bills.items():
            demand_naud = bill.demand.amount_naud if bill.demand else 0
            whole = summed([one[home] for one in flows])
            without_naud = whole.same_equipment_naud + fixed_naud(bill)
            rows.append(
                [
                    self._names[home],
                    date_of_day,
                    sum(one.contract_naud for one in bill.bands),
                    sum(one.shared_naud for one in bill.bands),
                    sum(one.grid_in_naud + one.grid_out_naud + one.breach_naud for one in bill.bands),
                    sum(one.fee_naud for one in bill.bands),
                    bill.supply_naud,
                    demand_naud,
                    bill.carbon.amount_naud if bill.carbon else 0,
                    bill.amount_naud,
                    bill.taxable_naud,
                    without_naud,
                    without_naud - bill.amount_naud,
                ]
            )
        self.tables.write("bills", rows)

    def add_pairs(self, pairs: Sequence[Json] | None) -> None:
        """Write who supplied whom through all days."""
        self.tables.write("pairs", [[one[name] for name in COLUMNS["pairs"]] for one in pairs or ()])

    def _home_rows(self, record: PeriodRecord, by_home: Mapping[str, Flows]) -> list[list[Any]]:
        bids, awards = {bid.home: bid for bid in record.bids}, record.cleared.awards
        start, prices = self._start(record), self._prices(record)
        rows = []
        for home, flows in by_home.items():
            bid = bids.get(home)
            said = [bid.kind, bid.energy_wh, bid.price_uaud_per_kwh, awards[home].code] if bid else [""] * 4
            battery_wh = record.reads[home].energy_wh
            rows.append([self._names[home], start, record.period.id, *said, *prices, battery_wh, *flows])
        return rows

    def _period_row(self, record: PeriodRecord, by_home: Mapping[str, Flows]) -> list[Any]:
        requests = [bid for bid in record.bids if bid.kind == REQUEST]
        return [
            record.period.id,
            self._start(record),
            len(requests),
            len(record.bids) - len(requests),
            sum(1 for award in record.cleared.awards.values() if award.code),
            sum(bid.energy_wh for bid in requests),
            sum(bid.energy_wh for bid in record.bids if bid.kind != REQUEST),
            *self._prices(record),
            *summed(list(by_home.values())),
        ]

    def _prices(self, record: PeriodRecord) -> list[Any]:
        price, prices = record.cleared.price_uaud_per_kwh, self._rules.tariff(record.period).prices
        return ["" if price is None else price, prices.tou, prices.feed_in]

    def _start(self, record: PeriodRecord) -> str:
        """Local time; on the day on which clocks are put back two periods have the same, and ids that differ."""
        day, minute = divmod(record.minute, DAY_MIN)
        return f"{self._first_day + timedelta(days=day)}T{minute // 60:02d}:{minute % 60:02d}"
