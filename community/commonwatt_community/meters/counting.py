# SPDX-License-Identifier: Apache-2.0
"""From what a meter shows to totals that never go back: resets, rollovers, jumps, steps back and text, in one place.

A register that does what no connection can do is in doubt: its value counts once three in a row agree, and the energy
between is unknown. So a single wrong value costs nothing, and a meter that was exchanged is taken on.
"""

import math
from dataclasses import dataclass

from .counted import Counted, Raw, Tell

_AGREEING = 3
_RESOLUTION_WH = 100.0  # coarse registers step by a tenth of a kWh


@dataclass(frozen=True)
class Bounds:
    """What a connection can carry in W, with tolerance, and where a register starts again from zero (Wh), if known."""

    power_w: int = 26_400
    rollover_wh: float | None = None

    def possible_wh(self, elapsed_s: float) -> float:
        """The most that a register moves in a time."""
        return self.power_w * max(0.0, elapsed_s) / 3_600 + _RESOLUTION_WH


def number(said: object) -> float | None:
    """A register's value; None for text that is none, for what is negative, and for what is beyond any meter."""
    value = signed_number(said)
    return value if value is not None and 0 <= value < 1e15 else None


def signed_number(said: object) -> float | None:
    """A power's value; None for text that is none."""
    if isinstance(said, bool) or not isinstance(said, (int, float, str)):
        return None
    try:
        value = float(said)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


class Register:
    """One register: `add` gives the Wh by which the total goes on, or None while its value is in doubt.

    `lost` says whether energy before the last value is unknown.
    """

    def __init__(self, name: str, bounds: Bounds, tell: Tell, shown_wh: float | None = None) -> None:
        self._name = name
        self._bounds = bounds
        self._tell = tell
        self.shown_wh = shown_wh
        self.lost = False
        self._doubted: list[float] = []

    def add(self, value_wh: float, elapsed_s: float) -> float | None:
        """`elapsed_s`: since the value that counted last."""
        self.lost = False
        if self.shown_wh is None:
            self.shown_wh = value_wh
            return 0.0
        moved_wh = self._moved(value_wh, elapsed_s)
        if moved_wh is not None:
            self._doubted.clear()
            self.shown_wh = value_wh
            return moved_wh
        return self._doubt(value_wh, elapsed_s)

    def _moved(self, value_wh: float, elapsed_s: float) -> float | None:
        assert self.shown_wh is not None
        most_wh = self._bounds.possible_wh(elapsed_s)
        step_wh = value_wh - self.shown_wh
        if 0 <= step_wh <= most_wh:
            return step_wh
        rollover_wh = self._bounds.rollover_wh
        if step_wh < 0 and rollover_wh is not None and 0 <= step_wh + rollover_wh <= most_wh:
            self._tell(
                f"meter: the {self._name} register started again from 0 at {rollover_wh:.0f} Wh, as it does"
            )
            return step_wh + rollover_wh
        if step_wh < -_RESOLUTION_WH and value_wh <= most_wh:
            self._tell(
                f"meter: the {self._name} register was reset: {self.shown_wh:.0f} Wh, then {value_wh:.0f} Wh; "
                "I go on from there, and what it counted before the reset is unknown"
            )
            self.lost = True
            return value_wh
        return None

    def _doubt(self, value_wh: float, elapsed_s: float) -> float | None:
        assert self.shown_wh is not None
        most_wh = self._bounds.possible_wh(elapsed_s)
        if self._doubted and not 0 <= value_wh - self._doubted[-1] <= most_wh:
            self._doubted.clear()
        if not self._doubted:
            way = "back" if value_wh < self.shown_wh else "further than the connection carries"
            self._tell(
                f"meter: the {self._name} register went {way}: {self.shown_wh:.0f} Wh, then {value_wh:.0f} Wh; "
                "I wait for values that agree"
            )
        self._doubted.append(value_wh)
        if len(self._doubted) < _AGREEING:
            return None
        self._tell(
            f"meter: the {self._name} register stays at its new place; I go on from {value_wh:.0f} Wh, and the energy "
            "between is unknown"
        )
        counted_wh = value_wh - self._doubted[0]
        self._doubted.clear()
        self.shown_wh = value_wh
        self.lost = True
        return counted_wh


