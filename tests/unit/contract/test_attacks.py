# SPDX-License-Identifier: Apache-2.0
"""What a home, an operator or both once got away with, tried by the enemy on one channel."""

import json
from typing import Any

import pytest
from commonwatt_chaincode.shim.testing import Invocation

from .community import MIDNIGHT, NOON, Community, populated

HOUR = 3_600
DAY = (NOON + 660 * 60) // 86_400
START = NOON - HOUR
ROUND = f"{START:011d}-h1"
TOU = 277_100
OFFER = {"round": ROUND, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}


async def bills(community: Community) -> dict[str, dict[str, Any]]:
    await community.do("operator", "advance_clock", {"at": NOON + 12 * HOUR})
    settled = await community.do("operator", "settle_day", {"day": DAY})
    return {bill["home"]: bill for bill in settled["bills"]}


async def test_meter_much_and_request_nothing(simulated: Any) -> None:
    await simulated.need("h1", 20_000, bid=False)
    bill = (await bills(simulated))["h1"]
    assert (bill["bought_grid_wh"], bill["grid_amount_naud"]) == (20_000, 20_000 * TOU)


async def test_report_nothing_at_all(simulated: Any) -> None:
    """A home that is never metered pays for 1500 W from its registration on."""
    bill = (await bills(simulated))["h2"]
    assert (bill["unmetered_s"], bill["unmetered_wh"]) == (12 * HOUR, 18_000)
    assert (
        bill["amount_naud"] == bill["unmetered_amount_naud"] == 1_500 * (4 * TOU + 6 * 541_100 + 2 * 177_000)
    )


async def test_report_the_cheap_hours_alone(simulated: Any) -> None:
    """A gap costs the dearest that the home used at that hour; filling it makes a new version of the bill."""
    tomorrow = NOON + 24 * HOUR
    for start, use_wh in ((NOON, 4_000), (NOON + HOUR, 1_000)):
        interval = {"interval_start": start, "interval_end": start + HOUR, "generation_wh": 0}
        await simulated.do("h1", "report_reading", {"home": "h1", "use_wh": use_wh} | interval)
    await simulated.do("operator", "advance_clock", {"at": tomorrow + 12 * HOUR})
    gap = {"interval_start": tomorrow, "interval_end": tomorrow + HOUR, "generation_wh": 0}
    after = {"interval_start": tomorrow + HOUR, "interval_end": tomorrow + 2 * HOUR, "generation_wh": 0}
    await simulated.do("h1", "report_reading", {"home": "h1", "use_wh": 10} | after)
    settle = {"day": DAY + 1, "home": "h1"}
    first = (await simulated.do("operator", "settle_day", settle))["bills"][0]
    # 23 hours without a reading: yesterday's 4000 W at noon, 1500 W at the hours that were never metered.
    assert (first["unmetered_s"], first["unmetered_wh"]) == (23 * HOUR, 4_000 + 22 * 1_500)
    await simulated.do("h1", "report_reading", {"home": "h1", "use_wh": 50} | gap)
    second = (await simulated.do("operator", "settle_day", settle))["bills"][0]
    assert (second["version"], second["unmetered_wh"], second["use_wh"]) == (2, 22 * 1_500, 60)


