# SPDX-License-Identifier: Apache-2.0
"""A need from the meter to the bill, in both modes."""

import json
from typing import Any

from commonwatt_chaincode.shim.testing import Invocation

from .community import MIDNIGHT, NOON

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
