# SPDX-License-Identifier: Apache-2.0
"""From the records of a community's days to figures: plain JSON values, integers in the units their names state."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from commonwatt_chaincode.market.forward.bids import REQUEST
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forward.agent import ForwardAgent

from commonwatt_loadgen.forward.carbon import CarbonTally
from commonwatt_loadgen.forward.engine import DayRecord, PeriodRecord
from commonwatt_loadgen.forward.feeder import Envelopes, Feeder
from commonwatt_loadgen.forward.flows import NOTHING, Flows, flows_of, summed
from commonwatt_loadgen.forward.market import fixed_naud
from commonwatt_loadgen.forward.pairs import Pairs
from commonwatt_loadgen.forward.rules import ForwardRules
from commonwatt_loadgen.forward.series import through_day, whole_day
from commonwatt_loadgen.forward.without_market import WithoutMarket
from commonwatt_loadgen.simulate import key_figures
from commonwatt_loadgen.simulate.key_figures import percent
from commonwatt_loadgen.simulate.types import types_by_hour

Json = dict[str, Any]
DAYS_IN_PERIODS = 14


class ForwardTally:
    """Sums of a community's days, day after day, so that a year takes no more memory than a day."""

    def __init__(self, agents: Sequence[ForwardAgent], rules: ForwardRules, curtails: bool = False) -> None:
        """`agents` before they have lived a period: their batteries begin as those without a market do."""
        self._rules = rules
        self._specs = [agent.spec for agent in agents]
        self._names = {one.home: one.draws_as for one in self._specs}
        self._without = WithoutMarket(agents, curtails)
        self._begin_wh = sum(self._without.energy_wh.values())
        self._energy_wh = dict(self._without.energy_wh)
        self._stores = [agent.home for agent in agents if agent.spec.storage_wh]
        self._homes: dict[str, Flows] = dict.fromkeys(self._names, NOTHING)
        self._billed_naud = dict.fromkeys(self._names, 0)
        self._fixed_naud = dict.fromkeys(self._names, 0)
        self._hours = [NOTHING] * 24
        self._bids: list[Counter[str]] = [Counter() for _ in range(24)]
        self._refused: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._feeder = Feeder()
        self._envelopes = Envelopes()
        self._pairs = Pairs(
            [one.home for one in self._specs if one.pv_w or one.storage_wh], list(self._names)
        )
        self._carbon = CarbonTally(rules, self._names)
        self._periods: list[Json] = []
        self._by_day: list[Json] = []

    def add(self, day: DayRecord) -> list[dict[str, Flows]]:
        """Count a day; days come in their order. Returns what each of its periods came to, by home."""
        self._counts["days"] += 1
        counted, rows = [], []
        for record in day.periods:
            flows = self._flows(record)
            counted.append(flows)
            whole = summed(list(flows.values()))
            self._count(record, whole)
            self._carbon.add_period(record.period, flows)
            rows.append(
                through_day(record, whole, self._rules, [self._energy_wh[home] for home in self._stores])
            )
        for home, before in self._homes.items():
            self._homes[home] = summed([before, *(flows[home] for flows in counted)])
        for home, bill in day.bills.items():
            self._billed_naud[home] += bill.amount_naud
            self._carbon.add_bill(bill)
            self._fixed_naud[home] += fixed_naud(bill)
        self._by_day.append(whole_day(rows))
        if self._counts["days"] <= DAYS_IN_PERIODS:
            self._periods += rows
        return counted

    def summary(self) -> Json:
        """The figures of the days so far."""
        return {
            "totals": self._totals(),
            "key_figures": self._key_figures(),
            "classes": self._classes(),
            "homes": self._home_rows(),
            "hours": self._hour_rows(),
            "periods": self._periods if self._counts["days"] <= DAYS_IN_PERIODS else self._by_day,
            "pairs": self._pairs.summary(self._names),
            "envelopes": self._envelopes.summary(self._names),
            "carbon": self._carbon.summary(),
            "types": types_by_hour(self._specs),
        }

    def pairs(self) -> list[Json] | None:
        """Who supplied whom, all of it; None where there are too many homes."""
        return self._pairs.rows(self._names)

    def _flows(self, record: PeriodRecord) -> dict[str, Flows]:
        prices = self._rules.tariff(record.period).prices
        price, caps, settled = record.cleared.price_uaud_per_kwh, record.caps, record.settled
        flows = {}
        for home, read in record.reads.items():
            without = self._without.live(home, read, prices, caps.get(home))
            flows[home] = flows_of(read, settled[home], price, without)
        return flows

    def _count(self, record: PeriodRecord, whole: Flows) -> None:
        hour = record.minute % MINUTES_PER_DAY // 60
        self._hours[hour] = summed([self._hours[hour], whole])
        self._feeder.add(record.period, record.minute, whole)
        self._pairs.add(record.settled)
        for home in self._stores:
            self._energy_wh[home] = record.reads[home].energy_wh
        if record.caps:
            self._envelopes.add(record.period, hour, record.caps, record.reads)
        self._counts["periods"] += 1
        self._counts["traded_periods"] += whole.bought_wh > 0
        bids = self._bids[hour]
        for bid in record.bids:
            requested = bid.kind == REQUEST
            bids["requests" if requested else "offers"] += 1
            bids["requested_wh" if requested else "offered_wh"] += bid.energy_wh
        prices = self._rules.tariff(record.period).prices
        bids["periods"] += 1
        bids["tou"] += prices.tou
        bids["feed_in"] += prices.feed_in
        bids["traded_naud"] += whole.bought_wh * (record.cleared.price_uaud_per_kwh or 0)
        self._refused.update(award.code for award in record.cleared.awards.values() if award.code)

    def _gain_naud(self, home: str) -> int:
        return self._without_naud(home) - self._billed_naud[home]

    def _without_naud(self, home: str) -> int:
        return self._homes[home].same_equipment_naud + self._fixed_naud[home]

    def _totals(self) -> Json:
        whole = summed(list(self._homes.values()))
        bids: Counter[str] = sum(self._bids, Counter())
        without_naud = sum(map(self._without_naud, self._names))
        billed_naud, fixed_naud = sum(self._billed_naud.values()), sum(self._fixed_naud.values())
        local_wh = whole.contract_wh + whole.shared_in_wh
        return {
            "homes": len(self._specs),
            "prosumers": sum(one.prosumer for one in self._specs),
            **{name: self._counts[name] for name in ("days", "periods", "traded_periods")},
            **{name: bids[name] for name in ("requests", "offers", "requested_wh", "offered_wh")},
            "refused": dict(sorted(self._refused.items())),
            **_energy(whole),
            "traded_uaud_per_kwh": bids["traded_naud"] // whole.bought_wh if whole.bought_wh else None,
            "local_percent_of_import": percent(local_wh, whole.import_wh),
            "imbalance_naud": whole.imbalance_naud,
            "battery_begin_wh": self._begin_wh,
            "battery_end_wh": sum(self._energy_wh.values()),
            "battery_end_without_wh": sum(self._without.energy_wh.values()),
            "fee_naud": whole.fee_naud,
            "fixed_naud": fixed_naud,
            "amount_naud": billed_naud,
            "same_equipment_naud": without_naud,
            "saved_naud": without_naud - billed_naud,
            "saved_percent": percent(without_naud - billed_naud, abs(without_naud)),
            "money_balances": billed_naud - fixed_naud
            == whole.amount_naud
            == whole.grid_naud + whole.fee_naud,
            "energy_balances": whole.grid_in_wh - whole.grid_out_wh - whole.breach_wh
            == whole.import_wh - whole.export_wh,
        }

    def _key_figures(self) -> Json:
        whole = summed(list(self._homes.values()))
        gains = {home: self._gain_naud(home) for home in self._names}
        imported = whole.grid_in_wh, whole.without_import_wh
        exported = whole.grid_out_wh + whole.breach_wh, whole.without_export_wh
        hours = self._feeder.hours_wh
        return {
            "worse_off": key_figures.worse_off(self._specs, gains),
            "gains": {
                "jain_ppm": key_figures.jain_ppm(list(gains.values())),
                "gini_ppm": key_figures.gini_ppm(list(gains.values())),
            },
            "traded_wh": whole.bought_wh,
            "shared_wh": whole.shared_in_wh,
            "grid_import_wh": _beside(*imported),
            "grid_export_wh": _beside(*exported),
            "self_sufficiency_percent": _beside(
                *(key_figures.self_sufficiency_percent(whole.use_wh, one) for one in imported)
            ),
            "self_consumption_percent": _beside(
                *(key_figures.self_consumption_percent(whole.generation_wh, one) for one in exported)
            ),
            "peak_import": _beside(*(key_figures.peak(hours[one]) for one in _WHICH)),
            "load_duration_wh": _beside(*(key_figures.load_duration_wh(hours[one]) for one in _WHICH)),
            "feeder": self._feeder.summary(),
            "co2": key_figures.co2(imported, exported),
        }

    def _classes(self) -> list[Json]:
        groups = [
            ("consumers", [one.home for one in self._specs if not one.prosumer]),
            ("prosumers", [one.home for one in self._specs if one.prosumer]),
            ("all", list(self._names)),
        ]
        return [{"class": name, **self._group(members)} for name, members in groups if members]

    def _group(self, members: Sequence[str]) -> Json:
        whole = summed([self._homes[home] for home in members])
        without_naud = sum(map(self._without_naud, members))
        billed_naud = sum(self._billed_naud[home] for home in members)
        return {
            "homes": len(members),
            "worse_off": sum(self._gain_naud(home) < 0 for home in members),
            "amount_naud": billed_naud,
            "same_equipment_naud": without_naud,
            "saved_naud": without_naud - billed_naud,
            "saved_percent": percent(without_naud - billed_naud, abs(without_naud)),
            "imbalance_naud": whole.imbalance_naud,
            **_energy(whole),
        }

    def _home_rows(self) -> list[Json]:
        return [
            {
                "home": self._names[one.home],
                "class": "prosumer" if one.prosumer else "consumer",
                "usage_type": one.usage_type,
                "generation_type": one.generation_type,
                "storage_wh": one.storage_wh,
                "battery_end_wh": self._energy_wh[one.home],
                **_energy(self._homes[one.home]),
                **_money(self._homes[one.home]),
                "fixed_naud": self._fixed_naud[one.home],
                "amount_naud": self._billed_naud[one.home],
                "same_equipment_naud": self._without_naud(one.home),
                "saved_naud": self._gain_naud(one.home),
            }
            for one in self._specs
        ]

    def _hour_rows(self) -> list[Json]:
        rows = []
        for hour, (flows, bids) in enumerate(zip(self._hours, self._bids, strict=True)):
            rows.append(
                {
                    "hour": hour,
                    "tou_uaud_per_kwh": bids["tou"] // bids["periods"] if bids["periods"] else None,
                    "feed_in_uaud_per_kwh": bids["feed_in"] // bids["periods"] if bids["periods"] else None,
                    **{name: bids[name] for name in ("requests", "offers", "requested_wh", "offered_wh")},
                    "traded_uaud_per_kwh": bids["traded_naud"] // flows.bought_wh
                    if flows.bought_wh
                    else None,
                    **_energy(flows),
                    "imbalance_naud": flows.imbalance_naud,
                }
            )
        return rows


_WHICH = ("with", "without")
_MONEY = ("contract_naud", "shared_naud", "grid_naud", "fee_naud", "imbalance_naud")


def _energy(flows: Flows) -> dict[str, int]:
    return _ordered(flows, (name for name in Flows._fields if name.endswith("_wh")))


def _money(flows: Flows) -> dict[str, int]:
    return _ordered(flows, _MONEY)


def _ordered(flows: Flows, names: Iterable[str]) -> dict[str, int]:
    return {name: getattr(flows, name) for name in names}


def _beside(with_market: Any, without: Any) -> Json:
    return {"with": with_market, "without": without}
