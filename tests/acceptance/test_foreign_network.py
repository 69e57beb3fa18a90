# SPDX-License-Identifier: Apache-2.0
"""A Fabric network that was made without this kit (tests/support/foreign_network.py) is connected, watched, loaded,
simulated on and verified, and its organisations deploy the market, each for itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_client.admin import ChaincodeDefinition
from commonwatt_client.fabric_ca import FabricCA
from commonwatt_network.programs.fabric import find_fabric
from commonwatt_network.programs.ports import choose_first_port, is_free

from ..support.fabric import require_backend
from ..support.foreign_network import CHANNEL, ForeignNetwork, Organization, foreign_network, join

HOMES = 4
USERS = {
    "trader": {"role": "operator"},
    **{
        f"home{number:03d}": {
            "role": "home",
            "home.id": f"home{number:03d}",
        }
        for number in range(1, HOMES + 1)
    },
}


class Person:
    """Who works for one organisation: a folder of her own, and the command."""

    def __init__(self, folder: Path, network: ForeignNetwork, organization: Organization) -> None:
        self.folder, self.network, self.organization = folder, network, organization
        folder.mkdir()

    def run(self, *arguments: str, code: int = 0, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert ended.returncode == code, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended

    @property
    def command(self) -> str:
        return str(Path(sys.executable).with_name("commonwatt"))

    @property
    def environment(self) -> dict[str, str]:
        cleared = ("COMMONWATT_NETWORK", "COMMONWATT_DIRECTORY", "COMMONWATT_HOMES")
        kept = {name: value for name, value in os.environ.items() if name not in cleared}
        return {**kept, "XDG_CONFIG_HOME": str(self.folder / "configuration"), "COLUMNS": "200"}

    @property
    def file(self) -> Path:
        return self.folder / "configuration" / "commonwatt" / "networks" / "energy" / "network.json"

    def connect(self, *arguments: str, users: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.run(
            *connect_words(self), "--users", str(users or self.organization.folder / "users"), *arguments
        )

    def deploy(self, address: str, *arguments: str, code: int = 0) -> str:
        return self.run(*deploy_words(address), *arguments, code=code).stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.run("network", "status", "--network", "energy", "--json").stdout
        )
        return found


@contextmanager
def server(person: Person, version: str = "1.0") -> Iterator[None]:
    """The organisation's chaincode server, started as `chaincode deploy` says."""
    file = person.file.parent / "chaincode" / "market" / f"market_{version}.env"
    pairs = (line.partition("=") for line in file.read_text().splitlines())
    variables = {name: shlex.split(value)[0] for name, _, value in pairs}
    with (person.folder / f"server{version}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "commonwatt_chaincode"],
            env={**person.environment, **variables},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_taken(
            int(variables["CHAINCODE_SERVER_ADDRESS"].rpartition(":")[2]), process, Path(log.name)
        )
        yield
    finally:
        process.terminate()
        process.wait(10)


def wait_until_taken(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the process listens; what it said last where it ends instead."""
    deadline = time.monotonic() + 30
    while is_free(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(log.read_text()[-2000:])
        time.sleep(0.1)
    assert process.poll() is None, log.read_text()[-2000:]


@pytest.fixture
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Person]]:
    """One person of each organisation of the network that the test asks for."""
    require_backend("native")
    folder = tmp_path / "theirs"
    folder.mkdir()
    with foreign_network(folder, find_fabric(), users=USERS, **request.param) as network:
        asyncio.run(join(network))
        yield [
            Person(tmp_path / f"person{number}", network, each)
            for number, each in enumerate(network.members, start=1)
        ]


def addresses(people: list[Person], count: int = 1) -> list[str]:
    first = choose_first_port(count * len(people), people[0].folder)
    return [f"127.0.0.1:{port}" for port in range(first, first + count * len(people))]


def wait_until_all_know_all(people: list[Person]) -> None:
    """Peers meet by gossip: with the tutorials' intervals it takes a while, and they meet one by one."""
    network = people[0].network
    everyone = {name for each in (network.orderers, *network.members) for name in each.ports}
    deadline = time.monotonic() + 90
    while True:
        noted = "note:" in people[0].connect("--replace").stdout
        if not noted and {node["name"] for node in people[0].status()["processes"]} == everyone:
            return
        assert time.monotonic() < deadline
        time.sleep(1)


QUICK = {
    "reconnectInterval": "1s",
    "aliveTimeInterval": "1s",
    "publishStateInfoInterval": "500ms",
    "requestStateInfoInterval": "500ms",
    "membershipTrackerInterval": "1s",
}
SMALL = {
    "organizations": 2,
    "peers": 1,
    "orderers": 1,
    "batch_timeout": "100ms",
    "gossip": QUICK,
    "outsider": True,
}


@pytest.mark.parametrize("people", [SMALL], indirect=True, ids=["small"])
def test_two_organisations_deploy_the_market_and_it_is_loaded_and_verified(people: list[Person]) -> None:
    first, second = people
    here, there = addresses(people)
    for person in people:
        assert "connected" in person.connect().stdout
    wait_until_all_know_all(people)
    told = first.deploy(here)
    assert "approved for Org1MSP: market 1.0, sequence 1" in told
    assert "the channel asks for 2 organisations. Org2MSP have not approved" in told
    assert f"commonwatt chaincode deploy market --channel {CHANNEL} --version 1.0 --address HOST:PORT" in told
    first.run("verify", "--network", "energy", code=2)  # it has no market yet
    assert f"committed on {CHANNEL}: market 1.0, sequence 1" in second.deploy(there)
    again = first.deploy(here)
    assert "installed already on your peers" in again
    assert "approved already for Org1MSP" in again
    assert "in force already" in again
    with server(first), server(second):
        loaded = first.run(
            "load", "--network", "energy", "--duration", "2", "--rate", "constant:10", "--p95", "30"
        )
        assert "20 of 20 committed" in loaded.stdout
        asked = first.run("evaluate", CHANNEL, "market", "get_parameters", "{}", "--network", "energy")
        assert json.loads(asked.stdout)["clock"] == "simulated"
    verified = json.loads(first.run("verify", "--network", "energy", "--json").stdout)
    assert verified["first_difference"] is None
    assert verified["functions"]["report_reading"] == 20 + HOMES, verified
    private_data(people, [here, there])
    outside(first)
    status = first.status()
    assert status["state"] == "running"
    assert {node["name"] for node in status["processes"]} == {
        "orderer1.example.com",
        "peer0.org1.example.com",
        "peer0.org2.example.com",
    }


@pytest.mark.long
@pytest.mark.parametrize("people", [SMALL], indirect=True, ids=["small"])
def test_two_organisations_deploy_the_forward_market(people: list[Person]) -> None:
    first, second = people
    here, there = addresses(people)
    for person in people:
        person.connect()
    wait_until_all_know_all(people)
    forward = ("--market", "forward")
    open_channel = (*forward, "--open-channel")
    policy = ("--endorsement-policy", "OR('Org1MSP.peer')")
    for words, said in (
        (forward, "deploy a forward market on a channel that operators read, or say --open-channel"),
        ((*open_channel, *policy), "--market forward writes the endorsement policy and the collection"),
    ):
        refused = first.run(*deploy_words(here), *words, code=2)
        assert said in refused.stderr
    told = first.deploy(here, *open_channel)
    assert f"deploy market --channel {CHANNEL} --version 1.0 --address HOST:PORT --market forward" in told
    assert f"committed on {CHANNEL}: market 1.0, sequence 1" in second.deploy(there, *open_channel)
    assert "in force already" in first.deploy(here, *open_channel)
    first.connect("--replace")
    for person in people:
        assert json.loads(person.file.read_bytes())["channels"][CHANNEL]["market"] == "forward"
    with server(first), server(second):
        words = (CHANNEL, "market", "org.hyperledger.fabric:GetMetadata", "--network", "energy")
        assert "submit_messages" in first.run("submit", *words, "--transient", "messages=none").stdout
    other = first.run(*deploy_words(here), "--market", "ex_post", "--version", "2.0", code=2)
    assert f"channel {CHANNEL}: its market is forward for good; nothing was changed" in other.stderr
    assert "sequence 2" in first.deploy(here, "--version", "2.0", "--open-channel")  # what is in force stays


def private_data(people: list[Person], served: list[str]) -> None:
    """Any chaincode, with a definition of its own; the second organisation runs what the first was told."""
    collections = [{"name": "offers", "policy": "OR('Org1MSP.member')", "memberOnlyRead": True}]
    told = ""
    for person, address in zip(people, served, strict=True):
        (person.folder / "collections.json").write_text(json.dumps(collections))
        words = (
            shlex.split(told)
            if told
            else [*("commonwatt", "chaincode", "deploy", "papers", "--channel", CHANNEL, "--init-required"),
                  *("--endorsement-policy", "OR('Org1MSP.peer', 'Org2MSP.peer')", "--collections", "collections.json"),
                  *("--address", "HOST:PORT")]
        )  # fmt: skip
        words = [address if word == "HOST:PORT" else word for word in words[1:]]
        ended = person.run(*words, "--network", "energy").stdout
        told = next((line for line in ended.splitlines() if line.startswith("  commonwatt")), "")
    assert "committed" in ended
    again = (
        people[0].run("chaincode", "deploy", "papers", "--network", "energy", "--address", served[0]).stdout
    )
    assert "in force already" in again, "what the options leave out stays"
    definition = asyncio.run(in_force(people[0]))
    assert (definition.init_required, definition.endorsement_policy) == (
        True,
        "OR('Org1MSP.peer', 'Org2MSP.peer')",
    )
    assert [(each.name, each.member_only_read) for each in definition.collections] == [("offers", True)]


async def in_force(person: Person) -> ChaincodeDefinition:
    peer = next(iter(person.organization.ports))
    async with person.network.admin(person.organization, peer) as admin:
        return (await admin.query_committed_chaincode_definition(CHANNEL, "papers")).definition


def outside(person: Person) -> None:
    """An organisation that no channel knows, at its own peer and at another organisation's."""
    stranger = person.network.outside
    assert stranger is not None
    files = ["--identity", str(stranger.certificate("Admin")), "--key", str(stranger.key("Admin"))]
    own = person.run("connect", str(person.network.profile(stranger)), "--name", "outside", *files, code=2)
    assert "Org3MSP is on no channel that answers this identity: its peers have joined none" in own.stderr
    theirs = yaml.safe_load(person.network.profile(person.organization).read_text())
    theirs["organizations"]["Org1"]["mspid"] = "Org3MSP"
    (person.folder / "profile.yaml").write_text(yaml.safe_dump(theirs))
    refused = person.run("connect", "profile.yaml", "--name", "outside", *files, code=2)
    assert "peer0.org1.example.com" in refused.stderr
    assert "refuses this identity" in refused.stderr
    for ended in (own, refused):
        assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert not person.file.parent.with_name("outside").exists()


@pytest.mark.long
@pytest.mark.skipif(shutil.which("fabric-ca-server") is None, reason="fabric-ca-server is not on PATH")
@pytest.mark.parametrize("people", [SMALL], indirect=True, ids=["small"])
def test_homes_of_fabric_ca_trade_on_a_network_of_cryptogen(people: list[Person]) -> None:
    """Fabric CA issues with the authority that cryptogen made, so nothing changes on the channel."""
    first, second = people
    enrolled = first.folder / "enrolled"
    with fabric_ca(first) as address:
        asyncio.run(enrol(address, first.organization.tlsca.pem, enrolled))
    told = first.connect(users=enrolled).stdout
    assert f"Admin of Org1, {len(USERS)} further users" in told
    second.connect()
    here, there = addresses(people)
    first.deploy(here)
    second.deploy(there)
    first.deploy(here)
    with server(first), server(second):
        loaded = first.run(
            "load", "--network", "energy", "--duration", "2", "--rate", "constant:10", "--p95", "30"
        )
        assert "20 of 20 committed" in loaded.stdout
    verified = json.loads(first.run("verify", "--network", "energy", "--json").stdout)
    assert verified["first_difference"] is None


@contextmanager
def fabric_ca(person: Person) -> Iterator[str]:
    """A Fabric CA server with the organisation's own authority: its address."""
    mine, port = person.organization, choose_first_port(1, person.folder / "ca")
    certificate, key = mine.tlsca.issue("ca", hosts=("localhost", "127.0.0.1"))
    home = person.folder / "ca"
    home.mkdir()
    (home / "tls.crt").write_bytes(certificate)
    (home / "tls.key").write_bytes(key)
    authority = mine.folder / "ca"
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(
                    "fabric-ca-server",
                    "start",
                    "-b",
                    "admin:adminpw",
                    "--address",
                    "127.0.0.1",
                    "--port",
                    str(port),
                ),
                *("--ca.certfile", str(authority / f"ca.{mine.domain}-cert.pem")),
                *("--ca.keyfile", str(authority / "priv_sk"), "--tls.enabled"),
                *("--tls.certfile", str(home / "tls.crt"), "--tls.keyfile", str(home / "tls.key")),
            ],
            env={
                **person.environment,
                "FABRIC_CA_SERVER_HOME": str(home),
                "FABRIC_CA_SERVER_OPERATIONS_LISTENADDRESS": "127.0.0.1:0",
            },
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_taken(port, process, home / "log")
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def enrol(address: str, tls_ca: bytes, folder: Path) -> None:
    """Register and enrol every user, into the folders that fabric-ca-client writes."""
    async with FabricCA(address, tls_ca=tls_ca) as ca:
        registrar = await ca.enroll("admin", "adminpw")
        for name, attributes in USERS.items():
            secret = await ca.register(registrar, name, attributes=attributes)
            enrolment = await ca.enroll(name, secret)
            files = {
                "signcerts/cert.pem": enrolment.certificate_pem,
                "keystore/1_sk": enrolment.private_key_pem,
            }
            for file, content in files.items():
                path = folder / name / "msp" / file
                path.parent.mkdir(parents=True)
                path.write_bytes(content)
                path.chmod(0o600)


WHOLE = {"organizations": 3, "peers": 2, "orderers": 3, "batch_timeout": "2s"}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("people", [WHOLE], indirect=True, ids=["whole"])
def test_three_organisations_trade_a_day_on_their_own_network(people: list[Person]) -> None:
    network = people[0].network
    own = {
        name: f"127.0.0.1:{ports[1]}"
        for each in (network.orderers, *network.members)
        for name, ports in each.ports.items()
    }
    for person in people:
        person.connect()
    wait_until_all_know_all(people)
    listed = [f"--operations={name}={address}" for name, address in own.items()]
    people[0].connect("--replace", *listed)
    status = people[0].status()
    assert status["state"] == "running"
    assert {node["name"] for node in status["processes"]} == set(own)
    assert len(status["channels"][CHANNEL]["heights"]) == 6

    served = addresses(people, 2)
    assert "waits" in people[0].deploy(served[0])
    assert "committed" in people[1].deploy(served[1])  # two of three are the majority
    assert "in force already" in people[0].deploy(served[0])
    with server(people[0]), server(people[1]):
        simulate(people[0])
        assert "in force already" in people[2].deploy(served[2])
        with server(people[2]):
            people[0].run(
                "load", "--network", "energy", "--duration", "5", "--rate", "constant:5", "--p95", "60"
            )
            watch(people[0])
            upgrade(people, served[3:])
    verified = json.loads(people[0].run("verify", "--network", "energy", "--json").stdout)
    assert verified["first_difference"] is None
    assert verified["functions"]["close_round"] > 20
    lose_a_peer(people[0])


def simulate(person: Person) -> None:
    """A day of two homes; said in docs/foreign.md: it waits for blocks."""
    simulated = person.run("simulate", "--network", "energy", "--homes", "2", "--share", "50", timeout_s=1200)
    assert f"{CHANNEL}: 2 homes (1 with PV)" in simulated.stdout
    summary = json.loads((person.folder / "out" / "simulate" / "summary.json").read_text())
    assert summary["run"]["backend"] == "connected"
    assert summary["communities"][0]["totals"]["requests"] > 0


def watch(person: Person) -> None:
    """The watch counts what is on the ledger, by the peers' own metrics and answers."""
    port = choose_first_port(1, person.folder / "watch")
    process = subprocess.Popen(
        [person.command, "watch", "--network", "energy", "--port", str(port)],
        cwd=person.folder,
        env=person.environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        figures: dict[str, Any] = {}
        while not (figures and figures["channels"][CHANNEL]["complete"] and figures["nodes"]):
            assert time.monotonic() < deadline, figures
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/figures.json", timeout=5) as answer:
                    figures = json.loads(answer.read())
            except OSError:
                continue
    finally:
        process.terminate()
        process.wait(10)
    channel = figures["channels"][CHANNEL]
    assert channel["market"]["requests"] > 20
    assert channel["leader"].startswith("orderer")
    assert None not in channel["heights"].values()
    assert channel["peers"]["peer0.org1.example.com"]["commit_ms"] > 0


def upgrade(people: list[Person], served: list[str]) -> None:
    """Version 2.0 takes the next sequence, and the same organisations' approvals."""
    words = [people[0].command, *deploy_words(served[0]), "--version", "2.0"]
    both = [
        subprocess.Popen(
            words,
            cwd=people[0].folder,
            env=people[0].environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:  # one approval invalidates the other, and both commands end well
        told, _ = process.communicate(timeout=100)
        assert process.returncode == 0, told
        assert "sequence 2 waits" in told
    assert "committed" in people[1].deploy(served[1], "--version", "2.0")
    described = json.loads(people[1].file.read_text())["channels"][CHANNEL]["chaincodes"]
    assert described == {"market": {"version": "2.0", "sequence": 2}}
    assert "in force already" in people[2].deploy(served[2], "--version", "2.0")


def lose_a_peer(person: Person) -> None:
    lost = "peer1.org2.example.com"
    person.network.programs[lost].kill()
    person.network.programs[lost].wait()
    status = person.status()
    assert status["state"] == "partial"
    assert [node["name"] for node in status["processes"] if node["state"] != "running"] == [lost]


def connect_words(person: Person) -> list[str]:
    mine = person.organization
    files = ["--identity", str(mine.certificate("Admin")), "--key", str(mine.key("Admin"))]
    return ["connect", str(person.network.profile(mine)), "--name", "energy", *files]


def deploy_words(address: str) -> list[str]:
    return ["chaincode", "deploy", "market", "--network", "energy", "--address", address]
