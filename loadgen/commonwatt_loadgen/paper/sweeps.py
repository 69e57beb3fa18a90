# SPDX-License-Identifier: Apache-2.0
"""The sweeps over users and generators, run on all cores, and their means."""

import multiprocessing
import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from commonwatt_loadgen.paper.experiment import PRESETS, VARIANTS, Experiment, Outcome, run
from commonwatt_loadgen.paper.targets import DEFAULT_DAY, TARGETS

Json = dict[str, Any]

SHARES_PERCENT = tuple(range(0, 100, 10))
USERS = tuple(range(10, 110, 10))
DEFAULT_USERS, DEFAULT_SHARE_PERCENT, DEFAULT_PRESET = 60, 20, "NSW"


def experiments(seeds: int) -> list[Experiment]:
    """Every run: shares of generators for each preset, numbers of users for the default one; each once."""
    wanted = [
        Experiment(preset, DEFAULT_USERS, share, seed)
        for preset in PRESETS
        for share in SHARES_PERCENT
        for seed in range(seeds)
    ]
    wanted += [
        Experiment(DEFAULT_PRESET, users, DEFAULT_SHARE_PERCENT, seed)
        for users in USERS
        for seed in range(seeds)
    ]
    return list(dict.fromkeys(wanted))


def run_all(wanted: Sequence[Experiment], processes: int, progress: Callable[[int], None]) -> list[Outcome]:
    """The outcomes in the order asked for; `progress` is told how many are done."""
    if processes == 1:
        return list(_counted(map(run, wanted), progress))
    # The dearest runs first, so that no process is left alone with one at the end.
    by_cost = sorted(range(len(wanted)), key=lambda place: -wanted[place].share_percent * wanted[place].users)
    outcomes: dict[int, Outcome] = {}
    # Spawned: a fork of a process whose gRPC threads run may crash.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = pool.map(run, [wanted[place] for place in by_cost], chunksize=8)
        for place, outcome in zip(by_cost, _counted(results, progress), strict=True):
            outcomes[place] = outcome
    return [outcomes[place] for place in range(len(wanted))]


def _counted(results: Iterable[Outcome], progress: Callable[[int], None]) -> Iterable[Outcome]:
    for count, outcome in enumerate(results, 1):
        progress(count)
        yield outcome


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def summary_of(outcomes: Sequence[Outcome], seeds: int) -> Json:
    """Means and single-run deviations, and the table of targets."""
    shares = {
        preset: [_point(_select(outcomes, preset, DEFAULT_USERS, share), share) for share in SHARES_PERCENT]
        for preset in PRESETS
    }
    users = [
        {
            "users": count,
            **_point(_select(outcomes, DEFAULT_PRESET, count, DEFAULT_SHARE_PERCENT), DEFAULT_SHARE_PERCENT),
        }
        for count in USERS
    ]
    return {
        "schema": "commonwatt-paper-1",
        "definitions": {
            "mean": "mean over the seeds",
            "sd": "standard deviation of a single run",
            "consumers": "consumers' cost with the market, percent of their cost without it",
            "prosumers": "prosumers' cost, percent of their cost without the market (all PV at the feed-in tariff)",
            "all": "both together",
            "prosumers_of_consumers": "a prosumer's cost, percent of a consumer's cost without the market",
            "p2p_of_need": "energy bought from neighbours, percent of what had to be bought",
            "midday_p2p_of_need": "the same from 10 to 16 h alone",
            "by_hour": "energy and money by the hour in which they flowed: an interval counts minute by minute",
            "reference": "an independent simulation of the same rules; the paper is another matter",
            "nsw_less_paper": "our mean with preset NSW less the paper's figure, in points of percent; where the paper "
            "says “below 0”, less 0",
            "variants": "prosumers' cost without the market by five readings, percent of a consumer's",
        },
        "seeds": seeds,
        "presets": {name: preset.description for name, preset in PRESETS.items()},
        "shares": shares,
        "users": users,
        "targets": [_compared(shares, place) for place in range(len(TARGETS))],
        "default_day": {
            str(share): {
                "ours": next(one for one in shares[DEFAULT_PRESET] if one["share_percent"] == share)[
                    "counts"
                ],
                "reference": reference,
            }
            for share, reference in DEFAULT_DAY.items()
        },
    }


