# SPDX-License-Identifier: Apache-2.0
"""Files of each published layout, made here as its documentation has them: what a simulation then knows of them.

Where a layout is documented stands in docs/traces.md.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from commonwatt_loadgen.traces import ReadAs, TraceError, TraceSet, load_traces
from commonwatt_loadgen.traces.checks import counted
from commonwatt_loadgen.traces.layouts import LAYOUTS
from commonwatt_loadgen.traces.layouts.irish_cer import utc_minutes
from commonwatt_loadgen.traces.layouts.p1_dsmr import crc16
from commonwatt_loadgen.traces.quantities import NET_METERS

DAY = 1440


def written(folder: Path, lines: Iterable[str], name: str = "traces.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def times(first: datetime, count: int, minutes: int) -> list[datetime]:
    return [first + timedelta(minutes=minutes) * number for number in range(count)]


def day_wh(traces: TraceSet, home: str, day: int = 0) -> int:
    return traces.usage[home].energy_wh(DAY * day, DAY * (day + 1))


def made_wh(traces: TraceSet, home: str, day: int = 0) -> int:
    return traces.generation[home].energy_wh(DAY * day, DAY * (day + 1))


# Low Carbon London


def london_rows(home: str, first: datetime, days: int, kwh: str = "0.250") -> list[str]:
    return [f"{home},Std,{time:%Y-%m-%d %H:%M:%S}.0000000, {kwh} " for time in times(first, 48 * days, 30)]


LONDON = "LCLid,stdorToU,DateTime,KWH/hh (per half hour) "


def test_low_carbon_london_with_its_quirks(tmp_path: Path) -> None:
    """A home's rows go on in the next block; a row comes twice; Null stands at the second of an exchange."""
    rows = london_rows("MAC000002", datetime(2013, 1, 10), 4)
    exchange = "MAC000002,Std,2013-01-11 15:13:41.0000000,Null"
    written(tmp_path / "lcl", [LONDON, *rows[:100], exchange, rows[99]], "LCL-June2015v2_0.csv")
    written(
        tmp_path / "lcl", [LONDON, *rows[100:], *london_rows("MAC000003", datetime(2013, 1, 10), 4)], "b.csv"
    )
    traces, problems = load_traces(tmp_path / "lcl")
    assert sorted(traces.usage) == ["MAC000002", "MAC000003"]
    assert (traces.first_day, traces.days) == (date(2013, 1, 10), 4)
    assert [day_wh(traces, "MAC000002", day) for day in range(4)] == [12_000] * 4
    assert [(one.file, one.line, one.code) for one in problems] == [
        ("LCL-June2015v2_0.csv", 103, "duplicated_interval")
    ]


def test_low_carbon_london_is_in_gmt(tmp_path: Path) -> None:
    """The last Sunday of March has 23 local hours, and the summer's days begin at 23:00 GMT."""
    path = written(tmp_path, [LONDON, *london_rows("MAC000002", datetime(2013, 3, 30), 3)])
    path.write_text(path.read_text() + "MAC000002,Std,2013-04-01 23:00:00.0000000, 0.250 \n")
    traces, _ = load_traces(path)
    assert [day_wh(traces, "MAC000002", day) for day in range(3)] == [12_000, 11_500, 12_000]


def test_low_carbon_london_as_kaggle_has_it(tmp_path: Path) -> None:
    rows = [
        f"MAC000002,{time:%Y-%m-%d %H:%M:%S}.0000000,0.5" for time in times(datetime(2013, 1, 10), 48, 30)
    ]
    traces, problems = load_traces(written(tmp_path, ["LCLid,tstp,energy(kWh/hh)", *rows], "block_0.csv"))
    assert (problems, day_wh(traces, "MAC000002")) == ([], 24_000)


# Pecan Street


