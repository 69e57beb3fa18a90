# SPDX-License-Identifier: Apache-2.0
"""Edit the topology, `commonwatt plan`, `commonwatt apply`: every change of a running network while trade goes on."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from commonwatt_audit.audit import Audit
from commonwatt_audit.source import blocks_of_network
from commonwatt_client import (
    ClientError,
    GatewayError,
    RetryPolicy,
    ValidationCode,
    connect_network_file,
    exit_codes,
)
from commonwatt_client.admin import PeerAdmin, RefusedError
from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.change.apply import apply
from commonwatt_network.change.configuration import ordering_client
from commonwatt_network.change.plan import find_network, make_plan
from commonwatt_network.change.renewals import renew_user
from commonwatt_network.change.revocation import revoke_user
from commonwatt_network.channels.deploy import deploy_topology, peer_admin
from commonwatt_network.down import down
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.state import read_state, write_state
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.programs import processes
from commonwatt_network.programs.fabric import FabricNotFoundError, find_fabric
from commonwatt_network.trust.certificates import days_left, issued_by, read_key_pair
from commonwatt_network.up import up
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from .conftest import Shell

CHANNEL = "newtown"
# The goals are 5 and 20 s, and the figures are printed; a busy machine may take three times as long.
LONGEST_PAUSE_S = 3 * 5.0
COMMUNITY_S = 3 * 20.0


@contextmanager
def silent(_: str) -> Iterator[None]:
    """A phase that nobody watches."""
    yield


def edited(topology: Topology, **changes: object) -> Topology:
    """The topology with some of its values changed: `channels__newtown__batch__timeout_ms=100`."""
    content = topology.model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    return Topology.model_validate(content)


def with_community(topology: Topology, name: str) -> Topology:
    """With one more organisation, its channel shared with the grid, and the market on it."""
    content = topology.model_dump(mode="json")
    content["organizations"][name] = {"homes": 2, "users": {"operator": {"role": "operator"}}}
    content["channels"][name] = {"organizations": [name, "grid"], "chaincodes": ["market"]}
    return Topology.model_validate(content)


@dataclass
class Trade:
    """Homes registered one after the other meanwhile: the ids of those that were committed, and the longest pause."""

    network_file: Path
    member: str
    committed: list[str] = field(default_factory=list)
    pause_s: float = 0.0
    over: Event = field(default_factory=Event)

    def go_on(self) -> None:
        """In a thread of its own, so that the change does not hold it up."""
        asyncio.run(self._submit())

    async def _submit(self) -> None:
        async with connect_network_file(self.network_file, self.member, "operator") as gateway:
            contract = gateway.get_network(CHANNEL).get_contract("market")
            last = time.monotonic()
            while not self.over.is_set():
                argument = _registration(f"t{time.time_ns()}")
                try:
                    outcome = await contract.submit(
                        "register_home",
                        arguments=[json.dumps(argument)],
                        endorse_timeout_s=3,
                        submit_timeout_s=3,
                        commit_timeout_s=10,
                        retry=RetryPolicy(longest_pause_s=0.5),
                    )
                except ClientError:
                    await asyncio.sleep(0.1)
                    continue
                self.committed.append(outcome.transaction_id)
                now = time.monotonic()
                self.pause_s = max(self.pause_s, now - last)
                last = now
            self.pause_s = max(self.pause_s, time.monotonic() - last)


def first_member(topology: Topology) -> str:
    """The organisation whose operator trades."""
    return next(iter(topology.organizations))


def _registration(home: str) -> dict[str, str]:
    return {"home": home, "home_class": "consumer"}


@dataclass
class Running:
    """A network that is changed by its topology while homes trade on it."""

    directory: Path

    @property
    def nodes(self) -> Nodes:
        state = read_state(Layout(self.directory))
        assert state is not None
        return nodes_of(Layout(self.directory), state)

    @property
    def topology(self) -> Topology:
        return self.nodes.topology

    def private_keys(self) -> set[bytes]:
        """Every private key of the network but those of the authorities."""
        files = (self.directory / "organizations").glob("*/*s/*/**/*.key")
        more = (self.directory / "organizations").glob("*/*s/*/msp/keystore/key.pem")
        return {file.read_bytes() for file in (*files, *more)}

    def fewest_days_left(self) -> int:
        """Of every certificate on disk."""
        files = self.directory.joinpath("organizations").rglob("*")
        found = (file for file in files if file.name in ("server.crt", "cert.pem", "certificate.pem"))
        return min(days_left(x509.load_pem_x509_certificate(file.read_bytes())) for file in found)

    async def become(self, wanted: Topology, within_s: float = 60.0) -> list[str]:
        """Apply; afterwards nothing committed is lost, the pause was short, and the same again does nothing."""
        async with self.trade() as trade:
            began = time.monotonic()
            applied = await apply(self.directory, wanted, silent)
            seconds = time.monotonic() - began
        words = [words for words, _ in applied.done]
        figures = f"{seconds:.1f} s, pause {trade.pause_s:.2f} s, {len(trade.committed)} transactions"
        print(f"\n{figures}: {'; '.join(words)}")
        assert self.topology == wanted
        assert trade.pause_s <= LONGEST_PAUSE_S
        assert seconds <= within_s
        await self.holds(trade.committed)
        assert not (await apply(self.directory, wanted, silent)).done
        return words

    @asynccontextmanager
    async def trade(self) -> AsyncIterator[Trade]:
        """Transactions before, during and after the body."""
        trade = Trade(self.directory / "network.json", first_member(self.topology))
        going = asyncio.create_task(asyncio.to_thread(trade.go_on))
        try:
            await _until(lambda: len(trade.committed) >= 3)
            yield trade
            so_far = len(trade.committed)
            await _until(lambda: len(trade.committed) >= so_far + 3)
        finally:
            trade.over.set()
            await going

    async def holds(self, transactions: list[str]) -> None:
        """Every peer of the channel is level and has every one of the transactions, valid."""
        for peer in self.nodes.peers_of(CHANNEL):
            async with peer_admin(self.nodes, peer) as admin:
                await _level(self.nodes, peer.name)
                if await _from_snapshot(admin):
                    continue  # it has the state alone of what came before
                for transaction in transactions:
                    found = await admin.get_transaction_by_id(CHANNEL, transaction)
                    assert found.validation is ValidationCode.VALID, (peer.name, transaction)


async def _from_snapshot(admin: PeerAdmin) -> bool:
    """Whether the peer has no block 0."""
    try:
        await admin.get_block_by_number(CHANNEL, 0)
    except RefusedError:
        return True
    return False


async def _level(nodes: Nodes, name: str) -> None:
    """Until the peer has what the channel's first peer has."""
    [peer] = [peer for peer in nodes.peers if peer.name == name]
    gateway_peer = nodes.gateway_peer(first_member(nodes.topology))
    async with peer_admin(nodes, gateway_peer) as first, peer_admin(nodes, peer) as admin:
        height = (await first.get_chain_info(CHANNEL)).height
        async with asyncio.timeout(15):
            while (await admin.get_chain_info(CHANNEL)).height < height:  # noqa: ASYNC110 - peers give no notice
                await asyncio.sleep(0.1)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the other side is a thread
            await asyncio.sleep(0.05)


