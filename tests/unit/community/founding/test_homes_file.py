# SPDX-License-Identifier: Apache-2.0
"""homes.csv: each mistake with its line, all at once, and nothing taken from a file with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_community.founding.homes_file import HomesFileError, NewHome, read_homes
from hypothesis import given
from hypothesis import strategies as st


def homes(folder: Path, text: str, **standing: int) -> list[NewHome]:
    file = folder / "homes.csv"
    file.write_text(text)
    return read_homes(file, standing)


def mistakes(folder: Path, text: str, **standing: int) -> list[str]:
    with pytest.raises(HomesFileError) as refused:
        homes(folder, text, **standing)
    return [line.removeprefix(str(folder / "homes.csv:")) for line in str(refused.value).splitlines()]


def test_columns_come_in_any_order_and_may_be_left_out(tmp_path: Path) -> None:
    text = "\ufeffE-mail,Class,pv_w\n\na@example.org, prosumer ,5000\n,consumer,\n"
    assert homes(tmp_path, text) == [
        NewHome(3, None, "prosumer", 24_000, 5_000, 0, 0, None, "a@example.org"),
        NewHome(4, None, "consumer", 24_000, 0, 0, 0, None, None),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class\nprosumr\n", "2: class 'prosumr' is unknown; did you mean prosumer?"),
        ("class\nshop\n", "2: class 'shop' is unknown; it is one of consumer, prosumer"),
        ("id,class\nh1,consumer\nh1,consumer\n", "3: home h1 stands on line 2 already"),
        ("id,class\nh 1,consumer\n", "2: id 'h 1' is no id: letters, digits, - and _, 32 at most"),
        ("class,pv_w\nprosumer,5 kW\n", "2: pv_w '5 kW' is no whole number from 0 to 10000000"),
        ("class,pv_w\nprosumer,-5\n", "2: pv_w '-5' is no whole number from 0 to 10000000"),
        ("class,pv_w\nprosumer,999999999\n", "2: pv_w '999999999' is no whole number from 0 to 10000000"),
        ("class,pv_w\nconsumer,5\n", "2: a consumer has no panels and no battery; make it a prosumer"),
        ("class,storage_wh\nprosumer,5\n", "2: storage_wh asks for battery_w, the power of the battery"),
        ("class,e_mail\nconsumer,nobody\n", "2: e_mail 'nobody' is no address"),
        ("class,clas\nconsumer,x\n", "1: unknown column clas; did you mean class?"),
        ("class,class\nconsumer,x\n", "1: column class stands 2 times"),
        ("pv_w\n5\n", "1: column class is missing"),
        ("class,pv_w\nconsumer\n", "2: 1 cells under 2 columns"),
        ('class\n"consumer\n', "2: not CSV: unexpected end of data"),
        ("", "1: column class is missing"),
        ("class\n", "1: the file has no homes"),
        (
            "class,key_ppm\nconsumer,600000\nconsumer,400001\n",
            "3: the sharing keys are together 1000001 ppm, above 1000000 (100 %)",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert mistakes(tmp_path, text) == [said]


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = "id,class,pv_w\nh1,consumer,x\nh1,nothing,1\nh2,consumer,\nh2,prosumer,5\n"
    assert [line.partition(":")[0] for line in mistakes(tmp_path, text)] == ["2", "3", "5"]


def test_keys_of_other_homes_count_and_a_homes_own_is_replaced(tmp_path: Path) -> None:
    text = "id,class,key_ppm\nh1,consumer,500000\n"
    assert "with 600000 ppm of homes" in mistakes(tmp_path, text, h2=600_000)[0]
    assert homes(tmp_path, text, h1=900_000, h2=500_000)[0].key_ppm == 500_000


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "homes.csv"
    file.write_bytes(b"class\n" + content)
    try:
        found = read_homes(file)
    except HomesFileError:
        return
    assert all(home.home_class in ("consumer", "prosumer") for home in found)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(HomesFileError, match="cannot be read"):
        read_homes(tmp_path / "nowhere.csv")
    large = tmp_path / "large.csv"
    large.write_bytes(b"x" * (4 << 20) + b"x")
    with pytest.raises(HomesFileError, match="larger than 4 MiB"):
        read_homes(large)
