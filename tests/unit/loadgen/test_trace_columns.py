# SPDX-License-Identifier: Apache-2.0
"""Tables told column by column: long and wide, every unit and interval, any zone, net and gross meters."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from commonwatt_loadgen.traces import Problem, ReadAs, TraceError, TraceSet, load_traces
from commonwatt_loadgen.traces.assemble import repeated_slots, skipped_slots
from commonwatt_loadgen.traces.checks import counted
from commonwatt_loadgen.traces.columns import ColumnsError, columns_of, places_of
from commonwatt_loadgen.traces.instants import Instants
from commonwatt_loadgen.traces.quantities import MISSING, NET_METERS, own_flows, quantity_of
from commonwatt_loadgen.traces.zones import ZoneError, zone_of

DAY = 1440


def read(
    folder: Path,
    lines: Iterable[str],
    columns: str,
    zone: str | None = None,
    meters: str | None = None,
    name: str = "homes.csv",
) -> tuple[TraceSet, list[Problem]]:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return load_traces(path, read_as=ReadAs(columns=columns, zone=zone, meters=meters))


def stamps(first: str, minutes: int, days: float = 1, written_as: str = "%Y-%m-%d %H:%M") -> list[str]:
    begins = datetime.fromisoformat(first)
    count = int(days * DAY) // minutes
    return [(begins + timedelta(minutes=minutes * number)).strftime(written_as) for number in range(count)]


def rows(times: Sequence[str], *values: object) -> list[str]:
    return [",".join([time, *map(str, values)]) for time in times]


def use_wh(traces: TraceSet, home: str = "homes") -> int:
    return traces.usage[home].energy_wh(0, DAY * traces.days)


# The mapping


def test_names_with_commas_blanks_and_brackets(tmp_path: Path) -> None:
    lines = [
        'Meter No,"Date, time",KWH/hh (per half hour) ',
        *(f'A,"{time}",0.5' for time in stamps("2024-01-15", 30)),
    ]
    mapping = 'home=meter no, time="Date, time",use_kwh="KWH/hh (per half hour)"'
    traces, problems = read(tmp_path, lines, mapping)
    assert (problems, use_wh(traces, "A")) == ([], 24_000)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("", "time=COLUMN"),
        ("time=a", "a quantity with its unit"),
        ("use_kwh=b", "time=COLUMN"),
        ("time=a,end=b,use_kwh=c", "not both"),
        ("time=a,use=c", "'use' is none of"),
        ("time=a,use_joule=c", "'use_joule' is none of"),
        ("time=a,time=b,use_kwh=c", "time comes twice"),
        ("time,use_kwh=c", "'time' is not KEY=COLUMN"),
        ("home=h,time=t,use_kwh=*", "exclude each other"),
        ("time=t,use_kwh=*,generation_kwh=g", "a \\* is wanted in each"),
        ("time=t,use_kwh=a*b*", "one \\*"),
        ("time=#1,use_kwh=c", "named, or all numbered"),
        ("time=#1,use_kwh=#0", "no column's number"),
        ("time=t,use_kwh=u,time_in=Mars/Olympus", "'Mars/Olympus' is unknown"),
    ],
)
def test_mappings_that_make_no_sense(mapping: str, says: str) -> None:
    with pytest.raises((ColumnsError, ZoneError), match=says):
        columns_of(mapping)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        TraceError, match=r"homes.csv:1: has not the columns that --columns names; found a, b"
    ):
        read(tmp_path, ["a,b", "1,2"], "time=a,use_kwh=c")
    with pytest.raises(ColumnsError, match="'c' is missing; found a, b"):
        places_of(columns_of("time=a,use_kwh=c"), ["a", "b"])


def test_date_and_time_apart_in_a_format_of_their_own(tmp_path: Path) -> None:
    lines = [
        "Day;Clock;Watts",
        *(time + ";500" for time in stamps("2024-01-15", 15, written_as="%d.%m.%Y;%H:%M")),
    ]
    traces, problems = read(tmp_path, lines, "date=Day,time=Clock,format=%d.%m.%Y %H:%M,use_w=Watts")
    assert (problems, traces.first_day, use_wh(traces)) == ([], date(2024, 1, 15), 12_000)


def test_a_time_of_another_format_is_told_with_its_line(tmp_path: Path) -> None:
    lines = ["t,u", *rows(stamps("2024-01-15", 30), 0.5), "15/01/2024 00:30,0.5"]
    with pytest.raises(TraceError, match=r":50: .*'15/01/2024 00:30' \(ISO 8601.*format="):
        read(tmp_path, lines, "time=t,use_kwh=u")


@pytest.mark.parametrize("unit_s", [1, 1000])
def test_seconds_since_1970_in_a_file_without_header(tmp_path: Path, unit_s: int) -> None:
    first = int(datetime(2024, 1, 15, tzinfo=UTC).timestamp())
    lines = [f"{(first + 60 * number) * unit_s},7,1200" for number in range(DAY)]
    traces, problems = read(tmp_path, lines, "time=#1,use_w=#3", zone="UTC")
    assert (problems, use_wh(traces)) == ([], 28_800)


def test_a_column_for_each_home(tmp_path: Path) -> None:
    """Names before and after the star are not the home's; a home may lack generation."""
    times = stamps("2024-01-15", 15)
    lines = [
        "utc,a_use,b_use,b_pv,note",
        *(f"{time},0.4,0.8,{1.2 if '10:' in time else 0},x" for time in times),
    ]
    traces, problems = read(tmp_path, lines, "time=utc,use_kw=*_use,generation_kw=*_pv")
    assert (use_wh(traces, "a"), use_wh(traces, "b")) == (9_600, 19_200)
    assert traces.generation["b"].energy_wh(0, DAY) == 1_200
    assert list(traces.generation) == ["b"]
    assert problems == []


