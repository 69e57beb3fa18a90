# SPDX-License-Identifier: Apache-2.0
"""A meter's values in JSON or text, by the paths of home.yaml, as counts: for meters over MQTT and HTTP."""

import json
from collections.abc import Mapping
from typing import Any

from .counted import Counted, Tell
from .counting import Bounds, Counter, PowerIntegral, signed_number
from .settings import Unit

LARGEST_PAYLOAD = 65_536
MISSING = "nothing"
_WH = {"Wh": 1.0, "kWh": 1_000.0, "MWh": 1_000_000.0}


def value_at(payload: bytes, path: str | None) -> object:
    """The value at a path such as ``ENERGY.Total`` or ``phases.0.power``; the whole payload without one."""
    if len(payload) > LARGEST_PAYLOAD:
        return f"a payload of {len(payload)} bytes"
    text = payload.decode("utf-8", "replace").strip()
    if path is None:
        return text
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for part in path.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return MISSING
    return found


class Shown:
    """Puts together what comes one by one, and counts once all of it is known."""

    def __init__(
        self,
        names: frozenset[str],
        unit: Unit,
        bounds: Bounds,
        tell: Tell,
        after: Counted | None,
        battery_capacity_wh: int | None = None,
    ) -> None:
        """`names`: which of ``imports``, ``exports``, ``power`` and ``battery`` the meter shows."""
        self._names = names
        self._factor = _WH[unit]
        self._tell = tell
        self._capacity_wh = battery_capacity_wh
        self._said: dict[str, object] = {}
        self._integral = PowerIntegral(bounds, tell, after) if "power" in names else None
        self._counter = Counter(bounds, tell, after)

    def add(self, at_s: float, said: Mapping[str, object]) -> Counted | None:
        """Take values under their names; the count, once each one was said."""
        self._said.update(said)
        if not self._names <= self._said.keys():
            return None
        battery_wh = self._battery_wh()
        if self._integral is not None:
            return self._integral.add(at_s, self._said["power"], battery_wh) if "power" in said else None
        if not {"imports", "exports"} & said.keys():
            return None
        imports, exports = (self._scaled(self._said.get(name, 0)) for name in ("imports", "exports"))
        return self._counter.add(at_s, imports, exports, battery_wh)

    def _scaled(self, said: object) -> object:
        value = signed_number(said)
        return said if value is None else value * self._factor

    def _battery_wh(self) -> int | None:
        if self._capacity_wh is None or "battery" not in self._said:
            return None
        percent = signed_number(self._said["battery"])
        if percent is None or not 0 <= percent <= 100:
            return None
        return round(self._capacity_wh * percent / 100)
