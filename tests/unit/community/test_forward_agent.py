# SPDX-License-Identifier: Apache-2.0
"""A home of the forward market: its meter's arithmetic, its forecasts, and a plan that costs it no purchase later."""

import pytest
from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.hems import reserve as paper
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.forward.agent import ForwardAgent
from commonwatt_community.hems.forward.connection_point import Store, flow, store_of
from commonwatt_community.hems.forward.forecast import PERIOD_FORECASTS, Past
from commonwatt_community.hems.forward.plan import Plan, own_use, reserve, sell_all, spare_wh
from commonwatt_community.hems.home import HomeSpec
from commonwatt_loadgen.traces import HourlyProfile
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = 1440
PRICES = Prices(tou=300_000, feed_in=100_000, local_fee=20_000)

nets = st.lists(st.integers(-250, 250), min_size=1, max_size=8)
stores = st.builds(
    Store,
    floor_wh=st.sampled_from([0, 60]),
    full_wh=st.integers(60, 400),
    rate_wh=st.sampled_from([120, 2500]),
    eta_c_ppm=st.sampled_from([1_000_000, 950_000, 903_000]),
    eta_d_ppm=st.sampled_from([1_000_000, 930_000]),
)


def lived(store, energy_wh, expected, sold_wh=0):
    """Imports and exports of periods, the first of which has a contract; and the battery at the end."""
    imports, exports = [], []
    for place, net_wh in enumerate(expected):
        import_wh, export_wh, energy_wh = flow(store, energy_wh, net_wh, sold_wh if place == 0 else 0)
        imports.append(import_wh)
        exports.append(export_wh)
    return imports, exports, energy_wh


@given(stores, st.integers(0, 900), st.integers(-900, 900), st.integers(0, 900), st.booleans())
def test_a_period_loses_no_energy_and_keeps_the_battery_within_its_bounds(store, held, net, sold, backed):
    energy_wh = max(store.floor_wh, min(held, store.full_wh))
    imported, exported, after_wh = flow(store, energy_wh, net, sold, backed)
    assert store.floor_wh <= after_wh <= store.full_wh
    assert min(imported, exported) == 0
    moved_wh = imported - exported - net  # into the battery, before its losses
    assert -store.rate_wh <= moved_wh <= store.rate_wh
    expected = (
        moved_wh * store.eta_c_ppm // 10**6 if moved_wh > 0 else -(-moved_wh * 10**6 // store.eta_d_ppm)
    )
    assert abs(after_wh - energy_wh - expected) <= (moved_wh < 0)
    if moved_wh > 0:
        assert exported >= min(sold, -net), "the contract comes before the battery"
    if not backed and net <= 0:
        assert exported <= -net
        assert moved_wh >= 0


@given(stores, st.integers(0, 400), nets)
@settings(max_examples=300)
def test_what_is_spared_costs_no_purchase_and_no_more_could_be(store, held, expected):
    energy_wh = max(store.floor_wh, min(held, store.full_wh))
    spare = spare_wh(store, energy_wh, expected)
    assert 0 <= spare <= energy_wh - store.floor_wh
    bought = sum(lived(store, energy_wh, expected)[0])
    rounded = 0 if store.lossless else 2 * len(expected)
    assert abs(sum(lived(store, energy_wh - spare, expected)[0]) - bought) <= rounded
    if store.lossless and store.floor_wh == 0:
        battery = Battery(store.full_wh, 10**6, 10**6, 0, 10**6, 0, store.rate_wh)
        ahead = [paper.Ahead(60, net_wh) for net_wh in expected]
        assert spare == paper.spare_wh(battery, energy_wh, ahead), "of all that could be spared"


