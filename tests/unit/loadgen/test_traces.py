# SPDX-License-Identifier: Apache-2.0
"""Trace files of every layout: what they hold, and what is said about their flaws."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from commonwatt_loadgen.traces import (
    EquationOnePv,
    HalfHourly,
    HourlyProfile,
    TraceError,
    default_types,
    load_traces,
)

LABELS = [f"{minute // 60 % 24}:{minute % 60:02d}" for minute in range(30, 1441, 30)]
HEADER = ",".join(["Customer", "Generator Capacity", "Postcode", "Consumption Category", "date", *LABELS])
DAY = 1440


def row(customer="1", category="GC", day="1/11/2012", values=None, capacity="2.5") -> str:
    return ",".join([customer, capacity, "2261", category, day, *(values or ["0.5"] * 48)])


def written(folder: Path, *lines: str, end="\n", name="traces.csv") -> Path:
    path = folder / name
    path.write_bytes((end.join(lines) + end).encode())
    return path


@pytest.mark.parametrize(
    ("opening", "quality", "end"),
    [
        (["Solar home electricity data,,,"], True, "\n"),
        ([], False, "\n"),
        (["Solar home electricity data"], True, "\r\n"),
    ],
)
def test_ausgrid_layouts(tmp_path, opening, quality, end):
    tail, flag = (",Row Quality", ",NA") if quality else ("", "")
    path = written(
        tmp_path,
        *opening,
        HEADER + tail,
        row() + flag,
        row(category="CL", values=["0.25"] * 48) + flag,
        row(category="GG", values=["0"] * 24 + ["1.25"] * 24) + flag,
        end=end,
    )
    traces, problems = load_traces(path, strict=True)
    assert problems == []
    assert (traces.first_day, traces.days) == (date(2012, 11, 1), 1)
    assert traces.usage["1"].energy_wh(0, 30) == 750  # general and controlled load
    assert traces.generation["1"].energy_wh(720, 750) == 2500  # 2.5 kW scaled to 5 kW


@pytest.mark.parametrize("day", ["1/07/2010", "01/07/2010", "1-Jul-10", "1-Jul-2010"])
def test_dates_are_day_first(tmp_path, day):
    traces, _ = load_traces(written(tmp_path, HEADER, row(day=day)))
    assert traces.first_day == date(2010, 7, 1)


def test_labels_end_their_half_hour(tmp_path):
    values = [str(slot) for slot in range(48)]
    traces, _ = load_traces(written(tmp_path, HEADER, row(values=values)))
    assert traces.usage["1"].energy_wh(0, 30) == 0
    assert traces.usage["1"].energy_wh(23 * 60 + 30, DAY) == 47_000  # column 0:00 closes the same day


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([HEADER, row(), row(day="2/11/2012")[:60]], ":3: 15 of 53 fields: the row is cut off"),
        ([HEADER, row(day="2012-11-01")], ":2: date '2012-11-01' is not day first"),
        ([HEADER, row(category="XX")], ":2: consumption category 'XX' is none of CL, GC, GG"),
        ([HEADER, row(values=["0.5"] * 47 + ["abc"])], ":2: not a number"),
        (
            [HEADER.replace("1:30", "1:31"), row()],
            ":1: 48 half hours from 0:30 to 0:00 are expected; column 1:30 is missing",
        ),
        (["a,b,c", "1,2,3"], ":1: none of the known layouts"),
        ([HEADER], "holds no readings"),
        (["100,NEM12,200506081149,A,B", "200,N1,E1,1,E1,N1,M,KWH,30,"], ":2: no 900 record at the end"),
        (["100,NEM12,200506081149,A,B", "300,20121101,1"], ":2: a 300 record before any 200 record"),
        (["home,time,use_wh", "a,yesterday,5"], ":2: home or time is missing or malformed"),
        (["home,time,use_wh", "a,2012-11-01T00:00,5", "a,2012-11-01T00:30,x"], ":3: use_wh is not a number"),
        (["home,time,watts", "a,2012-11-01T00:00,5"], ":1: columns home, time and use_wh"),
    ],
)
def test_malformed_files_are_refused_with_file_and_line(tmp_path, lines, says):
    path = written(tmp_path, *lines)
    with pytest.raises(TraceError) as caught:
        load_traces(path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


def test_missing_empty_and_binary_files(tmp_path):
    with pytest.raises(TraceError, match="no such file"):
        load_traces(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(TraceError, match="the file is empty"):
        load_traces(tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01" * 50)
    with pytest.raises(TraceError, match="not UTF-8"):
        load_traces(tmp_path / "binary.csv")


def test_flaws_are_repaired_from_the_nearest_day_and_listed(tmp_path):
    odd = ["0.5"] * 48
    odd[3], odd[4], odd[5] = "", "-0.1", "900"
    path = written(
        tmp_path,
        HEADER,
        row(values=["0.4"] * 48),
        row(day="2/11/2012", values=odd),
        row(day="2/11/2012"),
        row(day="4/11/2012"),
    )
    traces, problems = load_traces(path)
    assert [problem.code for problem in problems] == [
        "missing_half_hour",
        "negative_value",
        "absurd_value",
        "duplicated_day",
        "missing_day",
    ]
    assert [problem.line for problem in problems] == [3, 3, 3, 4, 0]
    assert traces.days == 4
    second = traces.usage["1"].from_day(1)
    assert [second.energy_wh(slot * 30, slot * 30 + 30) for slot in range(2, 7)] == [500, 400, 400, 400, 500]
    with pytest.raises(TraceError, match="refused by --strict: 1 absurd_value, 1 duplicated_day"):
        load_traces(path, strict=True)


def test_the_hour_that_daylight_saving_leaves_out_is_empty(tmp_path):
    values = ["0.5"] * 48
    values[4] = values[5] = ""
    traces, problems = load_traces(written(tmp_path, HEADER, row(day="7/10/2012", values=values)))
    assert [problem.code for problem in problems] == ["daylight_saving"]
    assert traces.usage["1"].energy_wh(0, DAY) == 23_000


def test_homes_without_the_usual_days_or_with_dead_pv_are_left_out(tmp_path):
    days = ["1/11/2012", "2/11/2012"]
    lines = (
        [row("1", day=day) for day in days] + [row("2", day=day) for day in days] + [row("3", day=days[0])]
    )
    lines += [row("2", "GG", day, ["0"] * 48) for day in days]
    traces, problems = load_traces(written(tmp_path, HEADER, *lines))
    assert sorted(traces.usage) == ["1", "2"]
    assert not traces.generation
    assert sorted(problem.code for problem in problems) == ["incomplete_home", "no_generation"]


def test_nem12(tmp_path):
    five_minutes = ",".join(["0.1"] * 288)
    lines = [
        "100,NEM12,200506081149,UNITEDDP,NEMMCO",
        "200,NMI1,E1B1,1,E1,N1,METER,KWH,5,",
        f"300,20121101,{five_minutes},A,,,20121102,",
        "200,NMI1,E1B1,1,B1,N1,METER,WH,30,",
        "300,20121101," + ",".join(["500"] * 48) + ",V,,,20121102,",
        "400,1,48,E14,,",
        "900",
    ]
    traces, problems = load_traces(written(tmp_path, *lines))
    assert problems == []
    assert traces.usage["NMI1"].energy_wh(0, DAY) == 28_800
    assert traces.generation["NMI1"].energy_wh(0, DAY) == 24_000


def test_tidy_with_offsets_and_daylight_saving(tmp_path):
    # Sydney's clock falls back at 3:00 on 7 April 2013: two half hours come twice.
    times = [f"2013-04-06T{13 + slot // 2:02d}:{slot % 2 * 30:02d}:00+00:00" for slot in range(22)]
    times += [f"2013-04-07T{slot // 2:02d}:{slot % 2 * 30:02d}:00+00:00" for slot in range(28)]
    lines = ["home,time,use_wh", *(f"a,{time},100" for time in times)]
    traces, problems = load_traces(written(tmp_path, *lines))
    assert traces.first_day == date(2013, 4, 7)
    assert traces.usage["a"].energy_wh(0, DAY) == 5000
    assert {problem.code for problem in problems} == {"repeated_half_hour"}


def test_default_types():
    types = default_types()
    assert (len(types.usage), len(types.generation)) == (15, 3)
    mean = (
        sum(
            source.energy_wh(hour * 60, hour * 60 + 60)
            for source in types.usage.values()
            for hour in range(24)
        )
        / 15
    )
    assert mean == pytest.approx(10_400, rel=0.01)
    assert default_types(2_000_000).usage["U01_5"].energy_wh(0, 60) == 513


def test_an_interval_takes_its_minutes_of_each_half_hour():
    trace = HalfHourly(np.array([300_000, 600_000, *[0] * 46]))
    assert trace.energy_wh(0, 60) == 900
    assert trace.energy_wh(15, 45) == 450
    assert trace.energy_wh(0, 1) == 10
    assert trace.energy_wh(DAY - 10, DAY + 30) == 300  # and then starts again
    assert HourlyProfile((100,) * 24).energy_wh(0, 45) == 75


def test_equation_one():
    pv = EquationOnePv(10.0, 0.2, (0.0,) * 12 + (1000.0,) * 12, (25.0,) * 23 + (45.0,))
    assert pv.energy_wh(12 * 60, 13 * 60) == 2000
    assert pv.energy_wh(23 * 60, 24 * 60) == 1800
    assert pv.energy_wh(0, 60) == 0
