# SPDX-License-Identifier: Apache-2.0
"""How fast trace files of 40 MB are read: long, wide and packed CSV, and Parquet.

Each is read in a process of its own; the time includes the start of Python and of pandas. The median of three runs.
"""

from __future__ import annotations

import gzip
import statistics
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

FILE_MB, RUNS = 40, 3
DAYS = 365

READ = """
import time
started = time.perf_counter()
from pathlib import Path
from commonwatt_loadgen.traces import ReadAs, load_traces
traces, problems = load_traces(Path({path!r}), read_as=ReadAs({read_as}))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak_mib = int(status["VmHWM"].split()[0]) / 1024
print(time.perf_counter() - started, time.process_time(), peak_mib, len(traces.usage), traces.days)
"""


def times() -> list[str]:
    first = datetime(2013, 1, 1)
    return [f"{first + timedelta(minutes=30 * number):%Y-%m-%d %H:%M:%S}" for number in range(48 * DAYS)]


def values(home: int) -> list[str]:
    return [f"0.{(number * 577 + home * 13) % 1000:03d}" for number in range(48 * DAYS)]


def long_csv(path: Path) -> None:
    """Low Carbon London's layout: a row per home and half hour."""
    with path.open("w") as file:
        file.write("LCLid,stdorToU,DateTime,KWH/hh (per half hour) \n")
        home = 0
        while file.tell() < FILE_MB * 1_000_000:
            rows = zip(times(), values(home), strict=True)
            file.write("".join(f"MAC{home:06d},Std,{time}.0000000, {value} \n" for time, value in rows))
            home += 1


def wide_csv(path: Path) -> None:
    homes = FILE_MB * 1_000_000 // (48 * DAYS * 6)
    columns = [values(home) for home in range(homes)]
    rows = zip(times(), *columns, strict=True)
    header = ",".join(["utc", *(f"home{home}" for home in range(homes))])
    path.write_text(header + "\n" + "".join(",".join(row) + "\n" for row in rows))


def parquet(path: Path) -> None:
    homes = 50
    table = pd.DataFrame(
        {
            "home": [f"home{home}" for home in range(homes) for _ in range(48 * DAYS)],
            "time": pd.to_datetime(times() * homes),
            "use_kwh": [float(value) for home in range(homes) for value in values(home)],
        }
    )
    table.to_parquet(path)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["long", "packed", "wide", "parquet"])
def test_reading(tmp_path: Path, kind: str) -> None:
    path = tmp_path / {"long": "a.csv", "packed": "a.csv.gz", "wide": "b.csv", "parquet": "a.parquet"}[kind]
    {"long": long_csv, "packed": long_csv, "wide": wide_csv, "parquet": parquet}[kind](path)
    size_mb = path.stat().st_size / 1e6
    if kind == "packed":
        path.write_bytes(gzip.compress(path.read_bytes(), 6))
    read_as = "columns='time=utc,use_kwh=*'" if kind == "wide" else ""
    runs = []
    for _ in range(RUNS):
        code = READ.format(path=str(path), read_as=read_as)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        runs.append([float(part) for part in done.stdout.split()])
    elapsed_s, processor_s, peak_mib, homes, days = (
        statistics.median(run) for run in zip(*runs, strict=True)
    )
    print(
        f"\n{kind}: {size_mb:.0f} MB, {homes:.0f} homes, {days:.0f} days: {elapsed_s:.1f} s "
        f"({processor_s:.1f} s of processor time), peak {peak_mib:.0f} MiB"
    )
