# SPDX-License-Identifier: Apache-2.0
"""Files as a utility delivers them: read as they come, each interval once, gaps left as gaps, wrong files told."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.counted import Counted, MeterFailed
from commonwatt_community.meters.files import FileMeter, csv_intervals, zone_of
from commonwatt_community.meters.settings import Columns, File

from .test_nem12 import HEAD, MIDNIGHT_S, day, head

COLUMNS = {"time": "when", "imports": "in", "exports": "out", "zone": "Australia/Sydney"}


def meter(folder: Path, told: list[str], **other: object) -> FileMeter:
    settings = File.model_validate({"kind": "file", "path": "delivered", "every_s": 1, **other})
    return FileMeter(settings, folder, Clock(rate=1e9), told.append)


async def read(one: FileMeter, number: int, after: Counted | None = None) -> list[Counted]:
    found = []
    async for counted in one.readings(after):
        found.append(counted)
        if len(found) == number:
            break
    return found


async def test_files_are_read_as_they_come_and_each_interval_once(tmp_path: Path) -> None:
    folder = tmp_path / "delivered"
    folder.mkdir()
    told: list[str] = []
    lines = [HEAD, head(minutes=5), day([0.01] * 288), head("B1", minutes=5), day([0] * 288), "900"]
    (folder / "a.csv").write_text("\n".join(lines))
    (folder / "broken.csv").write_text("100,NEM12\n")
    one = meter(tmp_path, told)
    found = await read(one, 289)
    assert found[0] == Counted(MIDNIGHT_S, 0.0, 0.0)
    assert found[-1].at_s == MIDNIGHT_S + 86_400
    assert round(found[-1].import_total_wh) == 2_880
    assert all(each.follows for each in found)
    assert len(told) == 1
    assert "broken.csv: line 1: no 900 record" in told[0]
    next_day = [line.replace("300,20250101", "300,20250102") for line in lines]
    (folder / "b.csv").write_text("\n".join(next_day))
    again = await read(meter(tmp_path, told), 2, found[-1])
    assert [each.at_s for each in again] == [MIDNIGHT_S + 86_400 + 300, MIDNIGHT_S + 86_400 + 600]


async def test_an_interval_that_is_missing_is_a_gap_whose_energy_no_total_holds(tmp_path: Path) -> None:
    rows = [
        "when,in,out",
        "2025-01-01T00:00,0.1,0",
        "2025-01-01T00:10,0.1,0",
        "2025-01-01T00:15,,0",
        "2025-01-01T00:20,0.1,0",
    ]
    (tmp_path / "delivered").write_text("\n".join(rows))
    found = await read(meter(tmp_path, [], columns=COLUMNS), 6)
    start_s = found[0].at_s
    assert start_s == 1_735_650_000, "midnight in Sydney, in summer"
    assert [each.at_s - start_s for each in found] == [0, 300, 600, 900, 1_200, 1_500]
    assert [each.follows for each in found] == [True, True, False, True, False, True]


def test_stamps_of_the_end_and_times_with_a_zone() -> None:
    columns = Columns.model_validate({**COLUMNS, "stamps": "end", "unit": "Wh", "exports": None})
    [one] = csv_intervals(iter(["when,in\n", "2025-01-01T00:05+00:00,7\n"]), columns)
    assert (one.start_s, one.import_wh, one.export_wh) == (1_735_689_600, 7.0, 0.0)


async def test_files_that_cannot_be_right(tmp_path: Path) -> None:
    with pytest.raises(MeterFailed, match="cannot be read"):
        await read(meter(tmp_path, []), 1)
    with pytest.raises(ConfigurationError, match="line 1: it has no column in, out"):
        csv_intervals(iter(["when\n"]), Columns.model_validate(COLUMNS))
    with pytest.raises(ConfigurationError, match="line 2: 'noon' is no time"):
        csv_intervals(iter(["when,in,out\n", "noon,1,1\n"]), Columns.model_validate(COLUMNS))
    with pytest.raises(ConfigurationError, match="no time zone"):
        zone_of("../../etc/passwd")
