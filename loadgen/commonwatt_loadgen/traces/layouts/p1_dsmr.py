# SPDX-License-Identifier: Apache-2.0
"""Logs of P1 telegrams, which Dutch and Belgian meters send each second or each ten (DSMR 4 and 5, eMUCS).

A telegram begins with `/` and ends with `!` and, mostly, a CRC16. Wanted are 0-0:1.0.0 (local time, S in summer, W in
winter), 0-0:96.1.1 (the meter) and the counters 1-0:1.8.x (delivered to the home) and 1-0:2.8.x (by it), in kWh. The
use of a quarter of an hour is the counters' difference at its edges, between the telegrams nearest to them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

from commonwatt_loadgen.traces.layouts.layout import Layout, stem_of
from commonwatt_loadgen.traces.meter_rows import MeterRows
from commonwatt_loadgen.traces.opening import LONGEST_LINE
from commonwatt_loadgen.traces.packed import Part
from commonwatt_loadgen.traces.quantities import Quantity

_QUARTER_S = 900
_FARTHEST_S = 900  # between telegrams that an edge lies between
_LARGEST_TELEGRAM = 20_000
_OFFSETS = {"S": timezone(timedelta(hours=2)), "W": timezone(timedelta(hours=1))}
_FIELD = re.compile(rb"(\d-\d:\d{1,3}\.\d{1,3}\.\d{1,3})\(([^()\r\n]*)\)")
_COUNTERS = re.compile(r"1-0:([12])\.8\.[0-4]")
_KWH = re.compile(r"(\d{1,9}\.\d{1,3})\*kWh")
_NAMES = {"1": "import", "2": "export"}


@dataclass
class _Meter:
    """A meter's counters in Wh by second."""

    line: int
    seconds: list[int] = field(default_factory=list)
    wh: dict[str, list[int]] = field(default_factory=lambda: {"1": [], "2": []})


def is_log(lines: Sequence[str]) -> str | None:
    """Whether first lines are of a telegram."""
    starts = any(line.startswith("/") for line in lines)
    return "p1" if starts and any(re.match(r"[01]-\d:\d+\.\d+\.\d+\(", line) for line in lines) else None


def read_log(kept: MeterRows, part: Part, _: str, base: int) -> None:
    """Read a whole log.

    Raises:
        TraceError: a telegram is malformed, or none has a time.
    """
    meters: dict[str, _Meter] = {}
    broken: list[int] = []
    untimed = 0
    for line, telegram, is_right in _telegrams(kept, part, base):
        if not is_right:
            broken.append(line)
            continue
        untimed += not _take(kept, meters, line, telegram, stem_of(part.name))
    if broken:
        message = f"{len(broken)} telegrams whose checksum is another, the first here"
        kept.assembly.report(broken[0], "broken_telegram", message, "left out")
    if untimed and not meters:
        message = (
            "no telegram has a time (0-0:1.0.0): meters before DSMR 4 send none; log with a time of your own"
        )
        raise kept.assembly.error(base + 1, message)
    for name, meter in meters.items():
        _add(kept, name, meter)


def _telegrams(kept: MeterRows, part: Part, base: int) -> Iterator[tuple[int, bytes, bool]]:
    """Each whole telegram with its first line, and whether its checksum, if any, is right."""
    with part.open() as file:
        line, began, telegram = 0, 0, b""
        while text := file.readline(LONGEST_LINE):
            line += 1
            if text.startswith(b"/"):
                began, telegram = line, b""
            elif not began:
                continue
            telegram += text
            if len(telegram) > _LARGEST_TELEGRAM:
                raise kept.assembly.error(
                    base + began, f"a telegram of more than {_LARGEST_TELEGRAM:,} bytes"
                )
            if text.startswith(b"!"):
                yield base + began, telegram, _is_right(telegram, text)
                began = 0


def _is_right(telegram: bytes, last: bytes) -> bool:
    stated = last[1:].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{4}", stated):
        return True  # none, as before DSMR 4
    body = telegram[: telegram.rindex(b"!") + 1]
    as_sent = body if b"\r\n" in body else body.replace(b"\n", b"\r\n")
    return crc16(as_sent) == int(stated, 16)


