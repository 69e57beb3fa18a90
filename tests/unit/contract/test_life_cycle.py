# SPDX-License-Identifier: Apache-2.0
"""A need from the meter to the bill, in both modes."""

import json
from typing import Any

from commonwatt_chaincode.shim.testing import Invocation

from .community import MIDNIGHT, NOON, populated

HOUR = 3600
DAY = (MIDNIGHT + 660 * 60) // 86_400
START = NOON - HOUR
ROUND = f"{START:011d}-h1"


async def test_a_need_is_traded_and_billed(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    settled: Invocation = await simulated.submit(
        "h1",
        "settle_interval",
        {
            "home": "h1",
            "interval_start": START,
            "interval_end": NOON,
            "use_wh": 900,
            "generation_wh": 0,
            "bid": True,
        },
    )
    opened = settled.json()
    assert opened["need_wh"] == 900
    assert (opened["round"], opened["request"]) == (ROUND, f"{ROUND}-R")
    assert opened["tou_uaud_per_kwh"] == 277_100
    assert opened["sell_price_uaud_per_kwh"] == 149_908  # the anchor, isqrt(10 * 150000) * 122474 div 1000
    assert opened["state"] == "OFFERS"
    assert (opened["opened_at"], opened["closes_at"]) == (NOON, NOON + 60)
    assert settled.event is not None
    assert settled.event[0] == "round_opened"
    assert "900" not in settled.event[1].decode().replace(str(START), "")

    offer = {"round": ROUND, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    offered = await simulated.do("p1", "submit_offer", offer)
    assert offered["offer"] == f"{ROUND}-O-p1"
    assert offered["available_wh"] == 2_400

    award = await simulated.do("operator", "close_round", {"round": ROUND, "at": opened["closes_at"]})
    assert award["state"] == "CLEARED"
    assert [(fill["buyer"], fill["seller"], fill["energy_wh"]) for fill in award["fills"]] == [
        ("h1", "p1", 600)
    ]
    assert award["requests"][0]["amount_naud"] == 600 * 150_000 + 300 * 277_100
    battery = await simulated.ask("p1", "get_battery", {"home": "p1"})
    assert (battery["battery_wh"], battery["reserved_wh"]) == (2_400, 0)

    assert await simulated.refused("operator", "settle_day", {"day": DAY}) == "day_not_over"
    await simulated.do("operator", "advance_clock", {"at": MIDNIGHT + 24 * HOUR})
    settled_day = await simulated.do("operator", "settle_day", {"day": DAY})
    bills = {bill["home"]: bill for bill in settled_day["bills"]}
    unmetered = 12 * HOUR  # registered at noon, metered until then
    assert {bill["unmetered_s"] for bill in bills.values()} == {unmetered}
    # Without a past, 1500 W: 2 h at 277100, 6 h at 541100, 2 h at 277100, 2 h at 177000.
    estimate = 1_500 * (4 * 277_100 + 6 * 541_100 + 2 * 177_000)
    assert bills["h1"]["amount_naud"] == estimate + 600 * 150_000 + 300 * 277_100
    assert bills["p1"]["amount_naud"] == estimate - 600 * 150_000
    again = await simulated.submit("operator", "settle_day", {"day": DAY})
    assert again.json()["changed"] == 0
    assert not again.writes
    assert await simulated.ask("h1", "get_bill", {"home": "h1", "day": DAY}) == bills["h1"]
    assert json.loads(simulated.ledger.get(f"request/h1/{START:011d}"))["bought_wh"] == 600


async def test_a_fixed_round_pairs_many_requests_with_many_offers(live: Any) -> None:
    await live.charge("p1", 3_000)
    await live.charge("p2", 1_000)
    for home in ("h1", "h2"):
        interval = {"interval_start": START, "interval_end": NOON, "use_wh": 800, "generation_wh": 0}
        await live.do(home, "report_reading", {"home": home} | interval)
    opened = await live.do("operator", "open_round", {})
    round_id = opened["round"]
    assert round_id == "00000001"
    for home, limit in (("h1", 150_000), ("h2", 177_000)):
        request = {"round": round_id, "home": home, "interval_start": START, "limit_uaud_per_kwh": limit}
        await live.do(home, "submit_request", request, at=NOON + 5)
    for home, energy_wh, price in (("p1", 2_000, 160_000), ("p2", 1_000, 140_000)):
        offer = {"round": round_id, "home": home, "energy_wh": energy_wh, "price_uaud_per_kwh": price}
        await live.do(home, "submit_offer", offer, at=opened["offers_from"])
    award = await live.do("operator", "close_round", {"round": round_id}, at=opened["closes_at"] + 30)
    assert [(fill["buyer"], fill["seller"], fill["energy_wh"]) for fill in award["fills"]] == [
        ("h2", "p2", 800),
        ("h1", "p2", 200),
    ]
    states = {line["home"]: line["state"] for line in award["requests"] + award["offers"]}
    assert states == {"h1": "PARTIAL_GRID", "h2": "FILLED", "p1": "RELEASED", "p2": "ACCEPTED"}


async def test_a_fixed_round_on_a_simulated_clock() -> None:
    """The channel's clock moves with the opening, the round's own to its phases."""
    community = await populated("simulated", auction="fixed_rounds")
    await community.charge("p1", 3_000)
    await community.need("h1", 900, bid=False)
    opened = await community.do("operator", "open_round", {"at": NOON + 60, "minute": 13 * 60})
    assert (opened["opened_at"], opened["minute"]) == (NOON + 60, 780)
    assert (await community.ask("h1", "get_parameters", {}))["market_time"] == NOON + 60
    round_id = opened["round"]
    request = {"round": round_id, "home": "h1", "interval_start": START}
    offer = {"round": round_id, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    assert await community.refused("p1", "submit_offer", offer) == "not_offer_phase"
    await community.do("h1", "submit_request", request)
    await community.do("operator", "advance_clock", {"round": round_id, "at": opened["offers_from"]})
    assert (await community.ask("h1", "get_round", {"round": round_id}))["state"] == "OFFERS"
    late = {"round": round_id, "home": "h2", "interval_start": START}
    assert await community.refused("h2", "submit_request", late) == "not_request_phase"
    await community.do("p1", "submit_offer", offer)
    await community.do("operator", "advance_clock", {"round": round_id, "at": opened["closes_at"]})
    assert await community.refused("p1", "submit_offer", offer) == "not_offer_phase"
    assert await community.refused("h2", "close_round", {"round": round_id}) == "round_not_due"
    award = await community.do("operator", "close_round", {"round": round_id})
    assert award["totals"]["p2p_energy_wh"] == 600


async def test_a_need_on_a_live_channel() -> None:
    """The round runs from the reading's timestamp; the operator closes it once no honest clock can be in its phase."""
    community = await populated("live")
    await community.charge("p1", 3_000)
    community.now = NOON + 40
    interval = {"interval_start": START, "interval_end": NOON, "use_wh": 900, "generation_wh": 0}
    opened = await community.do("h1", "settle_interval", interval | {"home": "h1", "bid": True})
    assert (opened["opened_at"], opened["closes_at"], opened["minute"]) == (NOON + 40, NOON + 100, 660)
    offer = {"round": ROUND, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    assert await community.refused("p1", "submit_offer", offer, at=NOON + 9) == "clock_runs_back"
    await community.do("p1", "submit_offer", offer, at=NOON + 10)  # its clock is 30 s behind
    closing = {"round": ROUND}
    assert await community.refused("operator", "close_round", closing, at=NOON + 129) == "round_not_due"
    award = await community.do("operator", "close_round", closing, at=NOON + 130)
    assert (award["closed_at"], award["totals"]["p2p_energy_wh"]) == (NOON + 130, 600)
