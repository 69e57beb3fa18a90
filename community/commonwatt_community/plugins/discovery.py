# SPDX-License-Identifier: Apache-2.0
"""Parts that you choose by name: the kit's own, and those that installed packages offer as entry points.

A package offers a forecast in its pyproject.toml::

    [project.entry-points."commonwatt.forecasts"]
    tide = "commonwatt_tide:Tide"

A plug-in is loaded when it is chosen, or when all are listed. One that fails to load is named and skipped; nothing else
fails because of it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, cast

from commonwatt_client.exit_codes import UsageError

from commonwatt_community.hems.forward.forecast import PERIOD_FORECASTS
from commonwatt_community.hems.forward.plan import PLANS
from commonwatt_community.hems.strategy import STRATEGIES
from commonwatt_community.mechanisms import MECHANISMS
from commonwatt_community.plugins.shapes import (
    Check,
    battery_flaw,
    forecast_flaw,
    mechanism_flaw,
    meter_flaw,
    strategy_flaw,
)

METERS = ("replay", "mqtt", "http", "file", "modbus")
Kind = Literal["strategies", "forecasts", "batteries", "meters", "mechanisms", "traces"]
KINDS_GROUP = "commonwatt.plugin_kinds"

_log = logging.getLogger(__name__)


class PluginError(UsageError):
    """A plug-in that was asked for does not exist or cannot be used."""


@dataclass(frozen=True)
class Broken:
    """A plug-in that is skipped, and why."""

    name: str
    package: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} of package {self.package}: {self.reason}"


@dataclass(frozen=True)
class About:
    """What a kind is called for one of it, what the kit has of it and in which distribution, and what is wrong with an
    object as one.
    """

    one: str
    own: Mapping[str, Any]
    flaw: Check
    package: str = "commonwatt-community"


_KINDS: dict[Kind, About] = {
    "strategies": About("strategy", STRATEGIES, strategy_flaw),
    "forecasts": About("forecast", PERIOD_FORECASTS, forecast_flaw),
    "batteries": About("battery plan", PLANS, battery_flaw),
    "meters": About("meter", dict.fromkeys(METERS), meter_flaw),  # the kit's are made by `home.meter` alone
    "mechanisms": About("mechanism", MECHANISMS, mechanism_flaw),
}


@cache
def _further_kinds() -> dict[Kind, About]:
    """The kinds that other distributions of the kit name by entry points; what they import may be much."""
    return {cast(Kind, entry.name): entry.load() for entry in entry_points(group=KINDS_GROUP)}


def _about(kind: Kind) -> About:
    return _KINDS[kind] if kind in _KINDS else _further_kinds()[kind]


def kinds() -> Mapping[Kind, str]:
    """The kinds of plug-ins, with what one of a kind is called."""
    return {kind: about.one for kind, about in (_KINDS | _further_kinds()).items()}


def names(kind: Kind) -> list[str]:
    """The names that can be chosen, the kit's own first. Nothing is loaded: one of them may turn out to be broken."""
    return list(dict.fromkeys([*_about(kind).own, *(entry.name for entry in _offered(kind))]))


def choose(kind: Kind, name: str) -> Any:
    """The strategy's or forecast's factory, the planner, or the meter's factory of this name.

    Raises:
        PluginError: there is none of this name, or it cannot be used; the message says why.
    """
    about = _about(kind)
    if name in about.own:
        return about.own[name]
    offered = [entry for entry in _offered(kind) if entry.name == name]
    if not offered:
        raise PluginError(
            f"{name[:40]} is no {about.one}: {', '.join(names(kind))} are known. "
            "`commonwatt plugin list` names those of installed packages"
        )
    found = _loaded(kind, offered)
    if isinstance(found, Broken):
        raise PluginError(f"the {about.one} {found}")
    return found


def working(kind: Kind, told: Callable[[Broken], None] | None = None) -> dict[str, Any]:
    """All of a kind that can be used, by name. `told` hears of each one that is skipped; by default the log does."""
    found: dict[str, Any] = dict(_about(kind).own)
    offered: dict[str, list[EntryPoint]] = {}
    for entry in _offered(kind):
        offered.setdefault(entry.name, []).append(entry)
    for name, entries in offered.items():
        one = Broken(name, package_of(entries[0]), _TAKEN) if name in found else _loaded(kind, entries)
        if not isinstance(one, Broken):
            found[name] = one
        elif told is not None:
            told(one)
        else:
            _log.warning("plug-in %s; it is skipped", one)
    return found


_TAKEN = "the kit has one of this name already; the package must choose another"


def package_of(entry: EntryPoint) -> str:
    """The distribution that offers a plug-in."""
    return entry.dist.name if entry.dist is not None else "unknown"


def flaw(kind: Kind, found: Any) -> str | None:
    """What is wrong with an object as one of a kind; None: nothing that can be seen. For plug-ins' own tests."""
    return _about(kind).flaw(found)


def origin(kind: Kind, name: str) -> str:
    """The package that offers the part of this name."""
    if name in _about(kind).own:
        return _about(kind).package
    return next((package_of(entry) for entry in _offered(kind) if entry.name == name), "unknown")


def _offered(kind: Kind) -> list[EntryPoint]:
    found = entry_points(group=f"commonwatt.{kind}")
    return sorted(found, key=lambda entry: (entry.name, package_of(entry)))


def _loaded(kind: Kind, entries: list[EntryPoint]) -> Any | Broken:
    entry = entries[0]
    packages = sorted({package_of(one) for one in entries})
    if len(entries) > 1:
        return Broken(entry.name, " and ".join(packages), "two plug-ins have this name; uninstall one")
    try:
        found = entry.load()
        flaw = _about(kind).flaw(found)
    except Exception as error:  # a stranger's module may fail in any way
        _log.debug("plug-in %s", entry.name, exc_info=True)
        return Broken(entry.name, packages[0], f"{entry.value} does not load: {_said(error)}")
    return Broken(entry.name, packages[0], f"{entry.value} {flaw}") if flaw else found


def _said(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
