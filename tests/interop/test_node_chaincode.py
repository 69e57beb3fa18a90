# SPDX-License-Identifier: Apache-2.0
"""Chaincode on the official Node library runs on our networks, and answers as ours does."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ..behaviour.conftest import network  # noqa: F401
from ..behaviour.probe_network import COLLECTIONS, MEMBERS, Probe
from ..behaviour.rich_network import ASSETS, CHANNEL, COLLECTION, MEMBER, assets  # noqa: F401
from .node_chaincode.installed import node_chaincode


@pytest.fixture
async def probe(network: Any) -> AsyncIterator[Probe]:  # noqa: F811
    network.deploy(node_chaincode(), "node", endorsement_policy=MEMBERS, collections=COLLECTIONS)
    async with network.connect("newtown", "operator") as gateway:
        probe = Probe(gateway, gateway.get_network("trials").get_contract("node"))
        await probe.answers()
        yield probe


@pytest.fixture
def key() -> str:
    return f"k{secrets.token_hex(6)}"


async def test_state_ranges_pages_and_composite_keys(probe: Probe, key: str) -> None:
    await probe.submit("put", key, "1")
    assert await probe.submit("put", key, "2") == "1"
    assert await probe.evaluate("get", key) == "2"
    await probe.submit("put_many", f"{key}m", "120")
    rows = await probe.json("range", f"{key}m", f"{key}n")
    assert [row["text"] for row in rows] == [str(number) for number in range(120)]
    first, bookmark = await probe.json("page", f"{key}m", f"{key}n", "100", "")
    second, end = await probe.json("page", f"{key}m", f"{key}n", "100", bookmark)
    assert (len(first), len(second), end) == (100, 20, "")
    for attributes in (["a", "2"], ["a", "1"]):
        await probe.submit("put_composite", key, attributes, "x")
    assert await probe.json("partial", key, ["a"]) == [["a", "1"], ["a", "2"]]


async def test_history_private_data_events_and_refusals(probe: Probe, key: str) -> None:
    await probe.submit("put", key, "1")
    await probe.submit("delete", key)
    history = await probe.json("history", key)
    assert [(value, deleted) for _, value, _, deleted in history] == [("", True), ("1", False)]
    await probe.submit("put_private", "shared", key, transient={"value": b"hidden"})
    assert await probe.evaluate("get_private", "shared", key) == "hidden"
    assert len(await probe.evaluate("get_private_hash", "shared", key)) == 64
    assert "not_today" in await probe.refusal("refuse")
    outcome = await probe.contract.submit("announce", arguments=[key, "hello"])
    channel = probe.gateway.get_network("trials")
    async with asyncio.timeout(20):
        async for event in channel.chaincode_events("node", start_block=outcome.block_number):
            if event.event_name == key:
                assert event.payload == b"hello"
                break


async def test_many_at_once(probe: Probe, key: str) -> None:
    await asyncio.gather(*(probe.submit("put", f"{key}{number}", "x") for number in range(100)))
    assert len(await probe.json("range", key, f"{key}~")) == 100


async def test_rich_queries(assets: Any) -> None:  # noqa: F811
    assets.deploy(
        node_chaincode(), "node", channel=CHANNEL, endorsement_policy=MEMBER, collections=(COLLECTION,)
    )
    async with assets.connect() as gateway:
        probe = Probe(gateway, gateway.get_network(CHANNEL).get_contract("node"))
        for key, asset in ASSETS.items():
            await probe.submit("put", key, json.dumps(asset))
            await probe.submit("put_private", "secrets", key, transient={"value": json.dumps(asset).encode()})
        wanted = json.dumps({"selector": {"docType": "asset", "size": {"$gt": 5}}})
        assert await probe.json("rich", wanted) == ["asset2", "asset3", "asset4"]
        assert await probe.json("private_rich", "secrets", wanted) == ["asset2", "asset3", "asset4"]
        first, bookmark = await probe.json("rich_page", wanted, "2", "")
        second, _ = await probe.json("rich_page", wanted, "2", bookmark)
        assert (first, second) == (["asset2", "asset3"], ["asset4"])
        assert "Invalid operator: $foo" in await probe.refusal("rich", '{"selector": {"a": {"$foo": 1}}}')
