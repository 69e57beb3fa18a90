# SPDX-License-Identifier: Apache-2.0
"""What a battery can spare, against every other sale tried out; and a market that leaves no home poorer."""

from collections import Counter

from commonwatt_chaincode.market.battery import Account, Battery
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.settlement import settle_interval
from commonwatt_chaincode.market.tariff import highest_tou
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.hems.reserve import Ahead, spare_wh
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.simulate.without_market import WithoutMarket
from commonwatt_loadgen.traces import HourlyProfile
from hypothesis import given, settings
from hypothesis import strategies as st


def battery_with(eta_c_ppm=1_000_000, eta_d_ppm=1_000_000, soc_min_ppm=0, p_rate_w=5000):
    return Battery(300, eta_c_ppm, eta_d_ppm, soc_min_ppm, 1_000_000, 0, p_rate_w)


def bought_wh(battery, energy_wh, ahead):
    account, total = Account(energy_wh), 0
    for interval in ahead:
        use, generation = max(0, interval.net_wh), max(0, -interval.net_wh)
        outcome = settle_interval(battery, account, interval.minutes, use, generation)
        account, total = outcome.account, total + outcome.need_wh
    return total


intervals = st.lists(
    st.builds(Ahead, minutes=st.integers(1, 75), net_wh=st.integers(-250, 250)), min_size=0, max_size=8
)


@given(intervals, st.integers(60, 300), st.sampled_from([0, 200_000]), st.sampled_from([120, 5000]))
def test_without_losses_the_spare_is_the_largest_that_costs_nothing(ahead, energy_wh, soc_min_ppm, p_rate_w):
    battery = battery_with(soc_min_ppm=soc_min_ppm, p_rate_w=p_rate_w)
    before = bought_wh(battery, energy_wh, ahead)
    costless = [
        missing
        for missing in range(energy_wh - battery.e_min_wh + 1)
        if bought_wh(battery, energy_wh - missing, ahead) == before
    ]
    assert spare_wh(battery, energy_wh, ahead) == max(costless)
    assert costless == list(range(len(costless)))


@given(intervals, st.integers(0, 300), st.integers(500_000, 1_000_000), st.integers(500_000, 1_000_000))
def test_with_losses_the_spare_costs_nothing_and_is_within_a_rounding_of_the_largest(
    ahead, energy_wh, eta_c, eta_d
):
    battery = battery_with(eta_c, eta_d)
    before = bought_wh(battery, energy_wh, ahead)
    spare = spare_wh(battery, energy_wh, ahead)
    assert bought_wh(battery, energy_wh - spare, ahead) <= before
    largest = max(
        missing
        for missing in range(energy_wh + 1)
        if bought_wh(battery, energy_wh - missing, ahead) <= before
    )
    assert largest - spare <= 2 * (1 + len(ahead))


@st.composite
def communities(draw):
    """Homes with loads and suns of their own, batteries with or without losses, and buyers that always want more."""
    days = draw(st.sampled_from([1, 3]))
    lossless = draw(st.booleans())
    eta_c, eta_d = (
        (1_000_000, 1_000_000) if lossless else draw(st.tuples(*[st.integers(700_000, 990_000)] * 2))
    )
    rules = Parameters(spill_policy="FEED_IN", eta_c_ppm=eta_c, eta_d_ppm=eta_d)
    share = draw(st.integers(1, 6))
    seed = draw(st.integers(0, 10**6))
    homes = []
    for number in range(7):
        watts = Draws(seed, "watts", number)
        scale = 6 if number == 6 else 1  # one home that is always hungry
        usage = HourlyProfile(tuple(scale * watts.within(0, 1500, hour) for hour in range(24)))
        sun = HourlyProfile(
            tuple(watts.within(0, 4000, 24 + hour) if 6 <= hour < 19 else 0 for hour in range(24))
        )
        prosumer = number < share
        homes.append(
            HomeSpec(
                f"home{number}",
                prosumer,
                "U",
                "G",
                usage,
                sun if prosumer else Silent(),
                5000 if prosumer else 0,
                5000 if prosumer else 0,
                draw(st.sampled_from(["suggested", "shading", "zero-intelligence"])),
            )
        )
    return homes, rules, seed, days, lossless


@settings(max_examples=40)
@given(communities())
def test_no_home_is_worse_off_than_with_the_same_equipment_and_no_market(community):
    homes, rules, seed, days, lossless = community
    agents = [HomeAgent(home, rules, seed, battery_policy="reserve", last_day=days - 1) for home in homes]
    market, alone = InProcessMarket(rules), WithoutMarket(homes, rules)
    paid, intervals = dict.fromkeys(alone.sums, 0), Counter()
    for day in range(days):
        record = market.run_day(agents, day)
        for settled in record.settlements:
            alone.add(settled)
            intervals[settled.home] += 1
        for home, bill in record.bills.items():
            paid[home] += bill.amount_naud
    for home in homes:
        allowed = 0 if lossless else 2 * highest_tou(rules.tou) * intervals[home.home]
        assert paid[home.home] <= alone.sums[home.home]["amount_naud"] + allowed, home
