# SPDX-License-Identifier: Apache-2.0
"""Answers and records in full, member for member, of one traded hour."""

import json
from typing import Any

import pytest

from .community import MIDNIGHT, NOON, Community, populated

HOUR = 3_600
DAY = (NOON + 660 * 60) // 86_400
START = NOON - HOUR
OWN = f"{START:011d}-h1"
TOU = 277_100


def at(community: Community, key: str) -> Any:
    """A record, or None."""
    value = community.ledger.get(key)
    return None if value is None else json.loads(value)


async def traded(community: Community) -> dict[str, str]:
    """h1 needs 900 Wh and p1 sells it 600; the ids of the transactions, by name."""
    await community.charge("p1", 3_000)
    await community.need("h1", 900, limit_uaud_per_kwh=250_000)
    offer = {"round": OWN, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await community.do("p1", "submit_offer", offer)
    await community.do("operator", "close_round", {"round": OWN, "at": NOON + 60})
    return {name: done.transaction_id for _, name, _, done in community.submitted}


async def test_a_reading_and_its_round(simulated: Any) -> None:
    made = await traded(simulated)
    (settled,) = [done for _, name, _, done in simulated.submitted if name == "settle_interval"]
    transaction = made["settle_interval"]
    terms = {
        "round": OWN,
        "state": "OFFERS",
        "minute": 11 * 60,
        "tou_uaud_per_kwh": TOU,
        "feed_in_uaud_per_kwh": 100_000,
        "sell_price_uaud_per_kwh": 149_908,
        "opened_at": NOON,
        "offers_from": NOON,
        "closes_at": NOON + 60,
        "auction": "per_request",
        "parameters_version": 1,
        "transaction": transaction,
    }
    reading = {
        "home": "h1",
        "interval_start": START,
        "interval_end": NOON,
        "version": 1,
        "own_wh": 0,
        "need_wh": 900,
        "charged_wh": 0,
        "spill_wh": 0,
        "grid_charge_wh": 0,
        "battery_wh": 0,
        "reserved_wh": 0,
        "available_wh": 0,
        "transaction": transaction,
    }
    bid = {
        "request": f"{OWN}-R",
        "limit_uaud_per_kwh": 250_000,
        "suggested_price_uaud_per_kwh": 267_978,
    }
    assert settled.json() == reading | terms | bid
    assert json.loads(settled.event[1]) == terms
    assert at(simulated, f"bid/{OWN}/R/h1") == {
        "kind": "R",
        "id": f"{OWN}-R",
        "round": OWN,
        "home": "h1",
        "energy_wh": 900,
        "price_uaud_per_kwh": 250_000,
        "interval_start": START,
        "state": "OPEN",
        "transaction": transaction,
    }
    assert at(simulated, f"reading/h1/{START:011d}/0001") == {
        "home": "h1",
        "interval_start": START,
        "interval_end": NOON,
        "version": 1,
        "use_wh": 900,
        "generation_wh": 0,
        "own_wh": 0,
        "need_wh": 900,
        "charged_wh": 0,
        "spill_wh": 0,
        "grid_charge_wh": 0,
        "parameters_version": 1,
        "tou_uaud_per_kwh": TOU,
        "feed_in_uaud_per_kwh": 100_000,
        "spill_price_uaud_per_kwh": 0,
        "reason": "",
        "transaction": transaction,
    }
    account = {
        "energy_wh": 0,
        "reserved_wh": 0,
        "sold_wh": 0,
        "metered_until": NOON,
        "day": DAY,
        "generation_wh": 0,
    }
    assert at(simulated, "account/h1") == account | {"transaction": transaction}


async def test_an_offer_and_the_award(simulated: Any) -> None:
    made = await traded(simulated)
    (offered,) = [done for _, name, _, done in simulated.submitted if name == "submit_offer"]
    assert offered.json() == {
        "offer": f"{OWN}-O-p1",
        "round": OWN,
        "state": "OPEN",
        "energy_wh": 600,
        "price_uaud_per_kwh": 150_000,
        "available_wh": 2_400,
        "transaction": made["submit_offer"],
    }
    assert offered.event == ("offer_submitted", json.dumps({"round": OWN}, separators=(",", ":")).encode())
    assert at(simulated, f"bid/{OWN}/O/p1") == {
        "kind": "O",
        "id": f"{OWN}-O-p1",
        "round": OWN,
        "home": "p1",
        "energy_wh": 600,
        "price_uaud_per_kwh": 150_000,
        "interval_start": 0,
        "state": "OPEN",
        "transaction": made["submit_offer"],
    }
    closed = made["close_round"]
    (closing,) = [done for _, name, _, done in simulated.submitted if name == "close_round"]
    totals = {
        "p2p_energy_wh": 600,
        "p2p_amount_naud": 90_000_000,
        "grid_energy_wh": 300,
        "grid_amount_naud": 300 * TOU,
        "tou_uaud_per_kwh": TOU,
        "price_s_uaud_per_kwh": 150_000,
        "price_b_uaud_per_kwh": 250_000,
        "redundancy_wh": 600,
    }
    heads = {"round": OWN, "state": "CLEARED", "minute": 660, "closed_at": NOON + 60, "transaction": closed}
    assert closing.json()["totals"] == totals
    assert {name: closing.json()[name] for name in heads} == heads
    assert at(simulated, f"result/own/{OWN}") == closing.json()
    public = {name: totals[name] for name in ("p2p_energy_wh", "p2p_amount_naud", "tou_uaud_per_kwh")}
    assert json.loads(closing.event[1]) == heads | {"totals": {"fills": 1, **public}}
    round_ = at(simulated, f"round/own/{OWN}")
    assert (round_["state"], round_["time"], round_["transaction"]) == ("CLEARED", NOON + 60, closed)
    assert (round_["clock"], round_["community"]) == ("simulated", "NewtownMSP")
    assert at(simulated, "price") == {
        "prices": {"hist_s": [150_000], "hist_b": [250_000], "redundancy_wh": 600},
        "pairs": [[["h1", "p1"]]],
        "round": OWN,
        "transaction": closed,
    }
    assert at(simulated, f"request/h1/{START:011d}") == {
        "request": f"{OWN}-R",
        "round": OWN,
        "home": "h1",
        "interval_start": START,
        "energy_wh": 900,
        "bought_wh": 600,
        "bought_naud": 90_000_000,
        "state": "PARTIAL_GRID",
        "transaction": closed,
    }
    assert at(simulated, f"sale/p1/{START:011d}/{OWN}") == {
        "offer": f"{OWN}-O-p1",
        "round": OWN,
        "home": "p1",
        "interval_start": START,
        "sold_wh": 600,
        "revenue_naud": 90_000_000,
        "transaction": closed,
    }
    account = {
        "energy_wh": 2_400,
        "reserved_wh": 0,
        "sold_wh": 600,
        "metered_until": NOON,
        "day": DAY,
        "generation_wh": 3_000,
    }
    assert at(simulated, "account/p1") == account | {"transaction": closed}


async def test_what_queries_answer(simulated: Any) -> None:
    made = await traded(simulated)
    registered = [
        done for _, name, argument, done in simulated.submitted if argument.get("home_class") == "prosumer"
    ]
    assert await simulated.ask("p1", "get_home", {"home": "p1"}) == {
        "home": "p1",
        "mspid": "NewtownMSP",
        "owner": "",
        "home_class": "prosumer",
        "pv_w": 5_000,
        "storage_wh": 5_000,
        "connection_w": 24_000,
        "registered_at": NOON,
        "transaction": registered[0].transaction_id,
    }
    assert await simulated.ask("p1", "get_battery", {"home": "p1"}) == {
        "home": "p1",
        "storage_wh": 5_000,
        "battery_wh": 2_400,
        "reserved_wh": 0,
        "sold_wh": 600,
        "available_wh": 2_400,
        "metered_until": NOON,
        "transaction": made["close_round"],
    }
    assert (await simulated.ask("h2", "get_battery", {"home": "h2"}))["metered_until"] is None
    parameters = await simulated.ask("h1", "get_parameters", {})
    assert parameters["parameters"]["tou"][0] == [0, 7, 177_000]
    assert {name: value for name, value in parameters.items() if name != "parameters"} == {
        "version": 1,
        "starts_at": NOON,
        "clock": "simulated",
        "market_time": NOON,
        "community_mspid": "NewtownMSP",
        "transaction": made["configure"],
    }
    later = {"starts_at": NOON + HOUR, "parameters": {"beta": 7}}
    await simulated.do("operator", "configure", later)
    assert (await simulated.ask("h1", "get_parameters", {}))["version"] == 1
    second = await simulated.ask("h1", "get_parameters", {"version": 2})
    assert (second["version"], second["starts_at"], second["parameters"]["beta"]) == (2, NOON + HOUR, 7)
    now = await simulated.ask("h1", "suggested_price", {"energy_wh": 900})
    assert now == {
        "sell_price_uaud_per_kwh": 148_108,  # 600 Wh of redundancy are 1800 off
        "buy_price_uaud_per_kwh": 267_978,
        "tou_uaud_per_kwh": TOU,
        "feed_in_uaud_per_kwh": 100_000,
    }
    of_round = await simulated.ask("h1", "suggested_price", {"energy_wh": 900, "round": OWN, "minute": 0})
    assert of_round["sell_price_uaud_per_kwh"] == 149_908
    assert (await simulated.ask("h1", "suggested_price", {"minute": 0}))["tou_uaud_per_kwh"] == 177_000
    seen = await simulated.ask("grid", "get_round", {"round": OWN})
    assert seen["result"] == at(simulated, f"result/own/{OWN}")
    assert (seen["state"], seen["closes_at"]) == ("CLEARED", NOON + 60)
    trade = (await simulated.ask("p1", "list_trades", {}))["trades"][0]
    assert trade == {
        "request": f"{OWN}-R",
        "offer": f"{OWN}-O-p1",
        "buyer": "h1",
        "seller": "p1",
        "energy_wh": 600,
        "price_uaud_per_kwh": 150_000,
        "amount_naud": 90_000_000,
        "round": OWN,
        "closed_at": NOON + 60,
    }
    (line,) = (await simulated.ask("h1", "list_readings", {"home": "h1"}))["readings"]
    assert (line["bought_wh"], line["bought_naud"], line["need_wh"]) == (600, 90_000_000, 900)


async def test_a_bill_in_full(simulated: Any) -> None:
    await traded(simulated)
    await simulated.do("operator", "advance_clock", {"at": MIDNIGHT + 24 * HOUR})
    done = await simulated.submit("operator", "settle_day", {"day": DAY})
    settled = done.json()
    unmetered = 1_500 * (4 * TOU + 6 * 541_100 + 2 * 177_000)
    expected = {
        "home": "h1",
        "day": DAY,
        "version": 1,
        "intervals": 1,
        "sales": 0,
        "use_wh": 900,
        "generation_wh": 0,
        "own_wh": 0,
        "need_wh": 900,
        "charged_wh": 0,
        "spill_wh": 0,
        "grid_charge_wh": 0,
        "bought_p2p_wh": 600,
        "bought_grid_wh": 300,
        "over_wh": 0,
        "sold_wh": 0,
        "unmetered_s": 12 * HOUR,
        "unmetered_wh": 18_000,
        "p2p_amount_naud": 90_000_000,
        "grid_amount_naud": 300 * TOU,
        "grid_charge_amount_naud": 0,
        "unmetered_amount_naud": unmetered,
        "revenue_naud": 0,
        "spill_credit_naud": 0,
        "over_credit_naud": 0,
        "amount_naud": 90_000_000 + 300 * TOU + unmetered,
        "traditional_naud": 900 * TOU + unmetered,
        "transaction": done.transaction_id,
    }
    assert (
        settled["bills"][0] == await simulated.ask("h1", "get_bill", {"home": "h1", "day": DAY}) == expected
    )
    assert [bill["home"] for bill in settled["bills"]] == ["h1", "h2", "p1", "p2"]
    assert (settled["bills"][2]["sold_wh"], settled["bills"][2]["sales"]) == (600, 1)
    assert (settled["day"], settled["homes"], settled["changed"]) == (DAY, 4, 4)
    event = {"day": DAY, "homes": 4, "changed": 4}
    amount = {"amount_naud": sum(bill["amount_naud"] for bill in settled["bills"])}
    assert json.loads(done.event[1]) == event | amount
    one = await simulated.submit("operator", "settle_day", {"day": DAY, "home": "h1"})
    assert json.loads(one.event[1]) == {"day": DAY, "homes": 1, "changed": 0}
    stored = {"home": "h1", "day": DAY, "version": 1, "transaction": done.transaction_id}
    record = at(simulated, f"bill/{DAY:06d}/h1")
    assert {name: record[name] for name in stored} == stored
    assert record["bill"] == {name: value for name, value in expected.items() if name not in stored}


async def test_a_registration_in_full(simulated: Any) -> None:
    equipment = {"pv_w": 1, "storage_wh": 2, "connection_w": 3, "owner": "o", "mspid": "EnmoreMSP"}
    done = await simulated.submit(
        "operator", "register_home", {"home": "h9", "home_class": "consumer", **equipment}
    )
    sizes = {"pv_w": 1, "storage_wh": 2, "connection_w": 3}
    assert done.json() == {
        "home": "h9",
        "home_class": "consumer",
        **sizes,
        "changed": True,
        "transaction": done.transaction_id,
    }
    assert json.loads(done.event[1]) == {"home_class": "consumer", "new": True, "changed": True}
    assert at(simulated, "home/h9") == {
        "home": "h9",
        "home_class": "consumer",
        **equipment,
        "registered_at": NOON,
        "transaction": done.transaction_id,
    }
    account = {
        "energy_wh": 0,
        "reserved_wh": 0,
        "sold_wh": 0,
        "metered_until": -1,
        "day": -1,
        "generation_wh": 0,
    }
    assert at(simulated, "account/h9") == account | {"transaction": done.transaction_id}
    again = await simulated.submit(
        "operator", "register_home", {"home": "h9", "home_class": "consumer", **equipment}
    )
    assert (again.json()["changed"], dict(again.writes)) == (False, {})
    assert json.loads(again.event[1]) == {"home_class": "consumer", "new": False, "changed": False}
    await simulated.do("operator", "advance_clock", {"at": NOON + 60})
    changed = await simulated.submit("operator", "register_home", {"home": "h9", "home_class": "prosumer"})
    assert set(changed.writes) == {"home/h9"}
    record = at(simulated, "home/h9")
    assert (record["registered_at"], record["pv_w"], record["storage_wh"]) == (NOON, 5_000, 5_000)
    assert (record["mspid"], record["owner"], record["connection_w"]) == ("NewtownMSP", "", 24_000)
    assert record["transaction"] == changed.transaction_id


async def test_a_battery_begins_at_its_floor() -> None:
    community = await populated("simulated", soc_min_ppm=100_000)
    account = await community.ask("p1", "get_battery", {"home": "p1"})
    assert (account["battery_wh"], account["available_wh"]) == (500, 0)


async def test_fixed_rounds_in_full(live: Any) -> None:
    done = await live.submit("operator", "open_round", {}, at=NOON + 61)
    terms = {
        "round": "00000001",
        "state": "OPEN",
        "minute": 721,
        "tou_uaud_per_kwh": TOU,
        "feed_in_uaud_per_kwh": 100_000,
        "sell_price_uaud_per_kwh": 149_908,
        "opened_at": NOON + 61,
        "offers_from": NOON + 121,
        "closes_at": NOON + 181,
        "auction": "fixed_rounds",
        "parameters_version": 1,
        "transaction": done.transaction_id,
    }
    assert done.json() == json.loads(done.event[1]) == terms
    assert at(live, "numbers") == {"last_round": 1, "transaction": done.transaction_id}
    assert at(live, "clock") is None
    interval = {"interval_start": START, "interval_end": NOON, "use_wh": 900, "generation_wh": 0}
    await live.do("h1", "report_reading", {"home": "h1"} | interval)
    asked = await live.submit(
        "h1",
        "submit_request",
        {"round": "00000001", "home": "h1", "interval_start": START, "limit_uaud_per_kwh": 200_000},
        at=NOON + 61,
    )
    assert asked.json() == {
        "request": "00000001-R-h1",
        "round": "00000001",
        "state": "OPEN",
        "energy_wh": 900,
        "limit_uaud_per_kwh": 200_000,
        "grid_price_uaud_per_kwh": TOU,
        "suggested_price_uaud_per_kwh": 267_978,
        "offers_from": NOON + 121,
        "closes_at": NOON + 181,
        "transaction": asked.transaction_id,
    }
    assert asked.event == ("request_submitted", b'{"round":"00000001"}')
    request = {"request": "00000001-R-h1", "round": "00000001", "home": "h1", "interval_start": START}
    sums = {"energy_wh": 900, "bought_wh": 0, "bought_naud": 0}
    stored = request | sums | {"state": "OPEN", "transaction": asked.transaction_id}
    assert at(live, f"request/h1/{START:011d}") == stored
    own = {"round": "00000001", "home": "h1"}
    cancelled = await live.submit("h1", "cancel_request", own, at=NOON + 61)
    taken_back = {"state": "CANCELLED", "transaction": cancelled.transaction_id}
    assert cancelled.json() == {"request": "00000001-R-h1"} | taken_back
    assert cancelled.event == ("request_cancelled", b'{"round":"00000001"}')
    assert at(live, f"request/h1/{START:011d}") == stored | taken_back
    assert at(live, "bid/00000001/R/h1")["state"] == "CANCELLED"


async def test_an_interval_buys_in_one_round_after_the_other(live: Any) -> None:
    await live.charge("p1", 3_000)
    interval = {"interval_start": START, "interval_end": NOON, "use_wh": 900, "generation_wh": 0}
    await live.do("h1", "report_reading", {"home": "h1"} | interval)
    for number, energy_wh in ((1, 250), (2, 400)):
        round_id = f"{number:08d}"
        opened = await live.do("operator", "open_round", {}, at=NOON + 200 * number)
        request = {"round": round_id, "home": "h1", "interval_start": START}
        await live.do("h1", "submit_request", request, at=opened["opened_at"])
        offer = {"round": round_id, "home": "p1", "energy_wh": energy_wh, "price_uaud_per_kwh": 150_000}
        await live.do("p1", "submit_offer", offer, at=opened["offers_from"])
        await live.do("operator", "close_round", {"round": round_id}, at=opened["closes_at"] + 30)
    record = at(live, f"request/h1/{START:011d}")
    assert (record["energy_wh"], record["bought_wh"]) == (650, 650)
    assert record["bought_naud"] == 650 * 150_000
    await live.do("operator", "open_round", {}, at=NOON + 600)
    request = {"round": "00000003", "home": "h1", "interval_start": START, "energy_wh": 251}
    assert await live.refused("h1", "submit_request", request, at=NOON + 600) == "request_too_large"
    await live.do("h1", "submit_request", request | {"energy_wh": 250}, at=NOON + 600)


async def test_withdrawing_in_full(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.need("h1", 900)
    offer = {"round": OWN, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await simulated.do("p1", "submit_offer", offer)
    done = await simulated.submit("p1", "withdraw_offer", {"round": OWN, "home": "p1"})
    assert done.json() == {
        "offer": f"{OWN}-O-p1",
        "state": "WITHDRAWN",
        "available_wh": 3_000,
        "transaction": done.transaction_id,
    }
    assert done.event == ("offer_withdrawn", json.dumps({"round": OWN}, separators=(",", ":")).encode())
    assert at(simulated, f"bid/{OWN}/O/p1")["state"] == "WITHDRAWN"
    assert await simulated.refused("p1", "withdraw_offer", {"round": OWN, "home": "p1"}) == "no_open_offer"


@pytest.mark.parametrize("whose", ["channel", "round"])
async def test_clocks_in_full(simulated: Any, whose: str) -> None:
    await simulated.need("h1", 900)
    argument = {"at": NOON + 7} | ({"round": OWN} if whose == "round" else {})
    done = await simulated.submit("operator", "advance_clock", argument)
    assert done.json() == argument | {"transaction": done.transaction_id}
    assert (done.event[0], json.loads(done.event[1])) == ("clock_advanced", done.json())
    if whose == "channel":
        assert at(simulated, "clock") == {"time": NOON + 7, "transaction": done.transaction_id}
    else:
        round_ = at(simulated, f"round/own/{OWN}")
        assert (round_["time"], round_["transaction"]) == (NOON + 7, done.transaction_id)
        assert at(simulated, "clock")["time"] == NOON


async def test_a_correction_in_full(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    correction = {"home": "p1", "interval_start": START, "use_wh": 10, "generation_wh": 3_500}
    done = await simulated.submit("operator", "correct_reading", correction | {"reason": "misread"})
    answer = {
        "home": "p1",
        "interval_start": START,
        "interval_end": NOON,
        "version": 2,
        "own_wh": 0,
        "need_wh": 0,
        "charged_wh": 3_000,
        "spill_wh": 490,
        "grid_charge_wh": 0,
        "battery_wh": 3_000,
        "reserved_wh": 0,
        "available_wh": 3_000,
        "day": DAY,
        "transaction": done.transaction_id,
    }
    assert done.json() == answer
    assert json.loads(done.event[1]) == {"interval_start": START, "interval_end": NOON, "version": 2}
    account = at(simulated, "account/p1")
    assert (account["generation_wh"], account["transaction"]) == (3_500, done.transaction_id)
