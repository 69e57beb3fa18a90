# SPDX-License-Identifier: Apache-2.0
"""Trace files in which energy would go wrong unseen: offsets, intervals, registers, packing, notation, counters."""

import gzip
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from commonwatt_loadgen.traces import Problem, TraceError, TraceSet, csv_blocks, load_traces, tables
from commonwatt_loadgen.traces.checks import counted

SYDNEY = ZoneInfo("Australia/Sydney")
DAY = 1440
HOUR = timedelta(hours=1)


@pytest.fixture(params=[100_000, 7], ids=["one piece", "pieces of 7 rows"])
def rows_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tidy tables are read in pieces, at whose edges nothing may differ."""
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", request.param)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", request.param * 20)


def written(folder: Path, lines: Iterable[str], name: str = "traces.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def read(folder: Path, lines: Iterable[str]) -> tuple[TraceSet, list[Problem]]:
    return load_traces(written(folder, lines))


def refused(folder: Path, lines: Iterable[str]) -> str:
    """Why a file is refused, from its line on."""
    path = written(folder, lines)
    with pytest.raises(TraceError) as caught:
        load_traces(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def use_wh(traces: TraceSet, home: str = "a") -> int:
    return traces.usage[home].energy_wh(0, DAY * traces.days)


def instants(first: datetime, end: datetime, minutes: int) -> list[datetime]:
    step = timedelta(minutes=minutes)
    return [first + step * number for number in range((end - first) // step)]


def tidy_rows(times: Iterable[str], wh: float, home: str = "a") -> list[str]:
    return ["home,time,use_wh", *(f"{home},{time},{wh:g}" for time in times)]


def local_rows(day: str, minutes: int, wh: float, days: int = 1) -> list[str]:
    first = datetime.fromisoformat(day)
    times = instants(first, first + timedelta(days=days), minutes)
    return tidy_rows([f"{time:%Y-%m-%dT%H:%M}" for time in times], wh)


# Tidy tables: time


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
@pytest.mark.parametrize("zone", [SYDNEY, UTC])
@pytest.mark.parametrize(
    ("first", "end", "hours", "codes"),
    [
        ("2024-04-06", "2024-04-09", 73, {"repeated_half_hour": 2}),
        ("2024-10-05", "2024-10-08", 71, {"daylight_saving": 1}),
        ("2024-01-15", "2024-01-18", 72, {}),
    ],
)
def test_offsets_across_daylight_saving(tmp_path, minutes, zone, first, end, hours, codes):
    begin, over = (datetime.fromisoformat(day).replace(tzinfo=SYDNEY).astimezone(UTC) for day in (first, end))
    times = [time.astimezone(zone).isoformat() for time in instants(begin, over, minutes)]
    traces, problems = read(tmp_path, tidy_rows(times, 1000 * minutes / 60))
    assert traces.days == 3
    assert use_wh(traces) == 1000 * hours
    assert counted(problems) == codes


@pytest.mark.usefixtures("rows_at_once")
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_the_hour_that_comes_twice_in_local_times_without_offset(tmp_path, minutes):
    """A third time is one too many."""
    lines = local_rows("2024-04-07", minutes, 1000 * minutes / 60)
    again = [line for line in lines if "T02:" in line]
    place = lines.index(again[-1]) + 1
    traces, problems = read(tmp_path, [*lines[:place], *again, *lines[place:]])
    assert use_wh(traces) == 25_000
    assert counted(problems) == {"repeated_half_hour": 2}
    traces, problems = read(tmp_path, [*lines[:place], *again, again[0], *lines[place:]])
    assert use_wh(traces) == 25_000
    assert counted(problems) == {"duplicated_interval": 1, "repeated_half_hour": 2}


@pytest.mark.usefixtures("rows_at_once")
@pytest.mark.parametrize(("with_offset", "without"), [(24, 24), (1, 47), (47, 1)])
def test_times_with_and_without_offset_are_refused_at_the_first_that_differs(tmp_path, with_offset, without):
    lines = local_rows("2024-01-15", 30, 500)
    rows = [line.replace(",500", "+11:00,500").replace("+11:00,500", "+11:00,500") for line in lines[1:]]
    rows = [
        row.rpartition(",")[0] + (",500" if place < with_offset else "") for place, row in enumerate(rows)
    ]
    rows[with_offset:] = lines[1 + with_offset :]
    assert refused(tmp_path, [lines[0], *rows]).startswith(f":{2 + with_offset}: time ")
    reverse = [lines[0], *lines[1 : 1 + without], *rows[:with_offset]]
    assert "has an offset, unlike those before it" in refused(tmp_path, reverse)


@pytest.mark.usefixtures("rows_at_once")
@pytest.mark.parametrize("offset", ["", "+11:00", "Z"])
@pytest.mark.parametrize("times", [1, 3])
def test_an_instant_counts_once(tmp_path, offset, times):
    lines = [line.replace(",500", f"{offset},500") for line in local_rows("2024-01-15", 30, 500, days=3)]
    traces, problems = read(tmp_path, [*lines, *[lines[60]] * times])
    repeated = [problem for problem in problems if problem.code == "duplicated_interval"]
    assert [problem.line for problem in repeated] == [len(lines) + 1 + n for n in range(times)]
    assert "first on line 61" in repeated[0].message
    middle = traces.usage["a"].energy_wh(DAY, 2 * DAY)
    assert middle == 24_000


@pytest.mark.parametrize("minutes", [1, 5, 10, 15, 30, 60])
def test_tables_of_any_interval_in_any_order(tmp_path, minutes):
    lines = local_rows("2024-01-15", minutes, 24 * minutes, days=2)
    traces, problems = read(tmp_path, [lines[0], *reversed(lines[1:])])
    assert problems == []
    assert use_wh(traces) == 24 * DAY * 2
    assert traces.usage["a"].energy_wh(30, 60) == 24 * 30


def test_an_hour_is_spread_over_its_half_hours(tmp_path):
    lines = [f"a,2024-01-15T{hour:02d}:00,{hour * 100 + 1}" for hour in range(24)]
    traces, problems = read(tmp_path, ["home,time,use_wh", *lines])
    assert problems == []
    assert [traces.usage["a"].energy_wh(120 + at, 150 + at) for at in (0, 30)] == [101, 101]  # 100.5 Wh each
    assert traces.usage["a"].energy_wh(120, 180) == 201


def test_homes_with_intervals_of_their_own(tmp_path):
    lines = ["home,time,use_wh"]
    for home, minutes in (("a", 5), ("b", 60), ("c", 30)):
        lines += [f"{home}{line[1:]}" for line in local_rows("2024-01-15", minutes, 10 * minutes)[1:]]
    traces, problems = read(tmp_path, lines)
    assert problems == []
    assert [use_wh(traces, home) for home in "abc"] == [14_400] * 3


@pytest.mark.usefixtures("rows_at_once")
def test_a_part_of_a_half_hour_is_a_missing_half_hour(tmp_path):
    """Repaired from the next day, and told at the line of what is left of it."""
    lines = local_rows("2024-01-15", 5, 50, days=2)
    traces, problems = read(tmp_path, lines[:9] + lines[10:])
    assert [(problem.code, problem.line) for problem in problems] == [("missing_half_hour", 8)]
    assert use_wh(traces) == 50 * 12 * 48


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (local_rows("2024-01-15", 61, 10), ":2: a: its rows are mostly 61 minutes apart"),
        (local_rows("2024-01-15", 1440, 10, days=9), ":2: a: its rows are mostly 1440 minutes apart"),
        (
            [*local_rows("2024-01-15", 30, 10), "a,2024-01-15T10:10,10"],
            ":50: a: begins within another of its intervals of 30",
        ),
        (
            [*local_rows("2024-01-15", 60, 10), "a,2024-01-15T10:30,10"],
            ":26: a: begins within another of its intervals of 60",
        ),
        (tidy_rows(["2024-01-15T00:00:30"], 10), ":2: home or time is missing or malformed"),
        (tidy_rows(["9999-12-31T23:30Z"], 10), ":2: home or time is missing or malformed"),
        (tidy_rows(["0001-01-01T00:00"], 10), ":2: home or time is missing or malformed"),
        (['"', "home,time,use_wh", "a,2024-01-15T00:00,10"], ":1: its header stands within quotation marks"),
        (tidy_rows(["15/01/2024 00:30"], 10), ":2: home or time is missing or malformed"),
    ],
)
def test_times_that_are_no_intervals_are_refused(tmp_path, lines, says):
    assert refused(tmp_path, lines).startswith(says)


# Tidy tables: notation


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("HOME,Time,Use_Wh", "a,{time},500"),
        (" use_wh , time,home", "500,{time},a"),
        ("home;time;use_kwh", "a;{time};0,5"),
        ("time;USE_KWH;home;", "{time};0.5;a;"),
        ("home\ttime\tuse_kwh", "a\t{time}\t0,5"),
        ("home,time,use_wh", "a,{time},500,"),
        ('"home","time","use_wh"', '"a","{time}","500"'),
        ("Exported by a meter portal\nhome,time,use_wh", "a,{time},500"),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n,,\n", "\n  \n"])
def test_header_case_order_separators_and_blank_last_lines(tmp_path, header, row, end):
    times = [f"{time:%Y-%m-%dT%H:%M}" for time in instants(datetime(2024, 1, 15), datetime(2024, 1, 16), 30)]
    path = tmp_path / "traces.csv"
    path.write_text(header + "\n" + "\n".join(row.format(time=time) for time in times) + end)
    if ";" in header:
        path.write_text(path.read_text().replace("\n,,", "\n;;"))
    if "\t" in header:
        path.write_text(path.read_text().replace("\n,,", "\n\t\t"))
    traces, problems = load_traces(path)
    assert problems == []
    assert use_wh(traces) == 24_000


@pytest.mark.usefixtures("rows_at_once")
@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            ["home;time;use_wh", "a;2024-01-15T00:00;0,5", "a;2024-01-15T00:30;1.234"],
            ":3: use_wh is not a number",
        ),
        (["home;time;use_wh", "a;2024-01-15T00:00;1.234,5"], ":2: use_wh is not a number"),
        (["home,time,use_wh", "", 'a,2024-01-15T00:00,"0,5"'], ":3: use_wh is not a number"),
        (
            ["home,time,use_wh", "a,2024-01-15T00:00,1", "a,2024-01-15T00:30,1,2"],
            ":3: 4 fields; the header has 3",
        ),
        (["home,time,use_wh", "a,2024-01-15T00:00,1", "a,2024-01"], ":3: 2 of 3 fields: the row is cut off"),
        (["home,time,use_wh", "a,2024-01-15T00:00,1", ",2024-01-15T00:30,1"], ":3: home is missing"),
        (
            ["home,time,use_wh,USE_KWH", "a,2024-01-15T00:00,1,1"],
            ":1: column 'use_kwh' is the second one of use",
        ),
        (["home,time,use_wh,Home", "a,2024-01-15T00:00,1,1"], ":1: column 'home' comes twice"),
    ],
)
def test_what_is_wrong_is_told_at_its_own_line(tmp_path, lines, says):
    assert refused(tmp_path, lines).startswith(says)


@pytest.mark.usefixtures("rows_at_once")
def test_flaws_are_told_at_their_own_line(tmp_path):
    lines = local_rows("2024-01-15", 5, 10, days=2)
    lines[20], lines[30] = lines[20].replace(",10", ",-3"), lines[30].replace(",10", ",90000")
    _, problems = read(tmp_path, lines)
    assert [(problem.code, problem.line) for problem in problems] == [
        ("negative_value", 21),
        ("absurd_value", 26),
    ]


def test_bytes_that_are_no_text_are_told_at_their_line(tmp_path):
    path = written(tmp_path, local_rows("2024-01-15", 5, 10))
    path.write_bytes(path.read_bytes().replace(b"T10:00", b"T1\xff:00"))
    with pytest.raises(TraceError, match=r"traces.csv:122: is not UTF-8 text"):
        load_traces(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("layout", ["ausgrid", "nem12", "tidy"])
def test_any_line_ends_and_a_byte_order_mark(tmp_path, end, layout):
    lines = {
        "ausgrid": [",".join(AUSGRID), ",".join(customer())],
        "nem12": nem12(meter("E1"), day_record(15)),
        "tidy": local_rows("2024-01-15", 1, 24_000 / 1440),
    }[layout]
    path = tmp_path / "traces.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (end.join(lines) + end).encode())
    traces, problems = load_traces(path)
    assert problems == []
    (used,) = traces.usage.values()
    assert used.energy_wh(0, DAY) == pytest.approx(24_000, abs=1)


@pytest.mark.parametrize("home", ["NA", "null", "nan", "None", "0012"])
def test_a_home_may_have_any_name(tmp_path, home):
    times = [line.split(",")[1] for line in local_rows("2024-01-15", 30, 1)[1:]]
    traces, _ = read(tmp_path, tidy_rows(times, 500, home))
    assert use_wh(traces, home) == 24_000


# Tidy tables: what is metered


@pytest.mark.parametrize(
    ("column", "start", "step", "days"),
    [
        ("use_kwh", 20_431.5, 0.25, 1),
        ("use_wh", 0, 250, 2),
        ("use_kwh", 3, 0.1, 4),
        ("generation_kwh", 7_000, 0.2, 3),
    ],
)
def test_the_readings_of_a_counter_are_refused(tmp_path, column, start, step, days):
    """Also with nights on which it stands still, and with one exchange of the meter."""
    lines = ["home,time,use_wh" + (f",{column}" if column.startswith("generation") else "")]
    lines[0] = lines[0].replace("use_wh", column) if column.startswith("use") else lines[0]
    reading = start
    for line in local_rows("2024-01-15", 30, 7, days)[1:]:
        time = line.split(",")[1]
        reading += 0 if "T00" < time[10:13] < "T06" else step
        value = f"{reading:g}" if column.startswith("use") else f"7,{reading:g}"
        lines.append(f"a,{time},{value}")
    assert "only rises, as a counter's readings" in refused(tmp_path, lines)


def test_thirty_one_days_are_not_cut_to_the_one_of_another_home(tmp_path):
    lines = local_rows("2024-01-01", 30, 500, days=31)
    lines += [line.replace("a,", "b,", 1) for line in local_rows("2024-01-01", 30, 500)[1:]]
    traces, problems = read(tmp_path, lines)
    assert (traces.days, use_wh(traces), sorted(traces.usage)) == (31, 24_000 * 31, ["a"])
    assert [(problem.code, problem.line) for problem in problems] == [("incomplete_home", 31 * 48 + 2)]


def test_days_that_most_homes_lack_are_told(tmp_path):
    lines = local_rows("2024-01-01", 30, 500, days=4)
    for home in "bcd":
        lines += [line.replace("a,", f"{home},", 1) for line in local_rows("2024-01-02", 30, 500, days=3)[1:]]
    traces, problems = read(tmp_path, lines)
    assert (traces.days, sorted(traces.usage)) == (3, ["a", "b", "c", "d"])
    assert [(problem.code, problem.line) for problem in problems] == [("days_outside", 2)]
    assert "1 days outside 2024-01-02 to 2024-01-04" in problems[0].message


def test_one_wrong_year_costs_one_home_only(tmp_path):
    lines = local_rows("2024-01-01", 30, 500, days=3)
    for home in "bc":
        lines += [line.replace("a,", f"{home},", 1) for line in local_rows("2024-01-01", 30, 500, days=3)[1:]]
    lines[1] = lines[1].replace("2024", "1924")
    traces, problems = read(tmp_path, lines)
    assert (traces.days, len(traces.usage)) == (3, 3)
    assert counted(problems) == {"days_outside": 1, "missing_half_hour": 2}


# Packed files


def test_zip_and_gzip(tmp_path):
    lines = local_rows("2024-01-15", 30, 500)
    text = "\n".join(lines)
    packed = [tmp_path / "traces.csv.gz", tmp_path / "traces.zip", tmp_path / "unnamed"]
    packed[0].write_bytes(gzip.compress(text.encode()))
    packed[2].write_bytes(packed[0].read_bytes())
    with zipfile.ZipFile(packed[1], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/", "")
        archive.writestr("export/traces.csv", text)
        archive.writestr("__MACOSX/._traces.csv", b"\0")
    for path in packed:
        traces, problems = load_traces(path)
        assert problems == []
        assert use_wh(traces) == 24_000


def test_packed_files_that_cannot_be_used(tmp_path):
    whole = gzip.compress("\n".join(local_rows("2024-01-15", 30, 500)).encode())
    path = tmp_path / "traces.gz"
    path.write_bytes(whole[:-40])
    with pytest.raises(TraceError, match="cannot be read"):
        load_traces(path)
    path.write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(TraceError, match="cannot be read"):
        load_traces(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("2010.csv", "a")
        archive.writestr("2011.csv", "b")
    with pytest.raises(TraceError, match="traces.gz:2010.csv:1: none of the known layouts"):
        load_traces(path)


@pytest.mark.parametrize("content", [b"\n", b"0", b"a,2024-01-15T00:00,1\n"])
@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_bomb_is_refused(tmp_path, content, kind, monkeypatch):
    monkeypatch.setattr("commonwatt_loadgen.traces.packed._UNPACKED_AT_LEAST", 100_000)
    path = tmp_path / "bomb"
    bomb = b"home,time,use_wh\n" + content * (600_000 // len(content))
    if kind == "gz":
        path.write_bytes(gzip.compress(bomb, 1))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr("traces.csv", bomb)
    assert path.stat().st_size * 100 < len(bomb)
    with pytest.raises(TraceError, match=r"unpacks to more than|a line of more than"):
        load_traces(path)


# Ausgrid's layout

LABELS = [f"{minute // 60 % 24}:{minute % 60:02d}" for minute in range(30, 1441, 30)]
AUSGRID = ["Customer", "Generator Capacity", "Postcode", "Consumption Category", "date", *LABELS]


def customer(category: str = "GC", capacity: str = "2.5", value: str = "0.5", day: int = 1) -> list[str]:
    return ["1", capacity, "2042", category, f"{day}/07/2012", *[value] * 48]


@pytest.mark.parametrize("capacity", ["inf", "-inf", "nan", "-1", "1e300", "10001"])
@pytest.mark.parametrize("category", ["GG", "GC"])
def test_a_capacity_that_no_system_has_is_refused(tmp_path, capacity, category):
    lines = [AUSGRID, customer(), customer(category, capacity, day=2)]
    assert refused(tmp_path, map(",".join, lines)).startswith(":3: generator capacity")


@pytest.mark.parametrize("capacity", ["", "0", "10000", "5"])
def test_a_capacity_at_its_bounds(tmp_path, capacity):
    lines = [AUSGRID, customer(), customer("GG", capacity)]
    traces, _ = read(tmp_path, map(",".join, lines))
    scale = float(capacity or 0) / 5 or 1
    assert traces.generation["1"].energy_wh(0, 60) == pytest.approx(1000 / scale, abs=1)


@pytest.mark.parametrize("separator", [",", ";"])
def test_ausgrid_header_case_order_and_notation(tmp_path, separator):
    value = "0,5" if separator == ";" else "0.5"
    rows = [[name.upper() for name in AUSGRID], customer(value=value, capacity=""), customer("cl", "", value)]
    lines = [separator.join(reversed(row)) for row in rows]
    traces, problems = read(tmp_path, [*lines, "", separator * 52])
    assert problems == []
    assert traces.usage["1"].energy_wh(0, DAY) == 48_000


def test_a_home_with_controlled_load_alone_uses_energy(tmp_path):
    traces, _ = read(tmp_path, map(",".join, [AUSGRID, customer("CL")]))
    assert traces.usage["1"].energy_wh(0, DAY) == 24_000


# NEM12


def nem12(*records: str) -> list[str]:
    return ["100,NEM12,202402100900,DATAPROV,RETAILER", *records, "900"]


def meter(suffix: str, minutes: int = 30, unit: str = "KWH", home: str = "6100000017") -> str:
    return f"200,{home},{suffix},{suffix},{suffix},N1,METER0001,{unit},{minutes},"


def day_record(day: int, value: str = "0.5", count: int = 48, flag: str = "A", updated: str = "") -> str:
    return f"300,202401{day:02d}," + ",".join([value] * count) + f",{flag},,,{updated},"


def nem12_use_wh(traces: TraceSet) -> int:
    return use_wh(traces, "6100000017")


@pytest.mark.parametrize(
    ("minutes", "count"), [(15, 288), (30, 96), (30, 49), (5, 96), (15, 48), (30, 24), (5, 287)]
)
def test_nem12_interval_counts_are_those_of_the_header(tmp_path, minutes, count):
    lines = nem12(meter("E1", minutes), day_record(15, "0.1", count))
    assert refused(tmp_path, lines).startswith(":3: ")


@pytest.mark.parametrize("flag", ["0.1", "", "X", "A1", "A123", "NA"])
def test_nem12_a_quality_flag_is_due(tmp_path, flag):
    lines = nem12(meter("E1"), day_record(15, flag=flag))
    assert refused(tmp_path, lines).startswith(":3: a quality flag is due after 48 values of 30 minutes")


@pytest.mark.parametrize("flag", ["A", "E52", "F14", "S51", "V", "a"])
def test_nem12_readings_of_every_quality_but_n_count(tmp_path, flag):
    traces, problems = read(tmp_path, nem12(meter("E1"), day_record(15, flag=flag)))
    assert problems == []
    assert nem12_use_wh(traces) == 24_000


def test_nem12_every_register_of_use_and_generation_counts(tmp_path):
    values = {"E1": "0.5", "E2": "0.25", "E3": "0.125", "EA": "1", "B1": "0.5", "B2": "0.25"}
    records = [record for name, value in values.items() for record in (meter(name), day_record(15, value))]
    traces, problems = read(tmp_path, nem12(*records))
    assert problems == []
    assert nem12_use_wh(traces) == 48 * 1_875
    assert traces.generation["6100000017"].energy_wh(0, DAY) == 48 * 750


@pytest.mark.parametrize("days", [(17, 18), (16, 17, 18), (15, 16, 17), (16,)])
@pytest.mark.parametrize("order", [1, -1])
def test_nem12_a_home_with_a_register_of_fewer_days_is_left_out(tmp_path, days, order):
    """Alone it leaves no home, else the others."""
    registers = [
        [meter("E1"), *(day_record(day) for day in (15, 16, 17, 18))],
        [meter("E2"), *(day_record(day, "0.25") for day in days)],
    ][::order]
    records = [record for register in registers for record in register]
    assert "E2 has" in refused(tmp_path, nem12(*records))
    other = [meter("E1", home="6100000025"), *(day_record(day) for day in (15, 16, 17, 18))]
    traces, problems = read(tmp_path, nem12(*records, *other))
    assert list(traces.usage) == ["6100000025"]
    assert counted(problems) == {"incomplete_home": 1}


def test_nem12_a_register_without_any_readings_leaves_its_home_out(tmp_path):
    records = [meter("E1"), day_record(15), meter("E2")]
    assert "E2 has 0 days" in refused(tmp_path, nem12(*records))


@pytest.mark.parametrize(("unit", "minutes"), [("KVARH", 30), ("KVA", 30), ("", 60), ("PF", 15)])
def test_nem12_other_registers_are_left_aside_with_all_they_hold(tmp_path, unit, minutes):
    other = [meter("Q1", minutes, unit), "300,20240115,x,,y", "400,0,99,?", "500,O,S01,20240115,"]
    traces, problems = read(tmp_path, nem12(meter("E1"), day_record(15), *other, meter("E2"), day_record(15)))
    assert counted(problems) == {"unknown_register": 1}
    assert nem12_use_wh(traces) == 48_000


@pytest.mark.parametrize(
    ("marks", "missing"),
    [
        (["400,1,24,N,,", "400,25,48,A,,"], 24),
        (["400,1,1,A,,", "400,2,48,N,,"], 47),
        (["400,1,48,S14,32,"], 0),
        (["400,1,10,E52,,", "400,11,12,n,,", "400,13,48,A,,"], 2),
    ],
)
def test_nem12_intervals_marked_n_are_no_readings(tmp_path, marks, missing):
    traces, problems = read(
        tmp_path, nem12(meter("E1"), day_record(15, "0.1", flag="V"), *marks, day_record(16))
    )
    assert nem12_use_wh(traces) == missing * 500 + (48 - missing) * 100 + 24_000
    assert counted(problems) == ({"missing_half_hour": 1} if missing else {})
    assert all(problem.line == 3 and f"{missing} half hours" in problem.message for problem in problems)


def test_nem12_five_minutes_marked_n(tmp_path):
    lines = nem12(meter("E1", 5), day_record(15, "0.1", 288, "V"), "400,7,7,N,,", day_record(16, "0.2", 288))
    traces, problems = read(tmp_path, lines)
    assert nem12_use_wh(traces) == 47 * 600 + 1_200 + 57_600
    assert "1 half hours, the first at 0:30" in problems[0].message


@pytest.mark.parametrize(
    "mark", ["400,0,4,N,,", "400,9,4,N,,", "400,1,49,N,,", "400,x,4,N,,", "400,1,4,,,", "400"]
)
def test_nem12_marks_that_make_no_sense_are_refused(tmp_path, mark):
    assert refused(tmp_path, nem12(meter("E1"), day_record(15, flag="V"), mark)).startswith(":4: ")


@pytest.mark.parametrize(
    ("first", "second", "wh"),
    [
        ("20240210090000", "20240211090000", 12_000),
        ("20240211090000", "20240210090000", 24_000),
        ("20240210090000", "20240210090000", 24_000),
        ("", "20240210090000", 12_000),
        ("", "", 24_000),
    ],
)
def test_nem12_the_later_update_counts(tmp_path, first, second, wh):
    records = [
        meter("E1"),
        day_record(15, updated=first),
        meter("E1"),
        day_record(15, "0.25", updated=second),
    ]
    traces, problems = read(tmp_path, nem12(*records))
    assert nem12_use_wh(traces) == wh
    assert [(problem.code, problem.line) for problem in problems] == [("duplicated_day", 5)]


def test_nem12_files_one_after_another(tmp_path):
    first, second = nem12(meter("E1"), day_record(15)), nem12(meter("E1"), day_record(16))
    traces, problems = read(tmp_path, [*first, *second])
    assert problems == []
    assert nem12_use_wh(traces) == 48_000


@pytest.mark.parametrize("kept", [5, 6, 7])
def test_nem12_a_file_cut_off_after_its_first_900_is_refused(tmp_path, kept):
    lines = [*nem12(meter("E1"), day_record(15)), *nem12(meter("E1"), day_record(16))]
    assert refused(tmp_path, lines[:kept]).startswith(f":{kept}: no 900 record at the end")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([*nem12(meter("E1"), day_record(15)), day_record(16)], ":5: a record '300' outside"),
        ([*nem12(meter("E1"), day_record(15)), "100,NEM13,1,A,B"], ":5: a file of version"),
        (nem12(meter("E1"), day_record(15), "100,NEM12,1,A,B"), ":4: a 100 record before the 900"),
        (nem12(meter("E1"), ",20240115,0.5"), ":3: record indicator ''"),
        (nem12(meter("E1", unit="KVARH"), day_record(15)), ":2: unit 'KVARH'"),
        (nem12(meter("E1"), day_record(15, updated="yesterday")), ":3: UpdateDateTime 'yesterday'"),
    ],
)
def test_nem12_records_out_of_place_are_refused(tmp_path, lines, says):
    assert refused(tmp_path, lines).startswith(says)
