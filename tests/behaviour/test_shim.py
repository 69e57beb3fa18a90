# SPDX-License-Identifier: Apache-2.0
"""The chaincode library against peers: everything a transaction may ask, on every backend."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from commonwatt_client import CommitError, EndorseError

from .probe_network import COLLECTIONS, MEMBERS, MSPIDS, PROBE, Probe


@pytest.fixture(scope="module")
def deployed(network: Any) -> Any:
    """The test chaincode twice on the channel `trials`: any one member may endorse."""
    for name in ("probe", "callee"):
        network.deploy(PROBE, name, endorsement_policy=MEMBERS, collections=COLLECTIONS)
    return network


@pytest.fixture
async def probe(deployed: Any) -> AsyncIterator[Probe]:
    async with deployed.connect("newtown", "operator") as gateway:
        probe = Probe(gateway, gateway.get_network("trials").get_contract("probe"))
        await probe.answers()
        yield probe


@pytest.fixture
async def grid(deployed: Any) -> AsyncIterator[Probe]:
    async with deployed.connect("grid", "operator") as gateway:
        yield Probe(gateway, gateway.get_network("trials").get_contract("probe"))


async def test_writes_are_read_after_their_commit_alone(probe: Probe, key: str) -> None:
    assert await probe.submit("put", key, "1") == ""
    assert await probe.submit("put", key, "2") == "1"
    assert await probe.evaluate("get", key) == "2"
    await probe.submit("delete", key)
    assert await probe.evaluate("get", key) == ""


async def test_thousands_of_writes_and_reads_in_one_transaction(probe: Probe, key: str) -> None:
    assert await probe.submit("put_many", key, 2_500) == "2500"
    keys = [f"{key}{number:06}" for number in (*range(2_500), 9_999)]
    assert await probe.json("get_many", keys) == [*map(str, range(2_500)), None]
    assert await probe.json("get_together", [keys[1], keys[-1], keys[2]]) == ["1", None, "2"]


async def test_ranges_and_their_pages(probe: Probe, key: str) -> None:
    await probe.submit("put_many", key, 205)
    rows = await probe.json("range", key, f"{key}~")
    assert [row["text"] for row in rows] == [str(number) for number in range(205)]
    seen: list[str] = []
    bookmark = ""
    while True:
        keys, bookmark = await probe.json("page", key, f"{key}~", 100, bookmark)
        seen += keys
        if not bookmark:
            break
    assert seen == [row["key"] for row in rows]


async def test_partial_composite_keys_and_their_pages(probe: Probe, key: str) -> None:
    for attributes in (["a", "2"], ["a", "1"], ["aa", "1"]):
        await probe.submit("put_composite", key, attributes, "x")
    assert await probe.json("partial", key, ["a"]) == [["a", "1"], ["a", "2"]]
    assert await probe.json("partial", key, []) == [["a", "1"], ["a", "2"], ["aa", "1"]]
    first, bookmark = await probe.json("partial_page", key, [], 2, "")
    second, end = await probe.json("partial_page", key, [], 2, bookmark)
    assert (first, second, end) == ([["a", "1"], ["a", "2"]], [["aa", "1"]], "")


async def test_history_tells_every_change_newest_first(probe: Probe, key: str) -> None:
    for value in ("1", "2"):
        await probe.submit("put", key, value)
    await probe.submit("delete", key)
    history = await probe.json("history", key)
    assert [(value, deleted) for _, value, _, deleted in history] == [("", True), ("2", False), ("1", False)]
    assert all(len(transaction_id) == 64 and seconds > 0 for transaction_id, _, seconds, _ in history)


async def test_a_read_that_went_stale_and_a_phantom_invalidate(probe: Probe, key: str) -> None:
    async def one() -> str:
        try:
            return await probe.submit("increment", key)
        except CommitError as error:
            return error.reason if "MVCC" in error.reason.upper() else str(error)

    outcomes = await asyncio.gather(*(one() for _ in range(8)))
    committed = sum(outcome.isdigit() for outcome in outcomes)
    assert 1 <= committed < 8
    assert await probe.evaluate("get", key) == str(committed)
    proposal = probe.contract.new_proposal("count_range", arguments=[f"{key}p", f"{key}q", f"{key}n"])
    transaction = await proposal.endorse()
    await probe.submit("put", f"{key}p1", "x")
    status = await (await transaction.submit()).status()
    assert not status.successful
    assert await probe.evaluate("get", f"{key}n") == ""


async def test_private_data_of_members(probe: Probe, grid: Probe, key: str) -> None:
    await probe.submit("put_private", "shared", key, transient={"value": b"hidden"})
    assert await probe.evaluate("get_private", "shared", key) == "hidden"
    digest = hashlib.sha256(b"hidden").hexdigest()
    assert await probe.evaluate("get_private_hash", "shared", key) == digest
    await probe.submit("put_private_many", "shared", [f"{key}a", f"{key}b"])
    assert await probe.json("private_range", "shared", f"{key}a", f"{key}c") == [f"{key}a", f"{key}b"]
    assert await probe.json("get_private_many", "shared", [f"{key}b", "absent"]) == [f"{key}b", None]
    await probe.submit("delete_private", "shared", f"{key}a")
    await probe.submit("purge_private", "shared", f"{key}b")
    assert await probe.json("get_private_many", "shared", [f"{key}a", f"{key}b"]) == [None, None]


async def test_private_data_of_one_organisation(probe: Probe, grid: Probe, key: str) -> None:
    await probe.submit("put_private", "newtown_only", key, transient={"value": b"hidden"}, by=["NewtownMSP"])
    assert await probe.evaluate("get_private", "newtown_only", key, by=["NewtownMSP"]) == "hidden"
    assert "read access permission" in await grid.refusal("get_private", "newtown_only", key)
    assert len(await grid.evaluate("get_private_hash", "newtown_only", key)) == 64


async def test_a_write_into_a_missing_collection_is_refused(probe: Probe, key: str) -> None:
    with pytest.raises(EndorseError) as failed:
        await probe.submit("put_private", "nowhere", key, transient={"value": b"hidden"})
    text = " ".join(detail.message for detail in failed.value.details)
    assert "nowhere" in text
    assert "peer refused" in text


async def test_a_key_s_own_endorsement_policy_holds(probe: Probe, key: str) -> None:
    await probe.submit("put", key, "1")
    await probe.submit("require_organizations", key, list(MSPIDS))
    assert await probe.json("required_organizations", key) == sorted(MSPIDS)
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await probe.submit("put", key, "2", by=["NewtownMSP"])
    await probe.submit("put", key, "3", by=MSPIDS)
    assert await probe.evaluate("get", key) == "3"


async def test_a_private_key_s_own_endorsement_policy_holds(probe: Probe, deployed: Any, key: str) -> None:
    await probe.submit("put_private", "shared", key, transient={"value": b"1"})
    await probe.submit("require_private_organizations", "shared", key, list(MSPIDS))
    await deployed.level()
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await probe.submit("put_private", "shared", key, transient={"value": b"2"}, by=["NewtownMSP"])
    await probe.submit("put_private", "shared", key, transient={"value": b"3"}, by=MSPIDS)
    assert await probe.evaluate("get_private", "shared", key) == "3"


async def test_chaincode_calls_chaincode(probe: Probe, key: str) -> None:
    callee = Probe(probe.gateway, probe.gateway.get_network("trials").get_contract("callee"))
    await probe.submit("call", "callee", "", ["put", key, "called"])
    assert await callee.evaluate("get", key) == "called"
    assert await probe.evaluate("get", key) == ""
    assert await probe.evaluate("get", "caller") == "called callee"
    assert await probe.evaluate("call", "callee", "", ["get", key]) == "called"
    assert "callee answered 400: not_today" in await probe.refusal("call", "callee", "", ["refuse", key])
    assert "chaincode absent answered 500" in await probe.refusal("call", "absent", "", ["get", key])


async def test_events_come_with_their_commit(probe: Probe, key: str) -> None:
    outcome = await probe.contract.submit("announce", arguments=[key, "hello"])
    channel = probe.gateway.get_network("trials")
    async with asyncio.timeout(20):
        async for event in channel.chaincode_events("probe", start_block=outcome.block_number):
            if event.event_name == key:
                assert (event.payload, event.transaction_id) == (b"hello", outcome.transaction_id)
                break


async def test_refusals_and_defects(probe: Probe, key: str) -> None:
    with pytest.raises(EndorseError) as refused:
        await probe.submit("refuse", key)
    response = refused.value.chaincode_response
    assert response is not None
    assert (response.status, response.message) == (400, "not_today: this transaction always refuses")
    assert await probe.evaluate("get", key) == ""
    assert "failed with RuntimeError; its log says where" in await probe.refusal("fail", "TOPSECRET")
    assert "a key may not be empty" in await probe.refusal("put_empty_key")
    assert "bad_argument: count must be an integer" in await probe.refusal("put_many", key, '"3"')


async def test_the_nameless_collection_is_not_the_world_state(probe: Probe, key: str) -> None:
    await probe.submit("put", key, "public")
    for name, *arguments in (
        ("get_private", "", key),
        ("get_private_many", "", [key]),
        ("get_private_hash", "", key),
        ("private_range", "", "", ""),
        ("delete_private", "", key),
        ("purge_private", "", key),
        ("require_private_organizations", "", key, ["NewtownMSP"]),
    ):
        assert "a private data collection needs a name" in await probe.refusal(name, *arguments)
    assert "a key may not be empty" in await probe.refusal("get_private", "shared", "")
    assert "a key may not be empty" in await probe.refusal("get", "")


async def test_a_rich_query_is_refused_clearly(probe: Probe) -> None:
    assert "not supported for leveldb" in (await probe.refusal("rich", "{}")).lower()
    assert "not supported for leveldb" in (await probe.refusal("rich_page", "{}", 5)).lower()


async def test_three_megabytes_go_in_and_out(probe: Probe, key: str) -> None:
    value = secrets.token_bytes(3 * 1024 * 1024)
    assert await probe.submit("put_large", key, value) == hashlib.sha256(value).hexdigest()
    assert await probe.contract.evaluate("get_large", arguments=[key]) == value


async def test_who_calls_and_with_what(probe: Probe, deployed: Any) -> None:
    seen = json.loads(await probe.evaluate("who", transient={"value": b"TOPSECRET"}))
    assert seen["mspid"] == "NewtownMSP"
    assert seen["attributes"]["role"] == "operator"
    assert (seen["channel_id"], seen["function"], seen["transient"]) == ("trials", "who", ["value"])
    assert await probe.evaluate("operators_only") == "welcome"
    async with deployed.connect("newtown", "stranger") as gateway:
        stranger = Probe(gateway, gateway.get_network("trials").get_contract("probe"))
        assert "forbidden: the caller's certificate has no attribute role" in await stranger.refusal(
            "operators_only"
        )


async def test_metadata_and_contract_names(probe: Probe) -> None:
    metadata = await probe.json("org.hyperledger.fabric:GetMetadata")
    assert "put_private" in [entry["name"] for entry in metadata["contracts"]["Probe"]["transactions"]]
    assert await probe.evaluate("Probe:get", "absent") == ""
    assert "unknown_contract" in await probe.refusal("Nothing:get", "absent")


async def test_many_at_once_are_all_committed(probe: Probe, key: str) -> None:
    await asyncio.gather(*(probe.submit("put", f"{key}{number}", "x") for number in range(150)))
    assert len(await probe.json("range", key, f"{key}~")) == 150


async def test_logs_show_no_payload(probe: Probe, deployed: Any, key: str) -> None:
    await probe.submit("put_private", "shared", key, transient={"value": b"TOPSECRET"})
    await probe.refusal("fail", "TOPSECRET")
    layout = deployed.nodes.layout
    logs = [path for path in layout.directory.rglob("*.log") if path.name.startswith("probe.")]
    assert logs
    assert all("TOPSECRET" not in path.read_text() for path in logs)