def test_what_is_wrong_in_a_wide_table_is_told_at_its_line(tmp_path: Path) -> None:
    lines = ["utc,a,b", *rows(stamps("2024-01-15", 30), 0.5, 0.5)]
    lines[7] = lines[7].replace("0.5", "x", 1)
    with pytest.raises(TraceError, match=r":8: a is not a number"):
        read(tmp_path, lines, "time=utc,use_kwh=*")
    lines[7] = lines[6]
    _, problems = read(tmp_path, lines, "time=utc,use_kwh=*")
    again = [problem.line for problem in problems if problem.code == "duplicated_interval"]
    assert again == [8, 8]


def test_several_columns_of_one_quantity_are_added(tmp_path: Path) -> None:
    lines = ["t,peak,off,pv", *rows(stamps("2024-01-15", 30), 0.25, 100, "")]
    traces, _ = read(tmp_path, lines, "time=t,use_kwh=peak,use_wh=off")
    assert use_wh(traces) == 48 * 350


# Units and intervals


@pytest.mark.parametrize("unit", ["wh", "kwh", "w", "kw"])
@pytest.mark.parametrize("minutes", [1, 7, 13, 20, 30, 37, 45, 59, 60])
def test_energy_is_exact_whatever_the_interval(tmp_path: Path, unit: str, minutes: int) -> None:
    """Lengths that fit no half hour: the sum of all that lies in whole half hours stays, to the mWh."""
    count = 6 * DAY // minutes
    watts = [(number * 37) % 900 + 100 for number in range(count)]
    energy_wh = {"wh": 1, "kwh": 0.001}.get(unit)
    power_w = {"w": 1, "kw": 0.001}.get(unit)
    values = [
        f"{watt * minutes / 60 * energy_wh:.9f}" if energy_wh else f"{watt * (power_w or 0):.6f}"
        for watt in watts
    ]
    times = stamps("2024-01-15", minutes, 6)
    lines = ["t,u", *(f"{time},{value}" for time, value in zip(times, values, strict=True))]
    traces, problems = read(tmp_path, lines, f"time=t,use_{unit}=u")
    assert {problem.code for problem in problems} <= {"missing_half_hour", "days_outside"}
    per_minute = np.repeat(watts, minutes)[: 5 * DAY] / 60
    assert traces.usage["homes"].energy_wh(0, 5 * DAY) == pytest.approx(per_minute.sum(), abs=1)
    for half_hour in (0, 7, 100, 200):
        own = per_minute[half_hour * 30 : half_hour * 30 + 30].sum()
        assert traces.usage["homes"].energy_wh(half_hour * 30, half_hour * 30 + 30) == pytest.approx(
            own, abs=1
        )


