# SPDX-License-Identifier: Apache-2.0
"""Edges of the rules' small parts."""

from dataclasses import asdict

import pytest
from commonwatt_chaincode.market.arithmetic import ceil_div, clamp, tdiv
from commonwatt_chaincode.market.battery import (
    Account,
    Battery,
    after_gap,
    available_wh,
    battery_of,
    charge,
    chargeable_wh,
    discharge,
    drawn_wh,
    reserve,
    sellable_wh,
    settle_offer,
)
from commonwatt_chaincode.market.billing import Metered, Sale, bill
from commonwatt_chaincode.market.estimate import Estimate
from commonwatt_chaincode.market.history import Entry
from commonwatt_chaincode.market.orders import fixed_round_id, offer_id, own_round_id, request_id
from commonwatt_chaincode.market.parameters import (
    NAMES,
    PAPER,
    Parameters,
    as_json,
    changed,
    check_parameters,
)
from commonwatt_chaincode.market.prices import PriceState, buy_price, prices_after, sell_price, term
from commonwatt_chaincode.market.settlement import balance, grid_room_wh, interval_energy_wh, settle_interval
from commonwatt_chaincode.market.tariff import (
    TABLE_2,
    Band,
    band_at,
    check_tariff,
    day_start,
    highest_tou,
    local_minute,
    lowest_tou,
    tou_at,
)


def battery(capacity_wh: int = 5_000, **changes: int) -> Battery:
    defaults = {
        "eta_c_ppm": 1_000_000,
        "eta_d_ppm": 1_000_000,
        "soc_min_ppm": 0,
        "soc_max_ppm": 1_000_000,
        "soc_dsr_ppm": 0,
        "p_rate_w": 5_000,
    }
    return Battery(capacity_wh, **(defaults | changes))


def test_division_truncates_toward_zero_and_rounds_up_where_said() -> None:
    assert [tdiv(n, 1_000) for n in (-1_999, -1_000, -999, 0, 999, 1_999)] == [-1, -1, 0, 0, 0, 1]
    assert [ceil_div(n, 10) for n in (0, 1, 10, 11)] == [0, 1, 1, 2]
    assert [clamp(n, 2, 4) for n in (1, 2, 3, 4, 5)] == [2, 2, 3, 4, 4]


@pytest.mark.parametrize(
    ("minute", "price"),
    [
        (0, 177_000),
        (419, 177_000),
        (420, 277_100),
        (839, 277_100),
        (840, 541_100),
        (1_199, 541_100),
        (1_200, 277_100),
        (1_319, 277_100),
        (1_320, 177_000),
        (1_439, 177_000),
    ],
)
def test_table_2(minute: int, price: int) -> None:
    assert tou_at(TABLE_2, minute) == price


