# SPDX-License-Identifier: Apache-2.0
"""One side of a comparison: the communities of a simulation, of a variant's runs, or of a whole experiment."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.comparing.totals import read_summary

Json = dict[str, Any]
_SEED = re.compile(r"seed-(\d{1,10})")
RUNS = "runs"


@dataclass(frozen=True)
class Side:
    """Communities by the seed that drew them, and how they were simulated; `variant` is empty of a simulation."""

    variant: str
    schema: str
    run: Json
    communities: dict[int, Json]

    @property
    def summary(self) -> Json:
        """All of them as one summary, as `totals.compare` takes it."""
        return {"schema": self.schema, "run": self.run, "communities": list(self.communities.values())}


def sides_in(folder: Path) -> list[Side]:
    """What a folder of results holds: one side, or one for each variant of an experiment.

    Raises:
        UsageError: the folder holds no results, or damaged ones.
    """
    try:
        variants = sorted(one for one in (folder / RUNS).glob("*") if one.is_dir())
        if variants:
            return [_of_runs(one) for one in variants if any(_seeds(one))]
        if any(_seeds(folder)):
            return [_of_runs(folder)]
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {error.strerror}") from error
    return [_of_simulation(folder)]


def paired_sides(first: Path, second: Path) -> list[tuple[Side, Side]]:
    """The sides of two folders that belong together: the only ones, or those of the same variants.

    Raises:
        UsageError: none do.
    """
    ones, others = sides_in(first), sides_in(second)
    if len(ones) == 1 and len(others) == 1:
        return [(ones[0], others[0])]
    by_name = {one.variant: one for one in others}
    pairs = [(one, by_name[one.variant]) for one in ones if one.variant in by_name]
    if not pairs:
        several = first if len(ones) > 1 else second
        names = ", ".join(one.variant for one in (ones if len(ones) > 1 else others)[:5])
        raise UsageError(
            f"{several}: holds several variants, of which the other folder has none ({names}, ...); name one of them "
            f"by {several / RUNS}/VARIANT"
        )
    return pairs


def _seeds(folder: Path) -> Iterator[tuple[int, Path]]:
    for one in folder.glob("seed-*"):
        found = _SEED.fullmatch(one.name)
        if found and (one / "summary.json").exists():
            yield int(found[1]), one


def _of_runs(folder: Path) -> Side:
    communities: dict[int, Json] = {}
    schema, run = "", {}
    for seed, one in sorted(_seeds(folder)):
        summary = read_summary(one)
        schema, run = summary["schema"], _about(summary, one)
        communities[seed] = _communities(summary, one)[0]
    return Side(folder.name, schema, run, communities)


def _of_simulation(folder: Path) -> Side:
    summary = read_summary(folder)
    run = _about(summary, folder, but="")
    seed = run.get("seed")
    first = seed if isinstance(seed, int) else 0
    communities = dict(enumerate(_communities(summary, folder), first))
    return Side("", summary["schema"], run, communities)


def _about(summary: Json, folder: Path, but: str = "seed") -> Json:
    if not isinstance(summary.get("run"), dict):
        raise UsageError(
            f"{folder / 'summary.json'}: is incomplete or damaged: it does not say how it was run"
        )
    return {name: value for name, value in summary["run"].items() if name != but}


def _communities(summary: Json, folder: Path) -> list[Json]:
    communities = summary.get("communities")
    if (
        not isinstance(communities, list)
        or not communities
        or not all(isinstance(one, dict) for one in communities)
    ):
        raise UsageError(f"{folder / 'summary.json'}: is incomplete or damaged: it holds no communities")
    return communities