def test_an_end_is_a_start_one_interval_before(tmp_path: Path) -> None:
    lines = ["e,u", *(f"{time},{place}" for place, time in enumerate(stamps("2024-01-15T00:15", 15)))]
    traces, problems = read(tmp_path, lines, "end=e,use_wh=u")
    assert (problems, traces.days) == ([], 1)
    assert traces.usage["homes"].energy_wh(30, 60) == 2 + 3


# Zones

TRANSITIONS = [
    ("Europe/London", "2024-03-31", 23),
    ("Europe/London", "2024-10-27", 25),
    ("America/New_York", "2024-03-10", 23),
    ("America/New_York", "2024-11-03", 25),
    ("Australia/Sydney", "2024-10-06", 23),
    ("Australia/Lord_Howe", "2024-10-06", 23.5),
    ("Australia/Lord_Howe", "2024-04-07", 24.5),
    ("America/Santiago", "2024-09-08", 23),
    ("Asia/Kathmandu", "2024-01-15", 24),
    ("Pacific/Chatham", "2024-04-07", 25),
    ("Asia/Tokyo", "2024-01-15", 24),
]


@pytest.mark.parametrize("minutes", [5, 60])
@pytest.mark.parametrize(("zone", "day", "hours"), TRANSITIONS)
@pytest.mark.parametrize("written_in", ["UTC", "offset"])
def test_days_of_any_zone_have_their_hours(
    tmp_path: Path, zone: str, day: str, hours: float, minutes: int, written_in: str
) -> None:
    """1 kW all the time, in UTC: the energy of a local day is its length; from a day before to a day after."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    begins = midnight.replace(minute=0) - timedelta(hours=26)
    step = timedelta(minutes=minutes)
    instants = [begins + step * number for number in range(78 * 60 // minutes)]
    if written_in == "offset":
        instants = [instant.astimezone(ZoneInfo(zone)) for instant in instants]
    lines = ["t,u", *(f"{instant.isoformat()},1" for instant in instants)]
    traces, problems = read(tmp_path, lines, "time=t,use_kw=u", zone=zone)
    of_day = (date.fromisoformat(day) - traces.first_day).days
    assert traces.usage["homes"].energy_wh(DAY * of_day, DAY * (of_day + 1)) == hours * 1_000
    assert ("repeated_half_hour" in counted(problems)) == (hours > 24)


def test_half_hours_of_a_zone_off_by_quarters_of_an_hour(tmp_path: Path) -> None:
    """In Kathmandu, 5:45 from UTC, each local half hour has a half of two UTC ones."""
    lines = ["t,u"]
    for number in range(96):
        at = datetime(2024, 1, 14, 12, tzinfo=UTC) + timedelta(minutes=30 * number)
        lines.append(f"{at.isoformat()},{500 if number % 2 else 100}")
    traces, _ = read(tmp_path, lines, "time=t,use_wh=u", zone="Asia/Kathmandu")
    assert {traces.usage["homes"].energy_wh(at, at + 30) for at in range(0, DAY, 30)} == {300}


@pytest.mark.parametrize(("zone", "day", "hours"), [one for one in TRANSITIONS if one[2] != 24])
def test_local_times_without_offset_across_a_change(
    tmp_path: Path, zone: str, day: str, hours: float
) -> None:
    skipped, repeated = (
        slots(date.fromisoformat(day), zone_of(zone)) for slots in (skipped_slots, repeated_slots)
    )
    assert len(repeated) - len(skipped) == 2 * (hours - 24)
    times = []
    for slot in range(48):
        time = f"{day} {slot // 2:02d}:{slot % 2 * 30:02d}"
        times += [time] * (0 if slot in skipped else 2 if slot in repeated else 1)
    traces, _ = read(tmp_path, ["t,u", *rows(times, 0.5)], "time=t,use_kwh=u", zone=zone)
    assert use_wh(traces) == hours * 1_000


def test_times_that_cannot_be_local_are_told(tmp_path: Path) -> None:
    lines = ["t,u", *rows(stamps("2024-03-31", 30), 0.5)]
    _, problems = read(tmp_path, lines, "time=t,use_kwh=u", zone="Europe/London")
    assert [(problem.code, problem.line) for problem in problems] == [("skipped_hour", 4)]
    traces, problems = read(tmp_path, lines, "time=t,use_kwh=u,time_in=UTC", zone="Europe/London")
    assert traces.usage["homes"].energy_wh(0, DAY) == 23_000
    assert "skipped_hour" not in counted(problems)


def test_times_with_an_offset_want_a_zone(tmp_path: Path) -> None:
    lines = [
        "t,u",
        *rows([f"{time}Z" for time in stamps("2024-01-15", 30, written_as="%Y-%m-%dT%H:%M")], 0.5),
    ]
    with pytest.raises(TraceError, match="say where the homes are by --zone"):
        read(tmp_path, lines, "time=t,use_kwh=u")
    with pytest.raises(TraceError, match="--zone: time zone 'London' is unknown"):
        read(tmp_path, lines, "time=t,use_kwh=u", zone="London")


def test_a_zone_in_which_times_always_stand_has_no_daylight_saving(tmp_path: Path) -> None:
    lines = ["t,u", *rows(stamps("2024-01-15", 30), 0.5)]
    with pytest.raises(TraceError, match="has daylight saving: say --zone Europe/London"):
        read(tmp_path, lines, "time=t,use_kwh=u,time_in=Europe/London", zone="Europe/London")
    at = Instants(None, ZoneInfo("Etc/GMT+5")).minutes(["2024-01-15T00:00"], np.zeros(1, dtype=bool))[0]
    assert datetime(1970, 1, 1) + timedelta(minutes=int(at[0])) == datetime(2024, 1, 15, 5)


# Net and gross meters

FLOWS = ("use", "generation", "import", "export", "net")


def metered(use: int, generation: int) -> dict[str, int]:
    net = use - generation
    return {
        "use": use,
        "generation": generation,
        "import": max(net, 0),
        "export": max(-net, 0),
        "net": net,
    }


@pytest.mark.parametrize(
    "given", [names for count in range(1, 6) for names in itertools.combinations(FLOWS, count)], ids="+".join
)
def test_own_use_follows_from_whatever_says_it(tmp_path: Path, given: tuple[str, ...]) -> None:
    """Where generation, or use, is known with net or import and export, the home's own flows come out."""
    hours = [metered(400 + 10 * hour, 900 if 9 <= hour < 15 else 0) for hour in range(24)]
    times = stamps("2024-01-15", 60)
    lines = [
        ",".join(["t", *given]),
        *(
            ",".join([time, *(str(hour[name]) for name in given)])
            for time, hour in zip(times, hours, strict=True)
        ),
    ]
    mapping = "time=t," + ",".join(f"{name}_wh={name}" for name in given)
    if not {"use", "import", "net"} & set(given):
        with pytest.raises(TraceError, match="neither use nor import nor net"):
            read(tmp_path, lines, mapping)
        return
    own = "use" in given or ("generation" in given and ("net" in given or {"import", "export"} <= set(given)))
    traces, _ = read(tmp_path, lines, mapping)
    if own:
        assert use_wh(traces) == sum(hour["use"] for hour in hours)
        assert NET_METERS not in traces.source
        if "generation" in given:
            assert traces.generation["homes"].energy_wh(0, DAY) == sum(hour["generation"] for hour in hours)
    elif "generation" not in given:
        assert use_wh(traces) == sum(hour["import"] for hour in hours)
        if {"net", "export"} & set(given):
            assert traces.generation["homes"].energy_wh(0, DAY) == sum(hour["export"] for hour in hours)
            assert NET_METERS in traces.source
            with pytest.raises(TraceError, match="own use does not follow from import and export alone"):
                read(tmp_path, lines, mapping, meters="gross")