def test_a_tariff_covers_the_day() -> None:
    check_tariff(TABLE_2)
    assert (lowest_tou(TABLE_2), highest_tou(TABLE_2)) == (177_000, 541_100)
    assert band_at(TABLE_2, 100) == Band(0, 7, 177_000)
    assert [Band(7, 14, 1).covers(minute) for minute in (1, 419, 420, 839, 840)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    for minute in (-1, 1_440):
        with pytest.raises(ValueError, match="outside the day"):
            band_at(TABLE_2, minute)
    with pytest.raises(ValueError, match="end at 23 h"):
        check_tariff((Band(0, 23, 1),))
    with pytest.raises(ValueError, match="starts at 1 h where 0 h"):
        check_tariff((Band(1, 24, 1),))
    with pytest.raises(ValueError, match="starts at 7 h where 6 h"):
        check_tariff((Band(0, 6, 1), Band(7, 24, 1)))
    for empty in (7, 6):
        with pytest.raises(ValueError, match="or is empty"):
            check_tariff((Band(0, 7, 1), Band(7, empty, 1), Band(7, 24, 1)))


def test_local_time_needs_no_time_zone_database() -> None:
    midnight = 15_645 * 86_400 - 660 * 60
    assert local_minute(midnight, 660) == 0
    assert local_minute(midnight + 59, 660) == 0
    assert local_minute(midnight + 60, 660) == 1
    assert local_minute(midnight - 1, 660) == 1_439
    assert day_start(15_645, [(0, 660)]) == midnight


def test_terms_of_the_price_history() -> None:
    assert term((), 4, 4, "sqrt_sum") == 4  # √16
    assert term((9,), 4, 4, "sqrt_sum") == 4  # √21
    assert term((1, 9, 9, 9, 9), 4, 4, "sqrt_sum") == 6  # the oldest drops out
    assert term((3, 4), 99, 2, "rms") == 3  # √12
    assert term((3, 4), 99, 2, "mean") == 3
    assert term((4,), 2, 2, "mean") == 3
    assert term((7,), 1, 2, "rms") == 5


def test_prices_follow_signed_coefficients_and_the_clamp() -> None:
    plain = Parameters(lam=-3_000, mu_milli=1_000, mode="mean", seed_s=200_000)
    assert sell_price(plain, PriceState(redundancy_wh=1_999), 1_000) == 200_000 - 5_997
    assert sell_price(plain, PriceState(redundancy_wh=10**6), 1_000) == 100_000
    assert sell_price(Parameters(lam=10**6), PriceState(redundancy_wh=10**4), 1_000) == 541_100
    assert sell_price(Parameters(lam=10**6), PriceState(redundancy_wh=10**4), 0) == 177_000
    buyer = Parameters(beta=20_000, nu_milli=-1_000, mode="mean", seed_b=200_000)
    assert buy_price(buyer, PriceState(), 1_001, 1_000) == 200_000 + 20_020
    assert buy_price(buyer, PriceState(hist_b=(300_000,)), 0, 1_000) == 210_000
    assert buy_price(Parameters(nu_milli=1_000), PriceState(), 0, 1_000) == 100_000


def test_the_history_keeps_its_window() -> None:
    prices = PriceState(hist_s=(1, 2), hist_b=(3, 4), redundancy_wh=5)
    entry = Entry(7, 8, ())
    assert prices_after(prices, entry, 9, window=2) == PriceState((2, 7), (4, 8), 9)
    assert prices_after(prices, entry, 9, window=3) == PriceState((1, 2, 7), (3, 4, 8), 9)
    assert prices_after(prices, None, 9, window=2) == PriceState((1, 2), (3, 4), 9)


def test_ids_are_made_of_times_numbers_and_homes() -> None:
    fixed, own = fixed_round_id(12), own_round_id(1_351_692_000, "home007")
    assert (fixed, own) == ("00000012", "01351692000-home007")
    assert request_id(fixed, "home007") == "00000012-R-home007"
    assert offer_id(fixed, "home008") == "00000012-O-home008"
    assert request_id(own, "home007") == "01351692000-home007-R"
    assert offer_id(own, "home008") == "01351692000-home007-O-home008"


def test_what_a_battery_gives_and_takes() -> None:
    lossy = battery(eta_c_ppm=900_000, eta_d_ppm=800_000, soc_min_ppm=100_000, soc_dsr_ppm=300_000)
    account = Account(energy_wh=2_000, reserved_wh=100)
    assert available_wh(lossy, account, 60) == 1_120  # (2000 - 500 - 100) * 0.8
    assert available_wh(lossy, account, 12) == 1_000  # its power for 12 minutes
    assert sellable_wh(lossy, account) == 320  # (2000 - 1500 - 100) * 0.8
    assert sellable_wh(lossy, Account(1_000, 0)) == 0
    assert repr(sellable_wh(lossy, Account(2_003, 100))) == "322"  # an integer, 322.4 rounded down
    assert sellable_wh(battery(), Account(0, 0)) == 0
    assert chargeable_wh(lossy, account, 60) == 3_333  # 3000 / 0.9
    assert chargeable_wh(lossy, account, 6) == 500
    assert chargeable_wh(lossy, Account(6_000, 0), 60) == 0
    assert charge(lossy, account, 1_001) == Account(2_900, 100)
    assert drawn_wh(lossy, 401) == 502
    assert discharge(lossy, account, 401) == Account(1_498, 100)
    assert reserve(lossy, account, 401) == Account(2_000, 602)
    assert settle_offer(lossy, Account(2_000, 602), 401, 200) == Account(1_750, 100, 200)
    assert battery(soc_min_ppm=200_000, soc_dsr_ppm=100_000).e_dsr_wh == 1_000
    assert battery(soc_max_ppm=900_001).e_max_wh == 4_500
    assert battery().throughput_wh(59) == 4_916
    rules = Parameters(eta_c_ppm=1, eta_d_ppm=2, soc_min_ppm=3, soc_max_ppm=4, soc_dsr_ppm=5, p_rate_w=6)
    assert battery_of(rules, 7) == Battery(7, 1, 2, 3, 4, 5, 6)


def test_an_interval_of_surplus_charges_then_spills() -> None:
    interval = settle_interval(battery(), Account(4_000, 0), 60, use_wh=500, generation_wh=2_000)
    assert (interval.charged_wh, interval.spill_wh) == (1_000, 500)
    assert (interval.own_wh, interval.need_wh, interval.account) == (0, 0, Account(5_000, 0))


def test_an_interval_in_balance_moves_nothing() -> None:
    interval = settle_interval(battery(), Account(4_000, 0), 60, use_wh=500, generation_wh=500)
    assert (interval.charged_wh, interval.spill_wh, interval.own_wh, interval.need_wh) == (0, 0, 0, 0)
    assert interval.account == Account(4_000, 0)


def test_own_use_spares_what_is_promised() -> None:
    interval = settle_interval(battery(), Account(1_000, 400), 60, use_wh=900, generation_wh=100)
    assert (interval.own_wh, interval.need_wh, interval.account) == (600, 200, Account(400, 400))


def test_a_battery_that_charges_from_the_grid_serves_no_own_use() -> None:
    interval = settle_interval(battery(), Account(1_000, 0), 60, 900, 0, grid_charge_wh=4_000)
    assert (interval.own_wh, interval.need_wh, interval.grid_charge_wh) == (0, 900, 4_000)
    assert interval.account == Account(5_000, 0)
    with pytest.raises(ValueError, match="4000 Wh from the grid, not 4001 Wh"):
        settle_interval(battery(), Account(1_000, 0), 60, 900, 0, grid_charge_wh=4_001)
    sunny = settle_interval(battery(9_000), Account(), 60, 0, 2_000, grid_charge_wh=3_000)
    assert (sunny.charged_wh, sunny.account) == (2_000, Account(5_000, 0))
    with pytest.raises(ValueError, match="3000 Wh from the grid"):
        settle_interval(battery(9_000), Account(), 60, 0, 2_000, grid_charge_wh=3_001)
    assert grid_room_wh(battery(), Account(4_500), 60, 0) == 500


def test_interval_energy_is_rounded_half_up() -> None:
    assert [interval_energy_wh(power_w, 45) for power_w in (0, 1, 2, 602)] == [0, 1, 2, 452]
    assert interval_energy_wh(1, 29) == 0
    assert interval_energy_wh(1, 30) == 1


def test_what_may_be_left_after_minutes_without_a_meter() -> None:
    lossy = battery(eta_d_ppm=800_000, soc_min_ppm=100_000)
    account = Account(energy_wh=2_000, reserved_wh=100)
    assert after_gap(lossy, account, 3) == Account(2_000 - 313, 100)  # 250 Wh delivered, 312.5 drawn
    assert after_gap(lossy, account, 60) == Account(600, 100)  # down to its floor and what is promised
    assert after_gap(lossy, account, 0) == account


@pytest.mark.parametrize(
    ("use_wh", "generation_wh", "own_wh", "charged_wh", "need_wh", "spill_wh"),
    [
        (900, 0, 0, 0, 900, 0),
        (900, 0, 500, 0, 400, 0),
        (300, 0, 500, 0, 0, 200),  # the battery gave more than was used: it went into the grid
        (0, 3_000, 0, 2_500, 0, 500),
        (0, 1_000, 0, 2_500, 1_500, 0),  # it took more than the sun gave: bought
        (100, 100, 0, 0, 0, 0),
    ],
)
def test_a_correction_balances_at_the_grid(
    use_wh: int, generation_wh: int, own_wh: int, charged_wh: int, need_wh: int, spill_wh: int
) -> None:
    assert balance(use_wh, generation_wh, own_wh, charged_wh) == (need_wh, spill_wh)


METERED = Metered(
    use_wh=100,
    generation_wh=40,
    own_wh=5,
    need_wh=55,
    charged_wh=3,
    spill_wh=7,
    grid_charge_wh=11,
    bought_wh=30,
    bought_naud=3_000,
    tou_uaud_per_kwh=1_000,
    feed_in_uaud_per_kwh=10,
    spill_price_uaud_per_kwh=9,
)


def test_a_bill_adds_up() -> None:
    other = METERED._replace(spill_price_uaud_per_kwh=0, tou_uaud_per_kwh=2_000, bought_wh=61, bought_naud=10)
    estimated = [Estimate(0, 1_800, 750, 1_000), Estimate(7_200, 7_260, 25, 3)]
    result = bill(iter([METERED, other]), iter([Sale(6, 600), Sale(4, 444)]), iter(estimated))
    assert (result.intervals, result.sales) == (2, 2)
    assert (result.use_wh, result.generation_wh, result.own_wh, result.need_wh) == (200, 80, 10, 110)
    assert (result.charged_wh, result.spill_wh, result.grid_charge_wh) == (6, 14, 22)
    assert (result.bought_p2p_wh, result.bought_grid_wh, result.over_wh) == (91, 25, 6)
    assert (result.sold_wh, result.revenue_naud) == (10, 1_044)
    assert (result.p2p_amount_naud, result.grid_amount_naud) == (3_010, 25_000)
    assert (result.grid_charge_amount_naud, result.spill_credit_naud) == (33_000, 63)
    assert result.over_credit_naud == 60
    assert (result.unmetered_s, result.unmetered_wh, result.unmetered_amount_naud) == (1_860, 775, 750_075)
    assert result.amount_naud == 3_010 + 25_000 + 33_000 + 750_075 - 1_044 - 63 - 60
    assert result.grid_naud == 25_000 + 33_000 + 750_075 - 63 - 60
    assert result.traditional_naud == 300_000 - 800 + 750_075


def test_a_bill_of_nothing() -> None:
    assert set(asdict(bill((), ())).values()) == {0}


def test_parameters_travel_as_json_and_say_what_is_wrong() -> None:
    assert changed(Parameters(), as_json(Parameters())) == Parameters()
    assert set(as_json(Parameters())) == set(NAMES)
    assert as_json(Parameters())["tou"][1] == [7, 14, 277_100]
    assert changed(Parameters(), {"beta": 7}) == Parameters(beta=7)
    for wrong, sentence in [
        ({"tau": 1}, "tau is not a parameter"),
        ({"beta": 1.0}, "beta: a value of another kind, float"),
        ({"beta": True}, "beta: a value of another kind, bool"),
        ({"storage_from_grid": 1}, "storage_from_grid: a value of another kind, int"),
        ({"tou": [[0, 24, "1"]]}, "tou: a list of"),
        ({"tou": [[0, 24]]}, "tou: a list of"),
        ({"tou": [0, 24, 1]}, "tou: a list of"),
        ({"tou": 7}, "tou: a list of"),
        ({"mode": "median"}, "mode: median is none of sqrt_sum, rms, mean"),
        ({"spill_policy": "BURN"}, "spill_policy: BURN is none of WASTE, FEED_IN"),
        ({"auction": "dutch"}, "auction: dutch is none of"),
        ({"feed_in": 177_001}, "feed_in: 177001 is outside 0..177000"),
        ({"readings_by": "cat"}, "readings_by: cat is none of home, meter"),
        ({"sun_from_min": 1_291}, "sun_from_min: 1291 is after sun_to_min, 1290"),
        ({"st_min": 76}, "st_min: 76 is above st_max, 75"),
        ({"soc_min_ppm": 9, "soc_max_ppm": 8}, "soc_min_ppm: 9 is above soc_max_ppm, 8"),
        ({"tou": [[0, 24, 10**9 + 1]]}, "tou: the dearest band"),
    ]:
        with pytest.raises(ValueError) as error:
            changed(Parameters(), wrong)
        assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("feed_in", 0, 177_000),
        ("lam", -(2**53), 2**53),
        ("mu_milli", 0, 10**6),
        ("beta", -(2**53), 2**53),
        ("nu_milli", -(10**6), 10**6),
        ("window", 1, 100),
        ("seed_s", 100_000, 541_100),
        ("seed_b", 100_000, 541_100),
        ("t_request_s", 1, 3_600),
        ("t_offer_s", 1, 3_600),
        ("grace_s", 0, 86_400),
        ("st_min", 1, 75),
        ("st_max", 45, 1_440),
        ("storage_wh", 0, 10**9),
        ("pv_w", 0, 10**9),
        ("eta_c_ppm", 1, 10**6),
        ("eta_d_ppm", 1, 10**6),
        ("soc_min_ppm", 0, 10**6),
        ("soc_max_ppm", 0, 10**6),
        ("soc_dsr_ppm", 0, 10**6),
        ("p_rate_w", 1, 10**9),
        ("max_request_wh", 1, 10**9),
        ("utc_offset_min", -1_440, 1_440),
        ("report_within_s", 0, 86_400),
        ("clock_error_s", 0, 900),
        ("correct_within_d", 0, 3_660),
        ("connection_w", 1, 10**9),
        ("estimate_w", 0, 10**9),
        ("sun_from_min", 0, 1_290),
        ("sun_to_min", 270, 1_440),
        ("history_min_wh", 0, 10**9),
    ],
)
def test_bounds_of_parameters(name: str, low: int, high: int) -> None:
    basis = Parameters(seed_s=200_000, seed_b=200_000)
    for inside in (low, high):
        check_parameters(changed(basis, {name: inside}))
    for outside in (low - 1, high + 1):
        with pytest.raises(ValueError, match=name):
            changed(basis, {name: outside})


