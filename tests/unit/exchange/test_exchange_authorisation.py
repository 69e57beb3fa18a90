# SPDX-License-Identifier: Apache-2.0
"""Every transaction of the exchange by every kind of caller: allowed, or refused with the right code."""

from __future__ import annotations

import pytest
from commonwatt_chaincode.exchange import Exchange
from commonwatt_chaincode.shim.testing import MemoryLedger

from .good import GOOD
from .region import Region

GRID = {"grid"}
OPERATORS = {"newtown", "enmore", "glebe"}
CALLERS = GRID | OPERATORS | {"carrier", "home", "grid of newtown", "stranger"}
EVERYBODY = CALLERS - {"stranger"}

MAY = {
    "found": GRID | {"grid of newtown"},  # the first one is the grid; here it is taken already
    "advance_clock": GRID,
    "register_community": GRID,
    "set_link": GRID,
    "anchor": GRID | {"newtown"},
    "attest": GRID,
    "bring_residual": GRID | {"newtown"},
    "clear_round": GRID | OPERATORS,
    "get_rules": EVERYBODY,
    "list_communities": EVERYBODY,
    "list_links": EVERYBODY,
    "get_anchor": EVERYBODY,
    "list_attested": EVERYBODY,
    "get_round": EVERYBODY,
}


def test_the_table_has_every_transaction() -> None:
    assert set(MAY) == set(GOOD) == set(Exchange().transactions())


@pytest.mark.parametrize("who", sorted(CALLERS))
async def test_every_transaction_by_this_caller(region: Region, who: str) -> None:
    for name, (_, argument) in GOOD.items():
        done = await region.endorse(who, name, argument)
        code = done.message.partition(":")[0]
        assert (code != "forbidden") == (who in MAY[name]), (name, done.message)
        assert not (code and done.writes)


async def test_nothing_works_before_the_exchange_is_founded(bare: Region) -> None:
    for name, (who, argument) in GOOD.items():
        if name not in ("found", "list_communities", "list_links"):
            unknown = name in ("get_anchor", "list_attested", "get_round")
            expected = "unknown_community" if unknown else "not_founded"
            assert await bare.refused(who, name, argument) == expected, name


async def test_an_exchange_is_founded_once(bare: Region) -> None:
    first, second = [await bare.endorse(who, "found", {}) for who in ("grid", "grid of newtown")]
    assert bare.ledger.commit(first) == "VALID"
    assert bare.ledger.commit(second) == "MVCC_READ_CONFLICT"
    assert await bare.refused("grid", "found", {}) == "already_founded"


async def test_a_community_is_registered_once_by_the_grid_and_is_not_the_grid(region: Region) -> None:
    _, argument = GOOD["register_community"]
    for changed, code in (
        ({"channel": "newtown"}, "community_known"),
        ({"mspid": "GridMSP"}, "bad_argument"),
        ({"channel": "exchange"}, "bad_argument"),
    ):
        assert await region.refused("grid", "register_community", argument | changed) == code
    await region.do("grid", "register_community", argument)
    known = (await region.ask("home", "list_communities", {}))["communities"]
    assert [one["channel"] for one in known] == ["balmain", "enmore", "glebe", "newtown"]


async def test_a_live_exchange_keeps_its_clock(region: Region, bare: Region) -> None:
    assert await region.refused("grid", "advance_clock", {"to_s": 9}) == "clock_not_simulated"
    assert await bare.refused("grid", "found", {"clock": "simulated"}) == "bad_argument"
    await bare.do("grid", "found", {"clock": "simulated", "at_s": 100})
    await bare.do("grid", "advance_clock", {"to_s": 200})
    assert await bare.refused("grid", "advance_clock", {"to_s": 199}) == "clock_runs_back"
    assert (await bare.ask("grid", "get_rules", {}))["now_s"] == 200


async def test_no_exchange_is_founded_on_a_communitys_channel(region: Region) -> None:
    await region.settle()
    newtown = region.newtown.ledger
    there = MemoryLedger(Exchange(), "newtown", name="market")
    there.state = newtown.state
    done = await there.evaluate("found", {}, creator=region.callers["grid"])
    assert done.message.startswith("other_market: ")
