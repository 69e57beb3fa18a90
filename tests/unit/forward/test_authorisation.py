# SPDX-License-Identifier: Apache-2.0
"""Every transaction by every kind of caller: allowed, or refused with the right code."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_chaincode.forward import ForwardMarket
from commonwatt_chaincode.shim.identity import parse_creator

from .good import GOOD
from .neighbourhood import FIRST, NOON, Neighbourhood

OPERATOR, GRID = {"operator"}, {"grid"}
HOMES = {"h1", "h2", "meter of h1"}
CARRIERS = {"carrier", "carrier of the grid"}
OVERSEERS = OPERATOR | GRID | CARRIERS
OUTSIDERS = {"grid of ours", "foreign operator", "foreign h1"}
"""Roles of this market in certificates that make them none of this community."""
NOBODY = {"stranger"}
CALLERS = OVERSEERS | HOMES | OUTSIDERS | NOBODY
MEMBERS = CALLERS - CARRIERS - NOBODY
EVERYBODY = CALLERS - NOBODY

MAY: dict[str, set[str]] = {
    "configure": OPERATOR,
    "advance_clock": OPERATOR,
    "register_home": OPERATOR,
    "confirm_home": GRID,
    "end_home": OPERATOR,
    "set_key": OPERATOR,  # the first one
    "set_carrier_key": OPERATOR,  # and the grid, for a carrier of its own
    "propose_key": OPERATOR,
    "confirm_key": GRID,
    "set_envelope": GRID,
    "set_sharing_keys": OPERATOR,
    "set_intensity": GRID,
    "report_feeder": GRID,
    "submit_messages": EVERYBODY,
    "close_gate": MEMBERS,
    "clear_period": MEMBERS,
    "import_residual": MEMBERS,
    "freeze_period": MEMBERS,
    "settle_period": MEMBERS,
    "settle_gap": MEMBERS,
    "settle_carbon": MEMBERS,
    "settle_day": MEMBERS,
    "declare_lost": OPERATOR | GRID,
    "forget_home": OPERATOR | GRID,
    "get_configuration": EVERYBODY,
    "get_home": OVERSEERS | {"h1", "meter of h1"},
    "list_homes": OVERSEERS,
    "get_keys": EVERYBODY,
    "get_envelopes": OVERSEERS | HOMES,
    "get_sharing_keys": OVERSEERS | HOMES,
    "get_period": EVERYBODY,
    "list_periods": EVERYBODY,
    "get_residual": EVERYBODY,
    "get_prices": EVERYBODY,
    "list_digests": EVERYBODY,
    "list_awards": OVERSEERS | {"h1", "meter of h1"},
    "list_messages": OVERSEERS | {"h1", "meter of h1"},
    "list_lines": OVERSEERS | {"h1", "meter of h1"},
    "get_carbon": OVERSEERS | {"h1", "meter of h1"},
    "get_bill": OVERSEERS | {"h1", "meter of h1"},
    "message_status": EVERYBODY,
}


def test_the_table_has_every_transaction() -> None:
    assert set(MAY) == set(GOOD) == set(ForwardMarket().transactions())


@pytest.mark.parametrize("who", sorted(CALLERS))
async def test_every_transaction_by_this_caller(newtown: Neighbourhood, who: str) -> None:
    for name in GOOD:
        _, argument = GOOD[name]
        transient = None
        if name == "submit_messages":
            transient = {"messages": b"nothing"}
        if name == "set_carrier_key":
            new = newtown.signers["h2"]
            transient = {"possession": newtown.brings_key(new, "carrier", "NewtownMSP.service", 1)}
        if name == "set_key":
            transient = {"possession": newtown.brings_key(newtown.signers["h2"], "meter", "h1", 1)}
        newtown.at(NOON, -1_000 if name == "submit_messages" else -100)
        done = await newtown.endorse(who, name, argument, transient)
        code = done.message.partition(":")[0]
        if who in MAY[name]:
            assert code not in ("forbidden", "not_yours"), (name, done.message)
        else:
            assert code in ("forbidden", "not_yours"), (name, done)
            assert not done.writes


async def test_a_carrier_submits_and_reads_and_nothing_else() -> None:
    writing = {name for name, entry in ForwardMarket().transactions().items() if entry.writes}
    assert {name for name in writing if MAY[name] & CARRIERS} == {"submit_messages"}


async def test_a_home_that_names_none_gets_its_own_alone(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    await newtown.bids(NOON, newtown.request("h1", NOON, 5, 250_000), newtown.request("h2", NOON, 6, 250_000))
    bids = {"kind": "bid", "period": NOON}

    async def listed(who: str, argument: Any) -> list[str]:
        answer = await newtown.ask(who, "list_messages", argument)
        return [one["key"].split("/")[3] for one in answer["messages"]]

    assert await listed("h1", bids) == await listed("meter of h1", bids) == ["h1"]
    assert await listed("carrier", bids) == ["h1", "h2"]
    assert await listed("grid", bids | {"home": "h2"}) == ["h2"]
    assert await newtown.refused("h1", "list_messages", bids | {"home": "h2"}) == "not_yours"
    keys = {"from_period": NOON + 600, "keys": {"h1": 600_000, "h2": 400_000}}
    await newtown.do("operator", "set_sharing_keys", keys)
    later = {"period": NOON + 600}
    assert (await newtown.ask("h1", "get_sharing_keys", later))["keys"] == {"h1": 600_000}
    assert (await newtown.ask("grid", "get_sharing_keys", later))["keys"] == keys["keys"]
    assert (await newtown.ask("grid", "get_sharing_keys", {"period": NOON}))["keys"] == {}


async def test_one_identity_alone_reads_for_a_home_where_one_is_registered(newtown: Neighbourhood) -> None:
    owner = parse_creator(newtown.callers["h2"]).id
    await newtown.do("operator", "register_home", {"home": "h1", "home_class": "consumer", "owner": owner})
    assert await newtown.refused("h1", "get_home", {"home": "h1"}) == "not_yours"
    assert (await newtown.ask("meter of h1", "get_home", {"home": "h1"}))["owner"] == owner


async def test_nothing_works_before_the_channel_is_configured(bare: Neighbourhood) -> None:
    for name, (who, argument) in GOOD.items():
        if name == "configure":
            assert await bare.refused(who, name, argument) == "other_version"
            continue
        bare.callers.setdefault("h1", bare.callers["foreign h1"])
        transient = {"messages": b"x", "possession": b"x"}
        assert await bare.refused(who, name, argument, transient) == "not_configured", name


async def test_each_market_refuses_a_channel_of_the_other(
    newtown: Neighbourhood, bare: Neighbourhood
) -> None:
    async def ex_post(town: Neighbourhood, name: str, argument: Any) -> Any:
        return await town.ledger.submit(name, argument, creator=town.callers["operator"], timestamp=town.now)

    done = await ex_post(newtown, "configure", {})
    assert done.message.startswith("other_market: ")
    for name, argument in {
        "register_home": {"home": "h9", "home_class": "consumer"},
        "open_round": {},
        "settle_day": {"day": 1},
        "advance_clock": {"at": 9},
    }.items():
        assert (await ex_post(newtown, name, argument)).message.startswith("not_configured: ")
    first, second = [
        await bare.endorse("operator", "configure", FIRST),
        await bare.ledger.evaluate("configure", {}, creator=bare.callers["operator"], timestamp=bare.now),
    ]
    assert [bare.ledger.commit(second), bare.ledger.commit(first)] == ["VALID", "MVCC_READ_CONFLICT"]
    assert await bare.refused("operator", "configure", FIRST) == "other_market"
