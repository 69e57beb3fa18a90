# SPDX-License-Identifier: Apache-2.0
"""The figures that stand beside a day without a market."""

from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.home import HomeSpec
from commonwatt_loadgen.simulate import key_figures
from commonwatt_loadgen.simulate.hours import by_hour
from commonwatt_loadgen.simulate.types import types_by_hour
from commonwatt_loadgen.traces import HourlyProfile
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 1439), st.integers(1, 300), st.integers(0, 10**6))
def test_an_intervals_energy_is_spread_over_its_hours_without_loss(start_min, length, energy_wh):
    parts = list(by_hour(start_min, start_min + length, energy_wh))
    assert sum(wh for _, wh in parts) == energy_wh
    for hour, wh in parts:
        covered = min(start_min + length, hour * 60 + 60) - max(start_min, hour * 60)
        assert covered > 0
        assert abs(wh - energy_wh * covered / length) < 1


def test_an_interval_over_an_hours_end_counts_in_both_hours():
    assert list(by_hour(50, 110, 600)) == [(0, 100), (1, 500)]
    assert list(by_hour(60, 120, 7)) == [(1, 7)]


def home(name, *, prosumer=False):
    profile = HourlyProfile((500,) * 24)
    sun = profile if prosumer else Silent()
    return HomeSpec(name, prosumer, "U1", "G1", profile, sun, 5000, 5000, "suggested")


def test_homes_worse_off_are_counted_by_class_with_their_loss():
    homes = [home("a"), home("b", prosumer=True), home("c", prosumer=True)]
    assert key_figures.worse_off(homes, {"a": 0, "b": -5, "c": -7}) == {
        "homes": 2,
        "consumers": 0,
        "prosumers": 2,
        "loss_naud": 12,
        "largest_loss_naud": 7,
    }


def test_shares_and_peaks():
    assert key_figures.self_sufficiency_percent(1000, 750) == 25.0
    assert key_figures.self_consumption_percent(1000, 100) == 90.0
    assert key_figures.self_consumption_percent(0, 0) is None
    assert key_figures.peak([3, 9, 9, 1]) == {"energy_wh": 9, "hour": 1}
    curve = key_figures.load_duration_wh(list(range(101)))
    assert (curve[0], curve[1], curve[-1], len(curve)) == (100, 95, 0, 21)


def test_fairness_of_gains():
    assert (key_figures.jain_ppm([5, 5, 5, 5]), key_figures.gini_ppm([5, 5, 5, 5])) == (1_000_000, 0)
    assert (key_figures.jain_ppm([0, 0, 0, 8]), key_figures.gini_ppm([0, 0, 0, 8])) == (250_000, 750_000)
    assert key_figures.jain_ppm([-1, 5]) is key_figures.gini_ppm([-1, 5]) is None
    assert key_figures.jain_ppm([0, 0]) is None


def test_energy_that_only_moves_within_the_community_avoids_no_net_emission():
    figures = key_figures.co2((1000, 1500), (0, 500))
    assert figures["avoided_by_lower_imports_g"] == 330
    assert figures["avoided_net_g"] == 0


def test_types_state_mean_watts_of_each_hour():
    types = types_by_hour([home("a"), home("b", prosumer=True)])
    assert types == {"usage_w": {"U1": [500] * 24}, "generation_w": {"G1": [500] * 24}}