def crc16(data: bytes) -> int:
    """CRC-16/ARC, as of telegrams from `/` to `!`."""
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC_TABLE = [_crc_of(byte) for byte in range(256)]


def _take(kept: MeterRows, meters: dict[str, _Meter], line: int, telegram: bytes, name: str) -> bool:
    """Keep a telegram's counters; False if it has no time."""
    found = {
        code.decode("ascii"): value.decode("ascii", "replace") for code, value in _FIELD.findall(telegram)
    }
    if "0-0:1.0.0" not in found:
        return False
    second = _second(found["0-0:1.0.0"])
    if second is None:
        raise kept.assembly.error(line, f"time {found['0-0:1.0.0'][:20]!r} is not as in 240115103000W")
    totals = {"1": 0, "2": 0}
    for code, value in found.items():
        counter = _COUNTERS.fullmatch(code)
        if counter is None:
            continue
        kwh = _KWH.fullmatch(value)
        if kwh is None:
            raise kept.assembly.error(line, f"{code}({value[:20]}) is no counter in kWh")
        whole, _, part = kwh[1].partition(".")
        totals[counter[1]] += int(whole) * 1000 + int(part.ljust(3, "0"))
    meter = meters.setdefault(_meter_name(found.get("0-0:96.1.1", ""), name), _Meter(line))
    meter.seconds.append(second)
    for which, wh in totals.items():
        meter.wh[which].append(wh)
    return True


def _second(text: str) -> int | None:
    try:
        at = datetime.strptime(text[:12], "%y%m%d%H%M%S").replace(tzinfo=_OFFSETS[text[12:]])
    except (KeyError, ValueError):
        return None
    return int(at.astimezone(UTC).timestamp())


def _meter_name(code: str, name: str) -> str:
    """The meter's number, which telegrams write as hexadecimal digits of its letters."""
    try:
        letters = bytes.fromhex(code).decode("ascii").strip()
    except ValueError:
        letters = code.strip()
    return letters if letters.isprintable() and letters else name


def _add(kept: MeterRows, name: str, meter: _Meter) -> None:
    seconds = np.array(meter.seconds, dtype=np.int64)
    order = np.argsort(seconds, kind="stable")
    seconds = seconds[order]
    edges = np.arange(-(-seconds[0] // _QUARTER_S), seconds[-1] // _QUARTER_S + 1) * _QUARTER_S
    if len(edges) < 2:
        message = f"{name}: its telegrams do not span a quarter of an hour"
        kept.assembly.report(meter.line, "incomplete_home", message, "left out")
        return
    if len(edges) > 40 * 366 * 96:
        raise kept.assembly.error(meter.line, f"{name}: its telegrams span more than 40 years")
    after = np.searchsorted(seconds, edges)
    exact = seconds[np.minimum(after, len(seconds) - 1)] == edges
    near = exact | (seconds[after] - seconds[np.maximum(after - 1, 0)] <= _FARTHEST_S)
    values = []
    for which, wh in meter.wh.items():
        readings = np.array(wh, dtype=np.int64)[order]
        if which == "2" and not readings.any():
            continue  # a meter that nothing was ever fed through
        values.append((Quantity(_NAMES[which], 1.0, False), _differences(seconds, readings, edges, near)))
    kept.add_instants(meter.line, name, edges[:-1] // 60, values)


def _differences(
    seconds: npt.NDArray[np.int64],
    readings: npt.NDArray[np.int64],
    edges: npt.NDArray[np.int64],
    near: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """mWh between edges; NaN beside an edge that no telegrams are near to, and where a counter was exchanged."""
    at = np.rint(np.interp(edges, seconds, readings * 1000.0))  # mWh, so that sums of quarters are exact
    used: npt.NDArray[np.float64] = np.diff(at)
    used[~near[:-1] | ~near[1:] | (used < 0)] = np.nan
    return used


LAYOUT = Layout("p1-dsmr", "Europe/Amsterdam", "net", matches=is_log, read=read_log)
