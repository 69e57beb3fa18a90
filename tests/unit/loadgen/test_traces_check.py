# SPDX-License-Identifier: Apache-2.0
"""`commonwatt traces check`: what it says of homes, gaps, duplicates and values that look wrong, and its picture."""

from __future__ import annotations

import json
import struct
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import typer
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.trace_commands import app
from commonwatt_loadgen.trace_options import ColumnsOption
from commonwatt_loadgen.traces import ReadAs, TraceError
from commonwatt_loadgen.traces.check_picture import write_picture
from commonwatt_loadgen.traces.examine import examine, lines_of
from commonwatt_loadgen.traces.quantities import NET_METERS
from typer.testing import CliRunner

READ_AS = ReadAs(columns="home=h,time=t,use_kwh=u,generation_kwh=g")


def homes(folder: Path) -> Path:
    """Ten days of two homes; `b` has PV, lacks a day and a bit, has a row twice, a spike, a negative and a dead day."""
    lines = ["h,t,u,g"]
    for home in "ab":
        for number in range(480):
            time = datetime(2024, 1, 15) + timedelta(minutes=30 * number)
            use, made = "0.5", "1" if home == "b" and time.hour == 12 else "0" if home == "b" else ""
            if home == "b":
                if time.day == 18 or 100 <= number < 103:
                    continue
                use = {200: "30", 210: "-1"}.get(number, "0" if time.day == 20 else use)
            lines.append(f"{home},{time:%Y-%m-%d %H:%M},{use},{made}")
    path = folder / "homes.csv"
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    return path


def test_every_home_is_looked_at(tmp_path: Path) -> None:
    examined = examine(homes(tmp_path), READ_AS)
    first, second = examined.homes
    assert (first.name, first.days, first.missing_half_hours, first.use_kwh) == ("a", 10, 0, 240.0)
    assert (first.spikes, first.days_of_zeros, first.generation_kwh) == (0, 0, 0.0)
    assert (second.days, second.missing_half_hours) == (
        10,
        48 + 3 + 1,
    )  # the negative value counts for nothing
    assert second.generation_kwh == 18.0
    assert (second.spikes, second.largest_half_hour_kwh, second.days_of_zeros) == (1, 30.0, 1)
    assert examined.lengths_min == {30: 2}
    assert examined.refused is None
    assert examined.coverage.shape == (2, 10)
    assert examined.coverage[1].tolist() == [1, 1, 45 / 48, 0, 47 / 48, 1, 1, 1, 1, 1]
    assert examined.use_by_half_hour[0].tolist() == [0.5] * 48
    assert np.flatnonzero(examined.generation_by_half_hour[0]).tolist() == [24, 25]


def test_what_is_found_is_said_in_words(tmp_path: Path) -> None:
    said = "\n".join(lines_of(examine(homes(tmp_path), READ_AS)))
    for words in (
        "2 homes, 1 with generation; 2024-01-15 to 2024-01-24 (UTC); intervals of 30 min",
        "missing: 52 of 960 half hours (5.42 %)",
        "spikes: 1 half hours",
        "zeros: 1 whole days in 1 homes; most (1) in b",
        "duplicated_interval: 1, the first homes.csv:911: b at 2024-01-24 23:30 again",
        "negative_value: 1, the first homes.csv:",
    ):
        assert words in said


def test_what_no_simulation_could_use_is_said(tmp_path: Path) -> None:
    path = tmp_path / "sun.csv"
    path.write_text("\n".join(homes(tmp_path).read_text().splitlines()[:5]) + "\n")
    said = "\n".join(lines_of(examine(path, READ_AS)))
    assert "missing: 44 of 48" in said
    path.write_text("h,t,u,g\na,2024-01-15 00:00,,5\na,2024-01-15 00:30,,5\n")
    assert "cannot be simulated" in "\n".join(lines_of(examine(path, READ_AS)))


def test_a_date_far_off_is_told(tmp_path: Path) -> None:
    path = homes(tmp_path)
    path.write_text(path.read_text().replace("2024-01-15 00:00", "1901-01-15 00:00", 1))
    with pytest.raises(
        TraceError, match=r"homes.csv:2: .*spans 44,\d+ days; is its first date, 1901-01-15, right"
    ):
        examine(path, READ_AS)


@pytest.mark.parametrize("count", [1, 500])
def test_the_picture_is_a_png(tmp_path: Path, count: int) -> None:
    rows = [
        f"h{home},2024-01-15 {hour:02d}:00,{hour % 3},{1 if home % 2 else 0}"
        for home in range(count)
        for hour in range(24)
    ]
    path = tmp_path / "homes.csv"
    path.write_text("\n".join(["h,t,u,g", *rows]) + "\n")
    picture = tmp_path / "picture.png"
    write_picture(examine(path, READ_AS), picture)
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 2 * height > 800


def test_the_command(tmp_path: Path) -> None:
    """Typer takes the options; what cannot be read is wrong use, in one sentence."""
    path, runner = homes(tmp_path), CliRunner()
    columns = ["--columns", READ_AS.columns or ""]
    done = runner.invoke(app, ["check", str(path), *columns, "--json", "--picture", str(tmp_path / "p.png")])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [home["name"] for home in told["homes"]] == ["a", "b"]
    assert told["problems"]["duplicated_interval"] == 1
    assert (tmp_path / "p.png").exists()
    listed = runner.invoke(app, ["layouts"])
    assert "low-carbon-london: zone Europe/London, gross meters" in listed.stdout
    refused = runner.invoke(app, ["check", str(path), "--layout", "pecan"])
    assert isinstance(refused.exception, UsageError)
    assert str(refused.exception).startswith("--layout pecan: is none of")
    assert ColumnsOption.__metadata__[0].envvar == "COMMONWATT_TRACE_COLUMNS"
    assert isinstance(app, typer.Typer)


def test_a_simulation_reads_as_it_is_told(tmp_path: Path) -> None:
    options = SimulationOptions(
        traces=homes(tmp_path), columns=READ_AS.columns, zone="Europe/London", meters="gross"
    )
    options.check()
    traces, problems = options.trace_set()
    assert sorted(traces.usage) == ["a", "b"]
    assert problems
    assert NET_METERS not in traces.source
    for wrong, says in (
        ({"columns": "time=t"}, "a quantity with its unit"),
        ({"layout": "nowhere"}, "--layout nowhere"),
        ({"meters": "both"}, "--meters both"),
        ({"zone": "Nowhere"}, "--zone: time zone 'Nowhere'"),
    ):
        with pytest.raises(UsageError, match=says):
            SimulationOptions(traces=tmp_path, **wrong).check()  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="name it by --traces"):
        SimulationOptions(zone="Europe/London").check()
