# SPDX-License-Identifier: Apache-2.0
"""A meter whose counts come in files, as a utility delivers them: NEM12, or CSV whose columns home.yaml names.

Files are read again and again, so a file may grow and others may come. Intervals that are known already are passed
over. An
interval that is missing, or that the file does not call measured, is a gap.
"""

import csv
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from commonwatt_client.errors import ConfigurationError

from .clock import Clock
from .counted import Counted, MeterFailed, Tell
from .counting import signed_number
from .nem12 import MOST_LINES, Interval, NotNem12, intervals, is_nem12
from .settings import Columns, File

LARGEST_FILE = 256 << 20
_WH = {"Wh": 1.0, "kWh": 1_000.0, "MWh": 1_000_000.0}


class FileMeter:
    """Reads a file, or all files of a folder, in the order of what they hold."""

    def __init__(self, settings: File, folder: Path, clock: Clock, tell: Tell) -> None:
        """ConfigurationError for a time zone that nobody knows."""
        self._settings = settings
        self._path = folder / settings.path
        self._clock = clock
        self._tell = tell
        self._seen: dict[Path, tuple[int, int]] = {}
        self._wrong: set[str] = set()
        if settings.columns is not None:
            zone_of(settings.columns.zone)

    async def readings(self, after: Counted | None) -> AsyncIterator[Counted]:
        """See `Meter`. MeterFailed where the path holds no file."""
        last = after
        while True:
            for interval in self._new_intervals(0 if last is None else int(last.at_s)):
                for counted in _counted(last, interval):
                    last = counted
                    yield counted
            await self._clock.sleep(self._settings.every_s)

    def _new_intervals(self, since_s: int) -> list[Interval]:
        try:
            files = sorted(self._path.iterdir()) if self._path.is_dir() else [self._path]
            states = {file: file.stat() for file in files if file == self._path or file.is_file()}
        except OSError as error:
            raise MeterFailed(f"meter: {self._path} cannot be read: {error.strerror}") from error
        found: list[Interval] = []
        for file, state in states.items():
            seen = (state.st_mtime_ns, state.st_size)
            if self._seen.get(file) == seen:
                continue
            self._seen[file] = seen
            try:
                found += self._read(file, state.st_size)
            except (NotNem12, ConfigurationError, OSError, UnicodeDecodeError, csv.Error) as error:
                self._tell(f"meter: {file}: {error}; I leave this file until it changes")
        known = {one.start_s: one for one in found if one.start_s >= since_s}
        unmeasured = [one for one in known.values() if not one.measured]
        if unmeasured:
            self._tell(
                f"meter: {len(unmeasured)} intervals of the files are estimates; I do not say them as measured"
            )
        return [known[start_s] for start_s in sorted(known) if known[start_s].measured]

    def _read(self, file: Path, size: int) -> list[Interval]:
        if size > LARGEST_FILE:
            raise ConfigurationError(f"it has more than {LARGEST_FILE} bytes")
        with file.open(newline="", encoding="utf-8-sig") as opened:
            first = opened.readline()
            opened.seek(0)
            if not is_nem12(first):
                if self._settings.columns is None:
                    raise ConfigurationError(
                        "it is no NEM12 file; name the columns of a CSV file in `columns`"
                    )
                return csv_intervals(opened, self._settings.columns)
            found = intervals(opened)
        meters = {one.nmi for one in found}
        wanted = self._settings.nmi
        if wanted is None and len(meters) > 1:
            raise ConfigurationError(f"it holds {len(meters)} meters; name yours in `nmi`")
        return [one for one in found if wanted in (None, one.nmi)]


def csv_intervals(lines: Iterator[str], columns: Columns) -> list[Interval]:
    """The intervals of a CSV file. ConfigurationError with the line of what is wrong."""
    zone, length = zone_of(columns.zone), timedelta(minutes=columns.interval_min)
    found = []
    rows = csv.DictReader(lines, strict=True)
    names = [columns.time, columns.imports, *([columns.exports] if columns.exports else [])]
    missing = [name for name in names if name not in (rows.fieldnames or [])]
    if missing:
        raise ConfigurationError(f"line 1: it has no column {', '.join(missing)}")
    for line, row in enumerate(rows, 2):
        if line > MOST_LINES:
            raise ConfigurationError(f"it has more than {MOST_LINES} lines")
        try:
            time = datetime.fromisoformat(str(row[columns.time]).strip())
        except ValueError:
            raise ConfigurationError(
                f"line {line}: {str(row[columns.time])[:40]!r} is no time as 2026-01-31T10:05 is"
            ) from None
        time = time.replace(tzinfo=zone) if time.tzinfo is None else time
        start = time.astimezone(UTC) - (length if columns.stamps == "end" else timedelta(0))
        energies = [signed_number(row[name]) for name in names[1:]]
        if any(energy is None or not 0 <= energy < 1e9 for energy in energies):
            continue  # an empty place is a gap
        import_wh, export_wh = ([float(one or 0) * _WH[columns.unit] for one in energies] + [0.0])[:2]
        found.append(Interval("", int(start.timestamp()), columns.interval_min, import_wh, export_wh, True))
    return found


def zone_of(name: str) -> ZoneInfo:
    """A time zone. ConfigurationError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"meter.columns.zone: {name} is no time zone such as Australia/Sydney"
        ) from None


def _counted(last: Counted | None, interval: Interval) -> Sequence[Counted]:
    """The counts at an interval's start, if nothing is known up to there, and at its end."""
    imported, exported = (0.0, 0.0) if last is None else (last.import_total_wh, last.export_total_wh)
    begins = []
    if last is None or last.at_s != interval.start_s:
        begins = [Counted(interval.start_s, imported, exported, follows=last is None)]
    ends_s = interval.start_s + interval.length_min * 60
    return [*begins, Counted(ends_s, imported + interval.import_wh, exported + interval.export_wh)]