async def test_buy_the_evening_at_the_nights_price(simulated: Any) -> None:
    """The round's tariff is that of the interval; the bill's too, whatever was requested when."""
    evening = MIDNIGHT + 19 * HOUR
    interval = {"interval_start": evening, "interval_end": evening + HOUR, "generation_wh": 0}
    await simulated.do("operator", "advance_clock", {"at": evening + HOUR + 900})
    opened = await simulated.do(
        "h1", "settle_interval", interval | {"home": "h1", "use_wh": 1_000, "bid": True}
    )
    assert opened["tou_uaud_per_kwh"] == 541_100
    stretched = interval | {"interval_start": evening + HOUR // 2, "interval_end": evening + 90 * 60}
    argument = stretched | {"home": "h2", "use_wh": 1_000, "bid": True}
    assert await simulated.refused("h2", "settle_interval", argument) == "bad_interval"


@pytest.mark.parametrize("clock", ["simulated", "live"])
async def test_date_a_request_to_1970(clock: str) -> None:
    """The seller's sale would be billed on a day that nobody settles."""
    community = await populated(clock)
    interval = {"interval_start": 0, "interval_end": 3_600, "use_wh": 900, "generation_wh": 0}
    argument = interval | {"home": "h1", "bid": True}
    assert await community.refused("h1", "settle_interval", argument) == "interval_too_old"


async def test_report_1_gwh_at_midnight(simulated: Any) -> None:
    night = {"interval_start": MIDNIGHT, "interval_end": MIDNIGHT + HOUR, "use_wh": 0}
    argument = night | {"home": "p1", "generation_wh": 10**9}
    assert await simulated.refused("p1", "report_reading", argument) == "impossible_reading"


async def test_take_anothers_round(simulated: Any) -> None:
    """A round is born with its one request, under its home's id."""
    await simulated.need("h1", 900)
    for home in ("h2", "p1"):
        request = {"round": ROUND, "home": home, "interval_start": START}
        assert await simulated.refused(home, "submit_request", request) == "not_request_phase"
    foreign = {"home": "h1", "interval_start": NOON, "interval_end": NOON + 60}
    argument = foreign | {"use_wh": 1, "generation_wh": 0, "bid": True}
    assert await simulated.refused("h2", "settle_interval", argument) == "not_your_meter"
    assert await simulated.refused("meter of h2", "settle_interval", argument) == "not_your_meter"


async def test_close_a_live_round_at_once(live: Any) -> None:
    """With a clock ahead by as much as the server lets pass, whoever tries."""
    opened = await live.do("operator", "open_round", {})
    ahead = opened["closes_at"] - 1 + 30
    for who in ("operator", "grid", "h1"):
        assert await live.refused(who, "close_round", {"round": "00000001"}, at=ahead) == "round_not_due"


async def traded_once(community: Community, minute: int, energy_wh: int, price: int) -> int:
    """h1 buys from p1 for the minute before noon + ``minute``; the suggested price afterwards."""
    end = NOON + 60 * minute
    interval = {"interval_start": end - 60, "interval_end": end, "use_wh": energy_wh, "generation_wh": 0}
    opened = await community.do("h1", "settle_interval", interval | {"home": "h1", "bid": True})
    offer = {"round": opened["round"], "home": "p1", "energy_wh": energy_wh}
    await community.do("p1", "submit_offer", offer | {"price_uaud_per_kwh": price})
    closing = {"round": opened["round"], "at": opened["closes_at"]}
    await community.do("operator", "close_round", closing)
    suggested = await community.ask("h2", "suggested_price", {"minute": 720})
    return int(suggested["sell_price_uaud_per_kwh"])


async def test_move_the_suggested_price_by_small_trades_or_by_one_pair() -> None:
    community = await populated("simulated", lam=0)
    await community.charge("p1", 5_000)
    before = (await community.ask("h2", "suggested_price", {"minute": 720}))["sell_price_uaud_per_kwh"]
    for minute in range(1, 11):
        assert await traded_once(community, minute, 1, TOU) == before
    assert await traded_once(community, 11, 399, TOU) == before
    await community.do("operator", "configure", {"parameters": {"history_min_wh": 300}})
    moved = await traded_once(community, 12, 300, TOU)
    assert moved > before
    for minute in range(13, 16):  # the same pair counts once in a window
        assert await traded_once(community, minute, 300, TOU) == moved


async def test_replace_an_offer_and_withdraw_it(simulated: Any) -> None:
    """Neither leaves a reservation behind, and what is withdrawn is not sold."""
    await simulated.charge("p1", 3_000)
    await simulated.need("h1", 900)
    for energy_wh in (3_000, 600, 2_000):
        offered = await simulated.do("p1", "submit_offer", OFFER | {"energy_wh": energy_wh})
        assert offered["available_wh"] == 3_000 - energy_wh
    account = await simulated.ask("p1", "get_battery", {"home": "p1"})
    assert (account["reserved_wh"], account["available_wh"]) == (2_000, 1_000)
    withdrawn = await simulated.do("p1", "withdraw_offer", {"round": ROUND, "home": "p1"})
    assert withdrawn["available_wh"] == 3_000
    award = await simulated.do("operator", "close_round", {"round": ROUND, "at": NOON + 60})
    assert (award["fills"], award["offers"]) == ([], [])
    account = await simulated.ask("p1", "get_battery", {"home": "p1"})
    assert (account["battery_wh"], account["reserved_wh"]) == (3_000, 0)


async def test_sell_the_same_wh_in_two_rounds(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    for home in ("h1", "h2"):
        await simulated.need(home, 3_000)
    await simulated.do("p1", "submit_offer", OFFER | {"energy_wh": 2_000})
    other = OFFER | {"round": f"{START:011d}-h2"}
    assert (
        await simulated.refused("p1", "submit_offer", other | {"energy_wh": 1_001}) == "insufficient_energy"
    )
    await simulated.do("p1", "submit_offer", other | {"energy_wh": 1_000})


async def test_buy_from_oneself(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    simulated.now += HOUR
    await simulated.need("p1", 4_000)
    round_id = f"{NOON:011d}-p1"
    offer = OFFER | {"round": round_id, "energy_wh": 1}
    assert await simulated.refused("p1", "submit_offer", offer) == "insufficient_energy"  # it is used up
    award = await simulated.do("operator", "close_round", {"round": round_id, "at": NOON + HOUR + 60})
    assert award["requests"][0]["energy_wh"] == 1_000


async def test_a_need_that_a_correction_makes_smaller_or_larger(simulated: Any) -> None:
    """The bill takes the corrected reading; the award stays."""
    await simulated.charge("p1", 3_000)
    for home, corrected_wh in (("h1", 200), ("h2", 1_000)):
        await simulated.need(home, 600)
        round_id = f"{START:011d}-{home}"
        await simulated.do("p1", "submit_offer", OFFER | {"round": round_id})
        await simulated.do("operator", "close_round", {"round": round_id, "at": NOON + 60})
        correction = {"home": home, "interval_start": START, "use_wh": corrected_wh, "generation_wh": 0}
        await simulated.do("operator", "correct_reading", correction | {"reason": "misread"})
    settled = await bills(simulated)
    assert (settled["h1"]["over_wh"], settled["h1"]["bought_grid_wh"]) == (400, 0)
    assert (settled["h2"]["over_wh"], settled["h2"]["bought_grid_wh"]) == (0, 400)
    metered = {home: bill["amount_naud"] - bill["unmetered_amount_naud"] for home, bill in settled.items()}
    assert metered["h1"] == 600 * 150_000 - 400 * 100_000
    assert metered["h2"] == 600 * 150_000 + 400 * TOU
    assert metered["p1"] == -2 * 600 * 150_000
    again = {"home": "h2", "interval_start": START, "use_wh": 700, "generation_wh": 0, "reason": "once more"}
    await simulated.do("meter of h2", "correct_reading", again)
    bill = (await simulated.do("operator", "settle_day", {"day": DAY, "home": "h2"}))["bills"][0]
    assert (bill["version"], bill["bought_grid_wh"]) == (2, 100)


# Transactions that are endorsed, and held back


async def held(community: Community, who: str, name: str, argument: dict[str, Any]) -> Invocation:
    return await community.ledger.evaluate(
        name, argument, creator=community.callers[who], timestamp=community.now
    )


async def test_what_is_ordered_after_the_close_is_invalid(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.need("h1", 900)
    offer = await held(simulated, "p1", "submit_offer", OFFER)
    closing = await held(simulated, "operator", "close_round", {"round": ROUND, "at": NOON + 60})
    assert simulated.ledger.commit(closing) == "VALID"
    assert simulated.ledger.commit(offer) == "MVCC_READ_CONFLICT"
    assert json.loads(simulated.ledger.get("account/p1"))["reserved_wh"] == 0


async def test_an_offer_that_the_close_did_not_see_voids_the_close(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.need("h1", 900)
    closing = await held(simulated, "operator", "close_round", {"round": ROUND, "at": NOON + 60})
    await simulated.do("p1", "submit_offer", OFFER)
    assert simulated.ledger.commit(closing) == "PHANTOM_READ_CONFLICT"


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("configure", {"parameters": {"tou": [[0, 24, 500_000]]}}),
        ("register_home", {"home": "p1", "home_class": "consumer"}),
        (
            "correct_reading",
            {"home": "p1", "interval_start": START, "use_wh": 9, "generation_wh": 0, "reason": "x"},
        ),
    ],
)
async def test_what_an_operator_holds_back_is_void_after_an_hour_of_trade(
    simulated: Any, name: str, argument: dict[str, Any]
) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.need("h1", 900)
    kept = await held(simulated, "operator", name, argument)
    assert kept.status == 200, kept.message
    await simulated.do("p1", "submit_offer", OFFER)
    await simulated.do("operator", "close_round", {"round": ROUND, "at": NOON + 60})
    assert simulated.ledger.commit(kept) == "MVCC_READ_CONFLICT"


async def test_an_opening_that_an_operator_holds_back_is_void_after_the_next(live: Any) -> None:
    kept = await held(live, "operator", "open_round", {})
    await live.do("operator", "open_round", {}, at=live.now + HOUR)
    assert live.ledger.commit(kept) == "MVCC_READ_CONFLICT"


async def test_a_bill_that_an_operator_holds_back_is_void_after_a_correction(simulated: Any) -> None:
    await simulated.need("h1", 900, bid=False)
    await simulated.do("operator", "advance_clock", {"at": NOON + 12 * HOUR})
    kept = await held(simulated, "operator", "settle_day", {"day": DAY})
    correction = {"home": "h1", "interval_start": START, "use_wh": 1_000, "generation_wh": 0, "reason": "x"}
    await simulated.do("meter of h1", "correct_reading", correction)
    assert simulated.ledger.commit(kept) == "PHANTOM_READ_CONFLICT"


# Rounds that cannot affect each other


async def test_needs_of_two_homes_share_no_key_that_either_writes(simulated: Any) -> None:
    """Opened, offered into and closed at once, by homes and sellers of their own."""
    for home in ("p1", "p2"):
        await simulated.charge(home, 3_000)
    need = {"interval_start": START, "interval_end": NOON, "use_wh": 900, "generation_wh": 0, "bid": True}
    steps = [
        [("h1", "settle_interval", need | {"home": "h1"}), ("h2", "settle_interval", need | {"home": "h2"})],
        [
            ("p1", "submit_offer", OFFER),
            ("p2", "submit_offer", OFFER | {"home": "p2", "round": f"{START:011d}-h2"}),
        ],
    ]
    for step in steps:
        kept = [await held(simulated, who, name, argument) for who, name, argument in step]
        assert [simulated.ledger.commit(one) for one in kept] == ["VALID", "VALID"]
    closings = [
        await held(simulated, "operator", "close_round", {"round": f"{START:011d}-{home}", "at": NOON + 60})
        for home in ("h1", "h2")
    ]
    written = [set(closing.writes) for closing in closings]
    assert written[0] & written[1] == {"price"}
    read = [set(closing.reads) for closing in closings]
    assert (read[0] | written[0]) & (read[1] | written[1]) == {"price"}