@contextmanager
def running(directory: Path, topology: Topology, backend: str) -> Iterator[Running]:
    """The network of `topology`, up for the body."""
    try:
        asyncio.run(up(directory, topology, backend, silent))
        yield Running(directory)
    finally:
        down(directory)


def short_lived() -> Topology:
    """One community of two homes, every certificate good for twenty days."""
    return edited(
        default_topology(homes=2),
        organizations__newtown__days_valid=20,
        organizations__grid__days_valid=20,
        orderers__organizations__orderers__days_valid=20,
    )


def longer_lived(topology: Topology, days: int, **changes: object) -> Topology:
    """The same with certificates good for `days` from now on."""
    content = topology.model_dump(mode="json")
    for organization in (
        *content["organizations"].values(),
        *content["orderers"]["organizations"].values(),
    ):
        organization["days_valid"] = days
    return edited(Topology.model_validate(content), **changes)


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A network of real Fabric, which the tests change one after the other."""
    try:
        find_fabric()
    except FabricNotFoundError as error:
        pytest.skip(f"changes of a network of real Fabric: {error}")
    with running(tmp_path_factory.mktemp("fabric") / ".commonwatt", short_lived(), "native") as network:
        yield network


class TestRealFabric:
    """In this order, on one network."""

    async def test_adds_a_community(self, fabric: Running) -> None:
        words = await fabric.become(with_community(fabric.topology, "glebe"), COMMUNITY_S)
        assert len(words) == 2
        async with connect_network_file(fabric.directory / "network.json", "glebe", "operator") as gateway:
            contract = gateway.get_network("glebe").get_contract("market")
            await contract.submit("register_home", arguments=[json.dumps(_registration("home001"))])

    async def test_upgrades_the_chaincode_of_every_channel(self, fabric: Running) -> None:
        await fabric.become(edited(fabric.topology, chaincodes__market__version="1.1"))
        content = json.loads((fabric.directory / "network.json").read_bytes())
        for channel in content["channels"].values():
            assert channel["chaincodes"] == {"market": {"version": "1.1", "sequence": 2}}

    async def test_takes_another_member_into_a_channel(self, fabric: Running) -> None:
        """Its peer has all blocks to fetch before it knows its own administrator."""
        members = ["newtown", "grid", "glebe"]
        await fabric.become(edited(fabric.topology, channels__newtown__organizations=members))
        async with connect_network_file(fabric.directory / "network.json", "glebe", "operator") as gateway:
            contract = gateway.get_network(CHANNEL).get_contract("market")
            await contract.submit("get_parameters", arguments=["{}"])

    async def test_changes_when_blocks_are_cut(self, fabric: Running) -> None:
        batch = {"timeout_ms": 150, "max_messages": 20}
        await fabric.become(edited(fabric.topology, channels__newtown__batch=batch))
        async with ordering_client(fabric.nodes, fabric.nodes.orderers[0]) as client:
            config = await client.fetch_config(CHANNEL)
        assert (config.batch_timeout_s, config.batch_size.max_message_count) == (0.15, 20)

    async def test_renews_certificates_with_the_keys_they_have(self, fabric: Running) -> None:
        keys = fabric.private_keys()
        await fabric.become(longer_lived(fabric.topology, 365))
        assert fabric.private_keys() == keys
        assert fabric.fewest_days_left() > 300

    async def test_adds_a_peer_from_block_0_and_one_from_a_snapshot(
        self, fabric: Running, tmp_path: Path
    ) -> None:
        await fabric.become(edited(fabric.topology, organizations__newtown__peers=2))
        wanted = edited(
            fabric.topology, organizations__newtown__peers=3, organizations__newtown__new_peers="snapshot"
        )
        await fabric.become(wanted)
        async with peer_admin(fabric.nodes, fabric.nodes.peers[2]) as admin:
            with pytest.raises(RefusedError, match="from a snapshot"):
                await admin.get_block_by_number(CHANNEL, 1)
        content = json.loads((fabric.directory / "network.json").read_text())
        newtown = content["organizations"]["newtown"]
        newtown["peers"] = newtown["peers"][2:]
        (tmp_path / "network.json").write_text(json.dumps(content))
        with pytest.raises(
            exit_codes.UsageError, match=f"the peer of newtown joined {CHANNEL} from a snapshot of block "
        ):
            await anext(blocks_of_network(tmp_path / "network.json", CHANNEL, "newtown", "operator"))

    async def test_adds_orderers_and_renews_them_with_new_keys(self, fabric: Running) -> None:
        await fabric.become(edited(fabric.topology, orderers__organizations__orderers__nodes=3))
        async with ordering_client(fabric.nodes, fabric.nodes.orderers[2]) as client:
            assert len((await client.fetch_config(CHANNEL)).consenters) == 3
        keys = fabric.private_keys()
        orderers_only = edited(
            fabric.topology, orderers__organizations__orderers__days_valid=2000, certificates__new_keys=True,
            certificates__renew_before_days=400, organizations__newtown__days_valid=30,
            organizations__grid__days_valid=30, organizations__glebe__days_valid=30,
        )  # fmt: skip
        words = await fabric.become(orderers_only)
        assert [word for word in words if "orderer2 with new keys" in word]
        assert (
            len(fabric.private_keys() & keys) == len(keys) - 8
        )  # three orderers, their administrator: two each

    async def test_starts_nodes_that_are_down_before_it_changes_anything(self, fabric: Running) -> None:
        """Trade goes on with two orderers of three; the change finds all of them."""
        found = processes.running(Layout(fabric.directory))
        processes.stop((*found["orderer1"], *found["peer1.newtown"]), grace_s=0)
        await fabric.become(edited(fabric.topology, organizations__newtown__homes=3))
        found = processes.running(Layout(fabric.directory))
        assert found.keys() >= {"orderer1", "peer1.newtown"}

    async def test_removes_orderers(self, fabric: Running) -> None:
        await fabric.become(edited(fabric.topology, orderers__organizations__orderers__nodes=1))
        async with ordering_client(fabric.nodes, fabric.nodes.orderers[0]) as client:
            config = await client.fetch_config(CHANNEL)
        assert [each.address for each in config.consenters] == [fabric.nodes.orderers[0].address]
        assert config.orderer_organizations["OrdererMSP"].orderer_endpoints == (config.consenters[0].address,)

    async def test_takes_in_another_orderer_organisation(self, fabric: Running) -> None:
        content = fabric.topology.model_dump(mode="json")
        content["orderers"]["organizations"]["carriers"] = {"nodes": 2}
        words = await fabric.become(Topology.model_validate(content))
        assert words[0].startswith("add the first orderer of carriers to channels newtown and glebe")
        async with ordering_client(fabric.nodes, fabric.nodes.orderers[2]) as client:
            config = await client.fetch_config("glebe")
        assert len(config.orderer_organizations["CarriersMSP"].orderer_endpoints) == 2
        assert len(config.consenters) == 3

    def test_starts_again_as_it_was_changed(self, fabric: Running) -> None:
        down(fabric.directory)
        asyncio.run(up(fabric.directory, fabric.topology, None, silent))

    async def test_every_change_bears_an_audit(self, fabric: Running) -> None:
        for channel, settings in fabric.topology.channels.items():
            audit, community = Audit(), settings.organizations[0]
            async for block in blocks_of_network(
                fabric.directory / "network.json", channel, community, "operator"
            ):
                audit.check(block)
            assert audit.findings.blocks > 10


async def ask(network_file: Path, user: str) -> bool:
    """Whether the community's peer listens to the user as the file describes it."""
    try:
        async with connect_network_file(network_file, "newtown", user) as gateway:
            contract = gateway.get_network(CHANNEL).get_contract("market")
            return b"market_time" in await contract.evaluate_transaction("get_parameters", "{}")
    except GatewayError as error:
        if error.chaincode_response is not None:
            return True  # an administrator has no role in the market
        if not re.search("creator|access denied", str(error)):
            raise
        return False


