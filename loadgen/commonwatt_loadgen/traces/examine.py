# SPDX-License-Identifier: Apache-2.0
"""What trace files hold, before anything is repaired: homes, days, gaps, sums and values that look wrong."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from commonwatt_community.hems.energy import SLOTS_PER_DAY

from commonwatt_loadgen.traces.assemble import Assembly, Register
from commonwatt_loadgen.traces.checks import Problem, TraceError, counted
from commonwatt_loadgen.traces.files import ReadAs, read_assembly
from commonwatt_loadgen.traces.quantities import NET_METERS

_MISSING = -1
_SPIKE_TIMES, _SPIKE_AT_LEAST_KWH = 5.0, 2.5  # of the 99th percentile of a home's half hours; 5 kW
_MWH_PER_KWH = 1_000_000
_LONGEST_SPAN_DAYS = 40_000

Table = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Home:
    """A home's readings: days from its first to its last, half hours that are missing among them, sums in kWh."""

    name: str
    first_day: str
    last_day: str
    days: int
    missing_half_hours: int
    use_kwh: float
    generation_kwh: float
    largest_half_hour_kwh: float
    spikes: int
    days_of_zeros: int


@dataclass(frozen=True)
class Examined:
    """All homes, the mean day in kWh a half hour of those metered, and how much of each day each home has."""

    source: str
    zone: str
    homes: list[Home]
    lengths_min: dict[int, int]
    problems: list[Problem]
    refused: str | None
    first_day: date
    use_by_half_hour: npt.NDArray[np.float64]
    generation_by_half_hour: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]

    @property
    def net_meters(self) -> bool:
        """Whether own use is unknown."""
        return NET_METERS in self.source

    def as_json(self) -> dict[str, object]:
        """Everything but the picture's tables."""
        return {
            "source": self.source,
            "zone": self.zone,
            "intervals_min": {str(length): homes for length, homes in sorted(self.lengths_min.items())},
            "net_meters": self.net_meters,
            "problems": counted(self.problems),
            "refused": self.refused,
            "homes": [asdict(home) for home in self.homes],
        }


def examine(path: Path, read_as: ReadAs) -> Examined:
    """Read files and look at every home.

    Raises:
        TraceError: they cannot be read at all.
    """
    assembly = read_assembly(path, read_as)
    tables = dict(_tables(assembly))
    if not tables:
        raise TraceError(path, 0, "holds no readings")
    first = min(start for registers in tables.values() for start, _, _ in registers)
    last = max(
        start + timedelta(days=len(table) - 1)
        for registers in tables.values()
        for start, table, _ in registers
    )
    coverage = np.zeros((len(tables), (last - first).days + 1))
    days: dict[bool, list[npt.NDArray[np.float64]]] = {False: [], True: []}
    homes = []
    for place, (name, registers) in enumerate(tables.items()):
        homes.append(_home(name, registers))
        for is_generation in (False, True):
            own = [(start, table) for start, table, generates in registers if generates == is_generation]
            if own:
                days[is_generation].append(_mean_day(own))
        for start, table, generates in registers:
            if not generates:
                at = (start - first).days
                coverage[place, at : at + len(table)] = (table != _MISSING).mean(axis=1)
    return Examined(
        source=assembly.source,
        zone=str(assembly.zone),
        homes=homes,
        lengths_min=dict(assembly.lengths_min),
        problems=list(assembly.problems),
        refused=_refused(assembly),
        first_day=first,
        use_by_half_hour=_stacked(days[False]),
        generation_by_half_hour=_stacked(days[True]),
        coverage=coverage,
    )


def _tables(assembly: Assembly) -> Iterator[tuple[str, list[tuple[date, Table, bool]]]]:
    """Each home's registers as days x 48 from the first day on, -1 where a half hour is missing."""
    homes: dict[str, list[tuple[date, Table, bool]]] = {}
    for register in assembly.registers():
        homes.setdefault(register.home, []).append(
            (register.first, _all_days(assembly, register), register.is_generation)
        )
    yield from homes.items()


def _all_days(assembly: Assembly, register: Register) -> Table:
    span = (register.last - register.first).days + 1
    if span > _LONGEST_SPAN_DAYS:
        line = register.line_of(register.first)
        raise assembly.error(
            line, f"{register}: spans {span:,} days; is its first date, {register.first}, right?"
        )
    table = np.full((span, SLOTS_PER_DAY), _MISSING, dtype=np.int32)
    packed = register.table()
    for day, place in register.places.items():
        table[(day - register.first).days] = packed[place]
    return table


