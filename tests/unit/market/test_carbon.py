# SPDX-License-Identifier: Apache-2.0
"""Carbon quotas: sums, bounds, and what tricks earn."""

from fractions import Fraction
from typing import Any

import pytest
from commonwatt_chaincode.market.forward.carbon import (
    SHARE_PARTS,
    Carbon,
    CarbonDay,
    check_carbon,
    g_per_kwh,
    settle_carbon,
)
from commonwatt_chaincode.market.forward.periods import Period
from hypothesis import given
from hypothesis import strategies as st

NIGHT_AND_DAY = ((0, 7, 800), (7, 18, 400), (18, 24, 900))
QUOTA = Carbon(5_000, 100_000, NIGHT_AND_DAY)
QUOTA_MG = 5_000_000

DAYS = st.lists(
    st.builds(
        CarbonDay,
        st.sampled_from("abcdefgh"),
        st.integers(0, 3 * QUOTA_MG),
        st.integers(-(10**9), 3 * 10**9),
        st.booleans(),
    ),
    unique_by=lambda day: day.home,
)


def home(name: str, emitted_g: int, grid_c: int = 100, shares: bool = True) -> CarbonDay:
    return CarbonDay(name, emitted_g * 1_000, grid_c * 10**7, shares)


def pays(days: list[CarbonDay], *homes: str) -> int:
    """What some homes pay together, in nAUD."""
    lines = settle_carbon(days, QUOTA).lines
    return sum(lines[name].amount_naud for name in homes)


