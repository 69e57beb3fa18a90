# SPDX-License-Identifier: Apache-2.0
"""The network itself: ready when said so, the same on every backend."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import aiohttp
import pytest
from commonwatt_client import EndorseError, GatewayError
from commonwatt_network.change.revocation import revoke_user
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.errors import UsageError
from commonwatt_network.programs import processes
from commonwatt_network.status import network_status
from commonwatt_network.watch.monitoring import render
from commonwatt_network.watch.nodes import parse
from commonwatt_network.watch.subject import subject_of
from cryptography import x509


async def test_every_member_can_transact_through_its_own_peer(network: Any) -> None:
    for organization in ("newtown", "grid"):
        async with network.connect(organization) as gateway:
            contract = gateway.get_network("newtown").get_contract("market")
            answer = json.loads(await contract.submit_transaction("get_parameters", "{}"))
            assert answer["clock"] == "simulated"
            assert answer["community_mspid"] == "NewtownMSP"


async def test_status_tells_every_process_and_height(network: Any) -> None:
    status = await network_status(network.nodes.layout.directory)
    assert status.state == "running"
    assert {node.name for node in status.processes} >= {
        "orderer0",
        "peer0.newtown",
        "peer0.grid",
        "market.grid",
    }
    assert all(node.pid for node in status.processes)
    heights = status.channels["newtown"]
    assert heights.keys() == {"peer0.newtown", "peer0.grid"}
    assert all(height is not None and height > 5 for height in heights.values())


async def test_peers_hold_the_same_blocks(network: Any) -> None:
    hashes = set()
    for peer in network.nodes.peers:
        async with peer_admin(network.nodes, peer) as admin:
            block = await admin.get_block_by_number("newtown", 3)
            hashes.add(block.header_hash)
    assert len(hashes) == 1


def test_a_chaincode_can_be_upgraded(network: Any, repository: Any) -> None:
    probe = repository / "tests" / "behaviour" / "chaincode" / "probe.py"
    first = network.deploy(probe, "upgraded", version="1.0")
    assert (first.version, first.sequence) == ("1.0", 1)
    assert network.deploy(probe, "upgraded", version="1.0") == first
    second = network.deploy(probe, "upgraded", version="2.0")
    assert (second.version, second.sequence) == ("2.0", 2)


async def test_chaincode_that_reads_the_clock_fails_under_the_guard(network: Any, repository: Any) -> None:
    if network.backend != "embedded":
        pytest.skip("Fabric's own peers run a proposal once")
    network.deploy(repository / "tests" / "behaviour" / "embedded" / "peer" / "kv_chaincode.py", "kv")
    async with network.connect() as gateway:
        kv = gateway.get_network("trials").get_contract("kv")
        await kv.submit_transaction("put", "key", "value")
        with pytest.raises(EndorseError) as refused:
            await kv.submit_transaction("stamp")
    assert "determinism guard: two runs of this proposal differ" in refused.value.details[0].message
    assert refused.value.details[0].mspid == "NewtownMSP"


async def test_a_chaincode_server_that_is_down_is_told_at_once(network: Any, repository: Any) -> None:
    """Each peer dials once and says what the dial met, in the same words on every backend; a restart is enough."""
    probe = repository / "tests" / "behaviour" / "chaincode" / "probe.py"
    network.deploy(probe, "halted")
    port = (network.nodes.layout.configuration / "halted.newtown" / "port").read_text()
    processes.stop(processes.running(network.nodes.layout)["halted.newtown"])
    async with network.connect() as gateway:
        halted = gateway.get_network("trials").get_contract("halted")
        messages = []
        while not messages or "terminated" in messages[-1]:  # the end of a stream is told once
            with pytest.raises(GatewayError) as refused:
                async with asyncio.timeout(5):  # a dial may last 10 s
                    await halted.evaluate("get", arguments=["a"], endorsing_organizations=["NewtownMSP"])
            messages.append(refused.value.details[0].message)
        assert re.fullmatch(
            r"error in simulation: failed to execute transaction [0-9a-f]{64}: could not launch chaincode "
            r"(halted:[0-9a-f]{64}): connection to \1 failed: error cannot create connection for \1: error creating "
            rf"grpc connection to 127.0.0.1:{port}: failed to create new connection: connection error: "
            rf'desc = "transport: error while dialing: dial tcp 127.0.0.1:{port}: connect: connection refused"',
            messages[-1],
        )
        with pytest.raises(GatewayError) as unendorsed:
            async with asyncio.timeout(5):
                await halted.submit_transaction("put", "key", "value")
        for error in (refused.value, unendorsed.value):
            assert error.reason == "CHAINCODE_UNAVAILABLE"
            assert "chaincode server of that peer's organisation runs" in str(error)
        network.deploy(probe, "halted")
        await halted.submit_transaction("put", "key", "value")


async def test_a_revoked_home_is_refused_and_others_are_not(network: Any) -> None:
    directory = network.nodes.layout.directory

    async def ask(user: str) -> bytes:
        async with network.connect("newtown", user) as gateway:
            contract = gateway.get_network("newtown").get_contract("market")
            return bytes(await contract.evaluate_transaction("get_parameters", "{}"))

    for number, home in enumerate(("home005", "home006"), start=1):
        assert b"market_time" in await ask(home)
        assert set(await revoke_user(directory, "newtown", home)) == {"newtown", "trials"}
        with pytest.raises(GatewayError, match="creator|access denied"):
            await ask(home)
        crl = x509.load_pem_x509_crl(
            (directory / "organizations" / "newtown" / "ca" / "crl.pem").read_bytes()
        )
        assert len(list(crl)) == number
    assert b"market_time" in await ask("home004")


@pytest.mark.parametrize(
    ("organization", "user", "reason"),
    [
        ("newtown", "home099", "newtown has no user home099"),
        ("nowhere", "home001", "no organisation nowhere; there are: newtown, grid"),
        ("newtown", "operator", "without it the network cannot be started"),
        ("grid", "admin", "without it the network cannot be started"),
    ],
)
async def test_who_cannot_be_revoked(network: Any, organization: str, user: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        await revoke_user(network.nodes.layout.directory, organization, user)


# On a Raft network there is no BFT leader, and a mismatch is counted once there was one.
ELSEWHERE = {"consensus_BFT_is_leader", "endorser_endorsement_failures"}
ONLY_FABRIC = {"consensus_etcdraft_leader_changes"}  # the watch counts them on the embedded network


async def test_every_metric_of_the_dashboard_is_exposed(network: Any) -> None:
    """Each name that the dashboard and the alerts ask for stands at some node's operations port, or at the watch's."""
    files = render(subject_of(network.path))
    asked = set(
        re.findall(r"\b(?:ledger|endorser|consensus)_\w+", files["dashboard.json"] + files["alerts.yml"])
    )
    exposed: set[str] = set()
    async with aiohttp.ClientSession() as session:
        for node in network.nodes.fabric_nodes:
            async with session.get(f"http://{node.operations_address}/metrics") as answer:
                assert answer.status == 200
                exposed |= {name for name, _, _ in parse(await answer.text()).samples}
    assert len(asked) > 5
    assert asked - exposed <= (ELSEWHERE | ONLY_FABRIC if network.backend == "embedded" else ELSEWHERE)
