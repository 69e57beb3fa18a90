# SPDX-License-Identifier: Apache-2.0
"""A request from opening to bill, in both modes."""

from typing import Any

from commonwatt_chaincode.shim.testing import Invocation

HOUR = 3600


async def test_a_request_is_traded_settled_and_billed(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    start = simulated.now - HOUR
    reading = {"home": "h1", "interval_start": start, "interval_end": simulated.now}
    read = await simulated.do("meter of h1", "report_reading", reading | {"use_wh": 900, "generation_wh": 0})
    assert read["need_wh"] == 900

    opened = await simulated.do("operator", "open_round", {"at": simulated.now, "minute": 0})
    assert opened["round"] == 1
    assert opened["tou_uaud_per_kwh"] == 177_000
    assert opened["sell_price_uaud_per_kwh"] == 149_908  # the anchor, isqrt(10 * 150000) * 122474 div 1000

    request = {"round": 1, "home": "h1", "energy_wh": 900, "interval_start": start}
    done: Invocation = await simulated.submit("h1", "submit_request", request)
    assert done.json()["request"] == "00000001-R-h1"
    assert done.event is not None
    assert done.event[0] == "request_opened"
    assert b"h1" not in done.event[1]

    offer = {"round": 1, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    offered = await simulated.do("p1", "submit_offer", offer)
    assert offered["available_wh"] == 2_400

    award = await simulated.do("operator", "close_round", {"round": 1, "at": opened["closes_at"]})
    assert award["state"] == "CLEARED"
    assert [(fill["buyer"], fill["seller"], fill["energy_wh"]) for fill in award["fills"]] == [
        ("h1", "p1", 600)
    ]
    assert award["requests"][0]["amount_naud"] == 600 * 150_000 + 300 * 177_000
    battery = await simulated.ask("p1", "get_battery", {"home": "p1"})
    assert (battery["battery_wh"], battery["reserved_wh"]) == (2_400, 0)

    day = (start + 660 * 60) // 86_400
    assert await simulated.refused("operator", "settle_day", {"day": day}) == "day_not_over"
    await simulated.do("operator", "advance_clock", {"at": simulated.now + 24 * HOUR})
    settled = await simulated.do("operator", "settle_day", {"day": day})
    bills = {bill["home"]: bill for bill in settled["bills"]}
    assert bills["h1"]["amount_naud"] == 600 * 150_000 + 300 * 177_000
    assert bills["p1"]["amount_naud"] == -600 * 150_000
    again = await simulated.submit("operator", "settle_day", {"day": day})
    assert again.json()["changed"] == 0
    assert not again.writes
    assert await simulated.ask("h1", "get_bill", {"home": "h1", "day": day}) == bills["h1"]


async def test_a_fixed_round_pairs_many_requests_with_many_offers(live: Any) -> None:
    await live.charge("p1", 3_000)
    await live.charge("p2", 1_000)
    start = live.now - HOUR
    opened = await live.do("operator", "open_round", {"minute": 0})
    for home, limit in (("h1", 150_000), ("h2", 177_000)):
        request = {
            "round": 1,
            "home": home,
            "energy_wh": 800,
            "interval_start": start,
            "limit_uaud_per_kwh": limit,
        }
        await live.do(home, "submit_request", request, at=live.now + 5)
    offers_at = opened["offers_from"]
    for home, energy_wh, price in (("p1", 2_000, 160_000), ("p2", 1_000, 140_000)):
        offer = {"round": 1, "home": home, "energy_wh": energy_wh, "price_uaud_per_kwh": price}
        await live.do(home, "submit_offer", offer, at=offers_at)
    award = await live.do("operator", "close_round", {"round": 1}, at=opened["closes_at"])
    assert [(fill["buyer"], fill["seller"], fill["energy_wh"]) for fill in award["fills"]] == [
        ("h2", "p2", 800),
        ("h1", "p2", 200),
    ]
    states = {line["home"]: line["state"] for line in award["requests"] + award["offers"]}
    assert states == {"h1": "PARTIAL_GRID", "h2": "FILLED", "p1": "RELEASED", "p2": "ACCEPTED"}


async def test_a_request_without_bidding_needs_no_round(simulated: Any) -> None:
    request = {"home": "h2", "energy_wh": 500, "interval_start": simulated.now, "bid": False}
    result = await simulated.do("h2", "submit_request", request)
    assert result["state"] == "GRID_ONLY"
    assert result["amount_naud"] == 500 * 177_000
    assert await simulated.refused("h2", "submit_request", request) == "duplicate_request"


async def test_what_is_ordered_after_the_close_is_invalid(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.do("operator", "open_round", {"at": simulated.now})
    request = {"round": 1, "home": "h1", "energy_wh": 900, "interval_start": simulated.now}
    await simulated.do("h1", "submit_request", request)
    ledger = simulated.ledger
    offer = {"round": 1, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    late = await ledger.evaluate("submit_offer", offer, creator=simulated.callers["p1"])
    close = {"round": 1, "at": simulated.now + 120}
    await simulated.do("operator", "close_round", close)
    assert ledger.commit(late) == "MVCC_READ_CONFLICT"
    assert await simulated.refused("operator", "close_round", close) == "round_closed"


async def test_an_offer_ordered_before_the_close_makes_the_close_start_over(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.do("operator", "open_round", {"at": simulated.now})
    request = {"round": 1, "home": "h1", "energy_wh": 900, "interval_start": simulated.now}
    await simulated.do("h1", "submit_request", request)
    close = {"round": 1, "at": simulated.now + 120}
    early = await simulated.ledger.evaluate("close_round", close, creator=simulated.callers["operator"])
    offer = {"round": 1, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await simulated.do("p1", "submit_offer", offer)
    assert simulated.ledger.commit(early) == "PHANTOM_READ_CONFLICT"


async def test_rounds_that_cannot_affect_each_other_overlap(simulated: Any) -> None:
    """Two rounds without offers: every transaction of one commutes with every transaction of the other."""
    ledger = simulated.ledger
    for minute in (0, 1):
        await simulated.do("operator", "open_round", {"at": simulated.now + 60 * minute})
    requests = [
        ({"round": 1, "home": "h1", "energy_wh": 900, "interval_start": simulated.now}, "h1"),
        ({"round": 2, "home": "h2", "energy_wh": 800, "interval_start": simulated.now}, "h2"),
    ]
    asked = [
        await ledger.evaluate("submit_request", request, creator=simulated.callers[home])
        for request, home in requests
    ]
    assert [ledger.commit(done) for done in asked] == ["VALID", "VALID"]
    closed = [
        await ledger.evaluate(
            "close_round",
            {"round": number, "at": simulated.now + 60 * number + 120},
            creator=simulated.callers["operator"],
        )
        for number in (1, 2)
    ]
    assert [ledger.commit(done) for done in closed] == ["VALID", "VALID"]
