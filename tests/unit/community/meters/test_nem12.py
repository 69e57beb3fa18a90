# SPDX-License-Identifier: Apache-2.0
"""NEM12: registers of import and export by interval, qualities, and records that are malformed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from commonwatt_community.meters.nem12 import Interval, NotNem12, intervals, is_nem12

HEAD = "100,NEM12,202501020000,MDP,RET"
MIDNIGHT_S = int(datetime(2024, 12, 31, 14, tzinfo=UTC).timestamp())
"""2025-01-01 in Eastern Standard Time."""


def head(suffix: str = "E1", unit: str = "kWh", minutes: int = 30, nmi: str = "NMI1") -> str:
    return f"200,{nmi},E1B1,{suffix},{suffix},N,SERIAL,{unit},{minutes},"


def day(values: list[object], flag: str = "A") -> str:
    return f"300,20250101,{','.join(map(str, values))},{flag},,,20250102000000,"


def test_import_and_export_of_an_interval_come_together() -> None:
    lines = [
        HEAD,
        head("E1"),
        day([0.5] * 48),
        head("B1"),
        day([0.1] + [0] * 47),
        head("K1"),
        day([9] * 48),
        "900",
    ]
    found = intervals(lines)
    assert len(found) == 48
    assert found[0] == Interval("NMI1", MIDNIGHT_S, 30, 500, 100, True)
    assert found[1] == Interval("NMI1", MIDNIGHT_S + 1_800, 30, 500, 0, True)
    assert sum(one.import_wh for one in found) == 24_000


def test_qualities_of_a_day_and_of_parts_of_it() -> None:
    lines = [
        HEAD,
        head(minutes=5, unit="Wh"),
        day([1] * 288, "V"),
        "400,1,2,A,,",
        "400,3,3,N,,",
        "400,4,4,S14,,",
        "900",
    ]
    found = intervals(lines)
    assert len(found) == 287, "what was not read is none"
    assert [one.measured for one in found[:3]] == [True, True, False]
    assert found[2].start_s == MIDNIGHT_S + 3 * 300


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([], 0),
        ([HEAD], 1),
        ([head(), HEAD], 1),
        ([HEAD, day([1] * 48), "900"], 2),
        ([HEAD, "200,NMI1,E1", "900"], 2),
        ([HEAD, head(unit="kVArh"), "900"], 2),
        ([HEAD, head(minutes=7), "900"], 2),
        ([HEAD, head(), day([1] * 40), "900"], 3),
        ([HEAD, head(), day(["x"] * 48), "900"], 3),
        ([HEAD, head(), day([-1] * 48), "900"], 3),
        ([HEAD, head(), day(["nan"] * 48), "900"], 3),
        ([HEAD, head(), day([1] * 48, "Z"), "900"], 3),
        ([HEAD, head(), day([1] * 48), "400,0,2,A", "900"], 4),
        ([HEAD, head(), day([1] * 48), "400,x", "900"], 4),
        ([HEAD, "777", "900"], 2),
    ],
)
def test_what_is_malformed_is_said_with_its_line(lines: list[str], line: int) -> None:
    with pytest.raises(NotNem12) as refused:
        intervals(lines)
    assert refused.value.line == line


def test_how_a_file_begins() -> None:
    assert is_nem12(HEAD)
    assert not is_nem12("time,import\n")