@given(stores, st.integers(0, 400), nets, st.data())
@settings(max_examples=200)
def test_a_reserve_buys_no_more_and_sells_no_later_surplus_below_its_price(store, held, expected, data):
    energy_wh = max(store.floor_wh, min(held, store.full_wh))
    prices = data.draw(st.lists(st.integers(1, 3), min_size=len(expected), max_size=len(expected)))
    plan = reserve(store, energy_wh, expected, prices)
    before, exports, end_wh = lived(store, energy_wh, expected)
    assert plan.import_wh == before[0]
    after, sold, sold_end_wh = lived(store, energy_wh, expected, plan.export_wh)
    rounded = 0 if store.lossless else 2 * len(expected)
    assert abs(sum(after) - sum(before)) <= rounded, "the sale costs a purchase"
    assert sold[0] == plan.export_wh, "the promise cannot be kept"
    assert plan.export_wh - plan.from_battery_wh == exports[0]
    for price, kept, then in zip(prices[1:], exports[1:], sold[1:], strict=True):
        assert then >= kept - min(2, rounded) or price <= prices[0], "a surplus is gone that was worth more"
    if store.lossless:
        assert plan.from_battery_wh == sum(exports[1:]) - sum(sold[1:]) + end_wh - sold_end_wh


def test_sell_all_empties_the_battery_and_own_use_keeps_it():
    store, expected = Store(0, 5000, 2500, 10**6, 10**6), [-300, 400, 400]
    assert sell_all(store, 1000, expected, [1, 1, 1]) == Plan(0, 1300, 1300)
    assert own_use(store, 4800, expected, [1, 1, 1]) == Plan(0, 100, 0)
    assert own_use(store, 0, [250], [1]) == sell_all(store, 0, [250], [1]) == Plan(250, 0, 0)


