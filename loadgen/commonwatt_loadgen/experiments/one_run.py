# SPDX-License-Identifier: Apache-2.0
"""One run of an experiment: a variant with a seed, simulated in this process and kept in a folder of its own."""

import functools
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_loadgen.experiments.options import options_of
from commonwatt_loadgen.experiments.setting import Setting
from commonwatt_loadgen.experiments.versions import versions
from commonwatt_loadgen.forward.community import community_in_process as forward_community
from commonwatt_loadgen.forward.run import opening as forward_opening
from commonwatt_loadgen.simulate.inprocess import community_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import opening, write_summary
from commonwatt_loadgen.traces import Problem, TraceSet

Json = dict[str, Any]
KEPT = "run.json"
SCHEMA = "commonwatt-experiment-run-1"


@dataclass(frozen=True)
class Run:
    """What one run is: `identity` is a digest of all that its results follow from."""

    variant: str
    setting: Setting
    seed: int
    identity: str
    files: Path
    folder: Path
    tables: str

    @property
    def is_kept(self) -> bool:
        """Whether its results are whole."""
        return (self.folder / KEPT).exists()


def simulate_run(run: Run) -> Run:
    """Simulate, and keep `summary.json`, the tables that are wanted, and last of all `run.json`.

    Raises:
        UsageError: the data cannot be used.
    """
    started_s = time.monotonic()
    options = options_of(run.setting, run.seed, run.files, run.folder, tables=run.tables)
    options.check()
    if isinstance(options, SimulationOptions):
        traces, problems = _traces(_reading(options))
        community = community_in_process(options, traces, 0, folder=run.folder, alone=True)
        summary = {**opening(options, traces, problems, [community], "", "in-process"), "performance": {}}
        write_summary(options, summary)
    else:
        traces, problems = _traces(_reading(options.run))
        community = forward_community(options, traces, 0, folder=run.folder, alone=True)
        write_summary(options.run, forward_opening(options, traces, problems, [community], "", "in-process"))
    told = {
        "schema": SCHEMA,
        "variant": run.variant,
        "seed": run.seed,
        "setting": run.setting.counting(),
        "identity": run.identity,
        "versions": versions(),
        "elapsed_s": round(time.monotonic() - started_s, 3),
    }
    unfinished = run.folder / f".{KEPT}.unfinished"
    unfinished.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(unfinished, run.folder / KEPT)
    return run


def _reading(options: SimulationOptions) -> SimulationOptions:
    """What of the options says how the data are read: the same for runs that share them."""
    return SimulationOptions(
        traces=options.traces,
        layout=options.layout,
        columns=options.columns,
        zone=options.zone,
        meters=options.meters,
        trace_day=options.trace_day,
        strict=options.strict,
        pv=options.pv,
    )


@functools.lru_cache(maxsize=1)
def _traces(reading: SimulationOptions) -> tuple[TraceSet, list[Problem]]:
    """A process reads data once for all runs that follow each other."""
    return reading.trace_set()