def test_a_column_of_use_that_is_net(tmp_path: Path) -> None:
    """Negative values are repaired from other days, unless the user says what they are."""
    lines = ["t,u"]
    for day in ("2024-01-15", "2024-01-16"):
        lines += [f"{time},{-0.3 if day[-1] == '5' and '12:' in time else 0.5}" for time in stamps(day, 30)]
    traces, problems = read(tmp_path, lines, "time=t,use_kwh=u")
    assert counted(problems) == {"negative_value": 1}
    assert use_wh(traces) == 48_000
    traces, problems = read(tmp_path, lines, "time=t,use_kwh=u", meters="net")
    assert problems == []
    assert use_wh(traces) == 47_000
    assert traces.generation["homes"].energy_wh(0, 2 * DAY) == 600


def test_small_negative_generation_is_an_inverter_at_rest() -> None:
    generation = np.array([-40, -60, 500, MISSING], dtype=np.int64)
    net = np.array([140, 100, -300, 7], dtype=np.int64)
    flows = own_flows({"net": net, "generation": generation}, None, 50)
    assert flows.use.tolist() == [140, 100, 200, MISSING]
    assert flows.generation is not None
    assert flows.generation.tolist() == [0, -60, 500, MISSING]
    assert flows.at_rest == 1


@pytest.mark.parametrize("name", ["use_kwh", "Generation_W", " net_kw ", "export_mwh"])
def test_names_of_quantities(name: str) -> None:
    assert quantity_of(name) is not None


