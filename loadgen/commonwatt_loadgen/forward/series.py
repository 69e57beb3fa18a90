# SPDX-License-Identifier: Apache-2.0
"""A community's prices, trade and batteries through time, by the period or by the day."""

from collections.abc import Sequence
from typing import Any

from commonwatt_loadgen.forward.engine import PeriodRecord
from commonwatt_loadgen.forward.flows import Flows
from commonwatt_loadgen.forward.rules import ForwardRules

Json = dict[str, Any]


def through_day(record: PeriodRecord, flows: Flows, rules: ForwardRules, energy_wh: Sequence[int]) -> Json:
    """A period of all homes; `energy_wh` are the batteries at its end."""
    prices = rules.tariff(record.period).prices
    return {
        "period": record.period.id,
        "start_min": record.minute,
        "tou_uaud_per_kwh": prices.tou,
        "feed_in_uaud_per_kwh": prices.feed_in,
        "traded_uaud_per_kwh": record.cleared.price_uaud_per_kwh,
        "traded_wh": flows.bought_wh,
        "shared_wh": flows.shared_in_wh,
        "import_wh": flows.import_wh,
        "export_wh": flows.export_wh,
        "grid_in_wh": flows.grid_in_wh,
        "grid_out_wh": flows.grid_out_wh,
        "battery_mean_wh": sum(energy_wh) // len(energy_wh) if energy_wh else 0,
        "battery_min_wh": min(energy_wh, default=0),
        "battery_max_wh": max(energy_wh, default=0),
    }


def whole_day(rows: Sequence[Json]) -> Json:
    """A day of periods as one row: sums of energy, means of prices."""
    traded_wh = sum(one["traded_wh"] for one in rows)
    paid = sum(one["traded_wh"] * (one["traded_uaud_per_kwh"] or 0) for one in rows)
    mean = {
        name: sum(one[name] for one in rows) // len(rows)
        for name in ("tou_uaud_per_kwh", "feed_in_uaud_per_kwh", "battery_mean_wh")
    }
    sums = ("traded_wh", "shared_wh", "import_wh", "export_wh", "grid_in_wh", "grid_out_wh")
    return {
        "period": rows[0]["period"],
        "start_min": rows[0]["start_min"],
        "tou_uaud_per_kwh": mean["tou_uaud_per_kwh"],
        "feed_in_uaud_per_kwh": mean["feed_in_uaud_per_kwh"],
        "traded_uaud_per_kwh": paid // traded_wh if traded_wh else None,
        **{name: sum(one[name] for one in rows) for name in sums},
        "battery_mean_wh": mean["battery_mean_wh"],
        "battery_min_wh": min(one["battery_min_wh"] for one in rows),
        "battery_max_wh": max(one["battery_max_wh"] for one in rows),
    }
