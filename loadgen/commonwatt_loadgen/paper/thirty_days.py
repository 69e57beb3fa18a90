# SPDX-License-Identifier: Apache-2.0
"""The paper's market for 30 days instead of one: whether its price settles, and what it does to peaks and emissions.

Homes differ from day to day by noise, as measured ones do; batteries keep what they hold at midnight.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from commonwatt_chaincode.market.parameters import PAPER, Parameters, changed
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_community.hems.noise import with_noise

from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.paper.experiment import PRESETS
from commonwatt_loadgen.paper.sweeps import DEFAULT_PRESET, DEFAULT_USERS
from commonwatt_loadgen.simulate.summary import Tally
from commonwatt_loadgen.traces import default_types

Json = dict[str, Any]

DAYS = 30
SHARES_PERCENT = (20, 50, 70)
NOISE_PERCENT = 20.0
SETTLED_FROM = 3
"""The first days count for nothing: batteries begin empty, and the price with the seed of its history."""


def thirty_days(
    progress: Callable[[int], None] = lambda _: None,
    *,
    days: int = DAYS,
    shares: Sequence[int] = SHARES_PERCENT,
    users: int = DEFAULT_USERS,
) -> list[Json]:
    """The figures for each share of generators; `progress` is told how many days are done."""
    found = []
    for place, share in enumerate(shares):

        def advance(day: int, before: int = place * days) -> None:
            progress(before + day)

        found.append(_run(share, days, users, advance))
    return found


def _run(share: int, days: int, users: int, progress: Callable[[int], None]) -> Json:
    preset = PRESETS[DEFAULT_PRESET]
    rules = changed(Parameters(), {**PAPER, "spill_policy": preset.spill_policy})
    homes = with_noise(
        make_community(
            default_types(preset.usage_scale_ppm),
            [f"home{number:03d}" for number in range(1, users + 1)],
            prosumer_share_ppm=share * 10_000,
            storage_wh=rules.storage_wh,
            seed=0,
        ),
        NOISE_PERCENT,
        0,
    )
    agents = [HomeAgent(home, rules, 0) for home in homes]
    market, tally = InProcessMarket(rules), Tally(homes, rules)
    prices: list[float | None] = []
    for day in range(days):
        record = market.run_day(agents, day)
        tally.add(record)
        energy_wh = sum(one.request.p2p_energy_wh for one in record.rounds)
        paid_naud = sum(one.request.p2p_amount_naud for one in record.rounds)
        prices.append(round(paid_naud / energy_wh / 10_000, 3) if energy_wh else None)  # c per kWh
        progress(day + 1)
    summary = tally.summary()
    figures = summary["key_figures"]
    return {
        "share_percent": share,
        "price_c_per_kwh": prices,
        **stability(prices),
        "peak_import_wh": {way: figures["peak_import"][way]["energy_wh"] for way in ("with", "without")},
        "mean_peak_hour_wh": _peak_hours(summary["hours"], days),
        "imports_kg": {way: round(figures["co2"]["imports_g"][way] / 1000, 1) for way in ("with", "without")},
        "net_kg": {way: round(figures["co2"]["net_g"][way] / 1000, 1) for way in ("with", "without")},
        "saved_percent": summary["totals"]["saved_percent"],
        "worse_off": figures["worse_off"]["homes"],
    }


def stability(prices: Sequence[float | None]) -> Json:
    """How far daily mean prices vary once they settled, and where they drift between the first and the last third."""
    known = [price for price in prices[SETTLED_FROM:] if price is not None]
    if len(known) < 3:
        return {"price_mean": None, "price_variation_percent": None, "price_drift_percent": None}
    mean, third = statistics.fmean(known), len(known) // 3
    drift = statistics.fmean(known[-third:]) - statistics.fmean(known[:third])
    return {
        "price_mean": round(mean, 2),
        "price_variation_percent": round(100 * statistics.pstdev(known) / mean, 2),
        "price_drift_percent": round(100 * drift / mean, 2),
    }


def _peak_hours(hours: Sequence[Json], days: int) -> Json:
    """The largest mean import of an hour of the day, with the market and without it."""
    return {
        "with": max(one["grid_wh"] + one["grid_charge_wh"] for one in hours) // days,
        "without": max(one["without_grid_wh"] for one in hours) // days,
    }
