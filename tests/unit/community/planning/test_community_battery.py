# SPDX-License-Identifier: Apache-2.0
"""A shared battery takes and gives just what its contracts say, and gains by it."""

from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.planning.community_battery import HOME, CommunityBattery
from hypothesis import given, settings
from hypothesis import strategies as st

CHEAP, DEAR = Prices(200_000, 100_000, 10_000), Prices(500_000, 100_000, 10_000)


def bid_of(battery, place, tariffs):
    middles = [one.middle for one in tariffs]
    minutes = [30 * minute for minute in range(battery.first_place, place + len(tariffs))]
    return battery.bid(place, minutes, tariffs[0], middles, tariffs=tariffs)


def test_it_buys_where_energy_is_cheap_and_sells_where_it_is_dear():
    battery = CommunityBattery(6_000, 30)
    bought = bid_of(battery, 0, [CHEAP, DEAR, DEAR])
    assert (bought.home, bought.kind, bought.price_uaud_per_kwh) == (HOME, REQUEST, CHEAP.middle)
    assert bought.energy_wh == 1_000, "6 kWh take three hours"
    battery.awarded(0, 0, 1_000)
    sold = bid_of(battery, 1, [DEAR, CHEAP])
    assert (sold.kind, sold.energy_wh, sold.price_uaud_per_kwh) == (OFFER, 902, DEAR.middle)
    assert bid_of(CommunityBattery(6_000, 30), 0, [DEAR, CHEAP]) is None
    assert bid_of(CommunityBattery(6_000, 30), 0, [CHEAP, CHEAP]) is None, "there is nothing to gain"


@given(st.lists(st.tuples(st.sampled_from([CHEAP, DEAR]), st.integers(0, 100)), min_size=3, max_size=14))
@settings(max_examples=40, deadline=None)
def test_it_keeps_every_contract_and_loses_no_energy(periods):
    """Awards are any part of what it bid for; it bids for two periods before the first of them is lived."""
    battery = CommunityBattery(3_000, 30)
    awards, held, bought_in_all, sold_in_all = [], 0, 0, 0
    tariffs = [tariff for tariff, _ in periods]
    for place, (_, percent) in enumerate(periods):
        bid = bid_of(battery, place, tariffs[place:])
        part = bid.energy_wh * percent // 100 if bid else 0
        award = (part, 0) if bid and bid.kind == OFFER else (0, part)
        awards.append(award)
        battery.awarded(place, *award)
        if place:
            read = battery.live(30 * (place - 1))
            sold, bought = awards[place - 1]
            assert (read.import_wh, read.export_wh) == (bought, sold)
            bought_in_all, sold_in_all = bought_in_all + bought, sold_in_all + sold
            held = battery.energy_wh
            assert 0 <= held <= 3_000
    given_wh = bought_in_all * 0.95 - sold_in_all / 0.95
    assert abs(held - given_wh) <= 2 * len(periods)
