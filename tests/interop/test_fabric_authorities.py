"""`ca: fabric-ca`: real Fabric CA servers issue everybody's identities, a network trades with them, and a home leaves.

On real Fabric where its programs are, else on the embedded network.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_client import GatewayError, connect_network_file
from commonwatt_network import fabric_authorities, processes
from commonwatt_network.backends.native import FabricNotFoundError, find_fabric
from commonwatt_network.certificates import attributes_of
from commonwatt_network.deploy import peer_admin
from commonwatt_network.down import down, reset
from commonwatt_network.revocation import revoke_user
from commonwatt_network.status import network_status
from commonwatt_network.topology import default_topology
from commonwatt_network.up import up
from commonwatt_network.watch.watcher import Watcher
from cryptography import x509

pytestmark = pytest.mark.skipif(
    shutil.which("fabric-ca-server") is None,
    reason="fabric-ca-server is not on PATH; install Fabric CA's release",
)


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


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
            "hf.Affiliation": "", "hf.EnrollmentID": "home001", "hf.Type": "client", "home.id": "home001",
            "meter.id": "newtown-meter001", "role": "home",
        }  # fmt: skip
        async with fabric_authorities.registrar(layout, "newtown") as (authority, held):
            known = {identity.name for identity in await authority.identities(held)}
        assert {"home001", "home002", "operator", "admin", "peer0.newtown"} <= known

        # The servers are processes of the network like others: shown by its status and by the watch.
        status = await network_status(directory)
        shown = {node.name: node for node in status.processes if node.kind == "authority"}
        assert sorted(shown) == ["ca.grid", "ca.newtown", "ca.orderers"]
        assert {node.state for node in shown.values()} == {"running"}
        assert all(node.pid and node.certificate_days_left for node in shown.values())
        watcher = Watcher(directory)
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