def test_energy_may_be_free() -> None:
    free = {"tou": [[0, 24, 0]], "feed_in": 0, "seed_s": 0, "seed_b": 0}
    assert tou_at(changed(Parameters(), free).tou, 720) == 0


def test_the_defaults_are_the_specifications() -> None:
    check_parameters(Parameters())
    assert as_json(Parameters()) == {
        "tou": [[0, 7, 177_000], [7, 14, 277_100], [14, 20, 541_100], [20, 22, 277_100], [22, 24, 177_000]],
        "feed_in": 100_000,
        "lam": -3_000,
        "mu_milli": 122_474,
        "beta": 20_000,
        "nu_milli": -158_114,
        "window": 10,
        "seed_s": 150_000,
        "seed_b": 250_000,
        "mode": "sqrt_sum",
        "t_request_s": 60,
        "t_offer_s": 60,
        "grace_s": 600,
        "st_min": 45,
        "st_max": 75,
        "storage_wh": 5_000,
        "pv_w": 5_000,
        "eta_c_ppm": 1_000_000,
        "eta_d_ppm": 1_000_000,
        "soc_min_ppm": 0,
        "soc_max_ppm": 1_000_000,
        "soc_dsr_ppm": 0,
        "p_rate_w": 5_000,
        "spill_policy": "WASTE",
        "max_request_wh": 50_000,
        "utc_offset_min": 660,
        "auction": "per_request",
        "storage_from_grid": False,
        "cut_at_bands": True,
        "readings_by": "home",
        "report_within_s": 900,
        "clock_error_s": 30,
        "correct_within_d": 30,
        "connection_w": 24_000,
        "estimate_w": 1_500,
        "sun_from_min": 270,
        "sun_to_min": 1_290,
        "history_min_wh": 500,
        "distinct_pairs": True,
    }
    paper = changed(Parameters(), PAPER)
    kept = (paper.cut_at_bands, paper.distinct_pairs, paper.history_min_wh, paper.spill_policy)
    assert kept == (False, False, 0, "WASTE")


def test_many_small_sales_lose_no_more_than_a_large_one() -> None:
    lossy = battery(eta_d_ppm=800_000)
    account = Account(5_000)
    for _ in range(1_000):
        account = settle_offer(lossy, reserve(lossy, account, 1), 1, 1)
    assert account == Account(5_000 - 1_250, 0, 1_000)
