# SPDX-License-Identifier: Apache-2.0
"""Every writing transaction by every kind of caller: allowed, or refused with the right code."""

import json
from typing import Any

import pytest
from commonwatt_chaincode.shim.identity import parse_creator

from .community import NOON

OPERATOR_ONLY = {
    "configure": {"parameters": {"beta": 1}},
    "register_home": {"home": "h9", "home_class": "consumer"},
    "advance_clock": {"at": 2_000_000_000},
    "open_round": {},
    "settle_day": {"day": 1},
}
HOME_ONLY = {
    "submit_request": {"round": "00000001", "home": "h1", "energy_wh": 1, "interval_start": 0},
    "cancel_request": {"round": "00000001", "home": "h1"},
    "submit_offer": {"round": "00000001", "home": "h1", "energy_wh": 1, "price_uaud_per_kwh": 150_000},
    "withdraw_offer": {"round": "00000001", "home": "h1"},
}
START = NOON - 3600
ROUND = f"{START:011d}-h1"
READING = {"home": "h1", "interval_start": START, "interval_end": NOON, "use_wh": 900, "generation_wh": 0}
REPORTS = {"report_reading": READING, "settle_interval": READING | {"bid": True}}
CORRECTION = {"home": "h1", "interval_start": START, "use_wh": 1, "generation_wh": 0, "reason": "misread"}

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
        late = {"settle_day": "", "open_round": "other_auction"}  # allowed; refused for another reason
        assert done.message.partition(":")[0] == late.get(name, "")
    else:
        assert done.message.startswith("forbidden: ")
        assert not done.writes


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("name", HOME_ONLY)
async def test_only_a_home_bids_and_only_for_itself(simulated: Any, name: str, who: str) -> None:
    done = await simulated.submit(who, name, HOME_ONLY[name])
    code = done.message.partition(":")[0]
    if who == "h1":
        assert code == "unknown_round"
    else:
        assert code == ("not_your_meter" if who in ("h2", "foreign home") else "forbidden")
        assert not done.writes


def refusal(who: str) -> str:
    """The code for one who speaks for another home, or for none."""
    return "not_your_meter" if who in ("h2", "meter of h2", "foreign home") else "forbidden"


@pytest.mark.parametrize("by", ["home", "meter"])
@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("name", REPORTS)
async def test_who_reports_a_homes_readings(simulated: Any, name: str, who: str, by: str) -> None:
    await simulated.do("operator", "configure", {"parameters": {"readings_by": by}})
    # The interval began before that version: make it count from the founding on.
    later = {"interval_start": NOON, "interval_end": NOON + 3600}
    done = await simulated.submit(who, name, REPORTS[name] | later)
    code = done.message.partition(":")[0]
    if who == "meter of h1" or (who == "h1" and by == "home"):
        assert code == ""
    elif who == "h1":
        assert code == "forbidden"
    else:
        assert code == refusal(who)
        assert not done.writes


@pytest.mark.parametrize("who", CALLERS)
async def test_the_meter_or_the_operator_corrects_a_reading(simulated: Any, who: str) -> None:
    await simulated.do("h1", "report_reading", READING)
    done = await simulated.submit(who, "correct_reading", CORRECTION)
    code = done.message.partition(":")[0]
    if who in ("operator", "meter of h1"):
        assert code == ""
    else:
        assert code == ("not_your_meter" if who == "meter of h2" else "forbidden")
        assert not done.writes


PRIVATE = ("get_home", "get_battery", "list_readings")


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


async def test_operator_and_grid_alone_see_the_pairs_behind_prices(simulated: Any) -> None:
    for who in CALLERS:
        answer = await simulated.ledger.evaluate("get_prices", {}, creator=simulated.callers[who])
        assert (answer.message.partition(":")[0] == "") == (who in ("operator", "grid")), who


async def test_a_registered_owner_is_the_one_identity_that_speaks_for_a_home(simulated: Any) -> None:
    registration = {"home": "h1", "home_class": "consumer"}
    owner = parse_creator(simulated.callers["h1"]).id
    await simulated.do("operator", "register_home", registration | {"owner": "somebody else"})
    assert await simulated.refused("h1", "report_reading", READING) == "not_your_meter"
    await simulated.do("meter of h1", "report_reading", READING)
    await simulated.do("operator", "register_home", registration | {"owner": owner})
    later = {"interval_start": NOON, "interval_end": NOON + 60}
    await simulated.do("h1", "report_reading", READING | later | {"use_wh": 1})


@pytest.mark.parametrize(("who", "wait_s"), [("operator", 30), ("h1", 630), ("grid", 630)])
async def test_no_clock_ahead_shortens_a_round(live: Any, who: str, wait_s: int) -> None:
    """The operator waits for clock_error_s after the deadline, everybody else for grace_s more."""
    opened = await live.do("operator", "open_round", {})
    close = {"round": "00000001"}
    due = opened["closes_at"] + wait_s
    for early in (opened["closes_at"], due - 1):
        assert await live.refused(who, "close_round", close, at=early) == "round_not_due"
    assert await live.refused("stranger", "close_round", close, at=due) == "forbidden"
    assert (await live.do(who, "close_round", close, at=due))["state"] == "VOID"


