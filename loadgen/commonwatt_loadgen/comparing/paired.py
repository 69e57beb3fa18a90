# SPDX-License-Identifier: Apache-2.0
"""Paired differences, the second less the first: by seed and by home, with their confidence intervals.

Communities of equal seeds, homes, shares and data are the same, so each is its own control. Homes of one community
trade with each other, so an interval by home speaks of those communities' homes; one by seed of communities that could
be drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.comparing.figures_of import figures_of
from commonwatt_loadgen.comparing.intervals import LEVEL, interval_of
from commonwatt_loadgen.comparing.sides import Side

Json = dict[str, Any]
_DRAWN = ("class", "usage_type", "generation_type")
_CLASSES = ("all", "prosumer", "consumer")


@dataclass(frozen=True)
class Paired:
    """What two sides have in common, and how they differ.

    `seeds` are those of both. `seed_differences` has a row for each seed and figure, `by_seed` one for each figure.
    `home_differences` has a row for each seed and home, `by_home` one for each class and figure. Both are empty where
    a seed's homes are not the same on both sides.
    """

    seeds: list[int]
    by_seed: pd.DataFrame
    by_home: pd.DataFrame
    seed_differences: pd.DataFrame
    home_differences: pd.DataFrame
    same_homes: bool

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {
            "by_seed": self.by_seed,
            "by_home": self.by_home,
            "seed_differences": self.seed_differences,
            "home_differences": self.home_differences,
        }


def paired(first: Side, second: Side) -> Paired:
    """Pair what both sides drew by the same seeds.

    Raises:
        UsageError: a summary lacks what it should have.
    """
    try:
        return _paired(first, second)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"a summary.json is incomplete or damaged: {error!r}") from error


def _paired(first: Side, second: Side) -> Paired:
    seeds = sorted(first.communities.keys() & second.communities.keys())
    of_seeds = pd.DataFrame([row for seed in seeds for row in _of_seed(seed, first, second)])
    same = bool(seeds) and all(_same_homes(first.communities[one], second.communities[one]) for one in seeds)
    of_homes = pd.DataFrame([row for seed in seeds for row in _of_homes(seed, first, second)] if same else [])
    return Paired(
        seeds,
        _intervals(of_seeds, "seeds"),
        pd.concat([_of_class(of_homes, name) for name in _CLASSES], ignore_index=True)
        if same
        else pd.DataFrame(),
        of_seeds,
        of_homes,
        same,
    )


def _of_seed(seed: int, first: Side, second: Side) -> Iterator[Json]:
    ones, others = (figures_of(side.communities[seed]) for side in (first, second))
    for name in ones:
        one: Any = ones[name]
        other: Any = others.get(name)
        if _is_number(one) and _is_number(other):
            yield {"seed": seed, "figure": name, "first": one, "second": other, "difference": other - one}


def _of_homes(seed: int, first: Side, second: Side) -> Iterator[Json]:
    ones, others = (side.communities[seed]["homes"] for side in (first, second))
    for one, other in zip(ones, others, strict=True):
        for name in one:
            if name in other and _is_number(one[name]) and _is_number(other[name]):
                yield {
                    "seed": seed,
                    "home": one["home"],
                    "class": one["class"],
                    "figure": name,
                    "first": one[name],
                    "second": other[name],
                    "difference": other[name] - one[name],
                }


def _same_homes(one: Json, other: Json) -> bool:
    """Whether the homes are the same draws: who has panels, and whose traces each follows."""
    return [_drawn(home) for home in one["homes"]] == [_drawn(home) for home in other["homes"]]


def _drawn(home: Json) -> Sequence[str]:
    return [home["home"], *(home[name] for name in _DRAWN)]


def _of_class(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    chosen = rows if name == "all" else rows[rows["class"] == name]
    if chosen.empty:
        return pd.DataFrame()
    found = _intervals(chosen, "homes")
    found.insert(0, "class", name)
    return found


def _intervals(rows: pd.DataFrame, counted: str) -> pd.DataFrame:
    found = []
    for name, group in rows.groupby("figure", sort=False) if len(rows) else ():
        differences = group["difference"].to_numpy(dtype=np.float64)
        interval = interval_of(differences)
        found.append(
            {
                "figure": name,
                "first": float(group["first"].mean()),
                "second": float(group["second"].mean()),
                "difference": interval.mean,
                "sd": interval.sd,
                "low": interval.low,
                "high": interval.high,
                "level": LEVEL,
                counted: interval.count,
                "higher": int((differences > 0).sum()),
                "lower": int((differences < 0).sum()),
            }
        )
    return pd.DataFrame(found)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
