# SPDX-License-Identifier: Apache-2.0
"""A year of a community in one process, and years of metered homes read from files, in bounded memory.

    YEAR=1 .venv/bin/pytest tests/benchmarks/test_year.py -s

Times are of one processor, whatever else the machine does. Ten days and small files unless YEAR=1, which trades 365
days of 300 homes and reads files of 600 MB in Ausgrid's layout, in NEM12 with five-minute intervals, and in the tidy
layout. The files are made in pytest's temporary folder and deleted as soon as they are read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import TextIO

import pytest

FULL = os.environ.get("YEAR") == "1"
HOMES, DAYS = 300, 365 if FULL else 10
FILE_MB = 600 if FULL else 6
FILE_DAYS = 365 if FULL else 60
AT_MOST_MIB = 1024

MEASURED = """
import resource, sys, time
started = time.process_time()
{work}
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{{peak_mib:.0f}} {{time.process_time() - started:.2f}} {{told}}")
"""

TRADE = """
from commonwatt_loadgen.simulate.inprocess import community_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions
options = SimulationOptions(homes={homes}, days={days}, battery={battery!r}, data=False)
totals = community_in_process(options, options.trace_set()[0], 0, alone=True)["totals"]
told = f"{{totals['requests']:,}} rounds, {{totals['offers']:,}} offers, {{totals['fills']:,}} fills"
assert totals["money_balances"]
"""

FORWARD = """
from commonwatt_loadgen.forward.community import community_in_process
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
options = ForwardOptions(run=SimulationOptions(homes={homes}, days={days}, battery={battery!r}, data=False))
community_in_process(options, options.run.trace_set()[0], 0, alone=True)
told = "48 periods a day"
"""

READ = """
from pathlib import Path
from commonwatt_loadgen.traces import load_traces
traces, problems = load_traces(Path({path!r}))
told = f"{{len(traces.usage)}} homes, {{len(traces.generation)}} with PV, {{traces.days}} days"
assert not problems, problems[:3]
"""


def measured(work: str) -> tuple[int, float, str]:
    """Run work in a process of its own: peak memory in MiB, processor time in s, and what it told."""
    code = MEASURED.format(work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    peak_mib, processor_s, told = done.stdout.strip().split(maxsplit=2)
    return int(peak_mib), float(processor_s), told


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("market", "battery", "goal_s"),
    [("ex post", "sell-all", 75), ("ex post", "reserve", None), ("forward", "reserve", None)],
)
def test_a_year_in_process(market: str, battery: str, goal_s: int | None) -> None:
    work = (TRADE if market == "ex post" else FORWARD).format(homes=HOMES, days=DAYS, battery=battery)
    peak_mib, processor_s, told = measured(work)
    hours_per_s = HOMES * DAYS * 24 / processor_s
    goal = f", goal {goal_s} s a year" if goal_s else ""
    print(
        f"\n{market}, {battery}: {HOMES} homes, {DAYS} days in-process: {processor_s:.1f} s of processor time "
        f"(a year: {processor_s * 365 / DAYS:.0f} s{goal}), {hours_per_s:,.0f} home hours/s, "
        f"peak {peak_mib} MiB; {told}"
    )
    assert peak_mib <= AT_MOST_MIB


def days() -> list[date]:
    return [date(2012, 7, 1) + timedelta(days=day) for day in range(FILE_DAYS)]


def shapes(slots: int) -> list[str]:
    """Some days of readings below 1 kWh, to choose from."""
    return [",".join(f"0.{(day * 13 + slot * 7) % 1000:03d}" for slot in range(slots)) for day in range(53)]


def write_ausgrid(file: TextIO) -> None:
    labels = [f"{minute // 60 % 24}:{minute % 60:02d}" for minute in range(30, 1441, 30)]
    file.write("Customer,Generator Capacity,Postcode,Consumption Category,date," + ",".join(labels) + "\n")
    values = shapes(48)
    for customer in count(1):
        for register in ("GC", "CL", "GG"):
            for number, day in enumerate(days()):
                row = values[(customer + number) % len(values)]
                file.write(f"{customer},2.5,2042,{register},{day:%d/%m/%Y},{row}\n")
        if file.tell() > FILE_MB * 1_000_000:
            return


def write_nem12(file: TextIO) -> None:
    file.write("100,NEM12,201307010000,METERS,RETAIL\n")
    values = shapes(288)
    for customer in count(1):
        for register in ("E1", "B1"):
            file.write(f"200,64{customer:08d},E1B1,1,{register},N1,M{customer},KWH,5,\n")
            for number, day in enumerate(days()):
                file.write(
                    f"300,{day:%Y%m%d},{values[(customer + number) % len(values)]},A,,,20130701000000,\n"
                )
        if file.tell() > FILE_MB * 1_000_000:
            file.write("900\n")
            return


def write_tidy(file: TextIO) -> None:
    file.write("home,time,use_wh,generation_wh\n")
    for customer in count(1):
        for day in days():
            for slot in range(48):
                at = f"{day}T{slot // 2:02d}:{slot % 2 * 30:02d}"
                file.write(f"home{customer:05d},{at},{customer * slot % 900},{slot * 9}\n")
        if file.tell() > FILE_MB * 1_000_000:
            return


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("write", [write_ausgrid, write_nem12, write_tidy])
def test_a_large_file_of_metered_homes(write: Callable[[TextIO], None], tmp_path: Path) -> None:
    path = tmp_path / "metered.csv"
    try:
        with path.open("w") as file:
            write(file)
        size_mb = path.stat().st_size / 1e6
        peak_mib, processor_s, told = measured(READ.format(path=str(path)))
    finally:
        path.unlink(missing_ok=True)
    layout = write.__name__.removeprefix("write_")
    goal = f"at most {AT_MOST_MIB} MiB" if FULL else "YEAR=1 for 600 MB"
    print(
        f"\n{layout}, {size_mb:.0f} MB, {told}: {processor_s:.1f} s of processor time, "
        f"{size_mb / processor_s:.1f} MB/s, "
        f"peak {peak_mib} MiB ({goal})"
    )
    assert peak_mib <= AT_MOST_MIB
