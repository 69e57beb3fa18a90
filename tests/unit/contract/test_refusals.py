# SPDX-License-Identifier: Apache-2.0
"""Wrong moments and wrong figures: refused with a stable code, nothing written (`test_bad_input` has the rest)."""

from typing import Any

import pytest

REQUEST = {"round": 1, "home": "h1", "energy_wh": 900, "interval_start": 0}
OFFER = {"round": 1, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
READING = {"home": "h1", "interval_start": 0, "interval_end": 3_600, "use_wh": 1, "generation_wh": 0}


async def test_an_unconfigured_channel(bare: Any) -> None:
    assert await bare.refused("operator", "open_round", {}) == "not_configured"


@pytest.mark.parametrize(
    "parameters",
    [
        {"feed_in": -1},
        {"feed_in": 177_001},
        {"feed_in": True},
        {"feed_in": 1.0},
        {"window": 0},
        {"window": 101},
        {"mode": "median"},
        {"mu_milli": 10**6 + 1},
        {"lam": 2**63},
        {"seed_s": 99_999},
        {"seed_b": 541_101},
        {"eta_c_ppm": 0},
        {"soc_min_ppm": 2, "soc_max_ppm": 1},
        {"st_min": 76},
        {"t_request_s": 0},
        {"tou": []},
        {"tou": [[0, 24]]},
        {"tou": [[0, 12, 200_000], [13, 24, 200_000]]},
        {"tou": [[0, 24, 99_999]]},
        {"tou": [[0, 24, "200000"]]},
        {"tou": "0-24"},
        {"unheard_of": 1},
    ],
)
async def test_parameters_outside_their_bounds(simulated: Any, parameters: Any) -> None:
    assert await simulated.refused("operator", "configure", {"parameters": parameters}) == "bad_argument"


async def test_bounds_of_requests_and_offers(simulated: Any) -> None:
    await simulated.charge("p1", 1_000)
    await simulated.do("operator", "open_round", {"at": simulated.now})
    request = REQUEST | {"interval_start": simulated.now - 60}
    refused = simulated.refused
    assert await refused("h1", "submit_request", request | {"energy_wh": 50_001}) == "request_too_large"
    low, high = {"limit_uaud_per_kwh": 99_999}, {"limit_uaud_per_kwh": 177_001}
    assert await refused("h1", "submit_request", request | low) == "limit_below_feed_in"
    assert await refused("h1", "submit_request", request | high) == "limit_above_tariff"
    future, noon = simulated.now + 60, simulated.now - 12 * 3_600
    assert await refused("h1", "submit_request", request | {"interval_start": future}) == "future_interval"
    assert await refused("h1", "submit_request", request | {"interval_start": noon}) == "wrong_band"
    assert await refused("p1", "submit_offer", OFFER) == "not_offer_phase"
    assert await refused("h1", "cancel_request", {"round": 1, "home": "h1"}) == "no_open_request"
    await simulated.do("h1", "submit_request", request)
    assert await refused("h1", "submit_request", request) == "round_taken"
    assert await refused("h2", "submit_request", request | {"home": "h2"}) == "round_taken"
    assert await refused("h1", "cancel_request", {"round": 1, "home": "h1"}) == "not_request_phase"
    assert await refused("p1", "submit_offer", OFFER | {"energy_wh": 1_001}) == "insufficient_energy"
    low, high = {"price_uaud_per_kwh": 99_999}, {"price_uaud_per_kwh": 177_001}
    assert await refused("p1", "submit_offer", OFFER | low) == "offer_below_feed_in"
    assert await refused("p1", "submit_offer", OFFER | high) == "offer_above_tariff"
    assert await refused("h2", "submit_offer", OFFER | {"home": "h2"}) == "not_a_prosumer"
    assert await refused("p1", "withdraw_offer", {"round": 1, "home": "p1"}) == "no_open_offer"
    assert await refused("operator", "close_round", {"round": 1}) == "round_not_due"
    await simulated.do("operator", "close_round", {"round": 1, "at": simulated.now + 120})
    assert await refused("p1", "submit_offer", OFFER) == "round_closed"
    assert await refused("p1", "withdraw_offer", {"round": 1, "home": "p1"}) == "round_closed"


async def test_clocks(simulated: Any, live: Any) -> None:
    past = simulated.now - 1
    assert await simulated.refused("operator", "advance_clock", {"at": past}) == "clock_runs_back"
    assert await simulated.refused("operator", "open_round", {"at": past}) == "clock_runs_back"
    assert await simulated.refused("operator", "configure", {"clock": "live"}) == "bad_argument"
    await simulated.do("operator", "open_round", {"at": simulated.now})
    back = {"round": 1, "at": past}
    assert await simulated.refused("operator", "advance_clock", back) == "clock_runs_back"
    assert await live.refused("operator", "advance_clock", {"at": live.now}) == "clock_not_simulated"
    assert await live.refused("operator", "open_round", {"at": live.now}) == "clock_not_simulated"
    assert await live.refused("operator", "open_round", {}, at=live.now - 1) == "clock_runs_back"
    week = live.now + 7 * 86_400
    assert await live.refused("operator", "open_round", {}, at=week + 1) == "clock_jumps"
    await live.do("operator", "open_round", {}, at=week)


async def test_readings_follow_each_other(simulated: Any) -> None:
    refused = simulated.refused
    await simulated.do("h1", "report_reading", READING)
    assert await refused("h1", "report_reading", READING) == "interval_reported"
    gap = READING | {"interval_start": 7_200, "interval_end": 10_800}
    assert await refused("h1", "report_reading", gap) == "interval_gap"
    crooked = READING | {"interval_start": 3_600, "interval_end": 3_630}
    assert await refused("h1", "report_reading", crooked) == "bad_argument"
    backwards = READING | {"interval_start": 3_600, "interval_end": 3_600}
    assert await refused("h1", "report_reading", backwards) == "bad_argument"
    assert await refused("h1", "report_reading", gap | {"correction": True}) == "interval_unknown"
    shorter = READING | {"interval_end": 1_800, "correction": True}
    assert await refused("h1", "report_reading", shorter) == "interval_unknown"


async def test_the_grid_charges_no_battery_unless_the_community_wants_it(simulated: Any) -> None:
    reading = READING | {"home": "p1", "interval_start": simulated.now, "interval_end": simulated.now + 3_600}
    charging = reading | {"grid_charge_wh": 500}
    assert await simulated.refused("p1", "report_reading", charging) == "grid_charging_off"
    await simulated.do("operator", "configure", {"parameters": {"storage_from_grid": True}})
    too_much = charging | {"grid_charge_wh": 5_001}
    assert await simulated.refused("p1", "report_reading", too_much) == "battery_full"
    done = await simulated.do("p1", "report_reading", charging)
    assert (done["battery_wh"], done["need_wh"]) == (500, 1)
    noon = {"interval_start": simulated.now + 3_600, "interval_end": simulated.now + 10 * 3_600}
    await simulated.do("p1", "report_reading", reading | noon)
    midday = {"interval_start": noon["interval_end"], "interval_end": noon["interval_end"] + 3_600}
    assert await simulated.refused("p1", "report_reading", charging | midday) == "grid_charging_band"
