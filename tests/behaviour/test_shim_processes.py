# SPDX-License-Identifier: Apache-2.0
"""Chaincode processes on a network: several workers, a stop under way, a server that comes back."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from commonwatt_network.programs import processes

from .probe_network import COLLECTIONS, MEMBERS, PROBE, Probe

NAME = "workers"


@pytest.fixture
async def probe(network: Any) -> AsyncIterator[Probe]:
    network.deploy(
        PROBE,
        NAME,
        endorsement_policy=MEMBERS,
        collections=COLLECTIONS,
        environment={"CHAINCODE_WORKERS": "2"},
    )
    async with network.connect("newtown", "operator") as gateway:
        probe = Probe(gateway, gateway.get_network("trials").get_contract(NAME))
        await probe.answers()
        yield probe


def server_of(network: Any, organization: str) -> psutil.Process:
    found: list[psutil.Process] = processes.running(network.nodes.layout)[f"{NAME}.{organization}"]
    return found[0]


async def test_worker_processes_serve_everything_that_one_does(probe: Probe) -> None:
    key = f"k{secrets.token_hex(6)}"
    await asyncio.gather(*(probe.submit("put", f"{key}{number}", "x") for number in range(100)))
    assert len(await probe.json("range", key, f"{key}~")) == 100
    await probe.submit("put_private", "shared", key, transient={"value": b"hidden"})
    assert await probe.evaluate("get_private", "shared", key) == "hidden"
    assert "not_today" in await probe.refusal("refuse", key)
    assert json.loads(await probe.evaluate("who"))["attributes"]["role"] == "operator"


async def test_stopping_finishes_what_is_in_flight_and_the_next_server_takes_over(
    probe: Probe, network: Any
) -> None:
    server = server_of(network, "newtown")
    family = [server, *server.children(recursive=True)]
    waiting = asyncio.ensure_future(probe.evaluate("wait", "1.5", by=["NewtownMSP"]))
    assert await probe.evaluate("wait", "0.1", by=["NewtownMSP"]) == "waited"
    server.terminate()
    assert await waiting == "waited"
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 15)
    assert not alive
    network.deploy(PROBE, NAME, endorsement_policy=MEMBERS, collections=COLLECTIONS)
    await probe.answers()
    assert await probe.evaluate("get", "absent", by=["NewtownMSP"]) == ""
