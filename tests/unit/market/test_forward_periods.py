# SPDX-License-Identifier: Apache-2.0
"""Periods of the forward market: local days, gates, registrations, envelopes, and which bids are cleared."""

import pytest
from commonwatt_chaincode.market.forward.bids import (
    ENERGY_OUT_OF_BOUNDS,
    ENVELOPE_CLOSED,
    NOT_REGISTERED,
    NOTHING_TO_OFFER_FROM,
    OFFER,
    PRICE_OUT_OF_BOUNDS,
    REQUEST,
    WITHDRAWAL,
    Bid,
    Connection,
    Order,
    judge,
    standing,
)
from commonwatt_chaincode.market.forward.envelopes import Caps, Envelope, caps, caps_of, exceeded
from commonwatt_chaincode.market.forward.gates import (
    Times,
    check_times,
    closes_from_s,
    counts_from,
    final_from_s,
    freezes_from_s,
    gate_s,
    takes_bids,
    window_opens_s,
)
from commonwatt_chaincode.market.forward.periods import (
    LENGTHS_MIN,
    Period,
    Registration,
    check_lengths,
    length_of_day,
    local_minute_at,
    offset_at,
    period_at,
    periods_of_day,
    registered,
)
from commonwatt_chaincode.market.forward.prices import Prices
from hypothesis import given
from hypothesis import strategies as st

DAY_S = 86_400
SPRING = 15_618  # 5 October 2012 in Sydney's local days, as if the offset changed then
OFFSETS = [
    (0, 600),
    (SPRING * DAY_S - 600 * 60 + 2 * 3_600, 660),
    ((SPRING + 9) * DAY_S - 660 * 60 + 10_800, 600),
]
LENGTHS = [(0, 30), (SPRING + 3, 5), (SPRING + 6, 60)]
PERIOD = Period(29_853_360, 30)
TIMES = Times()


