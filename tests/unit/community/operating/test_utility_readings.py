# SPDX-License-Identifier: Apache-2.0
"""A utility's file: NEM12 or CSV, cut to periods without losing a Wh, said by the operator, and repeated in vain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.meters.nem12 import Interval
from commonwatt_community.operating.due import Community
from commonwatt_community.operating.status import sentences, standing
from commonwatt_community.operating.substituting import substitute
from commonwatt_community.operating.utility_files import cut, read_intervals
from commonwatt_loadgen.forward.setup import NumbersInMemory
from hypothesis import given, settings
from hypothesis import strategies as st

from ....support.living_town import MIDNIGHT_S, Town

NMI = "4100000001"
EASTERN = timezone(timedelta(hours=10))


def nem12(day: str, imports: list[str], exports: list[str] | None = None) -> str:
    rows = ["100,NEM12,202612040000,UTILITY,RETAILER"]
    for suffix, values in (("E1", imports), ("B1", exports or [])):
        if values:
            rows.append(f"200,{NMI},E1B1,{suffix},{suffix},N1,METER1,KWH,30,")
            rows.append(f"300,{day},{','.join(values)},A,,,20261204000000,")
    return "\n".join([*rows, "900", ""])


async def community(town: Town) -> Community:
    return (await town.ledger().community())[0]


async def status(town):
    return list(sentences(await standing(town.operator)))


async def test_half_hours_become_periods_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(MIDNIGHT_S - 7_200, homes=2, period_min=15)
    await town.reach(MIDNIGHT_S + 5 * 3_600)
    key = make_key(tmp_path / "operator.pem")
    operator = Author(key, NumbersInMemory(), town.net, "newtown", "NewtownMSP")
    await town.operator.set_key("operator", "NewtownMSP", operator.brings_key(key.public, 1, "operator"))
    file = tmp_path / "meter.csv"
    file.write_text(nem12("20261203", ["0.101"] * 48, ["0.050"] * 48))
    found = read_intervals(file, {NMI: "h1"})
    assert len(found) == 48
    counted = [one for one in cut(await community(town), found) if one.period * 60 < MIDNIGHT_S + 2 * 3_600]
    assert len(counted) == 8
    assert sum(one.import_wh for one in counted) == 404
    assert {one.import_wh for one in counted} == {50, 51}
    assert {one.export_wh for one in counted} == {25}
    numbers = NumbersInMemory()
    args = (town.operator, key, numbers, town.net, "newtown", counted, town.lines.append)
    said = await substitute(*args)
    assert (said.written, said.standing, said.refused) == (8, 0, {})
    again = await substitute(*args)
    assert (again.written, again.standing) == (0, 8)
    corrected = [counted[0]._replace(import_wh=77), counted[1]._replace(home="h9"), *counted[2:]]
    third = await substitute(town.operator, key, numbers, town.net, "newtown", corrected, town.lines.append)
    assert (third.written, third.standing, third.refused) == (1, 6, {"not_registered": 1})
    [standing_of_day] = [one for one in await status(town) if one.startswith("2026-12-03")]
    assert standing_of_day == "2026-12-03: 0 of 20 periods settled, 20 without clearing, not billed yet"
    assert "2 homes: 2 take part" in (await status(town))[1]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 5_000), min_size=1, max_size=30),
    st.sampled_from((5, 15, 30, 60)),
    st.integers(0, 50),
)
async def test_no_wh_is_lost_between_the_first_and_the_last_whole_period(
    tmp_path_factory: pytest.TempPathFactory, energies: list[float], length_min: int, late_min: int
) -> None:
    town = Town(tmp_path_factory.mktemp("cut"))
    await town.found(MIDNIGHT_S - 7_200, homes=1, period_min=15)
    start_s = MIDNIGHT_S + late_min * 60
    found = [
        Interval("h1", start_s + place * length_min * 60, length_min, energy, 0.0, True)
        for place, energy in enumerate(energies)
    ]
    counted = cut(await community(town), found)
    starts = [one.period * 60 for one in counted]
    assert starts == list(range(starts[0], starts[0] + 900 * len(starts), 900)) if starts else True
    assert all(start_s <= one and one + 900 <= start_s + len(energies) * length_min * 60 for one in starts)
    if late_min % 15 == 0 and len(energies) * length_min % 15 == 0:
        assert abs(sum(one.import_wh for one in counted) - sum(energies)) <= 1
    assert all(one.import_wh >= 0 for one in counted)


async def test_a_gap_in_the_file_is_a_gap(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(MIDNIGHT_S - 7_200, homes=1, period_min=15)
    half = [Interval("h1", MIDNIGHT_S + at * 600, 10, 10.0, 0.0, True) for at in (0, 1, 3, 4, 5)]
    assert [one.period * 60 - MIDNIGHT_S for one in cut(await community(town), half)] == [0, 1_800, 2_700]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("home,time\n", "meter.csv:1: neither NEM12, nor a CSV file with the columns"),
        (
            "home,time,minutes,import_wh,export_wh\nh1,2026-12-03T00:00,30,1,0\n",
            "meter.csv:2: time '2026-12-03T00:00'",
        ),
        ("home,time,minutes,import_wh,export_wh\nh1,noon,30,1,0\n", "meter.csv:2: Invalid isoformat"),
        ("home,time,minutes,import_wh,export_wh\nh1,2026-12-03T00:00Z,0,1,0\n", "meter.csv:2: minutes 0"),
        ("home,time,minutes,import_wh,export_wh\nh1,2026-12-03T00:00Z,30,-1,0\n", "meter.csv:2: import_wh"),
        ("home,time,minutes,import_wh,export_wh\nh1,2026-12-03T00:00Z,30,nan,0\n", "meter.csv:2: import_wh"),
        ("home,time,minutes,import_wh,export_wh\nh1,2026-12-03T00:00Z\n", "meter.csv:2: "),
        ("100,NEM12,202612040000,U,R\n", "meter.csv:1: no 900 record at the end"),
        (nem12("20261203", ["1"] * 48), f"meter {NMI} is of no home"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "meter.csv"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_intervals(file, {})
    assert said in str(refused.value)


def test_a_csv_file_names_homes(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    begins = datetime.fromtimestamp(MIDNIGHT_S, EASTERN).isoformat()
    file.write_text(f"time,home,minutes,import_wh,export_wh\n{begins},h1,30,100.5,0\n")
    assert read_intervals(file, {}) == [Interval("h1", MIDNIGHT_S, 30, 100.5, 0.0, True)]
    assert datetime.fromisoformat(begins).astimezone(UTC).timestamp() == MIDNIGHT_S
    with pytest.raises(UsageError, match="cannot be read"):
        read_intervals(tmp_path / "nowhere", {})
