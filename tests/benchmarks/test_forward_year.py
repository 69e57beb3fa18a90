# SPDX-License-Identifier: Apache-2.0
"""A year of a community in the forward market in one process, in bounded memory.

Ten days unless YEAR=1, which lives 365 days of 300 homes that forecast by persistence and keep a reserve.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FULL = os.environ.get("YEAR") == "1"
HOMES, DAYS = 300, 365 if FULL else 10
AT_MOST_S, AT_MOST_MIB = 600, 1024

LIVE = """
import resource, time
started = time.monotonic()
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.run import simulate_forward_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions
run = SimulationOptions(homes={homes}, days={days}, forecast="persistence", battery="reserve")
totals = simulate_forward_in_process(ForwardOptions(run), 1, lambda *_: None)["communities"][0]["totals"]
assert totals["money_balances"] and totals["energy_balances"]
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
told = f"{{totals['periods']:,}} periods, {{totals['requests'] + totals['offers']:,}} bids"
print(peak_mib, f"{{time.monotonic() - started:.1f}}", f"{{time.process_time():.1f}}", told)
"""


@pytest.mark.timeout(1800)
def test_a_year_of_the_forward_market_in_process() -> None:
    code = LIVE.format(homes=HOMES, days=DAYS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    peak_mib, elapsed_s, processor_s, told = done.stdout.strip().split(maxsplit=3)
    goal = f"goal {AT_MOST_S} s, {AT_MOST_MIB} MiB" if FULL else "YEAR=1 for the whole year"
    print(
        f"\n{HOMES} homes, {DAYS} days, forward market in-process: {elapsed_s} s "
        f"({processor_s} s of processor time), peak {peak_mib} MiB; {told} ({goal})"
    )
    assert int(peak_mib) <= AT_MOST_MIB
