# SPDX-License-Identifier: Apache-2.0
"""Fabric's own certificate authority, run here over TLS, and what this project's client asks of it."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.fabric_ca import Enrollment, FabricCA, FabricCAError
from commonwatt_client.sync import fabric_ca
from cryptography import x509

ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
pytestmark = pytest.mark.skipif(
    shutil.which("fabric-ca-server") is None,
    reason="fabric-ca-server is not on PATH; `make fabric` says where to get it",
)


@dataclass(frozen=True)
class Authority:
    url: str
    tls_ca: bytes

    def client(self) -> FabricCA:
        return FabricCA(self.url, tls_ca=self.tls_ca)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    home = tmp_path_factory.mktemp("ca")
    port = _free_port()
    log = (home / "log").open("wb")
    process = subprocess.Popen(
        ["fabric-ca-server", "start", "-b", "admin:adminpw", "-p", str(port), "--address", "127.0.0.1", "--tls.enabled",
         "--csr.hosts", "localhost,127.0.0.1"],
        env={**os.environ, "FABRIC_CA_SERVER_HOME": str(home)}, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        _wait_until_listening(port, process, home / "log")
        yield Authority(f"https://localhost:{port}", (home / "ca-cert.pem").read_bytes())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        log.close()


def _free_port() -> int:
    for port in range(29_000, 29_100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")


def _wait_until_listening(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _attributes(certificate_pem: bytes) -> dict[str, str]:
    extension = x509.load_pem_x509_certificate(certificate_pem).extensions.get_extension_for_oid(ATTRIBUTES)
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    attributes: dict[str, str] = json.loads(extension.value.value)["attrs"]
    return attributes


def _serial(certificate_pem: bytes) -> int:
    return x509.load_pem_x509_certificate(certificate_pem).serial_number


def test_fabric_ca_without_await(authority: Authority) -> None:
    with fabric_ca.FabricCA(authority.url, tls_ca=authority.tls_ca) as ca:
        registrar = ca.enroll("admin", "adminpw")
        secret = ca.register(registrar, "home017", attributes={"home.id": "home017"})
        assert _attributes(ca.enroll("home017", secret).certificate_pem)["home.id"] == "home017"
        with pytest.raises(fabric_ca.FabricCAError, match="already registered") as refused:
            ca.register(registrar, "home017")
    assert refused.value.code is fabric_ca.FabricCACode.REGISTERED_ALREADY
    assert refused.value.party.startswith(authority.url)


async def test_a_home_is_registered_enrolled_renewed_and_revoked(authority: Authority) -> None:
    async with authority.client() as ca:
        assert (await ca.info()).chain_pem.startswith(b"-----BEGIN CERTIFICATE-----")
        registrar = await ca.enroll("admin", "adminpw")
        secret = await ca.register(registrar, "home007", attributes={"home.id": "home007", "role": "home"})
        home = await ca.enroll("home007", secret)
        subject = x509.load_pem_x509_certificate(home.certificate_pem).subject.rfc4514_string()
        assert "CN=home007" in subject
        assert "OU=client" in subject
        attributes = _attributes(home.certificate_pem)
        assert attributes["home.id"] == "home007"
        assert attributes["role"] == "home"

        renewed = await ca.reenroll(home)
        assert _serial(renewed.certificate_pem) != _serial(home.certificate_pem)
        assert renewed.private_key_pem != home.private_key_pem
        assert _attributes(renewed.certificate_pem)["home.id"] == "home007"
        assert (await ca.reenroll(renewed, keep_key=True)).private_key_pem == renewed.private_key_pem

        assert {"admin", "home007"} <= {identity.name for identity in await ca.identities(registrar)}
        revocation = await ca.revoke(registrar, "home007", reason="keycompromise")
        revoked = x509.load_pem_x509_crl(revocation.crl_pem)
        assert revoked.get_revoked_certificate_by_serial_number(_serial(renewed.certificate_pem)) is not None
        with pytest.raises(FabricCAError) as refused:
            await ca.reenroll(renewed)
        assert refused.value.code == 20


async def test_a_peer_gets_its_role_and_a_tls_certificate_for_its_hosts(authority: Authority) -> None:
    async with authority.client() as ca:
        registrar = await ca.enroll("admin", "adminpw")
        secret = await ca.register(registrar, "peer0", type="peer")
        signing = await ca.enroll("peer0", secret)
        assert "OU=peer" in x509.load_pem_x509_certificate(signing.certificate_pem).subject.rfc4514_string()
        tls = await ca.enroll("peer0", secret, profile="tls", hosts=["peer0.newtown.example", "127.0.0.1"])
        names = x509.load_pem_x509_certificate(tls.certificate_pem).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        assert names.value.get_values_for_type(x509.DNSName) == ["peer0.newtown.example"]
        assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


async def test_chosen_attributes_alone_go_into_a_certificate(authority: Authority) -> None:
    async with authority.client() as ca:
        registrar = await ca.enroll("admin", "adminpw")
        secret = await ca.register(registrar, "home008", attributes={"home.id": "home008", "role": "home"})
        home = await ca.enroll("home008", secret, attributes=["role"])
        assert _attributes(home.certificate_pem) == {"role": "home"}


async def test_a_registered_identity_is_modified(authority: Authority) -> None:
    """Some attributes get another value, some go; who has the identity enrols for what is left."""
    async with authority.client() as ca:
        registrar = await ca.enroll("admin", "adminpw")
        attributes = {"role": "operator", "desk": "7", "home.id": "home011"}
        secret = await ca.register(registrar, "home011", attributes=attributes)
        await ca.modify(registrar, "home011", attributes={"role": "meter", "desk": ""})
        modified = _attributes((await ca.enroll("home011", secret)).certificate_pem)
        assert {key: value for key, value in modified.items() if not key.startswith("hf.")} == {
            "role": "meter",
            "home.id": "home011",
        }
        with pytest.raises(FabricCAError) as unknown:
            await ca.modify(registrar, "nobody", attributes={"role": "meter"})
        assert unknown.value.code == 63


async def test_refusals_say_what_the_authority_said_and_what_to_do(authority: Authority) -> None:
    async with authority.client() as ca:
        with pytest.raises(
            FabricCAError, match="Authentication failure.*check the name and the secret"
        ) as wrong:
            await ca.enroll("admin", "not the password")
        assert (wrong.value.status, wrong.value.code) == (401, 20)
        registrar = await ca.enroll("admin", "adminpw")
        secret = await ca.register(registrar, "home009", secret="first")
        assert secret == "first"
        with pytest.raises(FabricCAError, match="already registered.*register another name"):
            await ca.register(registrar, "home009")
        home = await ca.enroll("home009", secret)
        with pytest.raises(FabricCAError, match="do not allow this") as forbidden:
            await ca.register(home, "home010")
        assert forbidden.value.code == 71
        with pytest.raises(ConfigurationError, match="either an identity"):
            await ca.revoke(registrar)
        with pytest.raises(ConfigurationError, match="keycompromise"):
            await ca.revoke(registrar, "home009", reason="bored")


def test_marked_pem_and_several_event_loops(authority: Authority) -> None:
    """Files as editors write them, in a script that calls `asyncio.run` for each step."""
    mark = b"\xef\xbb\xbf  "
    ca = FabricCA(authority.url, tls_ca=mark + authority.tls_ca)
    registrar = asyncio.run(ca.enroll("admin", "adminpw"))
    marked = Enrollment(
        mark + registrar.certificate_pem, mark + registrar.private_key_pem, registrar.chain_pem
    )
    assert asyncio.run(ca.identities(marked))
    again = asyncio.run(ca.reenroll(marked, keep_key=True))
    assert again.private_key_pem == registrar.private_key_pem
    asyncio.run(ca.close())
    with pytest.raises(ConfigurationError, match="TLS CA certificate"):
        FabricCA(authority.url, tls_ca=b"no certificate")


async def test_an_address_that_is_no_authority_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="in the clear"):
        FabricCA("http://localhost:1")
    async with FabricCA("https://localhost:1") as ca:
        with pytest.raises(FabricCAError, match="cannot reach the Fabric CA"):
            await ca.info()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with (
        server,
        FabricCA(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", plaintext=True) as ca,
    ):
        with pytest.raises(FabricCAError, match="not Fabric CA's"):
            await ca.info()