class Counter:
    """Turns what a meter shows into `Counted`; it goes on from the last one that is on the disk."""

    def __init__(self, bounds: Bounds, tell: Tell, after: Counted | None = None) -> None:
        raw = None if after is None else after.raw
        self._tell = tell
        self._imports = Register("import", bounds, tell, None if raw is None else raw.import_wh)
        self._exports = Register("export", bounds, tell, None if raw is None else raw.export_wh)
        self._last = after
        self._silent: set[str] = set()

    def add(
        self, at_s: float, import_said: object, export_said: object, battery_wh: int | None = None
    ) -> Counted | None:
        """The totals with what the meter shows now, in Wh; None where nothing new is known."""
        last = self._last
        if last is not None and at_s <= last.at_s:
            return None
        values = self._numbers(import_said, export_said)
        if values is None:
            return None
        import_wh, export_wh = values
        if last is None or last.raw is None:
            self._imports.shown_wh, self._exports.shown_wh = import_wh, export_wh
            # A meter that is read for the first time: its own totals are the running ones, unless some ran before.
            totals = (import_wh, export_wh) if last is None else (last.import_total_wh, last.export_total_wh)
            self._last = Counted(at_s, *totals, battery_wh, Raw(import_wh, export_wh))
            return self._last
        elapsed_s = at_s - last.at_s
        before = self._imports.shown_wh
        imported_wh = self._imports.add(import_wh, elapsed_s)
        exported_wh = self._exports.add(export_wh, elapsed_s)
        if imported_wh is None or exported_wh is None:
            if imported_wh is not None:
                self._imports.shown_wh = before  # both registers count together, or none does
            return None
        self._last = Counted(
            at_s,
            last.import_total_wh + imported_wh,
            last.export_total_wh + exported_wh,
            battery_wh,
            Raw(import_wh, export_wh),
            not (self._imports.lost or self._exports.lost),
        )
        return self._last

    def _numbers(self, import_said: object, export_said: object) -> tuple[float, float] | None:
        import_wh, export_wh = number(import_said), number(export_said)
        for name, said, value in (("import", import_said, import_wh), ("export", export_said, export_wh)):
            if value is None and name not in self._silent:
                self._silent.add(name)
                self._tell(f"meter: the {name} register shows {str(said)[:40]!r}; I wait for a number")
            elif value is not None and name in self._silent:
                self._silent.discard(name)
                self._tell(f"meter: the {name} register shows numbers again")
        if import_wh is None or export_wh is None:
            return None
        return import_wh, export_wh


class PowerIntegral:
    """Turns power into totals: what the meter said last holds until it says something else.

    A pause longer than `longest_s` counts nothing: the energy of that time is unknown, and one line says so. So is the
    energy while nobody listens, unlike that of a meter with registers.
    """

    def __init__(
        self, bounds: Bounds, tell: Tell, after: Counted | None = None, longest_s: float = 300.0
    ) -> None:
        self._most_w = bounds.power_w
        self._tell = tell
        self._longest_s = longest_s
        self._at_s: float | None = None
        self._power_w = 0.0
        self._totals = (0.0, 0.0) if after is None else (after.import_total_wh, after.export_total_wh)
        self._is_new = after is None
        self._silent = False

    def add(self, at_s: float, said: object, battery_wh: int | None = None) -> Counted | None:
        """The totals with a power in W, negative where the home feeds in; None for what is no power."""
        power_w = signed_number(said)
        if power_w is None or abs(power_w) > self._most_w:
            if not self._silent:
                self._silent = True
                self._tell(
                    f"meter: its power is {str(said)[:40]!r}; I wait for a number that the connection carries"
                )
            return None
        if self._silent:
            self._silent = False
            self._tell("meter: its power is a number again")
        if self._at_s is not None and at_s <= self._at_s:
            return None
        follows = self._is_new
        if self._at_s is not None:
            elapsed_s = at_s - self._at_s
            follows = elapsed_s <= self._longest_s
            if follows:
                energy_wh = self._power_w * elapsed_s / 3_600
                imported_wh, exported_wh = self._totals
                self._totals = (imported_wh + max(0.0, energy_wh), exported_wh + max(0.0, -energy_wh))
            else:
                self._tell(
                    f"meter: it showed no power for {elapsed_s:.0f} s; the energy of that time is unknown"
                )
        self._at_s, self._power_w, self._is_new = at_s, power_w, False
        return Counted(at_s, *self._totals, battery_wh, None, follows)
