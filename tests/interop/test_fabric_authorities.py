# SPDX-License-Identifier: Apache-2.0
"""`ca: fabric-ca`: real Fabric CA servers issue everybody's identities, a network trades with them, and a home leaves.

On real Fabric where its programs are, else on the embedded network; who comes later, on the embedded one.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from commonwatt_client import GatewayError, connect_network_file
from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.change.apply import apply
from commonwatt_network.change.renewals import due, renew, renew_user
from commonwatt_network.change.revocation import revoke_user
from commonwatt_network.change.site import Site
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.down import down, reset
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import read_state
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.programs import processes
from commonwatt_network.programs.fabric import FabricNotFoundError, find_fabric
from commonwatt_network.status import network_status
from commonwatt_network.trust import fabric_authorities
from commonwatt_network.trust.certificates import attributes_of
from commonwatt_network.up import up
from commonwatt_network.watch.subject import subject_of
from commonwatt_network.watch.watcher import Watcher
from cryptography import x509

from ..support.homes import home_id

pytestmark = pytest.mark.skipif(
    shutil.which("fabric-ca-server") is None,
    reason="fabric-ca-server is not on PATH; install Fabric CA's release",
)


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def units(certificate: x509.Certificate) -> list[str]:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    return [str(name.value) for name in names]


def backend() -> str:
    try:
        find_fabric()
    except FabricNotFoundError:
        return "embedded"
    return "native"


async def ask(network_file: Path, user: str) -> bytes:
    """What a home asks through its own organisation's peer."""
    async with connect_network_file(network_file, "newtown", user) as gateway:
        contract = gateway.get_network("newtown").get_contract("market")
        return await contract.evaluate_transaction("get_parameters", "{}")