def past_of(days, length=30, forecast="yesterday"):
    past = Past(PERIOD_FORECASTS[forecast]().days)
    for minute in range(0, days * DAY, length):
        past.add(minute, minute // DAY * 1000 + minute % DAY // length)
    return past


def expect(name, minutes, past):
    return PERIOD_FORECASTS[name]().expect(minutes, past, lambda minute: -minute)


def test_forecasts_look_where_they_say():
    past, ahead = past_of(3), [3 * DAY, 3 * DAY + 30, 4 * DAY]
    assert expect("perfect", ahead, past) == [-minute for minute in ahead]
    assert expect("persistence", ahead, past) == [2047] * 3
    assert expect("yesterday", ahead, past) == [2000, 2001, 2000], "the day after tomorrow is like yesterday"
    assert expect("weekday-mean", ahead, past) == [2000, 2001, 2000], "without a week it is like yesterday"
    weeks = past_of(15, forecast="weekday-mean")
    assert expect("weekday-mean", [15 * DAY + 60], weeks) == [(8002 + 1002) // 2]
    assert expect("yesterday", [30], Past(2)) == [0], "nothing is known at the start"


def test_a_forecast_survives_a_day_without_an_hour():
    past = Past(2)
    for minute in (*range(0, 120, 30), *range(180, DAY, 30)):  # clocks go forward at 2:00
        past.add(minute, 7)
    assert expect("yesterday", [DAY + 120, DAY + 150, DAY + 180], past) == [7, 7, 7]
    for day in range(1, 200):
        for minute in range(0, DAY, 30):
            past.add(day * DAY + minute, 9)
    assert len(past.net_wh) < 2.2 * 48 + 48, "memory does not grow"


def home(use_w=500, sun_w=0, storage_wh=0, **kind):
    spec = HomeSpec(
        home="home001",
        prosumer=sun_w > 0,
        usage_type="",
        generation_type="",
        usage=HourlyProfile(tuple([use_w] * 24)),
        generation=HourlyProfile(tuple([sun_w] * 24)) if sun_w else Silent(),
        pv_w=5000 if sun_w else 0,
        storage_wh=storage_wh,
        strategy="suggested",
    )
    battery = Battery(storage_wh, 10**6, 10**6, 0, 10**6, 0, 5000)
    return ForwardAgent(spec, battery, 30, highest_feed_in=PRICES.feed_in, **kind)


def test_a_consumer_asks_for_what_it_expects_at_its_ceiling():
    bid = home().bid(0, [0, 30], PRICES, [190_000] * 2)
    assert (bid.kind, bid.energy_wh, bid.price_uaud_per_kwh) == (REQUEST, 250, 280_000)
    assert home().bid(0, [0], PRICES, [190_000], Caps(import_wh=100)).energy_wh == 100
    assert home().bid(0, [0], PRICES, [190_000], Caps(import_wh=0)) is None


def test_a_seller_offers_its_surplus_from_the_feed_in_price_on():
    agent = home(use_w=500, sun_w=3000)
    bid = agent.bid(0, [0], PRICES, [190_000])
    assert (bid.kind, bid.energy_wh, bid.price_uaud_per_kwh) == (OFFER, 1250, 100_000)
    agent.awarded(0, 400)
    read = agent.live(0)
    assert (read.import_wh, read.export_wh) == (0, 1250)
    assert home(use_w=500, sun_w=500).bid(0, [0], PRICES, [190_000]) is None


def test_a_bid_knows_running_periods_by_forecast_and_contract_alone():
    """Two periods run while the home bids for the third; what it sold in them leaves its battery as it expects."""
    agent = home(use_w=0, sun_w=2000, storage_wh=3000, forecast="persistence", plan="sell-all")
    agent.live(0)  # 1,000 Wh stored, and the last that it knows of its meter
    minutes = [30, 60, 90, 120]
    assert agent.bid(1, minutes, PRICES, [190_000] * 4).energy_wh == 2000
    agent.awarded(1, 2000)
    assert agent.bid(2, minutes, PRICES, [190_000] * 3).energy_wh == 1000, "the battery is empty by then"
    agent.awarded(2, 0)
    assert agent.bid(3, minutes, PRICES, [190_000] * 2).energy_wh == 2000


def test_what_was_sold_comes_from_the_battery_unless_the_plan_keeps_it():
    for plan, exported in (("reserve", 800), ("none", 0)):
        agent = home(use_w=0, sun_w=2000, storage_wh=3000, plan=plan)
        agent.live(0)
        agent.spec = home(use_w=100, sun_w=0).spec
        agent._metered.clear()
        agent.awarded(1, 800)
        assert agent.live(30).export_wh == exported


def test_panels_that_curtail_keep_the_envelope():
    caps = Caps(export_wh=700)
    kept, over = (
        home(use_w=0, sun_w=2000, curtails=True).live(0, caps),
        home(use_w=0, sun_w=2000).live(0, caps),
    )
    assert (kept.export_wh, kept.curtailed_wh, over.export_wh) == (700, 300, 1000)


def test_a_battery_with_losses_is_not_sold_below_what_its_energy_earns_anyway():
    spec = home(use_w=0, sun_w=4000, storage_wh=1000).spec
    lossy = Battery(1000, 900_000, 900_000, 0, 10**6, 0, 5000)
    agent = ForwardAgent(spec, lossy, 30, highest_feed_in=160_000)
    agent.energy_wh = 1000
    ask = -(-160_000 * 10**12 // (900_000 * 900_000))
    middle = PRICES.middle
    assert middle < ask
    bid = agent.bid(0, list(range(0, 300, 30)), PRICES, [middle] * 10)
    assert (bid.energy_wh, bid.price_uaud_per_kwh) == (2000, PRICES.feed_in), "the surplus alone"
    bid = agent.bid(0, list(range(0, 300, 30)), PRICES, [ask] * 10)
    assert bid.energy_wh > 2000
    assert bid.price_uaud_per_kwh == ask


@pytest.mark.parametrize("minutes", [5, 30, 60])
def test_a_store_moves_what_its_power_carries(minutes):
    store = store_of(Battery(5000, 10**6, 10**6, 100_000, 900_000, 0, 6000), minutes)
    assert store[:3] == (500, 4500, 100 * minutes)
    assert store.lossless
