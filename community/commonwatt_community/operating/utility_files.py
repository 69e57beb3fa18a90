# SPDX-License-Identifier: Apache-2.0
"""Readings of many homes in a file of a utility: NEM12 by meter, or CSV by home; cut to the market's periods."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from commonwatt_chaincode.market.tariff import MINUTE_S
from commonwatt_client.exit_codes import UsageError

from commonwatt_community.meters.nem12 import Interval, NotNem12, intervals, is_nem12

from .due import Community

LARGEST_FILE = 256 << 20
COLUMNS = ("home", "time", "minutes", "import_wh", "export_wh")
MOST_WH = 10**9


class Counted(NamedTuple):
    """What a home's meter counted in a period."""

    home: str
    period: int
    import_wh: int
    export_wh: int


def read_intervals(path: Path, homes: Mapping[str, str]) -> list[Interval]:
    """The intervals of a file, by home and time: `nmi` of each is a home's id. `homes`: meter -> home.

    Raises:
        UsageError: the file cannot be read, or is malformed: ``file:line: mistake``; or it has a meter of no home.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{path}:1: larger than {LARGEST_FILE >> 20} MiB")
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            return _of_meters(path, file, homes) if is_nem12(first) else list(_of_homes(str(path), file))
    except NotNem12 as error:
        raise UsageError(f"{path}:{error.line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path} cannot be read: {reason}") from error


def _of_meters(path: Path, lines: Iterable[str], homes: Mapping[str, str]) -> list[Interval]:
    found = intervals(lines)
    unknown = sorted({one.nmi for one in found} - homes.keys())
    if unknown:
        raise UsageError(
            f"{path}: meter {', '.join(unknown[:5])} is of no home: name it in the column nmi of the homes' CSV file"
        )
    return sorted(one._replace(nmi=homes[one.nmi]) for one in found)


def _of_homes(where: str, lines: Iterable[str]) -> Iterator[Interval]:
    rows = csv.DictReader(lines, strict=True)
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or [])]
    if missing:
        raise UsageError(
            f"{where}:1: neither NEM12, nor a CSV file with the columns {', '.join(COLUMNS)}: {missing[0]} is missing"
        )
    for row in rows:
        try:
            yield _interval(row)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{where}:{rows.line_num}: {error}") from error


def _interval(row: Mapping[str, str]) -> Interval:
    """ValueError for what is none."""
    begins = datetime.fromisoformat(row["time"].strip())
    if begins.tzinfo is None:
        raise ValueError(f"time {row['time'][:40]!r} has no zone; write it as 2027-01-31T16:00+10:00")
    minutes = int(row["minutes"])
    if not 1 <= minutes <= 1_440:
        raise ValueError(f"minutes {minutes} is none of 1 to 1440")
    energies = [float(row[name]) for name in ("import_wh", "export_wh")]
    if not all(0 <= energy < MOST_WH for energy in energies):
        raise ValueError(f"import_wh or export_wh is none of 0 to {MOST_WH}")
    return Interval(row["home"].strip(), int(begins.timestamp()), minutes, energies[0], energies[1], True)


def cut(community: Community, found: Iterable[Interval]) -> list[Counted]:
    """Periods of homes that intervals cover whole. A longer interval is spread evenly over its minutes."""
    by_home: dict[str, dict[int, Interval]] = {}
    for one in found:
        by_home.setdefault(one.nmi, {})[one.start_s] = one
    counted: list[Counted] = []
    for home, starts in sorted(by_home.items()):
        for run in _runs([starts[start_s] for start_s in sorted(starts)]):
            counted += _cut_run(community, home, run)
    return counted


def _runs(found: list[Interval]) -> Iterator[list[Interval]]:
    """Intervals that follow each other without a gap."""
    run: list[Interval] = []
    for one in found:
        if run and one.start_s != run[-1].start_s + run[-1].length_min * MINUTE_S:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _cut_run(community: Community, home: str, run: list[Interval]) -> Iterator[Counted]:
    starts_s, ends_s = run[0].start_s, run[-1].start_s + run[-1].length_min * MINUTE_S
    times = [starts_s]
    totals = [(0.0, 0.0)]
    for one in run:
        times.append(one.start_s + one.length_min * MINUTE_S)
        totals.append((totals[-1][0] + one.import_wh, totals[-1][1] + one.export_wh))
    period = community.period_at(starts_s)
    if period.start_s < starts_s:
        period = community.period_at(period.end_s)
    place = 0
    before = None
    while period.end_s <= ends_s:
        if before is None:
            before, place = _reached(times, totals, period.start_s, place)
        after, place = _reached(times, totals, period.end_s, place)
        yield Counted(home, period.id, after[0] - before[0], after[1] - before[1])
        before, period = after, community.period_at(period.end_s)


def _reached(
    times: list[int], totals: list[tuple[float, float]], time_s: int, place: int
) -> tuple[tuple[int, int], int]:
    """The whole Wh that are counted by a time, and the interval in which it lies."""
    while times[place + 1] < time_s:
        place += 1
    share = (time_s - times[place]) / (times[place + 1] - times[place])
    (i0, e0), (i1, e1) = totals[place], totals[place + 1]
    return (round(i0 + (i1 - i0) * share), round(e0 + (e1 - e0) * share)), place
