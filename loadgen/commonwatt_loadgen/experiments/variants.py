# SPDX-License-Identifier: Apache-2.0
"""From a setting and what of it is swept to the variants: every value with every other one."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commonwatt_loadgen.experiments.setting import ONLY_IN, Setting

Json = dict[str, Any]
MOST_VARIANTS = 10_000
LONGEST_NAME = 120
SINGLE = "all"
"""The name of the one variant of an experiment that sweeps nothing."""


@dataclass(frozen=True)
class Variant:
    """A setting, and the swept values that make it; `name` names its folder."""

    name: str
    choices: Json
    setting: Setting


def with_value(setting: Setting, choices: Mapping[str, Any]) -> Setting:
    """The setting with keys replaced, dotted where they are nested; raises pydantic's ValidationError."""
    content = setting.model_dump(exclude_unset=True)
    for path, value in choices.items():
        *outer, last = path.split(".")
        place = content
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value
    return Setting.model_validate(content)


def variants_of(setting: Setting, sweep: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Every variant once: two that differ in nothing that counts in their market are one."""
    found: dict[str, Variant] = {}
    names: set[str] = set()
    for values in itertools.product(*sweep.values()):
        choices = dict(zip(sweep, values, strict=True))
        one = with_value(setting, choices)
        identity = json.dumps(one.counting(), sort_keys=True)
        if identity in found:
            continue
        counting = {path: value for path, value in choices.items() if _counts(path, one.market)}
        name = _name(counting, sweep)
        if name in names:
            name = f"{name[: LONGEST_NAME - 6]}-{len(found) + 1}"
        names.add(name)
        found[identity] = Variant(name, counting, one)
    return list(found.values())


def _counts(path: str, market: str) -> bool:
    return all(where == market for key, where in ONLY_IN.items() if path == key or path.startswith(f"{key}."))


def _name(choices: Json, sweep: Mapping[str, Sequence[Any]]) -> str:
    parts = []
    for path, value in choices.items():
        key = path.rpartition(".")[2]
        if isinstance(value, (list, dict)):  # named after its place in the list
            value = next(number for number, one in enumerate(sweep[path], 1) if one == value)
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        parts.append(f"{key}={re.sub(r'[^A-Za-z0-9_.-]+', '-', shown)}")
    return ",".join(parts)[:LONGEST_NAME] or SINGLE
