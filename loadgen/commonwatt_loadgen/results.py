# SPDX-License-Identifier: Apache-2.0
"""Results as typed pandas frames: `load(folder)` takes what `simulate`, `experiment run` and `compare --out` write.

from commonwatt_loadgen import results

frames = results.load("out/simulate")
frames["households"].groupby("class")["saved_naud"].sum()
"""

from pathlib import Path
from typing import Any

import pandas as pd
from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.comparing.figures_of import figures_of
from commonwatt_loadgen.comparing.totals import read_summary
from commonwatt_loadgen.frames import has_pyarrow, read_table
from commonwatt_loadgen.simulate.tables import TABLES

__all__ = ["load"]

Json = dict[str, Any]
_EXPERIMENT = ("runs", "homes", "variants")
_COMPARISON = ("by_seed", "by_home", "seed_differences", "home_differences")


def load(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The frames of a folder of results, by name.

    Of a simulation: `communities`, `households` and `hours` from its summary, and the tables that it wrote of `homes`,
    `trades`, `rounds`, `periods`, `pairs` and `bills`. Where there are several communities, `community` names each
    row's. Of an experiment: `runs`, `homes` and `variants`. Of a comparison: `by_seed`, `by_home`,
    `seed_differences` and `home_differences`. Energy is in Wh (`_wh`), money in 10^-9 AUD (`_naud`), both `Int64`;
    times are `datetime64[s]` and local.

    Raises:
        UsageError: the folder holds no results, or damaged ones.
    """
    place = Path(folder)
    for names in (_EXPERIMENT, _COMPARISON):
        if all((place / f"{name}.csv").exists() for name in names):
            return {name: _read_frame(place / name) for name in names}
    if (place / "experiment.json").exists():
        raise UsageError(
            f"{place}: not all runs of the experiment are done; go on by `commonwatt experiment run`"
        )
    return _of_simulation(place)


def _of_simulation(folder: Path) -> dict[str, pd.DataFrame]:
    summary = read_summary(folder)
    try:
        communities: list[Json] = summary["communities"]
        several = len(communities) > 1
        found = {
            "communities": _frame([{"community": one["channel"], **figures_of(one)} for one in communities]),
            "households": _frame(_rows(communities, "homes")),
            "hours": _frame(_rows(communities, "hours")),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / 'summary.json'}: is incomplete or damaged: {error!r}") from error
    for name in TABLES:
        parts = []
        for one in communities:
            path = (folder / one["channel"] if several else folder) / f"{name}.csv"
            if path.exists():
                frame = read_table(path)
                if several:
                    frame.insert(0, "community", one["channel"])
                parts.append(frame)
        if parts:
            found[name] = pd.concat(parts, ignore_index=True)
    return found


def _rows(communities: list[Json], part: str) -> list[Json]:
    return [{"community": one["channel"], **row} for one in communities for row in one[part]]


def _frame(rows: list[Json]) -> pd.DataFrame:
    return pd.DataFrame(rows).convert_dtypes()


def _read_frame(path: Path) -> pd.DataFrame:
    parquet = path.with_name(f"{path.name}.parquet")
    csv = path.with_name(f"{path.name}.csv")
    try:
        if parquet.exists() and has_pyarrow():
            return pd.read_parquet(parquet).convert_dtypes()
        return pd.read_csv(csv).convert_dtypes() if csv.stat().st_size > 1 else pd.DataFrame()
    except (ValueError, OSError) as error:
        raise UsageError(f"{csv}: cannot be read: {error}") from error
