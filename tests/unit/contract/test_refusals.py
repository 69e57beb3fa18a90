# SPDX-License-Identifier: Apache-2.0
"""Wrong moments and wrong figures: refused with a stable code, nothing written (`test_bad_input` has the rest)."""

from typing import Any

import pytest

from .community import NOON

HOUR = 3_600
START = NOON - HOUR
ROUND = f"{START:011d}-h1"
OFFER = {"round": ROUND, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
READING = {"home": "h1", "interval_start": START, "interval_end": NOON, "use_wh": 900, "generation_wh": 0}
CORRECTION = {"home": "h1", "interval_start": START, "use_wh": 1, "generation_wh": 0, "reason": "misread"}


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
        {"sun_from_min": 1_291},
        {"readings_by": "neighbour"},
        {"clock_error_s": 901},
        {"clock_bound_s": 1},
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
    refused = simulated.refused
    await simulated.do("operator", "configure", {"parameters": {"max_request_wh": 900}})
    simulated.now += HOUR
    await simulated.charge("p1", 1_000)
    start = simulated.now - HOUR
    round_id = f"{start:011d}-h1"
    need = READING | {"interval_start": start, "interval_end": simulated.now, "bid": True}
    assert await refused("h1", "settle_interval", need | {"use_wh": 901}) == "request_too_large"
    low, high = {"limit_uaud_per_kwh": 99_999}, {"limit_uaud_per_kwh": 277_101}
    assert await refused("h1", "settle_interval", need | low) == "limit_below_feed_in"
    assert await refused("h1", "settle_interval", need | high) == "limit_above_tariff"
    assert await refused("h1", "settle_interval", need | {"bid": False} | {"limit_uaud_per_kwh": 1}) == (
        "bad_argument"
    )
    opened = await simulated.do("h1", "settle_interval", need)  # exactly max_request_wh
    assert (opened["round"], opened["need_wh"]) == (round_id, 900)
    assert await refused("h1", "settle_interval", need) == "interval_reported"
    own = {"round": round_id, "home": "h1"}
    assert await refused("h1", "cancel_request", own) == "not_request_phase"
    assert await refused("h2", "cancel_request", own | {"home": "h2"}) == "no_open_request"
    offer = OFFER | {"round": round_id}
    assert await refused("p1", "submit_offer", offer | {"energy_wh": 1_001}) == "insufficient_energy"
    low, high = {"price_uaud_per_kwh": 99_999}, {"price_uaud_per_kwh": 277_101}
    assert await refused("p1", "submit_offer", offer | low) == "offer_below_feed_in"
    assert await refused("p1", "submit_offer", offer | high) == "offer_above_tariff"
    assert await refused("h2", "submit_offer", offer | {"home": "h2"}) == "not_a_prosumer"
    assert await refused("p1", "withdraw_offer", {"round": round_id, "home": "p1"}) == "no_open_offer"
    assert await refused("operator", "close_round", {"round": round_id}) == "round_not_due"
    early = {"round": round_id, "at": opened["closes_at"] - 1}
    assert await refused("operator", "close_round", early) == "round_not_due"
    await simulated.do("operator", "close_round", {"round": round_id, "at": opened["closes_at"]})
    for name, argument in (("submit_offer", offer), ("withdraw_offer", {"round": round_id, "home": "p1"})):
        assert await refused("p1", name, argument) == "round_closed"
    assert await refused("operator", "close_round", {"round": round_id}) == "round_closed"


async def test_limits_and_prices_at_their_bounds_are_taken(simulated: Any) -> None:
    await simulated.charge("p1", 1_000)
    await simulated.need("h1", 900, limit_uaud_per_kwh=100_000)
    for price in (100_000, 277_100):
        await simulated.do("p1", "submit_offer", OFFER | {"price_uaud_per_kwh": price, "energy_wh": 1_000})
    await simulated.need("h2", 900, limit_uaud_per_kwh=277_100)


async def test_an_offer_comes_before_the_deadline_and_not_at_it(live: Any) -> None:
    await live.charge("p1", 3_000)
    opened = await live.do("operator", "open_round", {})
    offer = OFFER | {"round": "00000001"}
    refused = live.refused
    assert await refused("p1", "submit_offer", offer, at=opened["offers_from"] - 1) == "not_offer_phase"
    assert await refused("p1", "submit_offer", offer, at=opened["closes_at"]) == "not_offer_phase"
    await live.do("p1", "submit_offer", offer, at=opened["closes_at"] - 1)
    own = {"round": "00000001", "home": "p1"}
    assert await refused("p1", "withdraw_offer", own, at=opened["closes_at"]) == "not_offer_phase"
    await live.do("p1", "withdraw_offer", own, at=opened["offers_from"])


async def test_requests_of_fixed_rounds(live: Any) -> None:
    refused, now = live.refused, live.now
    assert await refused("h1", "settle_interval", READING | {"bid": True}) == "other_auction"
    await live.do("h1", "settle_interval", READING | {"bid": False})
    opened = await live.do("operator", "open_round", {})
    request = {"round": "00000001", "home": "h1", "interval_start": START}
    unknown = request | {"interval_start": START - HOUR}
    assert await refused("h1", "submit_request", unknown) == "interval_unknown"
    assert await refused("h1", "submit_request", request | {"energy_wh": 901}) == "request_too_large"
    assert await refused("h1", "submit_request", request, at=opened["offers_from"]) == "not_request_phase"
    asked = await live.do("h1", "submit_request", request, at=opened["offers_from"] - 1)
    assert asked["energy_wh"] == 900
    assert await refused("h1", "submit_request", request) == "duplicate_request"
    await live.do("operator", "open_round", {})
    again = request | {"round": "00000002"}
    assert await refused("h1", "submit_request", again) == "duplicate_request"
    own = {"round": "00000001", "home": "h1"}
    assert await refused("h1", "cancel_request", own, at=opened["offers_from"]) == "not_request_phase"
    await live.do("h1", "cancel_request", own, at=opened["offers_from"] - 1)
    assert await refused("h1", "cancel_request", own) == "no_open_request"
    await live.do("h1", "submit_request", again | {"energy_wh": 400})
    minute = {"interval_start": NOON, "interval_end": NOON + 60}
    await live.do("h1", "report_reading", READING | minute | {"use_wh": 100}, at=now + 60)
    second = again | {"interval_start": NOON}
    assert await refused("h1", "submit_request", second, at=now + 59) == "duplicate_request"

    await live.do("h2", "report_reading", READING | {"home": "h2"})
    await live.do("operator", "open_round", {}, at=now + 900)
    late = {"round": "00000003", "home": "h2", "interval_start": START}
    assert await refused("h2", "submit_request", late, at=now + 901) == "interval_too_old"
    await live.do("h2", "submit_request", late, at=now + 900)


async def test_a_fixed_round_takes_intervals_of_its_band_alone(live: Any) -> None:
    before = {"interval_start": NOON + HOUR, "interval_end": NOON + 2 * HOUR}
    await live.do("h1", "report_reading", READING | before, at=NOON + 2 * HOUR)
    await live.do("operator", "open_round", {}, at=NOON + 2 * HOUR)  # 14:00, the dear band
    request = {"round": "00000001", "home": "h1", "interval_start": NOON + HOUR}
    assert await live.refused("h1", "submit_request", request, at=NOON + 2 * HOUR) == "wrong_band"


async def test_clocks(simulated: Any, live: Any) -> None:
    past = simulated.now - 1
    assert await simulated.refused("operator", "advance_clock", {"at": past}) == "clock_runs_back"
    assert await simulated.refused("operator", "configure", {"starts_at": past}) == "clock_runs_back"
    assert await simulated.refused("operator", "configure", {"clock": "live"}) == "bad_argument"
    assert await simulated.refused("operator", "open_round", {}) == "other_auction"
    await simulated.need("h1", 900)
    back = {"round": ROUND, "at": past}
    assert await simulated.refused("operator", "advance_clock", back) == "clock_runs_back"
    assert await simulated.refused("operator", "close_round", back) == "clock_runs_back"
    members = {"round": ROUND, "at": simulated.now + 10_000}
    assert await simulated.refused("h1", "close_round", members) == "forbidden"
    assert await live.refused("operator", "advance_clock", {"at": live.now}) == "clock_not_simulated"
    assert await live.refused("operator", "open_round", {"at": live.now}) == "clock_not_simulated"
    assert await live.refused("operator", "open_round", {"minute": 60}) == "clock_not_simulated"
    assert await live.refused("operator", "configure", {"starts_at": live.now - 1}) == "clock_runs_back"
    opened = await live.do("operator", "open_round", {})
    assert opened["minute"] == 12 * 60
    at_once = {"round": "00000001", "at": live.now + 10_000}
    assert await live.refused("operator", "close_round", at_once) == "clock_not_simulated"


async def test_a_bidder_whose_clock_is_behind_counts_at_the_opening(live: Any) -> None:
    await live.do("h1", "report_reading", READING)
    await live.do("operator", "open_round", {}, at=live.now + 30)
    request = {"round": "00000001", "home": "h1", "interval_start": START}
    assert await live.refused("h1", "submit_request", request, at=live.now - 1) == "clock_runs_back"
    await live.do("h1", "submit_request", request, at=live.now)


async def test_days_that_are_not_over(simulated: Any, live: Any) -> None:
    day, end = (NOON + 660 * 60) // 86_400, NOON + 12 * HOUR
    refused = live.refused
    assert await refused("operator", "settle_day", {"day": day}, at=end + 929) == "day_not_over"
    await live.do("operator", "settle_day", {"day": day}, at=end + 930)
    await simulated.need("h1", 900)
    await simulated.do("operator", "advance_clock", {"at": end})
    assert await simulated.refused("operator", "settle_day", {"day": day}) == "round_running"
    await simulated.do("operator", "close_round", {"round": ROUND, "at": NOON + 60})
    await simulated.do("operator", "settle_day", {"day": day})


async def test_the_grid_charges_no_battery_unless_the_community_wants_it(simulated: Any) -> None:
    reading = READING | {"home": "p1", "interval_start": NOON, "interval_end": NOON + HOUR, "use_wh": 1}
    charging = reading | {"grid_charge_wh": 500}
    assert await simulated.refused("p1", "report_reading", charging) == "grid_charging_off"
    await simulated.do("operator", "configure", {"parameters": {"storage_from_grid": True}})
    assert await simulated.refused("p1", "report_reading", charging) == "grid_charging_band"
    night = charging | {"interval_start": NOON + 12 * HOUR, "interval_end": NOON + 13 * HOUR}
    assert (
        await simulated.refused("p1", "report_reading", night | {"grid_charge_wh": 5_001}) == "battery_full"
    )
    done = await simulated.do("p1", "report_reading", night)
    assert (done["battery_wh"], done["need_wh"]) == (500, 1)
    assert await simulated.refused("p1", "report_reading", charging) == "battery_full"  # it comes late
