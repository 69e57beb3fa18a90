# SPDX-License-Identifier: Apache-2.0
"""Loads that move, batteries that buy, noise and equation 1: each keeps within its bounds and does what it is for."""

from dataclasses import replace
from datetime import date

import pytest
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_chaincode.market.tariff import TABLE_2, tou_at
from commonwatt_community.hems.flexibility import FlexibleLoad, move
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of, as_they_live, draw_homes
from commonwatt_loadgen.simulate.run import simulate_in_process
from commonwatt_loadgen.traces.sources import HourlyProfile, equation_one_w
from commonwatt_loadgen.traces.sun import equation_one_types, irradiance_w_per_m2
from hypothesis import given, settings
from hypothesis import strategies as st

PRICES = [tou_at(TABLE_2, slot * 30) for slot in range(48)]


def cost(energies, nominal, coefficient):
    return sum(
        price * new + coefficient * (new - old) ** 2 / 1000
        for price, new, old in zip(PRICES, energies, nominal, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4000), min_size=48, max_size=48), st.integers(1, 5_000_000), st.data())
def test_moved_loads_keep_energy_and_bounds_and_cost_least(nominal, coefficient, data):
    moved = list(move(nominal, PRICES, coefficient).moved_wh)
    assert sum(moved) == sum(nominal)
    assert all(old * 70 // 100 <= new <= old * 130 // 100 for old, new in zip(nominal, moved, strict=True))
    source, target = data.draw(st.integers(0, 47)), data.draw(st.integers(0, 47))
    step = min(moved[source] - nominal[source] * 70 // 100, nominal[target] * 130 // 100 - moved[target], 50)
    if source != target and step > 10:  # moving more would not be cheaper, but for the last Wh of integers
        other = list(moved)
        other[source] -= step
        other[target] += step
        slack = step * 2 * (coefficient * 2 // 1000 + 1)
        assert cost(other, nominal, coefficient) >= cost(moved, nominal, coefficient) - slack


def test_a_moved_day_is_metered_whole_whatever_its_intervals():
    load = FlexibleLoad(HourlyProfile(tuple(range(300, 1500, 50))), TABLE_2, 200_000)
    whole = sum(load.day(2).moved_wh)
    assert sum(load.energy_wh(2880 + minute, 2880 + minute + 48) for minute in range(0, 1440, 48)) == whole
    assert sum(load.day(2).moved_wh[28:40]) < sum(load.day(2).nominal_wh[28:40])  # 14 to 20 h, 54 c
    assert load.energy_wh(1380, 1500) == load.energy_wh(1380, 1440) + load.energy_wh(1440, 1500)


def traded(options):
    rules = changed(Parameters(), options.parameter_changes())
    traces, _ = options.trace_set()
    homes = as_they_live(options, draw_homes(options, [f"h{n:02d}" for n in range(20)], traces, 2), rules)
    return homes, InProcessMarket(rules).run_day(agents_of(options, homes, rules, {}, 2), 0)


def test_batteries_buy_in_the_cheapest_band_alone_and_never_sell_it_cheaper():
    _, day = traded(SimulationOptions(share_percent=50, storage_from_grid=True))
    bought = [one for one in day.settlements if one.grid_charge_wh]
    assert bought
    assert all(tou_at(TABLE_2, one.start_min % 1440) == 177_000 for one in bought)
    assert all(0 <= one.battery_wh <= 5000 for one in day.settlements)
    assert all(offer.price_uaud_per_kwh >= 177_000 for one in day.rounds for offer in one.offers)
    charged = sum(bill.grid_charge_amount_naud for bill in day.bills.values())
    assert charged == sum(one.grid_charge_wh * 177_000 for one in bought)
    _, without = traded(SimulationOptions(share_percent=50))
    assert not any(one.grid_charge_wh for one in without.settlements)


def test_noise_makes_homes_differ_and_keeps_the_mean():
    plain, _ = traded(SimulationOptions(share_percent=50))
    noisy, _ = traded(SimulationOptions(share_percent=50, noise_percent=20))
    again, _ = traded(SimulationOptions(share_percent=50, noise_percent=20))

    def days(homes):
        return [home.usage.energy_wh(0, 1440 * 3) for home in homes]

    assert days(noisy) == days(again)
    assert len(set(days(noisy))) == 20
    use = [sum(home.usage.energy_wh(hour * 60, hour * 60 + 60) for hour in range(72)) for home in noisy]
    flat = [sum(home.usage.energy_wh(hour * 60, hour * 60 + 60) for hour in range(72)) for home in plain]
    assert all(0.6 < one / other < 1.5 for one, other in zip(use, flat, strict=True))
    assert sum(use) == pytest.approx(sum(flat), rel=0.15)


def test_equation_1_gives_summer_more_than_winter_and_nothing_at_night():
    assert equation_one_w(25, 0.2, 1000, 25) == 5000
    assert equation_one_w(25, 0.2, 1000, 45) == 4500
    assert irradiance_w_per_m2(date(2012, 12, 21), 13) > 950
    assert irradiance_w_per_m2(date(2012, 12, 21), 2) == 0
    clear = equation_one_types(date(2012, 7, 1))["E1 clear"]
    winter, summer = clear.energy_wh(0, 1440), clear.energy_wh(173 * 1440, 174 * 1440)
    assert 10_000 < winter < 0.6 * summer < 30_000


def test_what_moving_loads_changed_is_the_difference_between_two_markets():
    still = SimulationOptions(homes=12, days=2, share_percent=40)
    moving = replace(still, disutility=20)
    rest = simulate_in_process(still, 1, lambda *_: None)["communities"][0]
    moved = simulate_in_process(moving, 1, lambda *_: None)["communities"][0]
    assert rest["disutility"] is None
    effect = moved["disutility"]
    assert effect["at_rest"] == {name: rest[name] for name in ("totals", "classes", "hours")}
    dear = range(14, 20)  # the 54 c band
    before, after = (sum(one["hours"][hour]["use_wh"] for hour in dear) for one in (rest, moved))
    assert after < before
    assert effect["moved_wh"] > 0
    consumers_rest, consumers_moved = (
        next(row["amount_naud"] for row in one["classes"] if row["class"] == "consumers")
        for one in (rest, moved)
    )
    assert consumers_moved + effect["discomfort_naud"] < consumers_rest
