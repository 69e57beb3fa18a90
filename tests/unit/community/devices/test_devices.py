# SPDX-License-Identifier: Apache-2.0
"""Cars, hot water, machines that wait: all that they need comes in time, at the least cost that there is."""

from itertools import accumulate, pairwise

import numpy as np
import pytest
from commonwatt_community.hems.devices.deferrable import Run, dishwasher, washing_machine
from commonwatt_community.hems.devices.device import Window
from commonwatt_community.hems.devices.electric_vehicle import Charge, ElectricVehicle
from commonwatt_community.hems.devices.filling import Bounds, ImpossibleError, Part, at_once, cheapest
from commonwatt_community.hems.devices.hot_water import Heating, HotWater
from commonwatt_community.hems.devices.household import Prices, UseWithDevices, with_devices
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.home import HomeSpec
from commonwatt_loadgen.traces import HourlyProfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

DAY = 1_440
TOU = tuple(
    541_000 if 28 <= slot < 40 else 177_000 if slot < 14 or slot >= 44 else 277_000 for slot in range(48)
)
PRICES = Prices(TOU, (100_000,) * 48)
DRAWS = Draws(1, "device")

slots = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 5), st.integers(0, 9)),
    min_size=1,
    max_size=6,
)


@given(slots, st.integers(0, 8), st.integers(1, 8), st.booleans())
@settings(max_examples=200, deadline=None)
def test_filling_is_exact(drawn, room, rate, is_tank):
    """Against a linear program: the same bounds can be kept, and no other way costs less."""
    needs = list(accumulate(need for need, *_ in drawn))
    least = [max(0, need - room) if is_tank else 0 for need in needs[:-1]] + [needs[-1]]
    most = needs if is_tank else [needs[-1]] * len(needs)
    parts = [
        sorted([Part(cap, first), Part(10**6, second)], key=lambda part: part.price_uaud_per_kwh)
        for _, cap, first, second in drawn
    ]
    bounds = Bounds(tuple(least), tuple(most), rate)
    count = 2 * len(drawn)
    sums = [[float(column // 2 <= slot) for column in range(count)] for slot in range(len(drawn))]
    single = [[float(column // 2 == slot) for column in range(count)] for slot in range(len(drawn))]
    flat = [part for slot in parts for part in slot]
    best = linprog(
        [part.price_uaud_per_kwh for part in flat],
        A_ub=np.array(sums + [[-one for one in row] for row in sums] + single),
        b_ub=[*most, *(-one for one in least), *([rate] * len(drawn))],
        bounds=[(0, part.most_wh) for part in flat],
    )
    if not best.success:
        for fill in (lambda: cheapest(bounds, parts), lambda: at_once(bounds, [10**6] * len(parts))):
            with pytest.raises(ImpossibleError):
                fill()
        return
    found, soon = cheapest(bounds, parts), at_once(bounds, [10**6] * len(parts))
    for filled in (found, soon):
        assert all(0 <= one <= rate for one in filled)
        assert all(low <= one <= high for low, one, high in zip(least, accumulate(filled), most, strict=True))
    assert all(now >= then for now, then in zip(accumulate(soon), accumulate(found), strict=True))
    assert cost(found, parts) == pytest.approx(best.fun)


def cost(filled, parts):
    total = 0
    for energy, slot in zip(filled, parts, strict=True):
        for part in slot:
            taken = min(energy, part.most_wh)
            total, energy = total + taken * part.price_uaud_per_kwh, energy - taken
    return total


def parts_of(prices):
    return [[Part(10**6, price)] for price in prices]


def test_a_car_is_charged_when_it_leaves():
    charge = Charge(Window(36, 4), 5_000, 7_000)
    assert charge.at_least_cost(parts_of([5, 1, 3, 9])) == [0, 3_500, 1_500, 0]
    assert charge.at_once() == [3_500, 1_500, 0, 0]
    assert Charge(Window(36, 1), 5_000, 7_000).at_once() == [3_500], "a short stay charges what it can"


def test_water_is_hot_when_it_is_drawn_and_the_tank_never_overflows():
    heating = Heating(Window(0, 4), (1_000, 2_500, 0, 500), 3_000, 4_000)
    assert heating.at_once() == [1_000, 2_000, 500, 500]
    late = heating.at_least_cost(parts_of([9, 8, 1, 2]))
    assert late == [0, 500, 2_000, 1_500], "3,000 Wh are stored: 500 Wh must come until 3,500 Wh are drawn"


def test_a_machine_waits_but_does_not_stop():
    run = Run(Window(40, 5), (600, 100))
    assert run.at_least_cost(parts_of([5, 2, 3, 1, 9])) == [0, 600, 100, 0, 0]
    assert run.at_once() == [600, 100, 0, 0, 0]
    assert run.at_least_cost(parts_of([1] * 5)) == run.at_once(), "of equal costs it takes the soonest"


@pytest.mark.parametrize(
    "device", [ElectricVehicle(DRAWS), HotWater(DRAWS), dishwasher(DRAWS), washing_machine(DRAWS)]
)
def test_a_device_needs_the_same_whoever_plans(device):
    runs = 0
    for day in range(30):
        for task in device(day):
            parts = parts_of([TOU[(task.window.first_slot + slot) % 48] for slot in range(task.window.slots)])
            planned, soon = task.at_least_cost(parts), task.at_once()
            assert sum(planned) == sum(soon) > 0
            assert cost(planned, parts) <= cost(soon, parts)
            runs += 1
        assert device(day) == device(day)
    assert 8 <= runs <= 30


def household(planned=True):
    use = HourlyProfile((400,) * 24)
    sun = HourlyProfile((0,) * 9 + (3_000,) * 6 + (0,) * 9)
    devices = (HotWater(DRAWS), dishwasher(DRAWS), washing_machine(DRAWS), ElectricVehicle(DRAWS))
    return UseWithDevices(use, sun, devices, PRICES, planned)


def test_devices_follow_the_sun_and_the_tariff():
    planned, soon = household(), household(planned=False)
    bills = []
    for home in (planned, soon):
        nets = [
            home.energy_wh(at, at + 30) - home.generation.energy_wh(at, at + 30)
            for at in range(0, 10 * DAY, 30)
        ]
        bills.append(
            sum(max(0, net) * TOU[place % 48] - max(0, -net) * 100_000 for place, net in enumerate(nets))
        )
    assert bills[0] < bills[1]
    noon = [
        sum(one.device_wh(day * DAY + 540, day * DAY + 900) for day in range(10)) for one in (planned, soon)
    ]
    assert noon[0] > noon[1]


@given(st.lists(st.integers(0, 3 * DAY), min_size=2, max_size=12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_intervals_add_up_to_the_watt_hour_in_any_order(cuts, planned):
    edges = sorted({0, 3 * DAY, *cuts})
    asked = list(pairwise(edges))
    one, other = household(planned), household(planned)
    forwards = [one.device_wh(*pair) for pair in asked]
    backwards = [other.device_wh(*pair) for pair in reversed(asked)]
    assert forwards == backwards[::-1]
    assert sum(forwards) == household(planned).device_wh(0, 3 * DAY)


def test_shares_of_the_homes_are_drawn():
    homes = [
        HomeSpec(f"home{place:03d}", False, "", "", HourlyProfile((300,) * 24), Silent(), 0, 0, "")
        for place in range(40)
    ]
    made = with_devices(homes, PRICES, 1, ev_percent=30, hot_water_percent=50, deferrable_percent=10)
    having = [one.usage.devices if isinstance(one.usage, UseWithDevices) else () for one in made]
    for kind, count in ((ElectricVehicle, 12), (HotWater, 20)):
        assert sum(any(isinstance(one, kind) for one in devices) for devices in having) == count
    assert sum(len(devices) for devices in having) == 12 + 20 + 2 * 4
    assert with_devices(homes, PRICES, 1) == homes
    assert [one.home for one in with_devices(homes, PRICES, 2, ev_percent=30)] == [one.home for one in homes]
