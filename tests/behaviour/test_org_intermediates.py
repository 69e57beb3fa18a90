# SPDX-License-Identifier: Apache-2.0
"""An organisation whose certificates come from intermediates below corporate roots trades with one of its own roots."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from commonwatt_network.model.addresses import split_address
from cryptography import x509

from tests.support.corporate import Corporate, authorities_in
from tests.support.fabric import require_backend
from tests.support.organisations import Member, found, members

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH"),
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Member], Corporate]]:
    """Newtown orders too, so that the grid's orderer and peers verify its servers and its clients."""
    require_backend("native")
    folder = tmp_path_factory.mktemp("intermediates")
    corporate = Corporate(folder / "corporate")
    chains = {kind: corporate.put_below(kind, "utilities", "newtown") for kind in ("enrolment", "tls")}
    with members(folder, ("newtown", "grid")) as everyone:
        for member in everyone.values():
            member.describe("localhost")
        newtown = everyone["newtown"]
        newtown.init()
        certified(newtown, corporate, folder / "first", *chains.values())
        found(everyone, "all")
        yield everyone, corporate


def certified(member: Member, corporate: Corporate, folder: Path, *chains: Path) -> None:
    """Requests out, certificates in."""
    member.run("org", "request", "--out", str(folder / "requests"))
    came = corporate.sign(folder / "requests", folder / "certificates")
    words = zip(("--authority", "--tls-authority"), map(str, chains), strict=False)
    member.run("org", "certify", str(came), *(word for pair in words for word in pair))


def shown(address: str, root: Path) -> str:
    """The name of the server that answers at `address`, by one who trusts the root alone and is told the rest."""
    context = ssl.create_default_context(cafile=str(root))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection(split_address(address), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    return certificate.issuer.rfc4514_string()


def test_both_trade_and_servers_show_their_chains(both: tuple[dict[str, Member], Corporate]) -> None:
    everyone, corporate = both
    for member in everyone.values():
        member.trades()
    host = everyone["newtown"].host
    for node in host.fabric_nodes:
        assert shown(node.address, corporate.folder / "tls.pem") == "CN=tls newtown"
    assert "newtown" in everyone["grid"].run("org", "status")


def test_certificates_of_the_same_intermediate_take_their_place(
    both: tuple[dict[str, Member], Corporate], tmp_path: Path
) -> None:
    everyone, corporate = both
    newtown = everyone["newtown"]
    certificate = newtown.host.peers[0].tls_directory / "server.crt"
    before = authorities_in(certificate)
    certified(newtown, corporate, tmp_path)
    after = authorities_in(certificate)
    assert (before[0], before[1:]) != (after[0], after[1:])
    assert before[1:] == after[1:]
    newtown.run("org", "stop")
    newtown.run("org", "start")
    newtown.run("org", "install")
    newtown.run("org", "approve", "newtown", "--wait", "120")
    for member in everyone.values():
        member.trades()


def test_a_home_below_an_intermediate_is_locked_out(both: tuple[dict[str, Member], Corporate]) -> None:
    everyone, corporate = both
    newtown = everyone["newtown"]
    said = newtown.run("org", "revoke", "operator", code=2)
    assert "is not here, so nothing can be issued" in said
    key = newtown.host.layout.organization("newtown") / "ca" / "ca.key"
    shutil.copy(corporate.folder / "enrolment-newtown.key", key)
    newtown.run("org", "revoke", "operator")
    with pytest.raises(AssertionError, match="newtown"):
        newtown.run("org", "evaluate", "newtown", "get_parameters", "{}", "--user", "operator")
    everyone["grid"].trades()