async def test_a_network_lives_on_certificates_of_fabric_ca(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    topology = default_topology(homes=2).model_copy(update={"ca": "fabric-ca"})
    try:
        result = await up(directory, topology, backend(), quiet)
        layout, nodes = result.nodes.layout, result.nodes
        assert {"ca.newtown", "ca.grid", "ca.orderers"} <= set(result.started)
        home = load(layout.user("newtown", "home001") / "certificate.pem")
        assert attributes_of(home) == {
            "hf.Affiliation": "", "hf.EnrollmentID": "home001", "hf.Type": "client",
            "home.id": home_id("newtown", 1), "role": "home",
        }  # fmt: skip
        operator = load(layout.user("newtown", "operator") / "certificate.pem")
        assert units(operator) == ["client", "operator"]
        assert units(home) == ["client"]
        async with fabric_authorities.registrar(nodes, "newtown") as (authority, held):
            known = {identity.name for identity in await authority.identities(held)}
        assert {"home001", "home002", "operator", "admin", "peer0.newtown"} <= known

        # The servers are processes of the network like others: shown by its status and by the watch.
        status = await network_status(directory)
        shown = {node.name: node for node in status.processes if node.kind == "authority"}
        assert sorted(shown) == ["ca.grid", "ca.newtown", "ca.orderers"]
        assert {node.state for node in shown.values()} == {"running"}
        assert all(node.pid and node.certificate_days_left for node in shown.values())
        watcher = Watcher(subject_of(directory / "network.json"))
        async with watcher.running(), asyncio.timeout(20):
            while True:
                if "ca.newtown" in {node["name"] for node in watcher.snapshot()["nodes"]}:
                    break
                await asyncio.sleep(0.05)

        # A home leaves: its authority's list reaches every peer, and no peer listens to it any more.
        assert b"market_time" in await ask(layout.network_file, "home001")
        command = [
            Path(sys.executable).with_name("commonwatt"),
            "network",
            "revoke",
            "--directory",
            directory,
        ]
        said = await asyncio.to_thread(
            subprocess.run, [*command, "newtown", "home001"], capture_output=True, text=True, timeout=60
        )
        assert said.stdout == "home001 of newtown is revoked; refused on newtown\n", said.stderr
        with pytest.raises(GatewayError, match="creator|access denied"):
            await ask(layout.network_file, "home001")
        assert b"market_time" in await ask(layout.network_file, "home002")
        for peer in nodes.peers:
            async with peer_admin(nodes, peer) as admin:
                config = await admin.fetch_config("newtown")
            (crl,) = config.application_organizations["NewtownMSP"].revocation_lists
            revoked = {entry.serial_number for entry in x509.load_pem_x509_crl(crl)}
            assert revoked == {home.serial_number}
        assert await revoke_user(directory, "newtown", "home001") == ("newtown",), "again is no error"

        down(directory)
        await up(directory, None, None, quiet)
        assert load(layout.user("newtown", "home001") / "certificate.pem") == home, "what is there is kept"
        assert b"market_time" in await ask(layout.network_file, "home002")
        secret = directory / "authorities" / "newtown" / "secret"
        assert secret.stat().st_mode & 0o777 == 0o600
        assert secret.parent.stat().st_mode & 0o777 == 0o700
        for running in processes.running(layout).values():
            assert not [
                word for process in running for word in process.cmdline() if secret.read_text() in word
            ]
    finally:
        down(directory)
    assert reset(directory) == ()
    assert not directory.exists()


@pytest.mark.long
async def test_who_comes_to_a_running_network_is_enrolled_with_fabric_ca(tmp_path: Path) -> None:
    """A home, a peer and a community; then renewal: the servers know everybody, and can revoke them one day."""
    directory = tmp_path / ".commonwatt"
    content = default_topology(homes=1).model_copy(update={"ca": "fabric-ca"}).model_dump(mode="json")
    try:
        result = await up(directory, Topology.model_validate(content), "embedded", quiet)
        layout, nodes = result.nodes.layout, result.nodes
        content["organizations"]["newtown"] |= {"homes": 2, "peers": 2}
        content["organizations"]["glebe"] = {"homes": 1, "users": {"operator": {"role": "operator"}}}
        content["channels"]["glebe"] = {"organizations": ["glebe", "grid"], "chaincodes": ["market"]}

        # Cut off between registering and enrolling: the same command goes on.
        [server] = [each for each in nodes.authorities if each.organization == "newtown"]
        secret = fabric_authorities.enrolment_secret(server, "home002")
        attributes = {"role": "home", "home.id": home_id("newtown", 2)}
        async with fabric_authorities.registrar(nodes, "newtown") as (authority, held):
            await authority.register(held, "home002", secret=secret, attributes=attributes)

        applied = await apply(directory, Topology.model_validate(content), quiet)
        assert len(applied.done) == 4, applied.done
        assert b"market_time" in await ask(layout.network_file, "home002")
        assert await known(layout, "newtown") >= {"home001", "home002", "peer0.newtown", "peer1.newtown"}
        assert await known(layout, "glebe") >= {"home001", "operator", "admin", "peer0.glebe"}
        async with connect_network_file(layout.network_file, "glebe", "home001") as gateway:
            contract = gateway.get_network("glebe").get_contract("market")
            assert b"market_time" in await contract.evaluate_transaction("get_parameters", "{}")

        home = layout.user("newtown", "home001")
        old, key = load(home / "certificate.pem"), (home / "private_key.pem").read_bytes()
        content["certificates"] = {"renew_before_days": 400}  # more than Fabric CA's certificates last
        wanted = Topology.model_validate(content)
        state = read_state(layout)
        assert state is not None
        nodes = nodes_of(layout, replace(state, topology=wanted))
        [users] = [each for each in due(nodes, wanted) if each.owner == "newtown's 4 users and homes"]
        await renew(Site(backend_called("embedded"), nodes, nodes), users)
        renewed = load(home / "certificate.pem")
        assert renewed.serial_number != old.serial_number
        assert (home / "private_key.pem").read_bytes() == key
        assert attributes_of(renewed) == attributes_of(old)
        assert b"market_time" in await ask(layout.network_file, "home001")
        await revoke_user(directory, "newtown", "home001")
        crl = x509.load_pem_x509_crl((layout.organization("newtown") / "ca" / "crl.pem").read_bytes())
        assert {old.serial_number, renewed.serial_number} <= {entry.serial_number for entry in crl}
    finally:
        down(directory)


@pytest.mark.long
async def test_who_is_demoted_stays_so_and_who_is_revoked_stops_nobody(tmp_path: Path) -> None:
    """At renewals the server says what is in a certificate: it must know what the topology says."""
    directory = tmp_path / ".commonwatt"
    content = default_topology(homes=3).model_copy(update={"ca": "fabric-ca"}).model_dump(mode="json")
    content["organizations"]["newtown"]["users"]["eve"] = {"role": "operator", "attributes": {"desk": "7"}}
    try:
        result = await up(directory, Topology.model_validate(content), "embedded", quiet)
        layout, nodes = result.nodes.layout, result.nodes
        eve = layout.user("newtown", "eve") / "certificate.pem"
        former = load(eve)
        content["organizations"]["newtown"]["users"]["eve"] = {"role": "meter"}
        await apply(directory, Topology.model_validate(content), quiet)
        demoted = load(eve)
        crl = x509.load_pem_x509_crl((layout.organization("newtown") / "ca" / "crl.pem").read_bytes())
        assert {entry.serial_number for entry in crl} == {former.serial_number}

        await revoke_user(directory, "newtown", "home001")
        await fabric_authorities.revoke(nodes, "newtown", "home002")  # somebody else did, at the server
        gone = [layout.user("newtown", home) / "certificate.pem" for home in ("home001", "home002")]
        before = [path.read_bytes() for path in gone]
        content["certificates"] = {"renew_before_days": 400}  # more than Fabric CA's certificates last
        applied = await apply(directory, Topology.model_validate(content), quiet)
        [passed_over] = applied.passed_over
        assert passed_over.startswith("home002 of newtown: ca.newtown gives no certificate: ")
        [words] = [
            words for words, _ in applied.done if words.startswith("renew the certificates of newtown's 5")
        ]
        assert words.endswith("left out, for good: home001 (revoked)")
        assert [path.read_bytes() for path in gone] == before
        renewed = load(eve)
        assert renewed.serial_number != demoted.serial_number
        assert attributes_of(renewed) == attributes_of(demoted) == {
            "hf.EnrollmentID": "eve", "hf.Type": "client", "role": "meter",
        }  # fmt: skip
        assert b"market_time" in await ask(layout.network_file, "home003")
        with pytest.raises(GatewayError, match="creator|access denied"):
            await ask(layout.network_file, "home001")

        # A key that was lost: the server issues the new one and knows that the former are revoked.
        held = load(layout.user("newtown", "operator") / "certificate.pem")
        assert await renew_user(directory, "newtown", "operator", new_key=True) == ("newtown",)
        assert load(layout.user("newtown", "operator") / "certificate.pem").public_key() != held.public_key()
        crl = x509.load_pem_x509_crl(await fabric_authorities.revoke(nodes, "newtown", "home003"))
        assert crl.get_revoked_certificate_by_serial_number(held.serial_number) is not None
        assert crl.get_revoked_certificate_by_serial_number(former.serial_number) is not None
    finally:
        down(directory)


async def known(layout: Layout, organization: str) -> set[str]:
    """Who is registered with the organisation's server."""
    state = read_state(layout)
    assert state is not None
    async with fabric_authorities.registrar(nodes_of(layout, state), organization) as (authority, held):
        return {identity.name for identity in await authority.identities(held)}