@pytest.mark.parametrize("name", ["use", "kwh", "use_kvarh", "demand_kwh", "use__kwh", ""])
def test_names_of_no_quantity(name: str) -> None:
    assert quantity_of(name) is None


# Files


@pytest.mark.parametrize("kind", ["text", "timestamp", "zoned"])
def test_parquet_column_by_column(tmp_path: Path, kind: str) -> None:
    times = pd.date_range("2024-01-15", periods=96, freq="15min")
    column = {
        "text": times.strftime("%Y-%m-%d %H:%M"),
        "timestamp": times,
        "zoned": times.tz_localize("Europe/London"),
    }
    table = pd.DataFrame({"id": 7, "when": column[kind], "kw": [None, *[1.0] * 95], "other": "x"})
    path = tmp_path / "homes.parquet"
    table.to_parquet(path)
    read_as = ReadAs(columns="home=id,time=when,use_kw=kw", zone="Europe/London")
    traces, problems = load_traces(path, read_as=read_as)
    assert counted(problems) == {"missing_half_hour": 1}
    assert traces.usage["7"].energy_wh(60, DAY) == 23_000


def test_folders_and_archives_hold_many_files_of_one_layout(tmp_path: Path) -> None:
    folder = tmp_path / "homes"
    (folder / "b").mkdir(parents=True)
    for name in ("a.csv", "b/b.csv"):
        (folder / name).write_text("\n".join(["t,u", *rows(stamps("2024-01-15", 30), 0.5)]))
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "notes.txt").write_text("nothing to see\n")
    with zipfile.ZipFile(tmp_path / "homes.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(tmp_path))
    for path in (folder, tmp_path / "homes.zip"):
        traces, problems = load_traces(path, read_as=ReadAs(columns="time=t,use_kwh=u"))
        assert {home: use_wh(traces, home) for home in traces.usage} == {"a": 24_000, "b": 24_000}
        assert [(problem.file, problem.code) for problem in problems] == [("notes.txt", "unknown_file")]


def test_what_is_wrong_in_one_of_many_files_is_told_with_its_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("\n".join(["t,u", *rows(stamps("2024-01-15", 30), 0.5)]) + "\n")
    read_as = ReadAs(columns="time=t,use_kwh=u")
    broken = tmp_path / "b.csv"
    broken.write_text(broken.read_text() + "2024-01-16 00:00,x\n")
    with pytest.raises(TraceError, match=r"b.csv:50: u is not a number"):
        load_traces(tmp_path, read_as=read_as)
    (tmp_path / "c.csv").write_text("home,time,use_kwh\n")
    (tmp_path / "b.csv").unlink()
    _, problems = load_traces(tmp_path, read_as=read_as)
    assert [(problem.file, problem.code) for problem in problems] == [("c.csv", "unknown_file")]
