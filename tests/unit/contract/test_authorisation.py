# SPDX-License-Identifier: Apache-2.0
"""Every writing transaction by every kind of caller: allowed, or refused with the right code."""

from typing import Any

import pytest
from commonwatt_chaincode.shim.identity import parse_creator

OPERATOR_ONLY = {
    "configure": {"parameters": {"beta": 1}},
    "register_home": {
        "home": "h9",
        "home_class": "consumer",
        "meter_salt": "00" * 8,
        "meter_hash": "0" * 64,
    },
    "advance_clock": {"at": 2_000_000_000},
    "open_round": {"at": 2_000_000_000},
    "settle_day": {"day": 1},
}
HOME_ONLY = {
    "submit_request": {"home": "h1", "energy_wh": 1, "interval_start": 0, "bid": False},
    "cancel_request": {"round": 1, "home": "h1"},
    "submit_offer": {"round": 1, "home": "h1", "energy_wh": 1, "price_uaud_per_kwh": 150_000},
    "withdraw_offer": {"round": 1, "home": "h1"},
}
READING = {"home": "h1", "interval_start": 0, "interval_end": 60, "use_wh": 1, "generation_wh": 0}

CALLERS = (
    "operator",
    "grid",
    "h1",
    "h2",
    "meter of h1",
    "meter of h2",
    "stranger",
    "foreign operator",
    "foreign home",
)


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("name", OPERATOR_ONLY)
async def test_only_the_operator_of_the_community_runs_it(simulated: Any, name: str, who: str) -> None:
    done = await simulated.submit(who, name, OPERATOR_ONLY[name])
    if who == "operator":
        assert done.status == 200, done.message
    else:
        assert done.message.startswith("forbidden: ")
        assert not done.writes


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("name", HOME_ONLY)
async def test_only_a_home_bids_and_only_for_itself(simulated: Any, name: str, who: str) -> None:
    done = await simulated.submit(who, name, HOME_ONLY[name])
    code = done.message.partition(":")[0]
    if who == "h1":
        expected = {"submit_request": "", "cancel_request": "unknown_round", "submit_offer": "unknown_round"}
        assert code == expected.get(name, "unknown_round")
    else:
        assert code == ("not_your_meter" if who in ("h2", "foreign home") else "forbidden")
        assert not done.writes


@pytest.mark.parametrize("who", CALLERS)
async def test_a_home_or_its_meter_reports_its_readings(simulated: Any, who: str) -> None:
    done = await simulated.submit(who, "report_reading", READING)
    code = done.message.partition(":")[0]
    if who in ("h1", "meter of h1"):
        assert code == ""
    else:
        assert code == ("not_your_meter" if who in ("h2", "meter of h2", "foreign home") else "forbidden")
        assert not done.writes


PRIVATE = ("get_home", "get_battery")


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("name", PRIVATE)
async def test_a_homes_records_are_its_own(simulated: Any, name: str, who: str) -> None:
    answer = await simulated.ledger.evaluate(name, {"home": "h1"}, creator=simulated.callers[who])
    code = answer.message.partition(":")[0]
    if who in ("operator", "grid", "h1", "meter of h1"):
        assert code == ""
    else:
        assert code == ("forbidden" if who == "stranger" else "not_your_meter")


@pytest.mark.parametrize("name", ["suggested_price", "list_rounds", "list_trades", "get_parameters"])
async def test_members_alone_look_at_the_market(simulated: Any, name: str) -> None:
    for who in CALLERS:
        answer = await simulated.ledger.evaluate(name, {}, creator=simulated.callers[who])
        assert answer.message.partition(":")[0] == ("forbidden" if who == "stranger" else "")


async def test_a_registered_owner_is_the_one_identity_that_speaks_for_a_home(simulated: Any) -> None:
    home = await simulated.ask("operator", "get_home", {"home": "h1"})
    registration = {name: home[name] for name in ("home", "home_class", "meter_salt", "meter_hash")}
    owner = parse_creator(simulated.callers["h1"]).id
    request = HOME_ONLY["submit_request"]
    await simulated.do("operator", "register_home", registration | {"owner": "somebody else"})
    assert await simulated.refused("h1", "submit_request", request) == "not_your_meter"
    await simulated.do("operator", "register_home", registration | {"owner": owner})
    await simulated.do("h1", "submit_request", request)


async def test_the_grace_lets_any_member_close_a_forgotten_round(live: Any) -> None:
    opened = await live.do("operator", "open_round", {})
    close = {"round": 1}
    due = opened["closes_at"]
    assert await live.refused("operator", "close_round", close, at=due - 1) == "round_not_due"
    assert await live.refused("h1", "close_round", close, at=due + 599) == "round_not_due"
    assert await live.refused("stranger", "close_round", close, at=due + 600) == "forbidden"
    assert (await live.do("h1", "close_round", close, at=due + 600))["state"] == "VOID"


async def test_homes_see_their_own_trades_and_the_sums_of_all(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.do("operator", "open_round", {"at": simulated.now})
    request = {"round": 1, "home": "h1", "energy_wh": 900, "interval_start": simulated.now}
    await simulated.do("h1", "submit_request", request)
    offer = {"round": 1, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await simulated.do("p1", "submit_offer", offer)
    await simulated.do("operator", "close_round", {"round": 1, "at": simulated.now + 120})
    for who, count in (("h1", 1), ("p1", 1), ("h2", 0), ("foreign home", 0), ("operator", 1), ("grid", 1)):
        seen = await simulated.ask(who, "list_trades", {})
        assert len(seen["trades"]) == count, who
        assert seen["totals"] == {"fills": 1, "energy_wh": 600, "amount_naud": 90_000_000}
        award = (await simulated.ask(who, "get_round", {"round": 1}))["result"]
        assert len(award["fills"]) == count
        assert award["totals"]["p2p_energy_wh"] == 600