def test_pecan_street_own_use_follows_from_grid_and_solar(tmp_path: Path) -> None:
    """1 kW of use all day; 3 + 0.5 kW of sun from 10 to 14 h, and a few W drawn by the inverter at night."""
    lines = ["dataid,local_15min,air1,grid,solar,solar2"]
    for time in times(datetime(2018, 3, 1), 96, 15):
        sun = 10 <= time.hour < 14
        solar, second = ("3.0", "0.5") if sun else ("-0.005", "")
        grid = 1 - 3.5 if sun else 1
        lines.append(f"661,{time:%Y-%m-%d %H:%M:%S}-06,0.2,{grid},{solar},{second}")
        lines.append(f"1642,{time:%Y-%m-%d %H:%M:%S}-06,0.2,0.5,,")
    traces, problems = load_traces(written(tmp_path, lines, "15minute_data_austin.csv"))
    assert day_wh(traces, "661") == 24_000
    assert made_wh(traces, "661") == 14_000
    assert day_wh(traces, "1642") == 12_000  # has no PV: its empty columns are none
    assert sorted(traces.generation) == ["661"]
    assert counted(problems) == {"standby": 1}
    assert NET_METERS not in traces.source


def test_pecan_street_of_earlier_years(tmp_path: Path) -> None:
    lines = ["dataid,localminute,use,air1,gen,grid"]
    lines += [
        f"26,{time:%Y-%m-%d %H:%M:%S}-06,1.5,0,0.25,1.25" for time in times(datetime(2014, 1, 1), DAY, 1)
    ]
    traces, problems = load_traces(written(tmp_path, lines))
    assert (problems, day_wh(traces, "26"), made_wh(traces, "26")) == ([], 36_000, 6_000)


# UMass Smart*


def test_umass_homes_and_years_are_files(tmp_path: Path) -> None:
    header = "Date & Time,use [kW],gen [kW],Furnace [kW]"
    for year, kilowatts in ((2014, 1.0), (2015, 2.0)):
        day = datetime(2014, 12, 31) if year == 2014 else datetime(2015, 1, 1)
        rows = [f"{time:%Y-%m-%d %H:%M:%S},{kilowatts},0.5,0" for time in times(day, 48, 30)]
        written(tmp_path / "smart", [header, *rows], f"HomeB-meter1_{year}.csv")
    (tmp_path / "smart" / "README.txt").write_text("what these files are\n")
    traces, problems = load_traces(tmp_path / "smart")
    assert [day_wh(traces, "HomeB-meter1", day) for day in range(2)] == [24_000, 48_000]
    assert made_wh(traces, "HomeB-meter1") == 12_000
    assert [(problem.file, problem.code) for problem in problems] == [("README.txt", "unknown_file")]


def test_umass_apartments_have_no_header(tmp_path: Path) -> None:
    rows = [f"{time:%Y-%m-%d %H:%M:%S},0.4" for time in times(datetime(2016, 1, 15), DAY, 1)]
    traces, problems = load_traces(written(tmp_path, rows, "Apt1_2016.csv"))
    assert (problems, day_wh(traces, "Apt1")) == ([], 9_600)


# ResStock


def test_resstock_ends_its_intervals_in_eastern_standard_time(tmp_path: Path) -> None:
    """As Parquet; PV is a negative use. In summer a local day begins at 23:00 of the day before."""
    ends = times(datetime(2018, 7, 1, 0, 15), 4 * 73, 15)
    table = pd.DataFrame(
        {
            "bldg_id": 100058,
            "timestamp": pd.to_datetime(ends),
            "out.electricity.pv.energy_consumption": [-0.5 if 9 <= end.hour < 15 else 0.0 for end in ends],
            "out.electricity.total.energy_consumption": 0.25,
        }
    )
    path = tmp_path / "100058-0.parquet"
    table.to_parquet(path)
    traces, _ = load_traces(path)
    assert traces.days == 4
    assert day_wh(traces, "100058", 1) == 24_000
    assert made_wh(traces, "100058", 1) == 12_000
    assert traces.generation["100058"].energy_wh(DAY + 10 * 60, DAY + 11 * 60) == 2_000
    early = traces.generation["100058"].energy_wh(DAY + 9 * 60, DAY + 10 * 60)
    assert early == 500  # the quarter from 8:45 EST on is 9:45 local time


# The Irish trial


def test_irish_codes_are_days_and_half_hours(tmp_path: Path) -> None:
    rows = [f"1392 {195:03d}{slot:02d} 0.14" for slot in range(1, 49)]
    traces, problems = load_traces(written(tmp_path, rows, "File1.txt"))
    assert (problems, traces.first_day) == ([], date(2009, 7, 14))
    assert day_wh(traces, "1392") == 6_720


