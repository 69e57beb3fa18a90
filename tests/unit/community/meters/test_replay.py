# SPDX-License-Identifier: Apache-2.0
"""A replayed meter: the trace's energy at any speed, a battery that keeps what was sold, and files that are none."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from commonwatt_chaincode.market.battery import Battery
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.counted import Counted
from commonwatt_community.meters.replay import ReplayMeter, read_trace

LATE = Clock(lambda: 1e12)
"""A clock by which everything is over: the meter gives all that it counted at once."""
BATTERY = Battery(10_000, 1_000_000, 1_000_000, 100_000, 1_000_000, 100_000, 3_000)


def trace_of(folder: Path, text: str) -> Path:
    file = folder / "trace.csv"
    file.write_text(text)
    return file


async def counts(meter: ReplayMeter, number: int, after: Counted | None = None) -> list[Counted]:
    found = []
    async for counted in meter.readings(after):
        found.append(counted)
        if len(found) == number:
            break
    return found


HOURS = "time,use_w,generation_w\n2025-01-01T00:00,1200,0\n2025-01-01T01:00,0,600\n"


async def test_it_counts_what_the_trace_says_and_begins_again_at_its_end(tmp_path: Path) -> None:
    meter = ReplayMeter(read_trace(trace_of(tmp_path, HOURS)), LATE, begins_s=0, every_s=600)
    found = await counts(meter, 25)
    assert [round(found[place].import_total_wh) for place in (0, 6, 12, 18)] == [0, 1_200, 1_200, 2_400]
    assert [round(found[place].export_total_wh) for place in (6, 12, 24)] == [0, 600, 1_200]


async def test_at_thirty_times_its_speed_the_power_of_each_moment_flows(tmp_path: Path) -> None:
    meter = ReplayMeter(read_trace(trace_of(tmp_path, HOURS)), LATE, begins_s=0, speed=30, every_s=60)
    found = await counts(meter, 5)
    assert [round(one.import_total_wh) for one in found] == [0, 20, 40, 40, 40]
    assert [round(one.export_total_wh) for one in found] == [0, 0, 0, 10, 20]


async def test_it_counts_on_while_nobody_reads_it(tmp_path: Path) -> None:
    trace = read_trace(trace_of(tmp_path, HOURS))
    whole = await counts(ReplayMeter(trace, LATE, begins_s=0, every_s=60), 100)
    resumed = await counts(ReplayMeter(trace, LATE, begins_s=0, every_s=60), 10, whole[50])
    assert [round(one.import_total_wh, 6) for one in resumed] == [
        round(one.import_total_wh, 6) for one in islice(whole, 51, 61)
    ]


async def test_energies_are_powers_for_as_long_as_they_hold(tmp_path: Path) -> None:
    energies = "time,use_wh,generation_wh\n2025-01-01T00:00,600,0\n2025-01-01T00:30,0,100\n"
    trace = read_trace(trace_of(tmp_path, energies))
    assert list(trace.net_w) == [1_200, -200]
    assert trace.length_s == 3_600


async def test_the_battery_serves_the_home_and_keeps_an_export(tmp_path: Path) -> None:
    text = "time,use_w,generation_w\n2025-01-01T00:00,0,2000\n2025-01-01T02:00,1000,0\n"
    meter = ReplayMeter(read_trace(trace_of(tmp_path, text)), LATE, begins_s=0, every_s=600, battery=BATTERY)
    stored = (await counts(meter, 13))[-1]
    assert stored.battery_wh == 5_000
    assert (stored.import_total_wh, stored.export_total_wh) == pytest.approx((0, 0), abs=1e-6)
    await meter.hold_export(600)
    sold = (await counts(meter, 6, stored))[-1]
    assert round(sold.export_total_wh) == 600
    assert sold.battery_wh == 5_000 - 1_600
    await meter.hold_export(None)
    after = (await counts(meter, 6, sold))[-1]
    assert round(after.export_total_wh) == 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "columns"),
        ("time,use_w\n1,2\n", "columns"),
        (HOURS.splitlines()[0] + "\n2025-01-01T00:00,1,1\n", "rows"),
        (HOURS + "2025-01-01T02:00,x,1\n", ":4:"),
        (HOURS + "2025-01-01T02:00,nan,1\n", ":4:"),
        (HOURS + "2025-01-01T02:00,1\n", ":4:"),
        (HOURS + "2025-01-01T01:00,1,1\n", ":4:"),
        (HOURS + "2025-01-01T02:00+01:00,1,1\n", ":4:"),
        ("\x00\n", "trace"),
    ],
)
def test_a_file_that_is_no_trace(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_trace(trace_of(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_trace(tmp_path / "nowhere.csv")