def keep(network: Running, user: str, folder: Path) -> Path:
    """A network file with the key and certificate that the user has now, however often they are renewed."""
    content = json.loads((network.directory / "network.json").read_bytes())
    described = content["organizations"]["newtown"]["users"][user]
    folder.mkdir()
    for name in ("certificate", "private_key"):
        copy = folder / name
        copy.write_bytes(Path(described[name]).read_bytes())
        described[name] = str(copy)
    (folder / "network.json").write_text(json.dumps(content))
    return folder / "network.json"


def serial_number(network: Running, user: str) -> int:
    path = Layout(network.directory).user("newtown", user) / "certificate.pem"
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


@pytest.fixture(scope="module", params=["embedded", pytest.param("native", marks=pytest.mark.long)])
def leaving(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A network whose users come and go, one test after the other."""
    if request.param == "native" and backend() != "native":
        pytest.skip("revocations on a network of real Fabric: its programs are not here")
    topology = edited(
        default_topology(homes=2),
        organizations__newtown__days_valid=20,
        organizations__newtown__users={"operator": {"role": "operator"}, "eve": {"role": "operator"}},
    )
    with running(tmp_path_factory.mktemp("leaving") / ".commonwatt", topology, request.param) as network:
        yield network


class TestRevocation:
    """In this order, on one network."""

    async def test_every_certificate_that_a_user_ever_had_is_refused(
        self, leaving: Running, tmp_path: Path
    ) -> None:
        earlier = keep(leaving, "home001", tmp_path / "earlier")
        await renew_user(leaving.directory, "newtown", "home001", new_key=False)
        await renew_user(leaving.directory, "newtown", "home001", new_key=False)
        now = leaving.directory / "network.json"
        assert await ask(earlier, "home001")
        assert await ask(now, "home001")
        await revoke_user(leaving.directory, "newtown", "home001")
        assert not await ask(now, "home001")
        assert not await ask(earlier, "home001")
        assert await ask(now, "home002")
        with pytest.raises(UsageError, match="home001 of newtown is revoked for good"):
            await renew_user(leaving.directory, "newtown", "home001", new_key=True)

    async def test_a_renewal_passes_over_who_is_revoked(self, leaving: Running) -> None:
        before = {user: serial_number(leaving, user) for user in ("home001", "home002")}
        applied = await apply(
            leaving.directory, edited(leaving.topology, organizations__newtown__days_valid=365), silent
        )
        [words] = [words for words, _ in applied.done if "users and homes" in words]
        assert words.endswith("left out, for good: home001 (revoked)")
        assert serial_number(leaving, "home001") == before["home001"]
        assert serial_number(leaving, "home002") != before["home002"]
        assert not await ask(leaving.directory / "network.json", "home001")
        assert await ask(leaving.directory / "network.json", "home002")
        assert not (await apply(leaving.directory, None, silent)).done
        down(leaving.directory)
        with pytest.raises(UsageError, match="does not run; start it with `make network-up`"):
            await revoke_user(leaving.directory, "newtown", "home002")
        await up(leaving.directory, None, None, silent)
        assert not await ask(leaving.directory / "network.json", "home001")

    async def test_other_attributes_end_the_former_certificate(
        self, leaving: Running, tmp_path: Path
    ) -> None:
        former = keep(leaving, "eve", tmp_path / "former")
        assert await ask(former, "eve")
        demoted = edited(leaving.topology, organizations__newtown__users__eve={"role": "meter"})
        applied = await apply(leaving.directory, demoted, silent)
        assert [words for words, _ in applied.done] == [
            "issue certificates of newtown: user eve anew, with other attributes (its former certificate is revoked)"
        ]
        assert not await ask(former, "eve")
        assert await ask(leaving.directory / "network.json", "eve")

    async def test_only_who_is_revoked_leaves_the_topology_and_never_comes_back(
        self, leaving: Running
    ) -> None:
        there = leaving.topology
        without = edited(there, organizations__newtown__users={"operator": {"role": "operator"}})
        with pytest.raises(UsageError, match="`commonwatt network revoke newtown eve` first"):
            await apply(leaving.directory, without, silent)
        await revoke_user(leaving.directory, "newtown", "eve")
        applied = await apply(leaving.directory, without, silent)
        assert [words for words, _ in applied.done] == ["forget eve of newtown, who is revoked"]
        users = json.loads((leaving.directory / "network.json").read_bytes())["organizations"]["newtown"][
            "users"
        ]
        assert "eve" not in users
        with pytest.raises(UsageError, match="eve is revoked for good; give the new user another name"):
            await apply(leaving.directory, there, silent)

    async def test_a_lost_key_is_replaced_at_once(self, leaving: Running, tmp_path: Path) -> None:
        """Of those who speak for the organisation too, which cannot be revoked."""
        for user in ("operator", "admin"):
            lost = keep(leaving, user, tmp_path / user)
            with pytest.raises(UsageError, match=f"`commonwatt network renew newtown {user} --new-key`"):
                await revoke_user(leaving.directory, "newtown", user)
            assert await renew_user(leaving.directory, "newtown", user, new_key=True) == (CHANNEL,)
            assert not await ask(lost, user)
            assert await ask(leaving.directory / "network.json", user)
        assert await renew_user(leaving.directory, "orderers", "admin", new_key=True) == (CHANNEL,)
        longer = edited(leaving.topology, channels__newtown__batch__timeout_ms=77)
        await apply(leaving.directory, longer, silent)  # signed by the orderers' administrator


def backend() -> str:
    try:
        find_fabric()
    except FabricNotFoundError:
        return "embedded"
    return "native"


def expire(network: Running) -> None:
    """Let every certificate on disk be one that has expired, for the same key."""
    layout, now = Layout(network.directory), datetime.now(UTC)
    for folder in layout.organizations.iterdir():
        authorities = [
            read_key_pair(folder / ca / "ca.crt", folder / ca / "ca.key") for ca in ("ca", "tlsca")
        ]
        for path in folder.rglob("*"):
            if path.name not in ("server.crt", "cert.pem", "certificate.pem"):
                continue
            old = x509.load_pem_x509_certificate(path.read_bytes())
            [authority] = [each for each in authorities if issued_by(old, each)]
            builder = (
                x509.CertificateBuilder()
                .subject_name(old.subject)
                .issuer_name(old.issuer)
                .public_key(old.public_key())  # type: ignore[arg-type]
                .serial_number(old.serial_number)
                .not_valid_before(authority.certificate.not_valid_before_utc)
                .not_valid_after(now - timedelta(seconds=1))
            )
            for extension in old.extensions:
                builder = builder.add_extension(extension.value, extension.critical)
            expired = builder.sign(authority.key, hashes.SHA256())
            path.write_bytes(expired.public_bytes(serialization.Encoding.PEM))


@pytest.mark.long
@pytest.mark.parametrize("stopped", [False, True])
async def test_a_network_whose_certificates_have_all_expired_lives_again(
    tmp_path: Path, stopped: bool
) -> None:
    directory = tmp_path / ".commonwatt"
    topology = edited(default_topology(homes=2), orderers__organizations__orderers__nodes=3)
    try:
        await up(directory, topology, backend(), silent)
        network = Running(directory)
        if stopped:
            down(directory)
        expire(network)
        with pytest.raises(UsageError, match="expired on .*; renew it with `commonwatt apply`"):
            await up(directory, None, None, silent)
        # The operator and the administrators among them, without whom nothing is changed.
        wanted = edited(topology, organizations__newtown__homes=3)
        planned = make_plan(Layout(directory), find_network(Layout(directory)), wanted)
        assert len(planned.expired) == 10
        applied = await apply(directory, wanted, silent)
        assert [words for words, _ in applied.done] == planned.lines
        assert network.fewest_days_left() > 3000
        for home in ("home001", "home003"):
            assert await ask(directory / "network.json", home)
        async with network.trade() as trade:
            pass
        await network.holds(trade.committed)
    finally:
        down(directory)


@pytest.mark.long
def test_a_simulation_goes_on_beside_changes(shell: Shell) -> None:
    """Its homes hear nothing of it: each change waits until trade is back."""
    topology = shell.topology(("homes: 2", "homes: 4"))
    assert (
        shell.up(
            COMMONWATT_TOPOLOGY=str(topology), COMMONWATT_HOMES="", COMMONWATT_BACKEND=backend()
        ).returncode
        == 0
    )
    output = shell.folder / "simulation"
    with output.open("w") as said:
        simulation = subprocess.Popen(
            [shell.command, "simulate"], cwd=shell.folder, env=shell.environment(), stdout=said, stderr=said
        )
    try:
        for change in (
            ("homes: 4", "homes: 5\n    peers: 2"),
            ("market: {}", "market: {workers: 2}"),
            ("workers: 2", 'workers: 2, version: "1.1"'),
        ):
            assert change[0] in topology.read_text()
            topology.write_text(topology.read_text().replace(*change))
            applied = shell.run("apply", str(topology))
            assert applied.returncode == 0, applied.stderr
        assert simulation.wait(150) == 0, output.read_text()
    finally:
        simulation.kill()
        simulation.wait()


class CutOffError(Exception):
    """Stands for the end of the process that applies."""


@dataclass
class Fuse:
    """Lets so many calls through, less one."""

    calls: int

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            self.calls -= 1
            if not self.calls:
                raise CutOffError
            return function(*arguments)

        return called


class TestEmbedded:
    @pytest.fixture
    def network(self, tmp_path: Path) -> Iterator[Running]:
        with running(tmp_path / ".commonwatt", default_topology(homes=2), "embedded") as network:
            yield network

    async def test_goes_on_where_it_was_cut_off(
        self, network: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Cut off in every step, before its end and before it is recorded."""
        wanted = with_community(network.topology, "glebe")
        layout = Layout(network.directory)
        async with network.trade() as trade:
            for calls in itertools.cycle((2, 6)):
                with monkeypatch.context() as patch:
                    fuse = Fuse(calls)
                    patch.setattr("commonwatt_network.bring_up.deploy_topology", fuse.before(deploy_topology))
                    patch.setattr("commonwatt_network.change.apply.write_state", fuse.before(write_state))
                    try:
                        await apply(network.directory, wanted, silent)
                        break
                    except CutOffError:
                        pass
                plan = make_plan(layout, find_network(layout), None)
                assert plan.lines[0].startswith("finish what was interrupted: ")
                with pytest.raises(UsageError, match="finish it with `commonwatt apply`"):
                    await up(network.directory, None, None, silent)
        assert network.topology == wanted
        await network.holds(trade.committed)
        assert not (await apply(network.directory, None, silent)).done

    async def test_starts_what_does_not_run_before_it_changes_anything(self, network: Running) -> None:
        found = processes.running(Layout(network.directory))
        processes.stop((*found["embedded"], *found["market.grid"]), grace_s=0)
        wanted = edited(network.topology, organizations__newtown__homes=3)
        await apply(network.directory, wanted, silent)
        assert network.topology == wanted
        assert await ask(network.directory / "network.json", "home003")

        # What cannot be started is said before anything has begun.
        holder = network.nodes.chaincode_server("market", "grid")
        processes.stop(processes.running(Layout(network.directory))["market.grid"])
        with (
            socket.create_server((holder.host, holder.port)),
            pytest.raises(UsageError, match="which market.grid listens on, is in use"),
        ):
            await apply(network.directory, edited(wanted, organizations__newtown__homes=4), silent)
        assert find_network(Layout(network.directory)).change is None
        await up(network.directory, None, None, silent)

    def test_after_a_first_start_that_failed_every_command_says_so(self, shell: Shell) -> None:
        (shell.folder / "broken.py").write_text("raise SystemExit('out of order')\n")
        topology = shell.topology(("market: {}", "market: {module: broken}"))
        assert shell.up(COMMONWATT_TOPOLOGY=str(topology), COMMONWATT_HOMES="").returncode == 1
        said = shell.run("apply", str(topology))
        assert said.returncode == 2
        [line] = said.stderr.splitlines()
        assert "its first start failed; finish it with `make network-up`" in line
        directory = shell.directory
        for command in (
            apply(directory, default_topology(), silent), revoke_user(directory, "newtown", "home001"),
            renew_user(directory, "newtown", "home001", new_key=True),
        ):  # fmt: skip
            with pytest.raises(UsageError, match="its first start failed"):
                asyncio.run(command)

    def test_command_plans_applies_and_refuses(self, shell: Shell) -> None:
        assert shell.up().returncode == 0
        planned = shell.run("plan", COMMONWATT_HOMES="3")
        assert "1. issue certificates of newtown: homes home003 to home003" in planned.stdout
        assert shell.run("apply", COMMONWATT_HOMES="3").returncode == 0
        path = shell.folder / "edited.yaml"
        path.write_text(shell.run("topology", "show").stdout)
        assert "nothing was changed" in shell.run("network", "apply", str(path)).stdout
        fewer = shell.run("apply", COMMONWATT_HOMES="1")
        assert (fewer.returncode, "would lose some" in fewer.stderr) == (2, True)