@pytest.mark.parametrize("numbered_by_clock", [False, True])
def test_irish_days_on_which_the_clock_changes(tmp_path: Path, numbered_by_clock: bool) -> None:
    """25 October 2009 (day 298) has 50 half hours; 28 March 2010 (452) has 46, numbered on or by the clock."""
    spring = [*range(1, 3), *range(5, 49)] if numbered_by_clock else range(1, 47)
    rows = [
        f"1392 {day:03d}{slot:02d} 0.5"
        for day, slots in ((298, range(1, 51)), (452, spring))
        for slot in slots
    ]
    for day, hours in ((298, 25), (452, 23)):
        path = written(tmp_path, [row for row in rows if row.startswith(f"1392 {day}")], "File1.txt")
        traces, _ = load_traces(path)
        assert day_wh(traces, "1392") == hours * 1_000
        assert traces.usage["1392"].energy_wh(DAY - 60, DAY) == 1_000


def test_irish_half_hours_begin_where_the_clock_says() -> None:
    midnight = datetime(2009, 7, 14, tzinfo=ZoneInfo("Europe/Dublin")).timestamp() / 60
    assert utc_minutes(np.array([19501, 19548])).tolist() == [midnight, midnight + 47 * 30]


@pytest.mark.parametrize(
    "row", ["1392 19551 0.1", "1392 19500 0.1", "1392 00001 0.1", "1392 19501 0.1 7", "1392 1950x 1"]
)
def test_irish_rows_that_make_no_sense(tmp_path: Path, row: str) -> None:
    rows = [f"1392 195{slot:02d} 0.14" for slot in range(1, 49)]
    with pytest.raises(TraceError, match=r"File1.txt:49: "):
        load_traces(written(tmp_path, [*rows, row], "File1.txt"))


