# SPDX-License-Identifier: Apache-2.0
"""Fabric's own programs against the embedded network: `osnadmin`, `peer`, `configtxlator` and `discover`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.channels.genesis import genesis_block
from commonwatt_network.down import down
from commonwatt_network.embedded.channels.blocks import header_hash, verify_block
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import default_topology
from commonwatt_network.model.topology_parts import Channel
from commonwatt_network.programs.chaincode_servers import local_address, package
from commonwatt_network.up import up
from fabric_protos.common import common_pb2

PROGRAMS = ("peer", "osnadmin", "configtxlator", "discover")
CHANNEL = "newtown"


def find(program: str) -> str | None:
    folder = os.environ.get("FABRIC_BIN")
    return shutil.which(program, path=folder) if folder else shutil.which(program)


@dataclass(frozen=True)
class Fabric:
    """The programs, and the network that they are used on."""

    nodes: Nodes
    folder: Path

    def run(
        self,
        program: str,
        *arguments: object,
        organization: str = "newtown",
        user: str = "admin",
        ok: bool = True,
    ) -> str:
        """Run a program as a user; what it printed (both streams when it had to fail)."""
        executable = find(program)
        assert executable is not None
        layout = self.nodes.layout
        orderers = organization == "orderers"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "FABRIC_CFG_PATH": str(self.folder),
            "FABRIC_LOGGING_SPEC": "error",
            "CORE_PEER_TLS_ENABLED": "true",
            "CORE_PEER_LOCALMSPID": "OrdererMSP" if orderers else self.nodes.topology.mspid(organization),
            "CORE_PEER_MSPCONFIGPATH": str(layout.user(organization, user) / "msp"),
        }
        if not orderers:
            peer = self.nodes.gateway_peer(organization)
            environment["CORE_PEER_ADDRESS"] = peer.address
            environment["CORE_PEER_TLS_ROOTCERT_FILE"] = str(layout.tls_ca_certificate(organization))
        done = subprocess.run(
            [executable, *map(str, arguments)],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode == 0) == ok, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout if ok else done.stdout + done.stderr

    @property
    def to_orderer(self) -> tuple[str, ...]:
        orderer = self.nodes.orderers[0]
        certificate = self.nodes.layout.tls_ca_certificate(orderer.organization)
        return ("-o", orderer.address, "--tls", "--cafile", str(certificate))

    @property
    def to_both_peers(self) -> list[str]:
        targets: list[str] = []
        for organization in ("newtown", "grid"):
            targets += ["--peerAddresses", self.nodes.gateway_peer(organization).address]
            targets += ["--tlsRootCertFiles", str(self.nodes.layout.tls_ca_certificate(organization))]
        return targets

    def osnadmin(self, *arguments: str, ok: bool = True) -> tuple[int, Any]:
        """The HTTP status and the answer of an `osnadmin channel` command."""
        orderer = self.nodes.orderers[0]
        folder = orderer.directory / "tls"
        printed = self.run(
            "osnadmin", "channel", *arguments, "-o", f"127.0.0.1:{orderer.admin_port}",
            "--ca-file", folder / "ca.crt",
            "--client-cert", folder / "server.crt", "--client-key", folder / "server.key",
            organization="orderers", ok=ok,
        )  # fmt: skip
        status, _, answer = printed.removeprefix("Status: ").partition("\n")
        return int(status), json.loads(answer) if answer.strip() else None

    def fetch(self, which: object, *target: str) -> Any:
        """A block by `peer channel fetch`."""
        path = self.folder / "fetched.block"
        path.unlink(missing_ok=True)
        self.run("peer", "channel", "fetch", which, path, "-c", CHANNEL, *target)
        return common_pb2.Block.FromString(path.read_bytes())

    def decode(self, content: bytes, kind: str) -> Any:
        """A message as JSON by `configtxlator proto_decode`."""
        (self.folder / "message.pb").write_bytes(content)
        printed = self.run("configtxlator", "proto_decode", "--input", "message.pb", "--type", kind)
        return json.loads(printed)

    def encode(self, message: Any, kind: str) -> bytes:
        (self.folder / "message.json").write_text(json.dumps(message))
        path = self.folder / "encoded.pb"
        self.run("configtxlator", "proto_encode", "--input", "message.json", "--type", kind, "--output", path)
        return path.read_bytes()


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    """An embedded network with the market on `newtown` and an empty channel `spare`."""
    missing = [program for program in PROGRAMS if find(program) is None]
    if missing:
        pytest.skip(f"Fabric's {', '.join(missing)} not found in FABRIC_BIN or on PATH")
    folder = tmp_path_factory.mktemp("programs")
    (folder / "core.yaml").write_text("peer: {BCCSP: {Default: SW, SW: {Hash: SHA2, Security: 256}}}\n")
    directory = folder / ".commonwatt"
    base = default_topology(homes=1)
    channels = {**base.channels, "spare": Channel(organizations=["newtown", "grid"])}
    topology = base.model_copy(update={"channels": channels})
    try:
        yield Fabric(asyncio.run(up(directory, topology, "embedded", quiet)).nodes, folder)
    finally:
        down(directory)


def test_osnadmin_lists_removes_and_joins(fabric: Fabric) -> None:
    def listed() -> list[str]:
        status, answer = fabric.osnadmin("list")
        assert status == 200
        return [channel["name"] for channel in answer["channels"]]

    assert listed() == ["newtown", "spare"]
    status, info = fabric.osnadmin("list", "--channelID", "spare")
    assert (status, info["status"], info["consensusRelation"]) == (200, "active", "consenter")
    genesis = str(fabric.nodes.layout.genesis_block("spare"))
    assert fabric.osnadmin("join", "--channelID", "spare", "--config-block", genesis) == (
        405,
        {"error": "cannot join: channel already exists"},
    )
    assert fabric.osnadmin("remove", "--channelID", "spare")[0] == 204
    assert listed() == ["newtown"]
    assert fabric.osnadmin("remove", "--channelID", "spare") == (
        404,
        {"error": "cannot remove: channel does not exist"},
    )
    status, info = fabric.osnadmin("join", "--channelID", "spare", "--config-block", genesis)
    assert (status, info["height"]) == (201, 1)
    assert listed() == ["newtown", "spare"]


def test_fetched_blocks_decode_and_verify(fabric: Fabric) -> None:
    genesis = fabric.fetch("oldest", *fabric.to_orderer)
    first = fabric.fetch(1, *fabric.to_orderer)
    policy = ChannelConfig.from_block(genesis).policies.get("/Channel/Orderer/BlockValidation")
    verify_block(first, 1, header_hash(genesis.header), policy)
    assert genesis.SerializeToString() == fabric.nodes.layout.genesis_block(CHANNEL).read_bytes()
    decoded = fabric.decode(first.SerializeToString(), "common.Block")
    header = decoded["data"]["data"][0]["payload"]["header"]["channel_header"]
    assert (header["channel_id"], header["type"]) == (CHANNEL, 3)
    from_peer = fabric.fetch(1)
    assert from_peer.header == first.header
    assert from_peer.data == first.data


def test_the_channel_is_updated_by_fabrics_own_tools(fabric: Fabric) -> None:
    def current() -> Any:
        block = fabric.decode(fabric.fetch("config", *fabric.to_orderer).SerializeToString(), "common.Block")
        return block["data"]["data"][0]["payload"]["data"]["config"]

    before = current()
    after = json.loads(json.dumps(before))
    after["channel_group"]["groups"]["Orderer"]["values"]["BatchTimeout"]["value"]["timeout"] = "123ms"
    for name, content in (("before.pb", before), ("after.pb", after)):
        (fabric.folder / name).write_bytes(fabric.encode(content, "common.Config"))
    fabric.run(
        "configtxlator", "compute_update", "--channel_id", CHANNEL, "--original", "before.pb",
        "--updated", "after.pb", "--output", "update.pb",
    )  # fmt: skip
    update = fabric.decode((fabric.folder / "update.pb").read_bytes(), "common.ConfigUpdate")
    header = {"channel_header": {"channel_id": CHANNEL, "type": 2}}
    envelope = {"payload": {"header": header, "data": {"config_update": update}}}
    (fabric.folder / "update.tx").write_bytes(fabric.encode(envelope, "common.Envelope"))

    command = ("peer", "channel", "update", "-f", "update.tx", "-c", CHANNEL, *fabric.to_orderer)
    refused = fabric.run(*command, organization="newtown", ok=False)
    assert (
        "got unexpected status: BAD_REQUEST -- error applying config update to existing channel 'newtown': error "
        "authorizing update: error validating DeltaSet: policy for [Value]  /Channel/Orderer/BatchTimeout not "
        "satisfied: implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of "
        "the 'Admins' sub-policies to be satisfied"
    ) in refused
    fabric.run(*command, organization="orderers")
    changed = current()
    assert int(changed["sequence"]) == int(before["sequence"]) + 1
    values = changed["channel_group"]["groups"]["Orderer"]["values"]
    assert values["BatchTimeout"]["value"]["timeout"] == "123ms"


def test_discover_finds_peers_configuration_and_endorsers(fabric: Fabric) -> None:
    layout = fabric.nodes.layout
    admin = layout.user("newtown", "admin")

    def discover(query: str, *arguments: str, ok: bool = True) -> Any:
        (key,) = (admin / "msp" / "keystore").iterdir()
        (certificate,) = (admin / "msp" / "signcerts").iterdir()
        printed = fabric.run(
            "discover", "--peerTLSCA", layout.tls_ca_certificate("newtown"), "--userKey", key,
            "--userCert", certificate, "--MSP", "NewtownMSP", query,
            "--server", fabric.nodes.gateway_peer("newtown").address, *arguments, ok=ok,
        )  # fmt: skip
        return json.loads(printed) if ok else printed

    endpoints = {peer.mspid: peer.address for peer in fabric.nodes.peers}
    peers = discover("peers", "--channel", CHANNEL)
    assert {peer["MSPID"]: peer["Endpoint"] for peer in peers} == endpoints
    assert all(peer["Chaincodes"] == ["_lifecycle", "market"] for peer in peers)
    assert {peer["MSPID"]: peer["Endpoint"] for peer in discover("peers")} == endpoints
    configuration = discover("config", "--channel", CHANNEL)
    assert set(configuration["msps"]) == {"NewtownMSP", "GridMSP", "OrdererMSP"}
    host, port = fabric.nodes.orderers[0].address.split(":")
    assert configuration["orderers"]["OrdererMSP"]["endpoint"] == [{"host": host, "port": int(port)}]
    (endorsers,) = discover("endorsers", "--channel", CHANNEL, "--chaincode", "market")
    assert [sorted(layout["quantities_by_group"].values()) for layout in endorsers["Layouts"]] == [[1, 1]]
    assert {group[0]["MSPID"] for group in endorsers["EndorsersByGroups"].values()} == set(endpoints)
    unknown = discover("endorsers", "--channel", CHANNEL, "--chaincode", "nothing", ok=False)
    assert 'failed constructing descriptor for chaincodes:{name:"nothing"}' in unknown
    assert "access denied" in discover("peers", "--channel", "elsewhere", ok=False)


def test_peer_asks_about_channels_and_chaincode(fabric: Fabric) -> None:
    assert "newtown" in fabric.run("peer", "channel", "list")
    info = json.loads(
        fabric.run("peer", "channel", "getinfo", "-c", CHANNEL).partition("Blockchain info: ")[2]
    )
    assert info["height"] > 5
    committed = json.loads(
        fabric.run(
            "peer", "lifecycle", "chaincode", "querycommitted", "-C", CHANNEL, "-n", "market", "-O", "json"
        )
    )
    assert (committed["sequence"], committed["approvals"]) == (1, {"GridMSP": True, "NewtownMSP": True})
    request = json.dumps({"Args": ["get_parameters", "{}"]})
    answer = fabric.run(
        "peer", "chaincode", "query", "-C", CHANNEL, "-n", "market", "-c", request, user="operator"
    )
    assert json.loads(answer)["community_mspid"] == "NewtownMSP"


def test_peer_invokes_with_endorsements_of_both(fabric: Fabric) -> None:
    register_a_home(fabric, CHANNEL, "market", user="operator")


def register_a_home(fabric: Fabric, channel: str, chaincode: str, user: str) -> None:
    """A transaction that writes, endorsed by both organisations: the same call once more changes nothing."""
    home = {"home": "visitor", "home_class": "consumer"}
    call = ("-C", channel, "-n", chaincode, "-c", json.dumps({"Args": ["register_home", json.dumps(home)]}))
    assert json.loads(fabric.run("peer", "chaincode", "query", *call, user=user))["changed"]
    fabric.run(
        "peer",
        "chaincode",
        "invoke",
        *call,
        *fabric.to_orderer,
        *fabric.to_both_peers,
        "--waitForEvent",
        user=user,
    )
    assert not json.loads(fabric.run("peer", "chaincode", "query", *call, user=user))["changed"]


def test_a_channel_and_its_chaincode_come_by_fabrics_own_tools(fabric: Fabric) -> None:
    """`osnadmin channel join`, `peer channel join` and every step of `peer lifecycle chaincode`."""
    name, both = "made", ("newtown", "grid")
    channels = {**fabric.nodes.topology.channels, name: Channel(organizations=list(both))}
    topology = fabric.nodes.topology.model_copy(update={"channels": channels})
    path = fabric.folder / "made.block"
    path.write_bytes(genesis_block(replace(fabric.nodes, topology=topology), name))
    assert fabric.osnadmin("join", "--channelID", name, "--config-block", str(path))[0] == 201
    for organization in both:
        fabric.run("peer", "channel", "join", "-b", path, organization=organization)
        assert name in fabric.run("peer", "channel", "list", organization=organization).split()

    lifecycle = ("peer", "lifecycle", "chaincode")
    definition = ("--channelID", name, "--name", "again", "--version", "1.0", "--sequence", "1")
    for organization in both:
        packaged = package(fabric.nodes.layout, organization, "idle_1", local_address(1))
        (fabric.folder / "idle.tgz").write_bytes(packaged.content)
        calculated = fabric.run(*lifecycle, "calculatepackageid", "idle.tgz").strip()
        assert calculated == packaged.package_id
        fabric.run(*lifecycle, "install", "idle.tgz", organization=organization)
        refused = fabric.run(*lifecycle, "install", "idle.tgz", organization=organization, ok=False)
        assert f"chaincode already successfully installed (package ID '{packaged.package_id}')" in refused
        printed = fabric.run(*lifecycle, "queryinstalled", "-O", "json", organization=organization)
        installed = {
            each["label"]: each["package_id"] for each in json.loads(printed)["installed_chaincodes"]
        }
        assert installed["idle_1"] == packaged.package_id
        printed = fabric.run(
            *lifecycle, "checkcommitreadiness", *definition, "-O", "json", organization=organization
        )
        approvals = {"NewtownMSP": organization == "grid", "GridMSP": False}
        assert json.loads(printed) == {"approvals": approvals}
        if organization == "grid":  # one organisation of two is not enough
            commit = (*lifecycle, "commit", *definition, *fabric.to_orderer, *fabric.to_both_peers)
            assert "chaincode definition not agreed to by this org (GridMSP)" in fabric.run(*commit, ok=False)
        fabric.run(
            *lifecycle, "approveformyorg", *definition, *fabric.to_orderer,
            "--package-id", installed["market_1.0"], organization=organization,
        )  # fmt: skip
    fabric.run(*lifecycle, "commit", *definition, *fabric.to_orderer, *fabric.to_both_peers)
    printed = fabric.run(*lifecycle, "querycommitted", "-C", name, "-O", "json")
    assert [each["name"] for each in json.loads(printed)["chaincode_definitions"]] == ["again"]
    parameters = json.dumps({"Args": ["configure", "{}"]})
    fabric.run(
        "peer", "chaincode", "invoke", "-C", name, "-n", "again", "-c", parameters,
        *fabric.to_orderer, *fabric.to_both_peers, "--waitForEvent", user="operator",
    )  # fmt: skip
    register_a_home(fabric, name, "again", user="operator")
