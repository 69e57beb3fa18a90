# SPDX-License-Identifier: Apache-2.0
"""What a meter can have counted, and what is billed where it counted nothing."""

import pytest
from commonwatt_chaincode.market.estimate import Estimate, Used, estimates, gaps
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.possible import (
    most_daily_generation_wh,
    most_generation_wh,
    most_use_wh,
)
from hypothesis import given
from hypothesis import strategies as st

HOUR = 3_600
DAY = 86_400
UTC = Parameters(utc_offset_min=0)
EAST = Parameters(utc_offset_min=660)


def test_a_connection_carries_its_power() -> None:
    assert most_use_wh(24_000, 0, HOUR) == 24_000
    assert most_use_wh(24_000, 100, 160) == 400
    assert most_use_wh(1, 0, HOUR - 60) == 0


@pytest.mark.parametrize(
    ("pv_w", "from_min", "to_min", "most_wh"),
    [
        (5_000, 720, 780, 6_250),
        (5_000, 270, 330, 6_250),
        (5_000, 1_230, 1_290, 6_250),
        (5_000, 210, 270, 101),
        (5_000, 1_290, 1_350, 101),
        (5_000, 269, 271, 104 + 2),  # 83 Wh // 50 + 1 by night
        (5_000, 1_289, 1_291, 104 + 2),
        (5_000, 0, 1_440, 5_000 * 17 * 5 // 4 + 5_000 * 7 // 50 + 1),
        (5_000, 1_320, 1_440 + 300, 3_125 + 5_000 * 13 // 100 + 1),  # over midnight, until 5:00
        (49, 0, 60, 1),
        (0, 720, 780, 0),
        (0, 0, 60, 0),
    ],
)
def test_panels_by_day_and_night(pv_w: int, from_min: int, to_min: int, most_wh: int) -> None:
    base = 20_000 * DAY
    for parameters in (UTC, EAST):
        start = base + (from_min - parameters.utc_offset_min) * 60
        end = start + (to_min - from_min) * 60
        assert repr(most_generation_wh(parameters, pv_w, start, end)) == str(most_wh)  # an integer
    assert most_daily_generation_wh(pv_w) == 10 * pv_w


def test_gaps_between_intervals() -> None:
    hours = [Used(2 * HOUR, 3 * HOUR, 1), Used(0, HOUR, 1), Used(3 * HOUR, 5 * HOUR, 1)]
    assert list(gaps(0, 6 * HOUR, hours)) == [(HOUR, 2 * HOUR), (5 * HOUR, 6 * HOUR)]
    assert list(gaps(HOUR // 2, 4 * HOUR, hours)) == [(HOUR, 2 * HOUR)]
    assert list(gaps(0, HOUR, hours)) == []
    assert list(gaps(0, HOUR, [])) == [(0, HOUR)]
    assert list(gaps(HOUR, HOUR, [])) == []
    assert list(gaps(HOUR, HOUR - 1, [])) == []
    assert list(gaps(HOUR, 2 * HOUR, hours)) == [(HOUR, 2 * HOUR)]


def hours_of(spans: list[tuple[int, int]], past: list[Used], parameters: Parameters = UTC) -> list[int]:
    return [one.energy_wh for one in estimates(spans, past, [(0, parameters)])]


def test_an_estimate_is_the_highest_mean_power_at_its_local_hour() -> None:
    noon = 12 * HOUR
    past = [
        Used(noon, noon + HOUR, 700),
        Used(DAY + noon + 600, DAY + noon + 1_200, 200),  # 1200 W for ten minutes
        Used(2 * DAY + noon + 2_700, 2 * DAY + noon + HOUR + 900, 500),  # 1000 W, from 12:45 to 13:15
    ]
    gap = [(5 * DAY + noon - HOUR, 5 * DAY + noon + 3 * HOUR)]
    assert hours_of(gap, past) == [1_500, 1_200, 1_000, 1_500]
    assert hours_of(gap, past, Parameters(utc_offset_min=0, estimate_w=7)) == [7, 1_200, 1_000, 7]
    assert hours_of(gap, past, EAST) == [1_500, 1_200, 1_000, 1_500]  # the same hours, wherever they are
    until = [Used(noon - HOUR, noon, 900)]  # ends at 12:00: not an interval of 12 o'clock
    assert hours_of([(5 * DAY + noon, 5 * DAY + noon + HOUR)], until) == [1_500]


def test_an_estimate_of_nothing_used_is_nothing() -> None:
    assert hours_of([(DAY, DAY + HOUR)], [Used(0, HOUR, 0)]) == [0]


def test_estimates_are_cut_at_local_hours_and_at_new_parameters() -> None:
    half = Parameters(utc_offset_min=30)
    seen = estimates([(DAY, DAY + HOUR)], (), [(0, half)])
    assert seen == (
        Estimate(DAY, DAY + 1_800, 750, 177_000),
        Estimate(DAY + 1_800, DAY + HOUR, 750, 177_000),
    )
    dear = Parameters(utc_offset_min=0, tou=(UTC.tou[0], *UTC.tou[1:]), estimate_w=3_000)
    seen = estimates([(DAY, DAY + HOUR), (2 * DAY, 2 * DAY + 60)], (), [(0, UTC), (DAY + 900, dear)])
    assert [(one.start_s - DAY, one.end_s - DAY, one.energy_wh) for one in seen] == [
        (0, 900, 375),
        (900, HOUR, 2_250),
        (DAY, DAY + 60, 50),
    ]


def test_the_first_parameters_count_before_their_start() -> None:
    assert [one.energy_wh for one in estimates([(0, HOUR)], (), [(DAY, UTC), (2 * DAY, EAST)])] == [1_500]


def test_the_grids_price_is_that_of_the_hour() -> None:
    seen = estimates([(13 * HOUR, 15 * HOUR)], (), [(0, UTC)])
    assert [one.tou_uaud_per_kwh for one in seen] == [277_100, 541_100]


INTERVALS = st.lists(st.tuples(st.integers(0, 3 * DAY // 60), st.integers(1, 120)), max_size=12).map(
    lambda pairs: [Used(60 * start, 60 * (start + length), 10) for start, length in pairs]
)


@given(INTERVALS, st.integers(0, DAY // 60), st.integers(0, 2 * DAY // 60), st.integers(-720, 840))
def test_gaps_and_intervals_cover_time_once(
    intervals: list[Used], from_min: int, length_min: int, offset_min: int
) -> None:
    start, end = 60 * from_min, 60 * (from_min + length_min)
    spans = list(gaps(start, end, intervals))
    covered = {
        minute
        for used in intervals
        for minute in range(max(used.start_s, start) // 60, min(used.end_s, end) // 60)
    }
    missing = {minute for one, other in spans for minute in range(one // 60, other // 60)}
    assert covered | missing == set(range(from_min, from_min + length_min))
    assert not covered & missing
    dated = [(0, Parameters(utc_offset_min=offset_min)), (DAY + 60 * 17, EAST)]
    seen = estimates(spans, intervals, dated)
    assert sum(one.end_s - one.start_s for one in seen) == 60 * len(missing)
    assert all(0 < one.end_s - one.start_s <= HOUR for one in seen)
