# SPDX-License-Identifier: Apache-2.0
"""Two simulations side by side: their totals, and what differs in how they were run."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.forward.definitions import SCHEMA as FORWARD_SCHEMA
from commonwatt_loadgen.report.units import aud_of

Json = dict[str, Any]
SCHEMA = "commonwatt-simulation-1"
LARGEST_BYTES = 256 * 2**20  # a summary of a thousand communities is smaller


@dataclass(frozen=True)
class Compared:
    """A figure of both simulations; None where one has none."""

    name: str
    unit: str
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """The second less the first."""
        if self.first is None or self.second is None:
            return None
        return round(self.second - self.first, 6)


def read_summary(folder: Path) -> Json:
    """The summary of a folder of results.

    Raises:
        UsageError: the folder holds none, or one that this program cannot read.
    """
    path = folder / "summary.json"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path}: is larger than {LARGEST_BYTES >> 20} MiB, and no summary")
        summary = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"{folder}: holds no summary.json of a simulation") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not JSON") from error
    schema = summary.get("schema") if isinstance(summary, dict) else None
    if schema not in _FIGURES:
        known = " or ".join(_FIGURES)
        raise UsageError(f"{path}: is no summary of `commonwatt simulate` (its schema is not {known})")
    return dict(summary)


def compare(first: Json, second: Json) -> tuple[list[Compared], dict[str, tuple[Any, Any]]]:
    """The totals of all communities of both, and the options that differ; money as the reports have it, to the cent.

    Of two markets those figures are compared that both have.

    Raises:
        UsageError: a summary lacks what it should have.
    """
    try:
        others = {(name, unit): figure for name, unit, figure in _FIGURES[second["schema"]]}
        totals = [
            Compared(name, unit, figure(first["communities"]), others[name, unit](second["communities"]))
            for name, unit, figure in _FIGURES[first["schema"]]
            if (name, unit) in others
        ]
        return totals, _differing(dict(first["run"]), dict(second["run"]))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise UsageError(f"a summary.json is incomplete or damaged: {error!r}") from error


def _differing(first: Json, second: Json) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (first.get(name), second.get(name)) for name in {**first, **second}}
    return {name: (one, other) for name, (one, other) in pairs.items() if one != other}


def _total(name: str, unit: float = 1) -> Callable[[list[Json]], float]:
    return lambda communities: round(sum(one["totals"][name] for one in communities) / unit, 6)


def _key(name: str, within: str, unit: float = 1) -> Callable[[list[Json]], float]:
    return lambda communities: round(sum(one["key_figures"][name][within] for one in communities) / unit, 6)


def _share(part: str, whole: str) -> Callable[[list[Json]], float | None]:
    def figure(communities: list[Json]) -> float | None:
        of = sum(one["totals"][whole] for one in communities)
        return round(100 * sum(one["totals"][part] for one in communities) / of, 3) if of else None

    return figure


def _money(name: str) -> Callable[[list[Json]], float]:
    return lambda communities: aud_of(_homes(communities), name)


def _saved(kind: str = "", losers: bool = False) -> Callable[[list[Json]], float]:
    def figure(communities: list[Json]) -> float:
        homes = [
            one
            for one in _homes(communities)
            if kind in ("", one["class"]) and not (losers and one["saved_naud"] >= 0)
        ]
        return round(aud_of(homes, "same_equipment_naud") - aud_of(homes, "amount_naud"), 2)

    return figure


def _homes(communities: list[Json]) -> list[Json]:
    return [home for one in communities for home in one["homes"]]


_KWH = 1000
_Figures = tuple[tuple[str, str, Callable[[list[Json]], float | None]], ...]
_OF_ALL: _Figures = (
    ("homes", "", _total("homes")),
    ("prosumers", "", _total("prosumers")),
    ("days", "", lambda communities: communities[0]["totals"]["days"]),
    ("same equipment, no market", "AUD", _money("same_equipment_naud")),
    ("with market", "AUD", _money("amount_naud")),
    ("saved", "AUD", _saved()),
    ("saved", "%", _share("saved_naud", "same_equipment_naud")),
    ("saved by prosumers", "AUD", _saved("prosumer")),
    ("saved by consumers", "AUD", _saved("consumer")),
    ("homes worse off", "", _key("worse_off", "homes")),
    ("saved by those homes", "AUD", _saved(losers=True)),
    ("use", "kWh", _total("use_wh", _KWH)),
    ("generation", "kWh", _total("generation_wh", _KWH)),
    ("from the grid", "kWh", _key("grid_import_wh", "with", unit=_KWH)),
    ("fed into the grid", "kWh", _key("grid_export_wh", "with", unit=_KWH)),
    ("left in batteries", "kWh", _total("battery_end_wh", _KWH)),
    ("requests", "", _total("requests")),
    ("offers", "", _total("offers")),
)
_FIGURES: dict[str, _Figures] = {
    SCHEMA: (
        *_OF_ALL,
        ("traded", "kWh", _total("p2p_wh", _KWH)),
        ("traded, of need", "%", _share("p2p_wh", "need_wh")),
        ("fills", "", _total("fills")),
    ),
    FORWARD_SCHEMA: (
        *_OF_ALL,
        ("traded", "kWh", _total("bought_wh", _KWH)),
        ("shared", "kWh", _total("shared_in_wh", _KWH)),
        ("bought and not imported", "kWh", _total("over_wh", _KWH)),
        ("sold and not exported", "kWh", _total("missing_wh", _KWH)),
        ("beyond the envelope", "kWh", _total("breach_wh", _KWH)),
        ("paid for forecasts that erred", "AUD", _money("imbalance_naud")),
        ("periods", "", _total("periods")),
    ),
}
