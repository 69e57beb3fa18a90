# SPDX-License-Identifier: Apache-2.0
"""An organisation of a consortium whose authorities are real Fabric CA servers, for identities and for TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from commonwatt_network.consortium.renewal import holders
from commonwatt_network.programs.ports import is_free
from commonwatt_network.trust.certificates import days_left
from commonwatt_network.trust.identity import ensure_organization
from cryptography import x509

from tests.support.fabric import require_backend
from tests.support.organisations import Member, found, members

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("fabric-ca-server") is None, reason="fabric-ca-server is not on PATH"),
]
SECRET = "a secret of the registrar's"


@contextmanager
def server(home: Path, name: str, port: int) -> Iterator[str]:
    """A Fabric CA server with an authority of its own; its address. Its TLS certificate comes from that one too."""
    home.mkdir()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("fabric-ca-server", "start", "--boot", f"registrar:{SECRET}", "--port", str(port)),
                *("--address", "127.0.0.1", "--tls.enabled", "--csr.hosts", "localhost", "--csr.cn", name),
            ],
            env={
                **os.environ,
                "FABRIC_CA_SERVER_HOME": str(home),
                "FABRIC_CA_SERVER_OPERATIONS_LISTENADDRESS": "127.0.0.1:0",
            },
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 30
            while is_free(port):
                assert process.poll() is None, (home / "log").read_text()
                assert time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.1)
            yield f"https://localhost:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def enrol(member: Member, servers: dict[str, str], homes: Path, *more: str) -> Path:
    """As the page says, for both kinds; the folder of what came."""
    secret = member.folder / "secret"
    secret.write_text(f"{SECRET}\n")
    out = member.folder / "certificates"
    for kind, url in servers.items():
        trust = str(homes / kind / "ca-cert.pem")
        member.run(
            *(
                "org",
                "enrol",
                kind,
                url,
                "--out",
                str(out),
                "--secret-file",
                str(secret),
                "--trust",
                trust,
                *more,
            )
        )
    return out


def test_an_organisation_of_fabric_ca_trades_and_renews(tmp_path: Path) -> None:
    require_backend("native")
    with ExitStack() as stack:
        everyone = stack.enter_context(members(tmp_path, ("newtown", "grid")))
        newtown = everyone["newtown"]
        servers = {
            kind: stack.enter_context(
                server(tmp_path / kind, f"{kind} newtown", newtown.port("peer", number))
            )
            for number, kind in ((1, "enrolment"), (2, "tls"))
        }
        for member in everyone.values():
            member.describe("localhost")
        newtown.description["users"]["house12"] = {"role": "home", "attributes": {"home.id": "k3vq7m2xwa"}}
        newtown.init()
        authorities = ("--authority", "enrolment", "--tls-authority", "tls")
        came = enrol(newtown, servers, tmp_path)
        files = [
            word if word.startswith("--") else str(tmp_path / word / "ca-cert.pem") for word in authorities
        ]
        newtown.run("org", "certify", str(came), *files)
        found(everyone, "all")
        newtown.submit("register_home", {"home": "k3vq7m2xwa", "home_class": "consumer"})
        # A home is heard by the attributes that the server put into its certificate.
        asked = newtown.run(
            "org", "evaluate", "newtown", "get_home", '{"home": "k3vq7m2xwa"}', "--user", "house12"
        )
        assert "k3vq7m2xwa" in asked
        for member in everyone.values():
            member.trades()

        own = ensure_organization(newtown.host.layout, "newtown")
        assert all(days_left(each) >= 3_652 for each in (own.enrolment.certificate, own.tls.certificate))
        lasts = {holder.name: holder.days_left for holder in holders(newtown.host)}
        assert all(days in (364, 365) for days in lasts.values()), lasts
        assert {*lasts} >= {"orderer0.newtown", "peer0.newtown", "chaincode.newtown", "admin", "house12"}

        before = serial(newtown)
        shutil.rmtree(came)
        enrol(newtown, servers, tmp_path, "--before-days", "30")
        assert not list(came.rglob("*.pem"))  # nothing expires soon
        enrol(newtown, servers, tmp_path)  # known to the server, each issued anew
        newtown.run("org", "certify", str(came))
        assert serial(newtown) != before
        newtown.run("org", "export", str(newtown.exchange))
        words = ("consortium", "agree", "newtown", "--exchange", str(newtown.exchange))
        assert "certificate" in [member.run(*words) for member in everyone.values()][-1]
        newtown.run("org", "stop")
        newtown.run("org", "start")
        newtown.run("org", "install")
        newtown.run("org", "approve", "newtown", "--wait", "120")
        for member in everyone.values():
            member.trades()


def serial(member: Member) -> int:
    content = (member.host.peers[0].tls_directory / "server.crt").read_bytes()
    return x509.load_pem_x509_certificate(content).serial_number
