# SPDX-License-Identifier: Apache-2.0
"""A meter that replays a file of what a home uses and generates, with a battery that is simulated.

The file is CSV with a header. `time` is ISO, local. `use_w` and `generation_w` are the mean power from a row's time to
that of the next one, or `use_wh` and `generation_wh` the energy of that span. At its end the file begins again.
"""

import csv
import math
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.battery import Battery
from commonwatt_client.errors import ConfigurationError

from .clock import Clock
from .counted import Counted, Raw

MOST_ROWS = 1_000_000
_COLUMNS = (("use_w", "generation_w"), ("use_wh", "generation_wh"))
_LONGEST_STEP_S = 60.0


class Trace(NamedTuple):
    """Power from instants on, in seconds of the file from its first row; `length_s` is where it begins again."""

    starts_s: Sequence[float]
    net_w: Sequence[float]
    length_s: float
    first: datetime

    def net_w_at(self, moment_s: float) -> float:
        """Use less generation at a moment of the file."""
        return self.net_w[bisect_right(self.starts_s, moment_s % self.length_s) - 1]


def read_trace(path: Path) -> Trace:
    """The file; ConfigurationError for what is none, with its line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _trace(path, list(csv.reader(file, strict=True)))
    except OSError as error:
        raise ConfigurationError(f"the trace {path} cannot be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the trace {path} is no CSV file: {error}") from error


def _trace(path: Path, rows: list[list[str]]) -> Trace:
    header = [name.strip() for name in rows[0]] if rows else []
    columns = next((pair for pair in _COLUMNS if set(pair) <= set(header)), None)
    if "time" not in header or columns is None:
        raise ConfigurationError(
            f"{path}:1: a trace has the columns time, and use_w and generation_w or use_wh and generation_wh"
        )
    if not 3 <= len(rows) <= MOST_ROWS:
        raise ConfigurationError(f"{path}: a trace has 2 to {MOST_ROWS} rows, this one {len(rows) - 1}")
    places = [header.index(name) for name in ("time", *columns)]
    times, net = [], []
    for line, row in enumerate(rows[1:], 2):
        try:
            time, use, generation = (row[place] for place in places)
            times.append(datetime.fromisoformat(time.strip()))
            net.append(float(use) - float(generation))
            if not math.isfinite(net[-1]) or times[-1].tzinfo != times[0].tzinfo:
                raise ValueError
        except (ValueError, IndexError):
            raise ConfigurationError(f"{path}:{line}: {','.join(row)[:80]} is no row of a trace") from None
    starts_s = [(time - times[0]).total_seconds() for time in times]
    lengths_s = [later - earlier for earlier, later in pairwise(starts_s)]
    if min(lengths_s) <= 0:
        line = next(place for place, length in enumerate(lengths_s) if length <= 0) + 3
        raise ConfigurationError(f"{path}:{line}: the times of a trace rise from row to row")
    lengths_s.append(lengths_s[-1])
    if columns[0] == "use_wh":
        net = [energy * 3_600 / length for energy, length in zip(net, lengths_s, strict=True)]
    return Trace(starts_s, net, starts_s[-1] + lengths_s[-1], times[0])


class ReplayMeter:
    """Counts what a trace says, at `speed` times its speed: the power of a moment flows for as long as it takes here.

    `begins_s` is the epoch second at which the moment `from_s` of the file passes. While nobody reads it, it counts on,
    as a meter does.
    """

    def __init__(
        self,
        trace: Trace,
        clock: Clock,
        *,
        begins_s: float,
        from_s: float = 0.0,
        speed: float = 1.0,
        every_s: float = 10.0,
        battery: Battery | None = None,
    ) -> None:
        self._trace = trace
        self._clock = clock
        self._begins_s, self._from_s, self._speed, self._every_s = begins_s, from_s, speed, every_s
        self._battery = SimulatedBattery(battery) if battery and battery.capacity_wh else None
        self._held_w = 0

    async def hold_export(self, power_w: int | None) -> None:
        """See `Steered`."""
        self._held_w = power_w or 0

    async def readings(self, after: Counted | None) -> AsyncIterator[Counted]:
        """See `Meter`. The registers begin at 0."""
        at_s = self._begins_s if after is None else after.at_s
        imported, exported = (0.0, 0.0) if after is None else (after.import_total_wh, after.export_total_wh)
        if self._battery and after is not None and after.battery_wh is not None:
            self._battery.energy_wh = float(after.battery_wh)
        if after is None:
            yield self._counted(at_s, imported, exported)
        while True:
            next_s = (at_s // self._every_s + 1) * self._every_s
            await self._clock.sleep_until(next_s)
            while at_s < next_s:
                step_s = min(self._step_s(at_s), next_s - at_s)
                net_w = self._trace.net_w_at((at_s - self._begins_s) * self._speed + self._from_s)
                if self._battery:
                    net_w -= self._battery.discharge_w(net_w, self._held_w, step_s)
                imported += max(0.0, net_w) * step_s / 3_600
                exported += max(0.0, -net_w) * step_s / 3_600
                at_s += step_s
            at_s = next_s
            yield self._counted(at_s, imported, exported)

    def _counted(self, at_s: float, imported: float, exported: float) -> Counted:
        held = round(self._battery.energy_wh) if self._battery else None
        return Counted(at_s, imported, exported, held, Raw(imported, exported))

    def _step_s(self, at_s: float) -> float:
        """How long the trace's power stays what it is."""
        moment_s = ((at_s - self._begins_s) * self._speed + self._from_s) % self._trace.length_s
        place = bisect_right(self._trace.starts_s, moment_s)
        ends_s = self._trace.starts_s[place] if place < len(self._trace.starts_s) else self._trace.length_s
        return min(_LONGEST_STEP_S, max(1e-3, (ends_s - moment_s) / self._speed))


class SimulatedBattery:
    """A battery that serves its home, and keeps an export where it is told to."""

    def __init__(self, battery: Battery) -> None:
        self._battery = battery
        self.energy_wh = float(battery.e_min_wh)

    def discharge_w(self, net_w: float, held_w: float, step_s: float) -> float:
        """What it gives (negative: takes) for a step in which the home lacks `net_w`; its content follows."""
        battery, hours = self._battery, step_s / 3_600
        eta_c, eta_d = battery.eta_c_ppm / PPM, battery.eta_d_ppm / PPM
        wanted_w = max(-battery.p_rate_w, min(battery.p_rate_w, net_w + held_w))
        if wanted_w >= 0:
            given_wh = min(wanted_w * hours, max(0.0, self.energy_wh - battery.e_min_wh) * eta_d)
            self.energy_wh -= given_wh / eta_d
            return given_wh / hours
        taken_wh = min(-wanted_w * hours, max(0.0, battery.e_max_wh - self.energy_wh) / eta_c)
        self.energy_wh += taken_wh * eta_c
        return -taken_wh / hours
