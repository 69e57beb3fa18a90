"""`ca: fabric-ca`: real Fabric CA servers issue everybody's identities, and a network trades with them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_client import connect_network_file
from commonwatt_network import fabric_authorities, processes
from commonwatt_network.certificates import attributes_of
from commonwatt_network.down import down, reset
from commonwatt_network.topology import default_topology
from commonwatt_network.up import up
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


async def test_a_network_lives_on_certificates_of_fabric_ca(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    topology = default_topology(homes=2).model_copy(update={"ca": "fabric-ca"})
    try:
        result = await up(directory, topology, "embedded", quiet)
        layout = result.nodes.layout
        assert {"ca.newtown", "ca.grid", "ca.orderers"} <= set(processes.running(layout))

        home = load(layout.user("newtown", "home001") / "certificate.pem")
        assert attributes_of(home) == {
            "hf.Affiliation": "", "hf.EnrollmentID": "home001", "hf.Type": "client", "home.id": "home001",
            "meter.id": "newtown-meter001", "role": "home",
        }  # fmt: skip
        async with fabric_authorities.registrar(layout, "newtown") as (authority, held):
            known = {identity.name for identity in await authority.identities(held)}
        assert {"home001", "home002", "operator", "admin", "peer0.newtown"} <= known

        crl = x509.load_pem_x509_crl(await fabric_authorities.revoke(result.nodes, "newtown", "home001"))
        assert crl.get_revoked_certificate_by_serial_number(home.serial_number) is not None
        other = load(layout.user("newtown", "home002") / "certificate.pem")
        assert crl.get_revoked_certificate_by_serial_number(other.serial_number) is None

        down(directory)
        await up(directory, None, None, quiet)
        assert load(layout.user("newtown", "home001") / "certificate.pem") == home, "what is there is kept"
        async with connect_network_file(layout.network_file, "newtown", "home002") as gateway:
            contract = gateway.get_network("newtown").get_contract("market")
            assert b"market_time" in await contract.evaluate_transaction("get_parameters", "{}")
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
