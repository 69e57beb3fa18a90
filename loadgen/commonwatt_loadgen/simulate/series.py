# SPDX-License-Identifier: Apache-2.0
"""A community's prices and batteries through time, by the half hour or by the day."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import tou_at
from commonwatt_community.hems.energy import MINUTES_PER_DAY, SLOT_MINUTES

from commonwatt_loadgen.records import DayRecord

Json = dict[str, Any]


def half_hours(day: DayRecord, battery_wh: dict[str, int], rules: Parameters) -> list[Json]:
    """Prices and battery contents through a day; rounds are counted where they opened.

    `battery_wh` holds prosumers' batteries as the day before left them, and is brought up to date.
    """
    rounds, contents = defaultdict(list), defaultdict(list)
    for one in day.rounds:
        rounds[(one.opened_min - 1) // SLOT_MINUTES].append(one)
    for settled in day.settlements:
        if settled.home in battery_wh:
            contents[(settled.end_min - 1) // SLOT_MINUTES].append(settled)
    rows: list[Json] = []
    first = day.day * MINUTES_PER_DAY // SLOT_MINUTES
    for slot in range(first, first + MINUTES_PER_DAY // SLOT_MINUTES):
        moves = [(one.end_min, 0, one.home, one.battery_wh, False) for one in contents[slot]]
        moves += [
            (one.opened_min, 1, offer.home, offer.sold_wh, True)
            for one in rounds[slot]
            for offer in one.offers
            if offer.sold_wh
        ]
        for _, _, home, energy_wh, sale in sorted(moves):
            battery_wh[home] = battery_wh[home] - energy_wh if sale else energy_wh
        p2p_wh = sum(one.request.p2p_energy_wh for one in rounds[slot])
        paid = sum(one.request.p2p_amount_naud for one in rounds[slot])
        count = len(rounds[slot])
        rows.append(
            {
                "start_min": slot * SLOT_MINUTES,
                "tou_uaud_per_kwh": tou_at(rules.tou, slot * SLOT_MINUTES % MINUTES_PER_DAY),
                "suggested_uaud_per_kwh": sum(one.sell_price for one in rounds[slot]) // count
                if count
                else None,
                "traded_uaud_per_kwh": paid // p2p_wh if p2p_wh else None,
                "p2p_wh": p2p_wh,
                "battery_mean_wh": sum(battery_wh.values()) // len(battery_wh) if battery_wh else 0,
                "battery_min_wh": min(battery_wh.values(), default=0),
                "battery_max_wh": max(battery_wh.values(), default=0),
            }
        )
    return rows


def whole_day(rows: Sequence[Json]) -> Json:
    """A day of half hours as one row."""
    suggested = [one["suggested_uaud_per_kwh"] for one in rows if one["suggested_uaud_per_kwh"] is not None]
    p2p_wh = sum(one["p2p_wh"] for one in rows)
    paid = sum(one["p2p_wh"] * (one["traded_uaud_per_kwh"] or 0) for one in rows)
    return {
        "start_min": rows[0]["start_min"],
        "tou_uaud_per_kwh": sum(one["tou_uaud_per_kwh"] for one in rows) // len(rows),
        "suggested_uaud_per_kwh": sum(suggested) // len(suggested) if suggested else None,
        "traded_uaud_per_kwh": paid // p2p_wh if p2p_wh else None,
        "p2p_wh": p2p_wh,
        "battery_mean_wh": sum(one["battery_mean_wh"] for one in rows) // len(rows),
        "battery_min_wh": min(one["battery_min_wh"] for one in rows),
        "battery_max_wh": max(one["battery_max_wh"] for one in rows),
    }
