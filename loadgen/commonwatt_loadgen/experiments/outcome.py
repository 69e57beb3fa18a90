# SPDX-License-Identifier: Apache-2.0
"""What all runs of an experiment came to: tables of runs, of homes, and of variants with confidence intervals."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.comparing.figures_of import figures_of
from commonwatt_loadgen.comparing.intervals import LEVEL, interval_of
from commonwatt_loadgen.comparing.totals import read_summary
from commonwatt_loadgen.experiments.one_run import Run
from commonwatt_loadgen.experiments.variants import Variant
from commonwatt_loadgen.frames import write_frame

Json = dict[str, Any]
TABLES = ("runs", "homes", "variants")


def write_outcome(folder: Path, variants: Sequence[Variant], runs: Iterable[Run]) -> dict[str, pd.DataFrame]:
    """Write `runs`, `homes` and `variants` as CSV and, where pyarrow is installed, as Parquet; return them.

    Raises:
        UsageError: a run's summary was damaged or removed.
    """
    chosen = {one.name: _cells(one.choices) for one in variants}
    of_runs, of_homes = [], []
    for run in runs:
        summary = read_summary(run.folder)
        heading = {"variant": run.variant, **chosen[run.variant], "seed": run.seed}
        try:
            community = summary["communities"][0]
            of_runs.append({**heading, **figures_of(community)})
            of_homes += [
                {**heading, "home": home["home"], **{key: home[key] for key in home if key != "home"}}
                for home in community["homes"]
            ]
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise UsageError(f"{run.folder / 'summary.json'}: is incomplete or damaged: {error!r}") from error
    frames = {"runs": _typed(of_runs), "homes": _typed(of_homes)}
    frames["variants"] = _by_variant(frames["runs"], [name for one in chosen.values() for name in one])
    for name, frame in frames.items():
        write_frame(frame, folder / name)
    return frames


def _cells(choices: Json) -> Json:
    """The swept values as cells of a table; lists and mappings as the text that JSON has for them."""
    return {path: str(value) if isinstance(value, (list, dict)) else value for path, value in choices.items()}


def _typed(rows: list[Json]) -> pd.DataFrame:
    """Whole numbers stay whole where some are missing."""
    return pd.DataFrame(rows).convert_dtypes()


def _by_variant(runs: pd.DataFrame, choices: Sequence[str]) -> pd.DataFrame:
    kept = dict.fromkeys(choices)
    numbers = [
        name
        for name in runs.columns
        if name not in ("variant", "seed", *kept)
        and pd.api.types.is_numeric_dtype(runs[name])
        and not pd.api.types.is_bool_dtype(runs[name])
    ]
    rows = []
    for variant, group in runs.groupby("variant", sort=False):
        heading = {"variant": variant, **{path: group[path].iloc[0] for path in kept}}
        for name in numbers:
            values = group[name].dropna().to_numpy(dtype=np.float64)
            if len(values):
                rows.append({**heading, "figure": name, **interval_of(values).cells(LEVEL)})
    return pd.DataFrame(rows)
