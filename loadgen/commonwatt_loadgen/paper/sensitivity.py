# SPDX-License-Identifier: Apache-2.0
"""How much each thing that the paper leaves open moves its results: one reading is changed at a time.

All runs are of 60 homes, half of them with PV, with preset NSW, where not said otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from commonwatt_loadgen.paper.experiment import VARIANTS, Experiment, Outcome
from commonwatt_loadgen.paper.sweeps import DEFAULT_PRESET, DEFAULT_USERS, percent, spread

Json = dict[str, Any]

SHARE_PERCENT = 50


@dataclass(frozen=True)
class Reading:
    """One reading of an assumption: its name, and what of the run it changes."""

    label: str
    changes: tuple[tuple[str, Any], ...] = ()


OURS = Reading("ours")
BASELINE = "what a prosumer pays without the market"

ASSUMPTIONS: dict[str, tuple[Reading, ...]] = {
    "how full batteries are at 0:00": (
        Reading("empty (ours)"),
        Reading("half full", (("begin_percent", 50),)),
        Reading("full", (("begin_percent", 100),)),
    ),
    "the order among equal prices": (
        Reading("by the hash of the ids (ours)"),
        Reading("with a second set of ids", (("ties", 1),)),
        Reading("with a third set of ids", (("ties", 2),)),
    ),
    "the size of a battery": (
        Reading("none", (("storage_wh", 0),)),
        Reading("2.5 kWh", (("storage_wh", 2_500),)),
        Reading("5 kWh (ours)"),
        Reading("10 kWh", (("storage_wh", 10_000),)),
        Reading("13.5 kWh", (("storage_wh", 13_500),)),
    ),
    "how much homes use": (
        Reading("10.4 kWh a day (RAW)", (("preset", "RAW"),)),
        Reading("17.5 kWh a day (NSW, ours)"),
        Reading("18.7 kWh a day, surplus paid (FIT)", (("preset", "FIT"),)),
    ),
}


def sensitivity_experiments(seeds: int) -> list[Experiment]:
    """Every run that the table needs, each once."""
    wanted = [
        _changed(reading, seed)
        for readings in ASSUMPTIONS.values()
        for reading in (OURS, *readings)
        for seed in range(seeds)
    ]
    return list(dict.fromkeys(wanted))


def sensitivity_of(outcomes: Sequence[Outcome]) -> list[Json]:
    """Each assumption with its readings: costs in percent of those without the market, and what is traded."""
    by_experiment = {one.experiment: one for one in outcomes}
    seeds = sorted({one.experiment.seed for one in outcomes})

    def runs(reading: Reading) -> list[Outcome]:
        return [by_experiment[_changed(reading, seed)] for seed in seeds]

    rows: list[Json] = [
        {
            "assumption": BASELINE,
            "readings": [
                _figures(f"{name} (ours)" if place == 0 else name, runs(OURS), place)
                for place, name in enumerate(VARIANTS)
            ],
        }
    ]
    rows += [
        {"assumption": name, "readings": [_figures(one.label, runs(one), 0) for one in readings]}
        for name, readings in ASSUMPTIONS.items()
    ]
    for row in rows:
        means = [one["all"]["mean"] for one in row["readings"]]
        row["moves_all_by_points"] = round(max(means) - min(means), 1)
    return rows


def _changed(reading: Reading, seed: int) -> Experiment:
    return replace(Experiment(DEFAULT_PRESET, DEFAULT_USERS, SHARE_PERCENT, seed), **dict(reading.changes))


def _figures(label: str, runs: Sequence[Outcome], variant: int) -> Json:
    """Costs in percent of those without the market, where prosumers' are those of `VARIANTS[variant]`."""
    return {
        "reading": label,
        "consumers": spread([percent(one.consumers_naud, one.consumers_traditional_naud) for one in runs]),
        "prosumers": spread(
            [percent(one.prosumers_naud, one.prosumers_traditional_naud[variant]) for one in runs]
        ),
        "all": spread(
            [
                percent(
                    one.consumers_naud + one.prosumers_naud,
                    one.consumers_traditional_naud + one.prosumers_traditional_naud[variant],
                )
                for one in runs
            ]
        ),
        "p2p_of_need": spread([percent(one.p2p_wh, one.need_wh) for one in runs]),
    }
