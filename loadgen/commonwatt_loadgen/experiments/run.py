# SPDX-License-Identifier: Apache-2.0
"""A whole experiment: every run that is not kept yet on all cores, then the tables; a killed one goes on."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from commonwatt_client.exit_codes import CommandError, UsageError
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from commonwatt_loadgen.experiments.file import ExperimentFile
from commonwatt_loadgen.experiments.one_run import KEPT, SCHEMA, Run, simulate_run
from commonwatt_loadgen.experiments.orphans import end_with
from commonwatt_loadgen.experiments.outcome import write_outcome
from commonwatt_loadgen.experiments.plan import RUNS, runs_of
from commonwatt_loadgen.experiments.versions import versions

Json = dict[str, Any]
Progress = Callable[[int, int], None]  # runs that are kept, and in all
FILE, ABOUT = "experiment.yaml", "experiment.json"
EXPERIMENT_SCHEMA = "commonwatt-experiment-1"


def run_experiment(
    experiment: ExperimentFile,
    text: str,
    files: Path,
    out: Path,
    jobs: int,
    progress: Progress,
    *,
    anew: bool,
) -> dict[str, pd.DataFrame]:
    """Run what `out` does not hold yet, and write the tables; `text` is the file's, kept beside them.

    `anew` throws away what `out` holds of an earlier experiment.

    Raises:
        UsageError: data or options cannot be used, or `out` holds runs of another experiment.
        CommandError: a process that ran a part was killed.
    """
    runs = runs_of(experiment, files, out)
    with _held(out):
        if anew:
            shutil.rmtree(out / RUNS, ignore_errors=True)
        waiting = [run for run in runs if not _is_kept(run)]
        _write(out / FILE, text)
        _write(out / ABOUT, _about(experiment, runs))
        progress(len(runs) - len(waiting), len(runs))
        for count, _ in enumerate(_simulated(waiting, jobs), len(runs) - len(waiting) + 1):
            progress(count, len(runs))
        return write_outcome(out, experiment.variants, runs)


def _simulated(waiting: Sequence[Run], jobs: int) -> Iterator[Run]:
    for run in waiting:
        run.folder.mkdir(parents=True, exist_ok=True)
    try:
        yield from Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(
            delayed(_simulated_for)(os.getpid(), run) for run in waiting
        )
    except TerminatedWorkerError as error:
        raise CommandError(
            "a process that simulated a part was killed, most often for want of memory; the same command goes on "
            "from here, with --jobs 1 in the least memory"
        ) from error


def _simulated_for(parent: int, run: Run) -> Run:
    end_with(parent)
    return simulate_run(run)


def _is_kept(run: Run) -> bool:
    """Whether a run's results are there; UsageError where they are those of other settings, data or versions."""
    path = run.folder / KEPT
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read; delete the folder {run.folder}") from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise UsageError(f"{path}: is no run of an experiment; name another folder by --out")
    if told.get("identity") != run.identity:
        raise UsageError(
            f"{run.folder}: holds a run with {_difference(told, run)}; name another folder by --out, or throw the "
            "earlier runs away by --anew"
        )
    return True


def _difference(told: Json, run: Run) -> str:
    known, wanted = told.get("setting"), run.setting.counting()
    if isinstance(known, dict):
        names = [name for name in wanted if known.get(name) != wanted[name]]
        if names:
            return f"another value of {', '.join(names)}"
    return "other data, other tables, or another version of the kit"


def _about(experiment: ExperimentFile, runs: Sequence[Run]) -> str:
    about = {
        "schema": EXPERIMENT_SCHEMA,
        "name": experiment.name,
        "about": experiment.about,
        "versions": versions(),
        "seeds": experiment.seeds,
        "variants": [
            {"variant": one.name, "choices": one.choices, "setting": one.setting.counting()}
            for one in experiment.variants
        ],
        "runs": len(runs),
    }
    return json.dumps(about, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, "utf-8")
    os.replace(unfinished, path)


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the folder for one run of an experiment; the lock goes with the process, however it ends."""
    descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"{out}: another `experiment run` writes there; wait for its end") from error
        yield
    finally:
        os.close(descriptor)
