# SPDX-License-Identifier: Apache-2.0
"""What a clearing leaves over for other communities: which bids count, and what others learn of a home."""

import pytest
from commonwatt_chaincode.market.exchange.residual import (
    LEAST_HOMES,
    MOST_LEVELS,
    Level,
    Pools,
    Residual,
    pools_of,
    residual,
    rests,
)
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, Bid, Connection, Judged, Order, judge
from commonwatt_chaincode.market.forward.clearing import PRICINGS, Clearing, clear
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.prices import Prices
from hypothesis import given
from hypothesis import strategies as st

PRICES = Prices(tou=130, feed_in=100, local_fee=4)
PERIOD = Period(600, 60)
UNSOLD = Clearing(None, 0, {}, {})


@st.composite
def bids(draw: st.DrawFn) -> list[Bid]:
    """Some of them break connection, envelope or price bounds; each home has one."""
    kinds, energy = st.sampled_from([REQUEST, OFFER]), st.integers(0, 60)
    said = draw(st.lists(st.tuples(kinds, energy, st.integers(98, 128)), max_size=9))
    return [Bid(f"h{place}", 1, *one) for place, one in enumerate(said)]


CONNECTIONS = {f"h{place}": Connection(50, 20 * (place % 3), 10) for place in range(8)}
CAPS = st.dictionaries(
    st.sampled_from(sorted(CONNECTIONS)),
    st.builds(Caps, st.none() | st.integers(0, 40), st.none() | st.integers(0, 40)),
)


def left_over(requests: list[tuple[int, int]], least_homes: int = LEAST_HOMES) -> tuple[Level, ...]:
    """The levels of requests (limit, Wh) that nobody met."""
    orders = tuple(Order(f"R{place}", f"h{place}", wh, limit) for place, (limit, wh) in enumerate(requests))
    nothing = Clearing(None, 0, {one.id: 0 for one in orders}, {})
    return residual("a", pools_of(Judged(orders, (), {}), nothing, least_homes)).requests


@given(bids(), CAPS, st.sampled_from(PRICINGS), st.integers(1, 3))
def test_award_and_rest_keep_to_connection_envelope_and_bid(
    said: list[Bid], caps: dict[str, Caps], pricing: str, least_homes: int
) -> None:
    judged = judge(said, PERIOD, PRICES, CONNECTIONS, caps)
    clearing = clear(judged.requests, judged.offers, PRICES, pricing)
    pools = pools_of(judged, clearing, least_homes)
    by_home = {one.home: one for one in said}
    awarded = clearing.bought_wh | clearing.sold_wh
    seen = set()
    for side, bound in ((pools.requests, "import_wh"), (pools.offers, "export_wh")):
        for pool in side:
            assert len(pool.orders) >= least_homes
            for order in pool.orders:
                bid, connection = by_home[order.home], CONNECTIONS[order.home]
                power_w = (
                    connection.connection_w if bid.kind == REQUEST else connection.pv_w + connection.battery_w
                )
                cap_wh = getattr(caps.get(order.home, Caps()), bound)
                promised_wh = awarded[order.id] + order.energy_wh
                assert promised_wh <= min(bid.energy_wh, power_w)
                assert cap_wh is None or promised_wh <= cap_wh
                assert order.id not in judged.refused
                assert order.id not in seen
                seen.add(order.id)
                suits = pool.price_uaud_per_kwh <= bid.price_uaud_per_kwh
                assert suits if bid.kind == REQUEST else pool.price_uaud_per_kwh >= bid.price_uaud_per_kwh
    others = residual("a", pools)
    if least_homes == 1 and len(said) <= MOST_LEVELS:
        rest_wh = sum(one.energy_wh for one in judged.requests) - clearing.traded_wh
        assert sum(level.energy_wh for level in others.requests) == rest_wh


def test_a_bid_that_is_dropped_counts_and_a_refused_one_does_not() -> None:
    said = [Bid(f"h{place}", 1, REQUEST, 10, 101) for place in range(3)]
    said += [Bid("h3", 1, REQUEST, 60, 120), Bid("h4", 1, REQUEST, 10, 127), Bid("h5", 1, REQUEST, 10, 120)]
    judged = judge(said, PERIOD, PRICES, CONNECTIONS, {"h5": Caps(import_wh=0)})
    assert len(judged.refused) == 3
    clearing = clear(judged.requests, judged.offers, PRICES, "mid_market")
    assert residual("a", pools_of(judged, clearing)) == Residual("a", (Level(101, 30),), ())


@given(st.lists(st.tuples(st.integers(100, 126), st.integers(1, 9)), max_size=120))
def test_levels_are_few_and_of_several_homes(requests: list[tuple[int, int]]) -> None:
    levels = left_over(requests)
    assert len(levels) <= MOST_LEVELS
    assert [level.price_uaud_per_kwh for level in levels] == sorted(
        {level.price_uaud_per_kwh for level in levels}, reverse=True
    )
    pooled = [one for one in requests if levels and one[0] >= levels[-1].price_uaud_per_kwh]
    assert sum(wh for _, wh in pooled) == sum(level.energy_wh for level in levels)
    assert len(requests) - len(pooled) < max(LEAST_HOMES, len(requests) // MOST_LEVELS + 1)


def test_a_large_community_has_larger_levels() -> None:
    levels = left_over([(limit, 1) for limit in range(10_000, 10_500)])
    assert [level.energy_wh for level in levels] == [25] * MOST_LEVELS


def test_one_home_alone_is_not_shown() -> None:
    """With levels of one home, other communities would read its limit and what it still needs."""
    assert left_over([(120, 700)], least_homes=1) == (Level(120, 700),)
    assert left_over([(120, 700)]) == left_over([(120, 700), (110, 300)]) == ()
    assert left_over([(120, 700), (110, 300), (105, 50)]) == (Level(105, 1_050),)


def test_homes_in_league_still_subtract_themselves() -> None:
    """Two homes of a level of three know the third one's rest, as k - 1 of any k do."""
    mine = [(110, 300), (110, 50)]
    (level,) = left_over([(110, 700), *mine])
    assert level.energy_wh - sum(wh for _, wh in mine) == 700


def test_a_last_bid_does_not_drag_the_others_down() -> None:
    crowd = [(120, 10), (119, 10), (118, 10)]
    assert left_over([*crowd, (100, 1)]) == left_over(crowd) == (Level(118, 30),)


def test_a_better_bid_moves_the_bounds_of_levels() -> None:
    """What pooling costs: a bid above two others may leave them a worse pool, or none."""
    assert left_over([(120, 10), (119, 10), (118, 10)]) == (Level(118, 30),)
    assert left_over([(121, 10), (120, 10), (119, 10), (118, 10)]) == (Level(119, 30),)


def test_awards_of_another_period_are_refused() -> None:
    orders = [Order("R1", "a", 5, 110)]
    for awarded in ({}, {"R1": 6}, {"R1": -1}, {"R1": 0, "R2": 0}):
        with pytest.raises(ValueError, match="awards are not those|cannot be awarded"):
            rests(orders, awarded)
    assert pools_of(Judged((), (), {}), UNSOLD) == Pools((), ())