def _select(outcomes: Sequence[Outcome], preset: str, users: int, share: int) -> list[Outcome]:
    return [
        one for one in outcomes if one.experiment == Experiment(preset, users, share, one.experiment.seed)
    ]


def _point(runs: Sequence[Outcome], share: int) -> Json:
    return {
        "share_percent": share,
        "consumers": spread([percent(one.consumers_naud, one.consumers_traditional_naud) for one in runs]),
        "prosumers": spread([percent(one.prosumers_naud, one.prosumers_traditional_naud[0]) for one in runs]),
        "all": spread(
            [
                percent(
                    one.consumers_naud + one.prosumers_naud,
                    one.consumers_traditional_naud + one.prosumers_traditional_naud[0],
                )
                for one in runs
            ]
        ),
        "prosumers_of_consumers": spread([_of_consumers(one, one.prosumers_naud) for one in runs]),
        "variants": {
            name: spread([_of_consumers(one, one.prosumers_traditional_naud[place]) for one in runs])
            for place, name in enumerate(VARIANTS)
        },
        "p2p_of_need": spread([percent(one.p2p_wh, one.need_wh) for one in runs]),
        "midday_p2p_of_need": spread([_midday_percent(one) for one in runs]),
        "use_kwh_per_user": spread([one.use_wh / one.experiment.users / 1000 for one in runs]),
        "need_kwh_per_user": spread([one.need_wh / one.experiment.users / 1000 for one in runs]),
        "counts": {
            name: spread([getattr(one, name) for one in runs]) for name in ("requests", "offers", "fills")
        },
        "p2p_by_hour_kwh": _hourly([one.p2p_by_hour_wh for one in runs], 1000),
        "grid_by_hour_kwh": _hourly([one.grid_by_hour_wh for one in runs], 1000),
        "paid_by_hour_aud": _hourly([one.paid_by_hour_naud for one in runs], 1_000_000_000),
    }


def percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _midday_percent(one: Outcome) -> float | None:
    p2p_wh, grid_wh = sum(one.p2p_by_hour_wh[10:16]), sum(one.grid_by_hour_wh[10:16])
    return percent(p2p_wh, p2p_wh + grid_wh)


def _of_consumers(one: Outcome, prosumers_naud: int) -> float | None:
    """A prosumer's cost in percent of a consumer's traditional cost; None where either class is empty."""
    if not one.prosumers or not one.consumers:
        return None
    return 100 * prosumers_naud * one.consumers / (one.prosumers * one.consumers_traditional_naud)


def spread(values: Sequence[float | None]) -> Json | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else 0.0
    return {"mean": round(statistics.fmean(known), 2), "sd": round(deviation, 2)}


def _hourly(rows: Sequence[Sequence[int]], unit: int) -> list[float]:
    return [round(statistics.fmean(column) / unit, 4) for column in zip(*rows, strict=True)]


def _compared(shares: Json, place: int) -> Json:
    target = TARGETS[place]
    ours = {
        preset: next(one for one in points if one["share_percent"] == target.share_percent)[target.key]
        for preset, points in shares.items()
    }
    spread = target.spread.get(DEFAULT_PRESET) or ours[DEFAULT_PRESET]["sd"]
    mean = ours[DEFAULT_PRESET]["mean"]
    distance = abs(mean - target.reference[DEFAULT_PRESET])
    return {
        "label": target.label,
        "paper": target.paper_says,
        "ours": ours,
        "reference": target.reference,
        "nsw_within_one_spread": distance <= spread,
        "nsw_less_paper": round(mean - (target.paper or 0.0), 1),
    }