async def traded(simulated: Any) -> None:
    """h1 buys 600 of 900 Wh from p1."""
    await simulated.charge("p1", 3_000)
    await simulated.need("h1", 900)
    offer = {"round": ROUND, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await simulated.do("p1", "submit_offer", offer)
    await simulated.do("operator", "close_round", {"round": ROUND, "at": NOON + 60})


async def test_homes_see_their_own_lines_and_the_sums_of_all(simulated: Any) -> None:
    await traded(simulated)
    for who, count in (("h1", 1), ("p1", 1), ("h2", 0), ("foreign home", 0), ("operator", 1), ("grid", 1)):
        seen = await simulated.ask(who, "list_trades", {})
        assert len(seen["trades"]) == count, who
        assert seen["totals"] == {"fills": 1, "energy_wh": 600, "amount_naud": 90_000_000}
        award = (await simulated.ask(who, "get_round", {"round": ROUND}))["result"]
        assert len(award["fills"]) == count
        assert award["totals"]["p2p_energy_wh"] == 600
        told = {"operator": 1, "grid": 1, "h1": 1}.get(who, 0)
        assert len(award["requests"]) == told
        # In a round of one request these sums are the request itself.
        assert ("grid_energy_wh" in award["totals"]) == (who in ("operator", "grid"))
        assert ("price_b_uaud_per_kwh" in award["totals"]) == (who in ("operator", "grid"))


async def test_bids_are_seen_when_the_round_is_over(simulated: Any) -> None:
    await simulated.charge("p1", 3_000)
    await simulated.need("h1", 900)
    offer = {"round": ROUND, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await simulated.do("p1", "submit_offer", offer)
    running = await simulated.ask("h2", "get_round", {"round": ROUND})
    assert "result" not in running
    assert not {"900", "600", "150000"} & {str(value) for value in running.values()}
    for who in ("operator", "grid", "h1", "p1", "h2"):
        answer = await simulated.ledger.evaluate(
            "audit", {"round": ROUND}, creator=simulated.callers[who], timestamp=simulated.now
        )
        assert answer.message.startswith("round_running: "), who
    await simulated.do("operator", "close_round", {"round": ROUND, "at": NOON + 60})
    for who, kinds in (("operator", "OR"), ("grid", "OR"), ("h1", "R"), ("p1", "O"), ("h2", "")):
        seen = await simulated.ask(who, "audit", {"round": ROUND})
        assert "".join(bid["kind"] for bid in seen["bids"]) == kinds
        assert len(seen["keys"]) == len(kinds)
        assert (seen["seed"] is None) == (who not in ("operator", "grid"))


async def test_events_name_no_home_and_no_bid(simulated: Any) -> None:
    await traded(simulated)
    events = [(name, done.event) for _, name, _, done in simulated.submitted]
    assert {event[0] for _, event in events} >= {"round_opened", "offer_submitted", "round_cleared"}
    for _, (event, payload) in events:
        assert not [home for home in ("h1", "h2", "p1", "p2") if f'"{home}"' in payload.decode()], event
        if event in ("round_opened", "offer_submitted", "reading_reported"):
            assert not {900, 600, 3_000, 150_000} & {*json.loads(payload).values()}, event
    totals = json.loads(next(payload for _, (event, payload) in events if event == "round_cleared"))
    assert set(totals) == {"round", "state", "minute", "closed_at", "totals", "transaction"}


async def test_a_home_of_another_organisation_sees_its_own_lines_too(simulated: Any) -> None:
    """And no home of another organisation sees those of a namesake."""
    await traded(simulated)
    assert (await simulated.ask("foreign home", "list_trades", {}))["trades"] == []
    registration = {"home": "h1", "home_class": "consumer", "mspid": "EnmoreMSP"}
    await simulated.do("operator", "register_home", registration)
    assert len((await simulated.ask("foreign home", "list_trades", {}))["trades"]) == 1
    seen = await simulated.ask("foreign home", "audit", {"round": ROUND})
    assert [bid["home"] for bid in seen["bids"]] == ["h1"]
    assert (await simulated.ask("h1", "list_trades", {}))["trades"] == []


async def test_any_member_closes_a_round_after_the_grace_and_sees_its_own_lines(live: Any) -> None:
    await live.charge("p1", 3_000)
    await live.do("h1", "report_reading", READING)
    opened = await live.do("operator", "open_round", {})
    request = {"round": "00000001", "home": "h1", "interval_start": START}
    await live.do("h1", "submit_request", request)
    offer = {"round": "00000001", "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
    await live.do("p1", "submit_offer", offer, at=opened["offers_from"])
    closed = await live.do("p1", "close_round", {"round": "00000001"}, at=opened["closes_at"] + 630)
    assert [line["home"] for line in closed["offers"]] == ["p1"]
    assert closed["requests"] == []
    assert "grid_energy_wh" not in closed["totals"]