# Green Button

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:espi="http://naesb.org/espi">
<entry><link rel="self" href="User/1/UsagePoint/07"/>
<content><espi:UsagePoint><espi:ServiceCategory><espi:kind>{service}</espi:kind></espi:ServiceCategory></espi:UsagePoint></content></entry>
{readings}
</feed>
"""
READING = """
<entry><link rel="self" href="User/1/UsagePoint/07/MeterReading/{number}"/>
<link rel="related" href="ReadingType/{number}"/>
<content><espi:MeterReading/></content></entry>
<entry><link rel="self" href="User/1/UsagePoint/07/MeterReading/{number}/IntervalBlock/1"/>
<content><espi:IntervalBlock>{intervals}</espi:IntervalBlock></content></entry>
<entry><link rel="self" href="ReadingType/{number}"/>
<content><espi:ReadingType><espi:flowDirection>{direction}</espi:flowDirection>
<espi:powerOfTenMultiplier>{power}</espi:powerOfTenMultiplier><espi:uom>{uom}</espi:uom></espi:ReadingType></content></entry>
"""
INTERVAL = (
    "<espi:IntervalReading><espi:timePeriod><espi:duration>{duration}</espi:duration><espi:start>{start}</espi:start>"
    "</espi:timePeriod><espi:value>{value}</espi:value></espi:IntervalReading>"
)


def reading(
    number: int, direction: int, value: int, *, power: int = 0, uom: int = 72, step_s: int = 900
) -> str:
    first = int(datetime(2024, 1, 15, tzinfo=ZoneInfo("America/New_York")).timestamp())
    intervals = "".join(
        INTERVAL.format(duration=step_s, start=first + step_s * place, value=value)
        for place in range(86_400 // step_s)
    )
    return READING.format(number=number, direction=direction, power=power, uom=uom, intervals=intervals)


def green(folder: Path, *readings: str, service: int = 0) -> Path:
    path = folder / "usage.xml"
    path.write_text(FEED.format(service=service, readings="".join(readings)))
    return path


def test_green_button_import_and_export(tmp_path: Path) -> None:
    """Wh with a power of ten; what is received from the home is fed in, and its own use is unknown."""
    path = green(tmp_path, reading(1, 1, 250_000, power=-3), reading(2, 19, 1, power=2))
    traces, problems = load_traces(path)
    assert problems == []
    assert traces.first_day == date(2024, 1, 15)
    assert (day_wh(traces, "07"), made_wh(traces, "07")) == (24_000, 9_600)
    assert NET_METERS in traces.source


def test_green_button_mean_power_of_an_hour(tmp_path: Path) -> None:
    traces, _ = load_traces(green(tmp_path, reading(1, 1, 500, uom=38, step_s=3600)))
    assert day_wh(traces, "07") == 12_000


@pytest.mark.parametrize(
    ("readings", "service", "says"),
    [
        ([reading(1, 1, 5, step_s=86_400)], 0, "an interval of 86400 s"),
        ([reading(1, 1, 5)], 1, "holds no readings of use"),
        ([reading(1, 1, 5, power=99)], 0, "powerOfTenMultiplier 99"),
        ([reading(1, 1, 5, uom=119)], 0, "holds no readings of use"),
    ],
)
def test_green_button_that_is_no_interval_data(
    tmp_path: Path, readings: list[str], service: int, says: str
) -> None:
    with pytest.raises(TraceError, match=says):
        load_traces(green(tmp_path, *readings, service=service))


# P1


def telegram(time: datetime, taken_kwh: float, fed_kwh: float, *, checked: bool = True) -> str:
    """A telegram as the DSMR 5 companion standard has it; `time` is local."""
    offset = time.astimezone(ZoneInfo("Europe/Amsterdam")).utcoffset()
    season = "S" if offset == timedelta(hours=2) else "W"
    body = "\r\n".join(
        [
            "/ISk5\\2MT382-1000",
            "",
            "1-3:0.2.8(50)",
            f"0-0:1.0.0({time.astimezone(ZoneInfo('Europe/Amsterdam')):%y%m%d%H%M%S}{season})",
            "0-0:96.1.1(4B384547303034303436333935353037)",
            f"1-0:1.8.1({taken_kwh:010.3f}*kWh)",
            "1-0:1.8.2(000100.000*kWh)",
            f"1-0:2.8.1({fed_kwh:010.3f}*kWh)",
            "1-0:2.8.2(000000.000*kWh)",
            "1-0:1.7.0(01.193*kW)",
            "!",
        ]
    )
    checksum = crc16(body.encode()) if checked else crc16(body.encode()) ^ 1
    return f"{body}{checksum:04X}\r\n"


def p1_log(folder: Path, first: datetime, hours: float, step_s: int) -> Path:
    """1.2 kW taken and 0.6 kW fed in throughout."""
    texts = []
    for number in range(int(hours * 3600 / step_s) + 1):
        at = first + timedelta(seconds=step_s * number)
        texts.append(telegram(at, 10 + 1.2 * number * step_s / 3600, 0.6 * number * step_s / 3600))
    path = folder / "p1.log"
    path.write_bytes("".join(texts).encode())
    return path


def test_crc16_of_the_standard() -> None:
    assert crc16(b"123456789") == 0xBB3D  # CRC-16/ARC


def test_p1_counters_become_half_hours(tmp_path: Path) -> None:
    first = datetime(2024, 1, 15, tzinfo=ZoneInfo("Europe/Amsterdam")) - timedelta(seconds=20)
    traces, problems = load_traces(p1_log(tmp_path, first, 24.1, 50))
    (home,) = traces.usage
    assert home == "K8EG004046395507"
    assert traces.usage[home].energy_wh(0, 23 * 60) == pytest.approx(1.2 * 23_000, abs=2)
    assert traces.generation[home].energy_wh(0, 23 * 60) == pytest.approx(0.6 * 23_000, abs=2)
    assert NET_METERS in traces.source
    assert {problem.code for problem in problems} <= {"missing_half_hour", "days_outside", "missing_day"}


@pytest.mark.parametrize(("day", "hours"), [(datetime(2024, 10, 27), 25), (datetime(2024, 3, 31), 23)])
def test_p1_days_on_which_the_clock_changes(tmp_path: Path, day: datetime, hours: int) -> None:
    first = day.replace(tzinfo=ZoneInfo("Europe/Amsterdam")).astimezone(UTC)
    traces, _ = load_traces(p1_log(tmp_path, first, hours, 600))
    (home,) = traces.usage
    assert day_wh(traces, home) == hours * 1_200


def test_p1_telegrams_that_are_broken_or_far_apart(tmp_path: Path) -> None:
    """A telegram with another checksum counts for nothing; a gap of an hour leaves its half hours missing."""
    first = datetime(2024, 1, 15, tzinfo=ZoneInfo("Europe/Amsterdam"))
    path = p1_log(tmp_path, first, 24, 300)
    texts = path.read_bytes().decode().split("/ISk5")
    del texts[100:112]  # from 8:15 on
    wrong = telegram(first + timedelta(hours=20), 99_999, 0, checked=False)
    path.write_bytes(("/ISk5".join(texts) + wrong).encode())
    traces, problems = load_traces(path)
    assert counted(problems) == {"broken_telegram": 1, "missing_half_hour": 2}
    (home,) = traces.usage
    assert day_wh(traces, home) == 1_200 * 24 - 3 * 600


def test_p1_without_times_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p1.log"
    path.write_text("/KMP5 KA6U001\n\n1-0:1.8.1(00185.000*kWh)\n!\n" * 20)
    with pytest.raises(TraceError, match="no telegram has a time"):
        load_traces(path)


# NEM12 and NEM13, as the market sends them

NEM12 = [
    "100,NEM12,202402100900,DATAPROV,RETAILER",
    "200,6100000017,E1,1,E1,N1,METER0001,KWH,30,",
    "300,20240115," + ",".join(["0.5"] * 48) + ",A,,,,",
    "900",
]
ASEXML = """<?xml version="1.0"?>
<ase:aseXML xmlns:ase="urn:aseXML:r38"><Header/><Transactions><Transaction><MeterDataNotification>
<{tag}>{text}</{tag}></MeterDataNotification></Transaction></Transactions></ase:aseXML>
"""


def test_nem12_in_archives_of_archives_and_in_messages(tmp_path: Path) -> None:
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nem12#1#mda1#retail1.csv", "\n".join(NEM12))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(inner, "2024/inner.zip")
        other = "\n".join(NEM12).replace("6100000017", "6100000025")
        archive.writestr("2024/nem12#2#mda1#retail1.csv", other)
    traces, problems = load_traces(tmp_path / "all.zip")
    assert problems == []
    assert {home: day_wh(traces, home) for home in traces.usage} == {
        "6100000017": 24_000,
        "6100000025": 24_000,
    }
    message = ASEXML.format(tag="CSVIntervalData", text="\n".join(NEM12))
    traces, problems = load_traces(written(tmp_path, [message], "message.xml"))
    assert (problems, day_wh(traces, "6100000017")) == ([], 24_000)


def test_nem13_has_no_intervals(tmp_path: Path) -> None:
    message = ASEXML.format(tag="CSVConsumptionData", text="100,NEM13,1,A,B")
    for path in (written(tmp_path, ["100,NEM13,1,A,B", "900"]), written(tmp_path, [message], "m.xml")):
        with pytest.raises(TraceError, match="ask for the interval data"):
            load_traces(path)


def test_nem12_of_net_meters(tmp_path: Path) -> None:
    path = written(tmp_path, NEM12)
    assert NET_METERS not in load_traces(path)[0].source
    assert NET_METERS in load_traces(path, read_as=ReadAs(meters="net"))[0].source


# All together


def test_a_layout_that_is_named_is_wanted(tmp_path: Path) -> None:
    path = written(tmp_path, [LONDON, *london_rows("MAC000002", datetime(2013, 1, 10), 1)])
    assert load_traces(path, read_as=ReadAs(layout="low-carbon-london"))[0].days == 1
    with pytest.raises(TraceError, match="is not of the layout pecan-street; found LCLid"):
        load_traces(path, read_as=ReadAs(layout="pecan-street"))
    with pytest.raises(TraceError, match="--layout pecan: is none of"):
        load_traces(path, read_as=ReadAs(layout="pecan"))


def test_every_layout_is_on_the_page(repository: Path) -> None:
    page = (repository / "docs" / "traces.md").read_text("utf-8")
    assert [name for name in LAYOUTS if f"`{name}`" not in page] == []