@given(DAYS, st.data())
def test_money_sums_to_the_fund_and_every_line_is_within_its_bounds(days: list[CarbonDay], data: Any) -> None:
    result = settle_carbon(days, QUOTA)
    assert sum(line.amount_naud for line in result.lines.values()) == result.fund_naud >= 0
    shared = {}
    for day in days:
        line = result.lines[day.home]
        over_mg = day.emitted_mg - QUOTA_MG
        if over_mg >= 0:
            assert line.amount_naud == over_mg * QUOTA.price_uaud_per_kg // 1_000
            continue
        assert 0 <= -line.amount_naud <= max(0, day.grid_naud) // SHARE_PARTS
        assert day.shares or line.amount_naud == 0
        if day.shares:
            shared[day.home] = (-line.amount_naud, -over_mg, max(0, day.grid_naud) // SHARE_PARTS)
    uncapped = [Fraction(got + 1, weight) for got, weight, cap in shared.values() if got < cap]
    for got, weight, _ in shared.values():
        assert not uncapped or Fraction(got, weight) <= min(uncapped)
    if uncapped:
        assert result.fund_naud < len(days)
    assert settle_carbon(data.draw(st.permutations(days)), QUOTA) == result


def test_energy_emits_by_the_hour_unless_the_grid_says_otherwise() -> None:
    """At UTC+10; a local hour that comes twice counts both times."""
    offsets = ((0, 600), (1_380 * 60, 540))
    minutes = {0: 800, 419: 800, 420: 400, 1_079: 400, 1_080: 900, 1_439: 900}
    for minute, grams in minutes.items():
        assert g_per_kwh(Period(840 + minute, 1), QUOTA, ((0, 600),), {}) == grams
    assert g_per_kwh(Period(840, 30), QUOTA, offsets, {840: 0, 870: 5}) == 0
    assert g_per_kwh(Period(1_320, 60), QUOTA, offsets, {}) == g_per_kwh(
        Period(1_380, 60), QUOTA, offsets, {}
    )


def test_a_worked_example() -> None:
    """The one of docs/market.md: the quota is 5 kg, a kg costs 10 c."""
    result = settle_carbon([home("ada", 8_000), home("bo", 1_000, 30), home("cy", 3_000)], QUOTA)
    assert {name: line.amount_naud for name, line in result.lines.items()} == {
        "ada": 300_000_000,
        "bo": -150_000_000,
        "cy": -150_000_000,
    }
    assert result.fund_naud == 0


def test_empty_homes_earn_nothing_and_cost_nobody_anything() -> None:
    community = [home("dirty", 20_000), home("low", 2_000), home("lower", 1_000)]
    empty = [home(f"empty{number}", 0, 0) for number in range(50)]
    sunny = [home("sunny", 0, -40)]
    before, after = settle_carbon(community, QUOTA), settle_carbon([*community, *empty, *sunny], QUOTA)
    assert all(after.lines[day.home].amount_naud == 0 for day in empty + sunny)
    assert all(after.lines[name] == line for name, line in before.lines.items())


def test_a_standby_home_earns_at_most_half_of_its_charge() -> None:
    days = [home("dirty", 20_000), home("standby", 10, 2)]
    assert pays(days, "standby") == -(10**7)


def test_a_silent_home_earns_nothing_and_still_pays() -> None:
    """If those alone took part who are measured, a home above its quota would put out its meter for a period."""
    community = [home("dirty", 20_000), home("low", 2_000)]
    silent_low = settle_carbon([community[0], community[1]._replace(shares=False)], QUOTA)
    assert silent_low.lines["low"].amount_naud == 0
    assert silent_low.fund_naud == pays(community, "dirty")
    assert pays([community[0]._replace(shares=False), community[1]], "dirty") == pays(community, "dirty")


@given(st.integers(0, QUOTA_MG // 800), st.integers(1, 500), st.integers(1, 10_000))
def test_another_wh_of_the_grid_is_never_free(taken_wh: int, more_wh: int, others_g: int) -> None:
    """A share of the whole charge would give low homes free energy: they would take more."""
    tou = 300_000
    others = [home("dirty", 40_000), home("other", others_g)]

    def cost_naud(wh: int) -> int:
        return wh * tou + pays([*others, CarbonDay("low", wh * 800, wh * tou, True)], "low")

    assert cost_naud(taken_wh + more_wh) - cost_naud(taken_wh) >= more_wh * tou // SHARE_PARTS - 1


def test_a_battery_that_turns_grid_energy_round_earns_nothing_more() -> None:
    """Charged from the grid and sold to it at another hour: what the grid pays comes off the charge."""
    others = [home("dirty", 40_000)]
    quiet_naud = 1_000 * 200_000
    turned_naud = quiet_naud + 2_000 * 200_000 - 1_800 * 120_000
    quiet = quiet_naud + pays([*others, CarbonDay("low", 1_000 * 800, quiet_naud, True)], "low")
    turned = turned_naud + pays([*others, CarbonDay("low", 3_000 * 800, turned_naud, True)], "low")
    assert turned > quiet


def test_splitting_a_home_saves_a_quota_each() -> None:
    """So a home is a connection point that the grid confirmed. An empty second one earns nothing."""
    others = [home("low", 2_000)]
    whole = pays([*others, home("h", 14_000)], "h")
    assert whole == 9 * 10**8
    assert pays([*others, home("h1", 7_000), home("h2", 7_000)], "h1", "h2") == 4 * 10**8
    assert pays([*others, home("h1", 14_000), home("h2", 0, 0)], "h1", "h2") == whole


def test_an_unconfirmed_half_takes_no_share() -> None:
    others = [home("dirty", 30_000)]
    halves = [home("h1", 4_000), home("h2", 1_000, shares=False)]
    assert pays([*others, *halves], "h2") == 0


@given(st.integers(0, 6_000))
def test_shifting_over_midnight_earns_at_most_the_price_of_what_is_shifted(moved_g: int) -> None:
    """Nothing is emitted less, for the quota is of a day: what is saved here, those below do not get."""
    first, second = home("h", 11_000), home("h", 2_000, shares=False)
    others = [home("low", 1_000)]

    def both_days_naud(moved_mg: int) -> int:
        days = (
            first._replace(emitted_mg=first.emitted_mg - moved_mg),
            second._replace(emitted_mg=second.emitted_mg + moved_mg),
        )
        return sum(pays([*others, day], "h") for day in days)

    saved_naud = both_days_naud(0) - both_days_naud(moved_g * 1_000)
    assert saved_naud == min(moved_g, 3_000) * QUOTA.price_uaud_per_kg


@given(DAYS, st.data())
def test_a_league_gets_no_more_back_than_it_pays_in_excess(days: list[CarbonDay], data: Any) -> None:
    """A home that emits more, so that its friends' shares grow, pays more than they get of it."""
    if not days:
        return
    league = data.draw(st.sets(st.sampled_from([day.home for day in days]), min_size=1))
    spoiler = sorted(league)[0]
    over = [
        day._replace(emitted_mg=max(day.emitted_mg, QUOTA_MG) + (10**6 if more else 0))
        if day.home == spoiler
        else day
        for more in (0, 1)
        for day in days
    ]
    honest, spoilt = over[: len(days)], over[len(days) :]
    assert pays(spoilt, *league) >= pays(honest, *league) - len(days)


def test_without_a_quota_everybody_pays_and_without_payments_nobody_gets() -> None:
    days = [home("a", 1), home("b", 3_000), home("c", 0)]
    none = settle_carbon(days, Carbon(0, 100_000, NIGHT_AND_DAY))
    assert {name: line.amount_naud for name, line in none.lines.items()} == {
        "a": 10**5,
        "b": 3 * 10**8,
        "c": 0,
    }
    assert none.fund_naud == 10**5 + 3 * 10**8
    assert {line.amount_naud for line in settle_carbon(days, QUOTA).lines.values()} == {0}
    assert settle_carbon([home("a", 6_000), home("b", 7_000)], QUOTA).fund_naud == 3 * 10**8


def test_what_cannot_be() -> None:
    assert settle_carbon([], QUOTA).fund_naud == 0
    check_carbon(QUOTA)
    for days, told in [([home("a", 1), home("a", 2)], "two days"), ([home("a", -1)], "negative")]:
        with pytest.raises(ValueError, match=told):
            settle_carbon(days, QUOTA)
    for table in [(), ((0, 23, 1),), ((1, 24, 1),), ((0, 24, -1),), ((0, 24, 1), (24, 30, 1))]:
        with pytest.raises(ValueError, match="intensity"):
            check_carbon(Carbon(1, 1, table))
    for carbon in (Carbon(-1, 5, NIGHT_AND_DAY), Carbon(1, -5, NIGHT_AND_DAY)):
        with pytest.raises(ValueError, match="negative"):
            check_carbon(carbon)
    with pytest.raises(ValueError, match="does not follow 7 h"):
        check_carbon(Carbon(1, 1, ((0, 7, 1), (8, 24, 1))))