def test_days_of_23_24_and_25_hours_are_whole_periods_one_after_another() -> None:
    check_lengths(LENGTHS, OFFSETS, 30)
    reached_s = None
    hours = []
    for day in range(SPRING - 1, SPRING + 11):
        periods = list(periods_of_day(day, LENGTHS, OFFSETS))
        assert local_minute_at(periods[0], OFFSETS) == 0
        for period in periods:
            assert reached_s in (None, period.start_s)
            reached_s = period.end_s
            assert period_at(period.start_s, LENGTHS, OFFSETS) == period
            assert period_at(period.end_s - 1, LENGTHS, OFFSETS) == period
        hours.append((periods[-1].end_s - periods[0].start_s) // 3_600)
    assert hours == [24, 23, 24, 24, 24, 24, 24, 24, 24, 24, 25, 24]


@given(st.sampled_from(LENGTHS_MIN), st.integers(0, 2**32))
def test_offsets_of_half_hours_have_hours_of_their_own(length_min: int, time_s: int) -> None:
    """Adelaide's midnight is at 14:30 UTC: all its offsets are 30 modulo 60."""
    offsets = [(0, 570), (10**9 - 10**9 % 3_600 + 1_800, 630)]
    check_lengths([(0, length_min)], offsets, 10)
    period = period_at(time_s, [(0, length_min)], offsets)
    assert period.start_s <= time_s < period.end_s
    assert local_minute_at(period, offsets) % length_min == 0


@pytest.mark.parametrize(
    ("lengths", "offsets", "clock_error_s", "told"),
    [
        ([(0, 10)], [(0, 0)], 30, "10 is none of 1, 5, 15, 30, 60"),
        ([(0, 1)], [(0, 0)], 11, "clock_error_s <= 10"),
        ([(0, 60)], [(0, 630), (3_600, 660)], 30, "differ modulo 60"),
        ([(0, 30)], [(0, 345), (3_600, 330)], 30, "differ modulo 30"),
        ([(0, 30)], [(0, 600), (3_600 + 300, 660)], 30, "changes within a period"),
        ([(1, 30), (1, 60)], [(0, 0)], 30, "in order"),
        ([], [(0, 0)], 30, "not empty"),
    ],
)
def test_lengths_that_do_not_fit(lengths: object, offsets: object, clock_error_s: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_lengths(lengths, offsets, clock_error_s)  # type: ignore[arg-type]


def test_ids_and_powers_are_integers() -> None:
    """A float would write other bytes than an integer, though it compares equal."""
    (first, *_) = periods_of_day(SPRING, LENGTHS, OFFSETS)
    for whole in (
        first.id,
        period_at(first.start_s, LENGTHS, OFFSETS).id,
        local_minute_at(first, OFFSETS),
        first.mean_w(5),
        first.energy_wh(5),
    ):
        assert type(whole) is int


def test_lengths_and_offsets_count_from_their_start_on_and_the_first_before_it() -> None:
    lengths = [(5, 60), (7, 30)]
    check_lengths(lengths, [(0, 600)], 30)
    assert [length_of_day(day, lengths) for day in (4, 5, 6, 7, 8)] == [60, 60, 60, 30, 30]
    assert [offset_at(time_s, [(10, 600), (20, 660)]) for time_s in (9, 10, 19, 20)] == [600, 600, 600, 660]


def test_hours_of_nepal_begin_at_a_quarter() -> None:
    """Offsets of 5:45 and 6:45 share hours, which begin at 15 minutes past an hour of UTC."""
    offsets = [(0, 345), (3_600 + 900, 405)]
    check_lengths([(0, 60)], offsets, 30)
    for time_s in range(0, 20_000, 600):
        period = period_at(time_s, [(0, 60)], offsets)
        assert period.start_s <= time_s < period.end_s
        assert period.id % 60 == 15


def test_lord_howe_changes_by_half_an_hour() -> None:
    check_lengths([(0, 30)], [(0, 630), (3_600, 660)], 30)


def test_gates() -> None:
    assert window_opens_s(PERIOD, TIMES) == PERIOD.start_s - 3_600
    assert [
        takes_bids(PERIOD, TIMES, PERIOD.start_s - before_s) for before_s in (3_601, 3_600, 301, 300)
    ] == [False, True, True, False]
    assert closes_from_s(PERIOD, TIMES, operator=True) == gate_s(PERIOD, TIMES) + 30
    assert closes_from_s(PERIOD, TIMES, operator=False) == gate_s(PERIOD, TIMES) + 90
    assert freezes_from_s(PERIOD, TIMES, all_measured=True) == PERIOD.end_s
    assert freezes_from_s(PERIOD, TIMES, all_measured=False) == PERIOD.end_s + 172_800
    assert freezes_from_s(PERIOD, TIMES, all_measured=True, frozen_s=5) == 5 + 86_400
    assert final_from_s(PERIOD, TIMES) == PERIOD.end_s + 220 * DAY_S


def test_times_leave_room() -> None:
    check_times(TIMES)
    live = Times(clock_error_s=10, gate_grace_s=10, closes_before_s=60, opens_before_s=300)
    check_times(live)
    with pytest.raises(ValueError, match="59 is below"):
        check_times(Times(clock_error_s=10, gate_grace_s=10, closes_before_s=59))
    with pytest.raises(ValueError, match="300 is not above"):
        check_times(Times(opens_before_s=300))


@given(st.integers(10**9, 2 * 10**9))
def test_a_registration_counts_from_the_next_window(registered_s: int) -> None:
    lengths, offsets = [(0, 30)], [(0, 570)]
    first = counts_from(registered_s, TIMES, lengths, offsets)
    assert window_opens_s(Period(first, 30), TIMES) > registered_s
    assert window_opens_s(Period(first - 30, 30), TIMES) <= registered_s


def test_a_registration_within_a_second_of_a_window() -> None:
    opens_s = window_opens_s(PERIOD, TIMES)
    known = [counts_from(opens_s + late_s, TIMES, [(0, 30)], [(0, 570)]) for late_s in (-1, 0, 1)]
    assert known == [PERIOD.id, PERIOD.id + 30, PERIOD.id + 30]


def test_registrations_end() -> None:
    known = [Registration("b", 30, 60), Registration("a", 60), Registration("c", 90)]
    assert [registered(known, n) for n in (0, 30, 60, 90)] == [(), ("b",), ("a",), ("a", "c")]


def envelope(home: str | None, import_w: int | None, export_w: int | None, published_s: int) -> Envelope:
    return Envelope(home, PERIOD.id, PERIOD.id + 30, import_w, export_w, published_s)


def test_the_smaller_envelope_holds_and_the_last_of_each() -> None:
    gate = gate_s(PERIOD, TIMES)
    for_all, narrow, wide = (
        envelope(None, 4_000, 5_000, 1),
        envelope("a", None, 100, 2),
        envelope("a", 9, 8_000, 3),
    )
    assert caps([for_all], "a", PERIOD, gate) == Caps(2_000, 2_500)
    assert caps([narrow, for_all], "a", PERIOD, gate) == Caps(2_000, 50)
    assert caps([wide, narrow, for_all], "a", PERIOD, gate) == Caps(4, 2_500)
    assert caps([wide, for_all], "b", PERIOD, gate) == Caps(2_000, 2_500)
    some = [wide, narrow, for_all]
    assert caps_of(some, ["a", "b"], PERIOD, gate) == {
        home: caps(some, home, PERIOD, gate) for home in ("a", "b")
    }
    assert caps_of([], ["a"], PERIOD, gate) == {}
    assert caps([for_all], "a", Period(PERIOD.id + 30, 30), gate) == Caps()
    assert caps([for_all], "a", Period(PERIOD.id - 30, 30), gate) == Caps()


def test_an_envelope_at_the_gate_makes_no_promise_a_breach() -> None:
    gate = gate_s(PERIOD, TIMES)
    assert caps([envelope(None, 0, 0, gate)], "a", PERIOD, gate) == Caps()
    assert caps([envelope(None, 0, 0, gate - 1)], "a", PERIOD, gate) == Caps(0, 0)


def test_what_is_metered_beyond_an_envelope_is_flagged() -> None:
    assert exceeded(Caps(5, 6), 5, 6) == ()
    assert exceeded(Caps(5, 6), 6, 7) == ("import", "export")
    assert exceeded(Caps(), 6, 7) == ()


def test_the_highest_number_counts_in_any_order_and_of_two_the_later() -> None:
    first, second = Bid("a", 1, REQUEST, 5, 110), Bid("a", 2, OFFER, 6, 120)
    assert standing([second, first]) == standing([first, second]) == (second,)
    other = second._replace(energy_wh=7)
    assert standing([second, other]) == (other,)
    assert standing([first, Bid("a", 3, WITHDRAWAL)]) == ()


def test_bids_are_judged_by_connection_prices_and_envelope() -> None:
    prices = Prices(130, 100, 4)
    connections = {"a": Connection(24_000), "b": Connection(24_000, 4_000, 2_000), "c": Connection()}
    bids = {
        Bid("a", 1, REQUEST, 12_000, 126): "",
        Bid("a", 1, REQUEST, 12_001, 126): ENERGY_OUT_OF_BOUNDS,
        Bid("a", 1, REQUEST, 0, 126): ENERGY_OUT_OF_BOUNDS,
        Bid("a", 1, REQUEST, 1, 127): PRICE_OUT_OF_BOUNDS,
        Bid("a", 1, REQUEST, 1, 99): PRICE_OUT_OF_BOUNDS,
        Bid("a", 1, REQUEST, 1, 100): "",
        Bid("b", 1, OFFER, 3_000, 100): "",
        Bid("b", 1, OFFER, 3_001, 100): ENERGY_OUT_OF_BOUNDS,
        Bid("c", 1, OFFER, 1, 100): NOTHING_TO_OFFER_FROM,
        Bid("d", 1, REQUEST, 1, 100): NOT_REGISTERED,
    }
    for bid, code in bids.items():
        judged = judge([bid], PERIOD, prices, connections, {})
        kind = "R" if bid.kind == REQUEST else "O"
        order = Order(f"{PERIOD.id}-{kind}-{bid.home}", bid.home, bid.energy_wh, bid.price_uaud_per_kwh)
        taken = () if code else (order,)
        assert judged.requests + judged.offers == taken
        assert judged.refused == ({order.id: code} if code else {})


def test_an_envelope_caps_a_bid_and_closes_it_at_0() -> None:
    prices, connections = Prices(130, 100), {"a": Connection(), "b": Connection(1, 5_000)}
    bids = [Bid("a", 1, REQUEST, 10, 110), Bid("b", 1, OFFER, 10, 110)]
    judged = judge(bids, PERIOD, prices, connections, {"a": Caps(4, 0), "b": Caps(0, 3)})
    assert [one.energy_wh for one in (*judged.requests, *judged.offers)] == [4, 3]
    closed = judge(bids, PERIOD, prices, connections, {"a": Caps(0, 9), "b": Caps(9, 0)})
    assert list(closed.refused.values()) == [ENVELOPE_CLOSED, ENVELOPE_CLOSED]


def test_a_refused_bid_stops_no_other_and_each_goes_to_its_side() -> None:
    prices = Prices(130, 100)
    connections = {home: Connection(24_000, 4_000) for home in "abcd"}
    bids = [
        Bid("a", 1, REQUEST, 10, 131),
        Bid("b", 1, REQUEST, 10, 110),
        Bid("c", 1, OFFER, 10, 110),
        Bid("d", 1, OFFER, 10, 120),
    ]
    judged = judge(bids, PERIOD, prices, connections, {"b": Caps(0, None)})
    assert judged.refused == {f"{PERIOD.id}-R-a": PRICE_OUT_OF_BOUNDS, f"{PERIOD.id}-R-b": ENVELOPE_CLOSED}
    assert (judged.requests, [one.home for one in judged.offers]) == ((), ["c", "d"])
    judged = judge(bids[1:], PERIOD, prices, connections, {})
    assert ([one.home for one in judged.requests], [one.home for one in judged.offers]) == (["b"], ["c", "d"])
