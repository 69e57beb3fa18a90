# SPDX-License-Identifier: Apache-2.0
"""From the records of a community's days to figures: plain JSON values, integers in the units their names state."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commonwatt_chaincode.market.billing import Bill
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import tou_at
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.flexibility import FlexibleLoad
from commonwatt_community.hems.home import HomeSpec

from commonwatt_loadgen.records import DayRecord
from commonwatt_loadgen.simulate import key_figures
from commonwatt_loadgen.simulate.day_flows import FLOWS, DayFlows
from commonwatt_loadgen.simulate.key_figures import percent
from commonwatt_loadgen.simulate.series import half_hours, whole_day
from commonwatt_loadgen.simulate.types import types_by_hour
from commonwatt_loadgen.simulate.without_market import WithoutMarket

Json = dict[str, Any]

DAYS_IN_HALF_HOURS = 14


def community_summary(homes: Sequence[HomeSpec], days: Iterable[DayRecord], rules: Parameters) -> Json:
    """Everything the report shows of one community."""
    tally = Tally(homes, rules)
    for day in days:
        tally.add(day)
    return tally.summary()


_BILLED = tuple(Bill.__dataclass_fields__)
_HOME_SUMS = (
    "use_wh",
    "generation_wh",
    "own_wh",
    "need_wh",
    "charged_wh",
    "spill_wh",
    "grid_charge_wh",
    "bought_p2p_wh",
    "bought_grid_wh",
    "sold_wh",
    "p2p_amount_naud",
    "grid_amount_naud",
    "grid_charge_amount_naud",
    "revenue_naud",
    "spill_credit_naud",
    "amount_naud",
    "same_equipment_naud",
    "saved_naud",
    "traditional_naud",
    "requests",
    "sales",
)


class Tally:
    """Sums of a community's days, day after day, so that a year takes no more memory than a day."""

    def __init__(
        self, homes: Sequence[HomeSpec], rules: Parameters, begin_wh: Mapping[str, int] | None = None
    ) -> None:
        """`begin_wh` is what homes' batteries hold before the first day; nothing by default."""
        begin_wh = begin_wh or {}
        self._homes = homes
        self._names = {home.home: home.draws_as for home in homes}
        self._rules = rules
        self._days = 0
        self._counts: Counter[str] = Counter()
        self._bills: dict[str, Counter[str]] = {home.home: Counter() for home in homes}
        self._hours: list[Counter[str]] = [Counter() for _ in range(24)]
        self._pairs: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._half_hours: list[Json] = []
        self._by_day: list[Json] = []
        self._battery_wh = {home.home: begin_wh.get(home.home, 0) for home in homes if home.prosumer}
        self._battery_begin_wh = sum(begin_wh.get(home.home, 0) for home in homes)
        self._battery_end_wh: dict[str, int] = dict.fromkeys(self._bills, 0)
        self._moved: Counter[str] = Counter()
        self._without = WithoutMarket(homes, rules, begin_wh)
        self._import_wh: list[int] = []
        self._import_without_wh: list[int] = []

    def add(self, day: DayRecord) -> None:
        """Count a day; days come in their order."""
        self._days += 1
        self._count(day)
        for home, one in day.bills.items():
            sums = self._bills[home]
            for name in _BILLED:
                sums[name] += getattr(one, name)
        self._battery_end_wh = day.battery_wh
        rows = half_hours(day, self._battery_wh, self._rules)
        self._by_day.append(whole_day(rows))
        if self._days <= DAYS_IN_HALF_HOURS:
            self._half_hours += rows
        for spec in self._homes:
            if isinstance(spec.usage, FlexibleLoad):
                self._count_moved(spec.usage, day.day)

    @property
    def without_naud(self) -> dict[str, int]:
        """What each home would have paid without a market for the days so far."""
        return {home: sums["amount_naud"] for home, sums in self._without.sums.items()}

    def summary(self, at_rest: Json | None = None) -> Json:
        """The figures of the days so far, beside those of a market `at_rest` where loads moved."""
        self._state_savings()
        return {
            "totals": self._totals(),
            "key_figures": self._key_figures(),
            "classes": self._classes(),
            "strategies": self._strategies(),
            "homes": self._home_rows(),
            "hours": [
                {"hour": hour, "tou_uaud_per_kwh": tou_at(self._rules.tou, hour * 60), **sums}
                for hour, sums in enumerate(_ordered(one, _HOUR_SUMS) for one in self._hours)
            ],
            "half_hours": self._half_hours if self._days <= DAYS_IN_HALF_HOURS else self._by_day,
            "trades": [
                {
                    "seller": seller,
                    "buyer": buyer,
                    "energy_wh": sums[0],
                    "amount_naud": sums[1],
                    "fills": sums[2],
                }
                for (seller, buyer), sums in sorted(self._pairs.items())
            ],
            "types": types_by_hour(self._homes),
            "disutility": self._disutility(at_rest),
        }

    def _count(self, day: DayRecord) -> None:
        counts = self._counts
        counts["readings"] += len(day.settlements)
        bought_wh = {
            (one.request.home, one.opened_min): one.request.p2p_energy_wh
            for one in day.rounds
            if one.request.p2p_energy_wh
        }
        first = day.day * MINUTES_PER_DAY
        flows = DayFlows()
        for settled in day.settlements:
            p2p_wh = bought_wh.get((settled.home, settled.end_min), 0)
            flows.add(settled, first, p2p_wh, *self._without.add(settled))
        for counted, hour in zip(self._hours, flows.by_hour, strict=True):
            for name, energy_wh in zip(FLOWS, hour, strict=True):
                counted[name] += energy_wh
        self._import_wh += flows.column("import_wh")
        self._import_without_wh += flows.column("without_grid_wh")
        for one in day.rounds:
            counts["requests"] += 1
            counts["offers"] += len(one.offers)
            counts["fills"] += len(one.fills)
            counts["need_wh"] += one.request.energy_wh
            counts["p2p_amount_naud"] += one.request.p2p_amount_naud
            for fill in one.fills:
                sums = self._pairs[self._names[fill.seller], self._names[fill.buyer]]
                sums[0] += fill.energy_wh
                sums[1] += fill.amount_naud
                sums[2] += 1

    def _billed(self, name: str, members: Iterable[str]) -> int:
        return sum(self._bills[home][name] for home in members)

    def _state_savings(self) -> None:
        """Put each home's bill without a market beside the one with it."""
        for home, sums in self._bills.items():
            sums["same_equipment_naud"] = self._without.sums[home]["amount_naud"]
            sums["saved_naud"] = sums["same_equipment_naud"] - sums["amount_naud"]

    def _key_figures(self) -> Json:
        gains = {home: sums["saved_naud"] for home, sums in self._bills.items()}
        use_wh, generation_wh = (
            self._billed("use_wh", self._bills),
            self._billed("generation_wh", self._bills),
        )
        surplus_wh = self._billed("spill_wh", self._bills)
        exported = surplus_wh if self._rules.spill_policy == "FEED_IN" else 0, self._fed_in_without()
        imported = sum(self._import_wh), sum(self._import_without_wh)
        return {
            "worse_off": key_figures.worse_off(self._homes, gains),
            "gains": {
                "jain_ppm": key_figures.jain_ppm(list(gains.values())),
                "gini_ppm": key_figures.gini_ppm(list(gains.values())),
            },
            "shared_wh": sum(hour["p2p_wh"] for hour in self._hours),
            "grid_import_wh": _beside(*imported),
            "grid_export_wh": _beside(*exported),
            "self_sufficiency_percent": _beside(
                *(key_figures.self_sufficiency_percent(use_wh, one) for one in imported)
            ),
            "self_consumption_percent": _beside(
                key_figures.self_consumption_percent(generation_wh, surplus_wh),
                key_figures.self_consumption_percent(generation_wh, exported[1]),
            ),
            "peak_import": _beside(
                key_figures.peak(self._import_wh), key_figures.peak(self._import_without_wh)
            ),
            "load_duration_wh": _beside(
                key_figures.load_duration_wh(self._import_wh),
                key_figures.load_duration_wh(self._import_without_wh),
            ),
            "co2": key_figures.co2(imported, exported),
        }

    def _fed_in_without(self) -> int:
        return sum(sums["fed_in_wh"] for sums in self._without.sums.values())

    def _totals(self) -> Json:
        hours, counts = self._hours, self._counts
        paid_naud, p2p_wh = counts["p2p_amount_naud"], sum(hour["p2p_wh"] for hour in hours)
        amount_naud = self._billed("amount_naud", self._bills)
        traditional_naud = self._billed("traditional_naud", self._bills)
        return {
            "homes": len(self._homes),
            "prosumers": sum(home.prosumer for home in self._homes),
            "days": self._days,
            **_ordered(counts, ("requests", "offers", "fills", "readings")),
            **{name: sum(hour[name] for hour in hours) for name in _HOUR_SUMS},
            "need_wh": counts["need_wh"],
            "battery_begin_wh": self._battery_begin_wh,
            "battery_end_wh": sum(self._battery_end_wh.values()),
            "p2p_amount_naud": paid_naud,
            "traded_uaud_per_kwh": paid_naud // p2p_wh if p2p_wh else None,
            "grid_charge_amount_naud": self._billed("grid_charge_amount_naud", self._bills),
            "amount_naud": amount_naud,
            "same_equipment_naud": self._billed("same_equipment_naud", self._bills),
            "saved_naud": self._billed("saved_naud", self._bills),
            "saved_percent": percent(
                self._billed("saved_naud", self._bills), self._billed("same_equipment_naud", self._bills)
            ),
            "traditional_naud": traditional_naud,
            "amount_percent": percent(amount_naud, traditional_naud),
            "battery_end_without_wh": sum(self._without.energy_wh.values()),
            "p2p_percent_of_need": percent(p2p_wh, counts["need_wh"]),
            "money_balances": paid_naud == self._billed("revenue_naud", self._bills),
        }

    def _classes(self) -> list[Json]:
        groups = [
            ("consumers", [home.home for home in self._homes if not home.prosumer]),
            ("prosumers", [home.home for home in self._homes if home.prosumer]),
            ("all", [home.home for home in self._homes]),
        ]
        return [{"class": name, **self._group(members)} for name, members in groups if members]

    def _group(self, members: Sequence[str]) -> Json:
        names = (*_BILLED, "same_equipment_naud", "saved_naud")
        sums = {name: self._billed(name, members) for name in names}
        return {
            "homes": len(members),
            "worse_off": sum(self._bills[home]["saved_naud"] < 0 for home in members),
            **_ordered(sums, ("amount_naud", "same_equipment_naud", "saved_naud", "traditional_naud")),
            "saved_percent": percent(sums["saved_naud"], sums["same_equipment_naud"]),
            "amount_percent": percent(sums["amount_naud"], sums["traditional_naud"]),
            **_ordered(sums, ("bought_p2p_wh", "p2p_amount_naud", "bought_grid_wh", "sold_wh")),
            **_ordered(sums, ("revenue_naud", "grid_charge_wh", "grid_charge_amount_naud")),
            "sold_uaud_per_kwh": sums["revenue_naud"] // sums["sold_wh"] if sums["sold_wh"] else None,
        }

    def _strategies(self) -> list[Json]:
        """What homes of each class earned and saved by bidding strategy."""
        rows = []
        for strategy in dict.fromkeys(home.strategy for home in self._homes):
            for prosumer, name in ((True, "prosumers"), (False, "consumers")):
                members = [
                    home.home
                    for home in self._homes
                    if home.strategy == strategy and home.prosumer == prosumer
                ]
                if members:
                    rows.append({"strategy": strategy, "class": name, **self._group(members)})
        return rows

    def _home_rows(self) -> list[Json]:
        return [
            {
                "home": self._names[home.home],
                "class": "prosumer" if home.prosumer else "consumer",
                "usage_type": home.usage_type,
                "generation_type": home.generation_type,
                "strategy": home.strategy,
                "storage_wh": home.storage_wh,
                "battery_end_wh": self._battery_end_wh[home.home],
                **_ordered(self._bills[home.home], _HOME_SUMS),
            }
            for home in self._homes
        ]

    def _count_moved(self, load: FlexibleLoad, day: int) -> None:
        planned = load.day(day)
        pairs = zip(planned.nominal_wh, planned.moved_wh, strict=True)
        self._moved["moved_wh"] += sum(max(0, after - before) for before, after in pairs)
        self._moved["discomfort_naud"] += planned.discomfort_naud

    def _disutility(self, at_rest: Json | None) -> Json | None:
        loads = [home.usage for home in self._homes if isinstance(home.usage, FlexibleLoad)]
        if not loads:
            return None
        return {
            "homes": len(loads),
            "coefficient_uaud_per_kwh_per_kw": loads[0].coefficient,
            **_ordered(self._moved, ("moved_wh", "discomfort_naud")),
            "at_rest": at_rest and {name: at_rest[name] for name in ("totals", "classes", "hours")},
        }


_HOUR_SUMS = (
    "use_wh",
    "generation_wh",
    "direct_wh",
    "own_wh",
    "p2p_wh",
    "grid_wh",
    "charged_wh",
    "spill_wh",
    "grid_charge_wh",
    "without_grid_wh",
    "without_fed_in_wh",
)


def _beside(with_market: Any, without: Any) -> Json:
    return {"with": with_market, "without": without}


def _ordered(sums: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    return {name: sums[name] for name in names}
