# SPDX-License-Identifier: Apache-2.0
"""Anchors rest on what the community's own contract settled, and find that it was rewritten."""

from __future__ import annotations

import json

import pytest
from commonwatt_chaincode.shim import KeyEndorsementPolicy
from commonwatt_chaincode.shim.endorsement import VALIDATION_PARAMETER
from commonwatt_chaincode.shim.testing.state import Place

from .good import GOOD
from .region import PERIOD, Region

_, ANCHOR = GOOD["anchor"]
NEXT = {**ANCHOR, "from_period": PERIOD + 60, "to_period": PERIOD + 120, "block": 12}


async def test_an_anchor_holds_digests_and_no_sums(region: Region) -> None:
    await region.settle(PERIOD, PERIOD + 30)
    done = await region.submit("newtown", "anchor", ANCHOR)
    record = done.json()
    assert [(one["period"], one["version"]) for one in record["periods"]] == [(PERIOD, 1), (PERIOD + 30, 1)]
    assert (record["number"], record["block"]) == (1, 9)
    assert set(record) == {
        *("channel", "number", "from_period", "to_period", "periods", "block", "header", "transaction"),
    }
    assert set(done.writes) == {"exchange/anchor/newtown"}, "a new key would ask for the chaincode's policy"
    assert done.event == ("anchored", b'{"channel":"newtown","number":1}')
    assert await region.ask("home", "get_anchor", {"channel": "newtown"}) == record


async def test_a_digest_covers_each_record_of_a_settlement_and_nothing_else(region: Region) -> None:
    await region.settle(PERIOD)
    newtown = region.newtown
    span = {"from_period": PERIOD, "to_period": PERIOD + 1}

    async def digest() -> str:
        [one] = (await newtown.ask("operator", "list_digests", span))["periods"]
        return str(one["digest"])

    honest = await digest()
    covered = [f"part/{PERIOD:09d}/0001/0000", f"period/{PERIOD:09d}/0001"]
    for key in newtown.ledger.keys():  # noqa: SIM118 - no mapping
        value = newtown.ledger.get(key)
        assert value is not None
        if key.startswith(("configuration", "settled/", "clock")):
            continue
        region.forge(key, value + b" ")
        assert (await digest() != honest) == (key in covered), key
        region.forge(key, value)
    region.forge(f"plan/{PERIOD:09d}/0001", b"{}")
    assert await digest() != honest


async def test_a_registered_community_endorses_its_own_keys_with_the_grid(region: Region) -> None:
    for key in ("exchange/anchor/newtown", "exchange/residual/newtown"):
        policy = region.ledger.state.metadata[Place("region", "", key)][VALIDATION_PARAMETER]
        assert KeyEndorsementPolicy(policy).organizations() == ["GridMSP", "NewtownMSP"]
    for key in region.ledger.keys():  # noqa: SIM118 - no mapping
        own = key.startswith(("exchange/anchor/", "exchange/residual/"))
        assert (Place("region", "", key) in region.ledger.state.metadata) == own, key


async def test_what_is_not_settled_yet_is_asked_again(region: Region) -> None:
    await region.settle()
    assert await region.refused("newtown", "anchor", ANCHOR) == "not_settled"


async def test_a_rewritten_ledger_is_found_by_the_next_anchor(region: Region) -> None:
    await region.settle(PERIOD, PERIOD + 60)
    await region.do("newtown", "anchor", ANCHOR)
    key = f"period/{PERIOD:09d}/0001"
    honest = region.newtown.ledger.get(key)
    assert honest is not None
    region.forge(key, json.dumps(json.loads(honest) | {"import_wh": 1}).encode())
    assert await region.refused("newtown", "anchor", NEXT) == "ledger_differs"
    region.forge(key, honest)
    assert (await region.do("newtown", "anchor", NEXT))["number"] == 2


async def test_a_settlement_that_went_is_found_by_the_next_anchor(region: Region) -> None:
    await region.settle(PERIOD, PERIOD + 60)
    await region.do("newtown", "anchor", ANCHOR)
    region.forge(f"settled/{PERIOD:09d}", None)
    assert await region.refused("newtown", "anchor", NEXT) == "ledger_differs"


async def test_a_later_version_is_no_rewriting(region: Region) -> None:
    await region.settle(PERIOD, PERIOD + 60)
    await region.do("newtown", "anchor", ANCHOR)
    newtown = region.newtown
    newtown.now_s += 3_600
    await newtown.read(PERIOD, [newtown.reading("a", PERIOD, 500, seq=2)])
    await newtown.settle(PERIOD)
    again = await region.do("newtown", "anchor", ANCHOR)
    assert [(one["period"], one["version"]) for one in again["periods"]] == [(PERIOD, 2)]


@pytest.mark.parametrize("change", [{"block": 8}, {"header": "cd" * 32}])
async def test_blocks_that_contradict_the_last_anchor(region: Region, change: dict[str, int | str]) -> None:
    await region.settle(PERIOD)
    await region.do("newtown", "anchor", ANCHOR)
    assert await region.refused("newtown", "anchor", ANCHOR | change) == "ledger_differs"


async def test_a_peer_that_is_not_on_the_channel_vouches_for_nothing(region: Region) -> None:
    del region.ledger.channels["newtown"]
    assert await region.refused("newtown", "anchor", ANCHOR) == "not_here"


async def test_another_contract_is_no_community(region: Region) -> None:
    assert await region.refused("enmore", "anchor", ANCHOR | {"channel": "enmore"}) == "community_refused"


async def test_the_grid_attests_once(region: Region) -> None:
    _, attest = GOOD["attest"]
    [said] = attest["periods"]
    assert await region.do("grid", "attest", attest) == {"channel": "newtown", "periods": 1}
    more = {**attest, "block": 10, "periods": [said, {**said, "version": 2, "digest": "1" * 64}]}
    assert (await region.do("grid", "attest", more))["periods"] == 1
    other = {**attest, "periods": [{**said, "digest": "2" * 64}]}
    assert await region.refused("grid", "attest", other) == "attested_otherwise"
    _, span = GOOD["list_attested"]
    found = (await region.ask("home", "list_attested", span))["attested"]
    assert [(one["version"], one["digest"][0], one["block"]) for one in found] == [(1, "0", 9), (2, "1", 10)]
    assert (await region.ask("home", "list_attested", span | {"channel": "enmore"}))["attested"] == []