def _home(name: str, registers: list[tuple[date, Table, bool]]) -> Home:
    use = [table for _, table, generates in registers if not generates]
    made = [table for _, table, generates in registers if generates]
    first = min(start for start, _, _ in registers)
    last = max(start + timedelta(days=len(table) - 1) for start, table, _ in registers)
    largest, spikes, zeros = 0, 0, 0
    for table in use:
        present = table[table != _MISSING]
        if not len(present):
            continue
        largest = max(largest, int(present.max()))
        usual = np.percentile(present, 99)
        threshold = max(usual * _SPIKE_TIMES, _SPIKE_AT_LEAST_KWH * _MWH_PER_KWH)
        spikes += int((present > threshold).sum())
        zeros += int((table == 0).all(axis=1).sum())
    return Home(
        name=name,
        first_day=first.isoformat(),
        last_day=last.isoformat(),
        days=(last - first).days + 1,
        missing_half_hours=sum(int((table == _MISSING).sum()) for table in use),
        use_kwh=_kwh(use),
        generation_kwh=_kwh(made),
        largest_half_hour_kwh=largest / _MWH_PER_KWH,
        spikes=spikes,
        days_of_zeros=zeros,
    )


def _kwh(tables: list[Table]) -> float:
    return sum(int(table[table != _MISSING].sum(dtype=np.int64)) for table in tables) / _MWH_PER_KWH


def _mean_day(own: list[tuple[date, Table]]) -> npt.NDArray[np.float64]:
    """A home's mean kWh by half hour: its registers' means together."""
    total = np.zeros(SLOTS_PER_DAY)
    for _, table in own:
        present = table != _MISSING
        counts = np.maximum(1, present.sum(axis=0))
        total += np.where(present, table, 0).sum(axis=0, dtype=np.int64) / counts
    return total / _MWH_PER_KWH


def _stacked(days: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.array(days) if days else np.zeros((0, SLOTS_PER_DAY))


def _refused(assembly: Assembly) -> str | None:
    """Why a simulation could not follow these homes; what it would repair is added to the problems."""
    try:
        assembly.finish(5000, False)
    except TraceError as error:
        return str(error)
    return None


def lines_of(examined: Examined) -> Iterator[str]:
    """What was found, in words, suspicious homes by name."""
    homes = examined.homes
    generating = [home for home in homes if home.generation_kwh > 0]
    first, last = min(home.first_day for home in homes), max(home.last_day for home in homes)
    lengths = ", ".join(f"{length} min" for length in sorted(examined.lengths_min)) or "unknown"
    yield examined.source
    yield (
        f"{len(homes):,} homes, {len(generating):,} with generation; {first} to {last} ({examined.zone}); "
        f"intervals of {lengths}"
    )
    days = sum(home.days for home in homes)
    missing = sum(home.missing_half_hours for home in homes)
    use = sum(home.use_kwh for home in homes)
    made = sum(home.generation_kwh for home in homes)
    yield f"use {use:,.1f} kWh ({use / days:,.2f} a home and day); generation {made:,.1f} kWh"
    wanted = days * SLOTS_PER_DAY
    yield f"missing: {missing:,} of {wanted:,} half hours ({100 * missing / wanted:.2f} %)"
    yield from _suspicious(homes)
    first_of: dict[str, Problem] = {}
    for problem in examined.problems:
        first_of.setdefault(problem.code, problem)
    for code, count in counted(examined.problems).items():
        yield f"{code}: {count:,}, the first {first_of[code]}"
    if examined.refused:
        yield f"cannot be simulated: {examined.refused}"


def _suspicious(homes: list[Home]) -> Iterator[str]:
    spikes = Counter({home.name: home.spikes for home in homes if home.spikes})
    zeros = Counter({home.name: home.days_of_zeros for home in homes if home.days_of_zeros})
    if spikes:
        name, count = spikes.most_common(1)[0]
        yield (
            f"spikes: {spikes.total():,} half hours above {_SPIKE_TIMES:g} times the home's 99th percentile and 5 kW, "
            f"in {len(spikes):,} homes; most ({count:,}) in {name}"
        )
    if zeros:
        name, count = zeros.most_common(1)[0]
        yield f"zeros: {zeros.total():,} whole days in {len(zeros):,} homes; most ({count:,}) in {name}"
