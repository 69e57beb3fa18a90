# SPDX-License-Identifier: Apache-2.0
"""Registers that reset, roll over, jump, go back and show text: totals never go back, and each is told in one line."""

from __future__ import annotations

import random

import pytest
from commonwatt_community.meters.counted import Counted, Raw
from commonwatt_community.meters.counting import Bounds, Counter, PowerIntegral, number, signed_number

BOUNDS = Bounds(power_w=12_000)
MINUTE_WH = 200 + 100  # 12 kW for a minute, and the resolution


def counter(after: Counted | None = None, bounds: Bounds = BOUNDS) -> tuple[Counter, list[str]]:
    told: list[str] = []
    return Counter(bounds, told.append, after), told


def run(values: list[object], bounds: Bounds = BOUNDS) -> tuple[list[Counted], list[str]]:
    """A minute apart; the export register stands still."""
    one, told = counter(bounds=bounds)
    counted = [one.add(60.0 * place, value, 0) for place, value in enumerate(values)]
    return [each for each in counted if each is not None], told


def test_a_register_that_runs_is_the_total() -> None:
    counted, told = run([1_000, 1_050, 1_050, 1_120.5])
    assert [one.import_total_wh for one in counted] == [1_000, 1_050, 1_050, 1_120.5]
    assert all(one.follows for one in counted)
    assert not told


def test_a_rollover_counts_on() -> None:
    counted, told = run([99_950, 30, 60], Bounds(12_000, rollover_wh=100_000))
    assert [one.import_total_wh for one in counted] == [99_950, 100_030, 100_060]
    assert all(one.follows for one in counted)
    assert len(told) == 1
    assert "started again from 0" in told[0]


def test_a_reset_goes_on_and_what_was_before_it_is_unknown() -> None:
    counted, told = run([50_000, 12, 20])
    assert [one.import_total_wh for one in counted] == [50_000, 50_012, 50_020]
    assert [one.follows for one in counted] == [True, False, True]
    assert len(told) == 1
    assert "was reset" in told[0]


def test_one_wrong_value_costs_nothing() -> None:
    for wrong in (9_999_999, 700):
        counted, told = run([50_000, 50_010, wrong, 50_030])
        assert [one.import_total_wh for one in counted] == [50_000, 50_010, 50_030]
        assert all(one.follows for one in counted)
        assert len(told) == 1, told


def test_a_meter_that_was_exchanged_is_taken_on_after_three_values_that_agree() -> None:
    counted, told = run([50_000, 7_000, 7_010, 7_030, 7_040])
    assert [one.import_total_wh for one in counted] == [50_000, 50_030, 50_040]
    assert [one.follows for one in counted] == [True, False, True]
    assert len(told) == 2


@pytest.mark.parametrize("said", ["unavailable", "", None, True, -5, "nan", "inf", 1e300, "1e999", [], "٣x"])
def test_what_is_no_number_is_told_once_and_waited_for(said: object) -> None:
    counted, told = run([1_000, said, said, 1_010])
    assert [one.import_total_wh for one in counted] == [1_000, 1_010]
    assert len(told) == 2
    assert "I wait for a number" in told[0]
    assert "again" in told[1]


def test_it_goes_on_from_the_last_count_on_the_disk() -> None:
    last = Counted(0.0, 7_000, 500, None, Raw(1_000, 40))
    one, told = counter(last)
    assert one.add(3_600, 1_900, 45) == Counted(3_600, 7_900, 505, None, Raw(1_900, 45))
    assert one.add(3_600, 1_900, 45) is None, "no time has passed"
    assert not told


def test_both_registers_count_together_or_none_does() -> None:
    one, _ = counter()
    one.add(0, 1_000, 1_000)
    assert one.add(60, 1_050, 9_000_000) is None
    assert one.add(120, 1_090, 1_010) == Counted(120, 1_090, 1_010, None, Raw(1_090, 1_010))


def test_totals_never_go_back_whatever_a_meter_shows() -> None:
    draws = random.Random(1)
    for _ in range(200):
        one, _ = counter(bounds=Bounds(12_000, draws.choice([None, 100_000.0])))
        before = 0.0
        for place in range(50):
            said = draws.choice([draws.uniform(0, 200_000), place * 100, "x", 0, 99_999, 5])
            counted = one.add(60.0 * place, said, 0)
            if counted is not None and place:
                assert counted.import_total_wh >= before
            before = counted.import_total_wh if counted is not None else before


def test_power_is_summed_and_a_pause_is_unknown() -> None:
    told: list[str] = []
    one = PowerIntegral(BOUNDS, told.append, longest_s=300)
    assert one.add(0, 1_200) == Counted(0, 0.0, 0.0)
    assert one.add(60, "-600") == Counted(60, 20.0, 0.0)
    assert one.add(120, 0) == Counted(120, 20.0, 10.0)
    assert one.add(1_000, 500) == Counted(1_000, 20.0, 10.0, follows=False)
    assert one.add(1_010, "off") is None
    assert one.add(1_020, 99_000) is None
    assert len(told) == 2, told
    after = PowerIntegral(BOUNDS, told.append, Counted(0, 20.0, 10.0))
    assert after.add(50, 1_200) == Counted(50, 20.0, 10.0, follows=False), "nobody listened before"


def test_numbers() -> None:
    assert number("12.5") == 12.5
    assert number(-1) is None
    assert signed_number("-1.5") == -1.5
    assert signed_number(False) is None
