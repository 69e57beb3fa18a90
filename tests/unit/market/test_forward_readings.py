# SPDX-License-Identifier: Apache-2.0
"""Readings of the forward market: who may say what, which counts, gaps and estimates."""

from itertools import permutations

import pytest
from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.market.forward.estimates import alike, estimated_export_wh, estimated_import_wh
from commonwatt_chaincode.market.forward.gaps import Spread, spread
from commonwatt_chaincode.market.forward.periods import Period, period_at, periods_of_day
from commonwatt_chaincode.market.forward.readings import (
    ESTIMATED,
    HOME,
    IMPOSSIBLE_READING,
    MEASURED,
    METER,
    OPERATOR,
    QUALITY_NOT_YOURS,
    SUBSTITUTED,
    TOTALS_DIFFER,
    Reading,
    all_measured,
    counting,
    refusal,
)
from hypothesis import given
from hypothesis import strategies as st

PERIOD = Period(29_853_360, 30)
CONNECTION = Connection(24_000, 4_000, 1_000)


def reading(author: str, quality: str, seq: int = 1, version: int = 1, wh: int = 5) -> Reading:
    return Reading("a", author, quality, seq, version, wh, 0)


def test_who_may_say_what() -> None:
    allowed = {
        (readings_by, author, quality)
        for readings_by in (HOME, METER)
        for author in (HOME, METER, OPERATOR)
        for quality in (MEASURED, SUBSTITUTED, ESTIMATED)
        if not refusal(reading(author, quality), PERIOD, CONNECTION, readings_by)
    }
    assert allowed == {
        (HOME, HOME, MEASURED),
        (HOME, METER, MEASURED),
        (HOME, OPERATOR, SUBSTITUTED),
        (METER, METER, MEASURED),
        (METER, OPERATOR, SUBSTITUTED),
    }
    assert refusal(reading(HOME, ESTIMATED), PERIOD, CONNECTION, HOME) == QUALITY_NOT_YOURS


def test_bounds_are_110_percent_of_connection_panels_and_battery() -> None:
    good = reading(METER, MEASURED)._replace(import_wh=13_200, export_wh=2_750)
    assert refusal(good, PERIOD, CONNECTION, METER) == ""
    for wrong in ({"import_wh": 13_201}, {"export_wh": 2_751}, {"import_wh": -1}, {"export_wh": -1}):
        assert refusal(good._replace(**wrong), PERIOD, CONNECTION, METER) == IMPOSSIBLE_READING
    assert (
        refusal(good._replace(import_total_wh=13_200, export_total_wh=2_750), PERIOD, CONNECTION, METER) == ""
    )
    assert refusal(good._replace(import_wh=0, export_wh=0), PERIOD, CONNECTION, METER) == ""
    for wrong in ({"import_total_wh": 13_199}, {"export_total_wh": 2_749}):
        assert refusal(good._replace(**wrong), PERIOD, CONNECTION, METER) == TOTALS_DIFFER


def test_the_best_quality_author_and_number_counts_in_any_order() -> None:
    ascending = [
        reading(OPERATOR, SUBSTITUTED, 9),
        reading(HOME, MEASURED, 1),
        reading(HOME, MEASURED, 2),
        reading(METER, MEASURED, 1),
        reading(METER, MEASURED, 2),
    ]
    for count in range(1, len(ascending) + 1):
        for order in permutations(ascending[:count]):
            assert counting(order, 1) == ascending[count - 1]
    assert counting([], 1) is None


def test_a_later_version_is_not_seen_and_never_goes_down() -> None:
    measured, late = reading(METER, MEASURED, 1, 1), reading(OPERATOR, SUBSTITUTED, 5, 2)
    assert counting([measured, late], 2) == measured
    assert counting([late], 1) is None
    better = reading(METER, MEASURED, 2, 2)
    assert counting([measured, better], 1) == measured
    assert counting([measured, better], 2) == better


def test_a_home_cannot_replace_what_a_version_settled() -> None:
    said, corrected, regret = (
        reading(HOME, MEASURED, 1),
        reading(HOME, MEASURED, 2),
        reading(HOME, MEASURED, 3, 2),
    )
    assert counting([said, corrected, regret], 2) == corrected
    assert counting([regret], 2) == regret
    meter = reading(METER, MEASURED, 1, 2)
    assert counting([said, regret, meter], 2) == meter


def test_a_period_is_measured_when_every_home_is() -> None:
    measured, substituted = reading(METER, MEASURED), reading(OPERATOR, SUBSTITUTED)
    assert all_measured(["a", "b"], {"a": measured, "b": measured})
    assert not all_measured(["a", "b"], {"a": measured, "b": substituted})
    assert not all_measured(["a", "b"], {"a": measured})


