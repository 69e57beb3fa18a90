"""A year of a community in one process, and a year of metered homes read from a file, in bounded memory.

Ten days and a small file unless YEAR=1, which trades 365 days of 300 homes and reads 300 customers' year.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

FULL = os.environ.get("YEAR") == "1"
HOMES, DAYS = 300, 365 if FULL else 10
CUSTOMERS, FILE_DAYS = (300, 365) if FULL else (60, 90)

MEASURED = """
import resource, sys, time
started = time.monotonic()
{work}
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{{time.monotonic() - started:.1f}} s, peak {{peak_mib:.0f}} MiB; {{told}}")
"""

TRADE = """
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process
options = SimulationOptions(homes={homes}, days={days})
totals = simulate_in_process(options, 1, lambda *_: None)["communities"][0]["totals"]
told = f"{{totals['requests']:,}} rounds, {{totals['offers']:,}} offers, {{totals['fills']:,}} fills"
assert totals["money_balances"]
"""

READ = """
from pathlib import Path
from commonwatt_loadgen.traces import load_traces
traces, problems = load_traces(Path({path!r}))
told = f"{{len(traces.usage)}} homes, {{len(traces.generation)}} with PV, {{traces.days}} days"
assert not problems, problems[:3]
"""


def measured(work: str) -> str:
    """Run work in a process of its own and return what it took."""
    code = MEASURED.format(work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.timeout(1800)
def test_a_year_in_process() -> None:
    told = measured(TRADE.format(homes=HOMES, days=DAYS))
    goal = "goal 600 s, 1024 MiB" if FULL else "YEAR=1 for the whole year"
    print(f"\n{HOMES} homes, {DAYS} days, in-process: {told} ({goal})")


@pytest.mark.timeout(1800)
def test_a_year_of_metered_homes(tmp_path: Path) -> None:
    path = tmp_path / "solar.csv"
    labels = [f"{minute // 60 % 24}:{minute % 60:02d}" for minute in range(30, 1441, 30)]
    with path.open("w") as file:
        file.write(
            "Customer,Generator Capacity,Postcode,Consumption Category,date," + ",".join(labels) + "\n"
        )
        for customer in range(1, CUSTOMERS + 1):
            for register, high in (("GC", 7), ("CL", 3), ("GG", 9)):
                for day in range(FILE_DAYS):
                    when = date(2012, 7, 1) + timedelta(days=day)
                    values = ",".join(
                        f"0.{(customer * slot * 7 + day * 13) % 1000 * high // 10:03d}" for slot in range(48)
                    )
                    file.write(f"{customer},2.5,2042,{register},{when:%d/%m/%Y},{values}\n")
    size_mb = path.stat().st_size / 1e6
    told = measured(READ.format(path=str(path)))
    goal = "" if FULL else " (YEAR=1 for 300 customers and a year)"
    print(f"\n{CUSTOMERS} customers, {FILE_DAYS} days, {size_mb:.0f} MB in Ausgrid's layout: {told}{goal}")