@given(
    st.lists(st.sampled_from([1, 5, 30, 60]), min_size=1, max_size=9),
    st.integers(0, 999),
    st.integers(0, 999),
)
def test_a_gaps_energy_is_spread_exactly_and_evenly(lengths: list[int], imported: int, exported: int) -> None:
    missing, start = [], 0
    for length in lengths:
        missing.append(Period(start, length))
        start += length
    before = Reading("a", METER, MEASURED, 1, 1, 0, 0, 1_000, 2_000)
    after = Reading("a", METER, MEASURED, 1, 1, 7, 9, 1_007 + imported, 2_009 + exported)
    found = spread(missing, before, after)
    assert sum(one.import_wh for one in found) == imported
    assert sum(one.export_wh for one in found) == exported
    for one in found:
        assert abs(one.import_wh * start - imported * one.period.length_min) < start


def test_a_gap_of_three_periods() -> None:
    missing = [Period(0, 30), Period(30, 30), Period(60, 30)]
    before = Reading("a", METER, MEASURED, 1, 1, 10, 0, 100, 0)
    after = Reading("a", METER, MEASURED, 1, 1, 10, 0, 120, 0)
    assert spread(missing, before, after) == tuple(
        Spread(period, wh, 0) for period, wh in zip(missing, (3, 3, 4), strict=True)
    )
    with pytest.raises(ValueError, match="import: the meter's total ran backwards by 1 Wh"):
        spread(missing, before, after._replace(import_total_wh=109))
    with pytest.raises(ValueError, match="export: settling a gap needs the meter's totals"):
        spread(missing, before._replace(export_total_wh=None), after)


def test_an_estimate_is_the_highest_power_at_this_local_time_in_28_days() -> None:
    day = 1_440
    past = [
        (Period(PERIOD.id - day, 30), 400),
        (Period(PERIOD.id - 28 * day, 30), 500),
        (Period(PERIOD.id - 29 * day, 30), 5_000),  # too long ago
        (Period(PERIOD.id - day + 30, 30), 5_000),  # another time
        (Period(PERIOD.id - day - 30, 30), 5_000),
        (PERIOD, 5_000),  # itself
    ]
    offsets = [(0, 600)]
    assert estimated_import_wh(PERIOD, past, offsets, 0, 1_500) == 500
    assert estimated_import_wh(PERIOD, past, offsets, 501, 1_500) == 501
    assert estimated_import_wh(PERIOD, [], offsets, 0, 1_500) == 750
    longer = (Period(PERIOD.id - day - 30, 60), 1_400)
    assert estimated_import_wh(PERIOD, [*past, longer], offsets, 0, 1_500) == 700


def test_local_time_moves_with_the_offset() -> None:
    changed = PERIOD.start_s - 3_600 * 12
    offsets = [(0, 600), (changed, 660)]
    past = [(Period(PERIOD.id - 1_440 + 60, 30), 900), (Period(PERIOD.id - 1_440, 30), 100)]
    assert estimated_import_wh(PERIOD, past, offsets, 0, 0) == 900


def test_an_hour_that_comes_twice_is_an_example_of_the_second() -> None:
    """When clocks are set back, the hour before has the same local time."""
    first, second = Period(PERIOD.id - 60, 60), Period(PERIOD.id, 60)
    offsets = [(0, 660), (second.start_s, 600)]
    assert estimated_import_wh(second, [(first, 700)], offsets, 0, 0) == 700
    assert alike(second, [(0, 60)], offsets)[-1] == first


@pytest.mark.parametrize("hour", [0, 2, 3, 23])
def test_an_estimate_looks_at_the_same_time_of_28_days_and_at_nothing_else(hour: int) -> None:
    """Through a change of the offset and of the periods' length."""
    day = PERIOD.start_s // 86_400
    lengths = [(0, 60), (day - 9, 30)]
    offsets = [(0, 660), ((day - 5) * 86_400 - 660 * 60 + 3 * 3_600, 600)]
    period = period_at(day * 86_400 - 600 * 60 + hour * 3_600, lengths, offsets)
    before = [one for past in range(day - 31, day + 2) for one in periods_of_day(past, lengths, offsets)]
    looked_at = [one for one in before if estimated_import_wh(period, [(one, 600)], offsets, 0, 0)]
    assert alike(period, lengths, offsets) == looked_at
    assert len(looked_at) >= 27  # 28 local days ago began an hour more than 28 days ago


def test_silence_saves_no_export_charge() -> None:
    assert estimated_export_wh(PERIOD, 5_000, 0) == 0
    assert estimated_export_wh(PERIOD, 5_000, -1) == 2_500
