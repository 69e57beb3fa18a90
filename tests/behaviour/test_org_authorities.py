# SPDX-License-Identifier: Apache-2.0
"""An organisation's authorities are renewed, then replaced, on channels of real Fabric, while it and another trade."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commonwatt_network.consortium.bundle import own_bundle
from commonwatt_network.consortium.growth import own_peer
from cryptography import x509

from tests.support.corporate import Corporate, authorities_in
from tests.support.fabric import require_backend
from tests.support.organisations import Member, found, members

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH"),
]


@dataclass
class Two:
    newtown: Member
    grid: Member
    corporate: Corporate
    chains: dict[str, Path]

    def trade(self) -> None:
        """Each transaction has the endorsement of both."""
        for member in (self.newtown, self.grid):
            member.trades()

    def agree(self) -> str:
        """Newtown passes on its bundle, and both agree to its orderers; what the last one said."""
        self.newtown.run("org", "export", str(self.newtown.exchange))
        words = ("consortium", "agree", "newtown", "--exchange", str(self.newtown.exchange))
        return [member.run(*words) for member in (self.newtown, self.grid)][-1]

    def certify(self, corporate: Corporate, folder: Path) -> None:
        """Newtown has every certificate issued anew."""
        self.newtown.run("org", "request", "--out", str(folder / "requests"))
        self.newtown.run("org", "certify", str(corporate.sign(folder / "requests", folder / "certificates")))

    def take_up(self) -> None:
        """Both agree to the orderer's certificate; then newtown's nodes start with what was issued."""
        assert "certificate" in self.agree()
        self.newtown.run("org", "stop")
        self.newtown.run("org", "start")
        self.newtown.run("org", "install")
        self.newtown.run("org", "approve", "newtown", "--wait", "120")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Newtown's certificates come from intermediates below a root for each kind; grid has roots of its own."""
    require_backend("native")
    folder = tmp_path_factory.mktemp("authorities")
    corporate = Corporate(folder / "corporate")
    chains = {kind: corporate.put_below(kind, "utilities", "newtown") for kind in ("enrolment", "tls")}
    with members(folder, ("newtown", "grid")) as everyone:
        for member in everyone.values():
            member.describe("localhost")
        newtown, grid = everyone.values()
        newtown.init()
        newtown.run("org", "request", "--out", str(folder / "requests"))
        came = corporate.sign(folder / "requests", folder / "certificates")
        newtown.run("org", "certify", str(came), *words(chains))
        found(everyone, "all")
        yield Two(newtown, grid, corporate, chains)


def words(chains: dict[str, Path]) -> list[str]:
    return ["--authority", str(chains["enrolment"]), "--tls-authority", str(chains["tls"])]


def known(member: Member, mspid: str) -> set[bytes]:
    """All authorities of an organisation as another one's peer has them."""

    async def fetch() -> set[bytes]:
        async with own_peer(member.host) as admin:
            config = await admin.fetch_config("newtown")
        found = set()
        for organizations in (config.application_organizations, config.orderer_organizations):
            each = organizations[mspid]
            found |= {*each.root_certificates, *each.intermediate_certificates}
            found |= {*each.tls_root_certificates, *each.tls_intermediate_certificates}
        return found

    return asyncio.run(fetch())


def test_authorities_are_renewed_and_certificates_of_the_former_ones_go_on(two: Two) -> None:
    newtown, grid = two.newtown, two.grid
    server = newtown.host.peers[0].tls_directory / "server.crt"
    before, leaf = known(grid, "NewtownMSP"), authorities_in(server)[0]
    kept = two.chains["enrolment"].read_bytes()
    late = two.corporate.renew(two.chains["enrolment"], late=True)
    assert "with the beginning that it had" in newtown.run(
        "org", "authorities", "--authority", str(late), code=2
    )
    late.write_bytes(kept)
    for chain in two.chains.values():
        two.corporate.renew(chain)
    said = newtown.run("org", "authorities", *words(two.chains))
    assert "channel newtown knows newtown's authorities" in said
    assert not before & known(grid, "NewtownMSP")
    assert {pem.encode() for pem in own_bundle(newtown.host).authorities} == known(grid, "NewtownMSP")
    # Nothing was issued anew; servers show the intermediates as they are now.
    shown = authorities_in(server)
    assert shown[0] == leaf
    assert shown[1:] == authorities_in(
        newtown.host.layout.organization("newtown") / "tlsca" / "intermediates.pem"
    )
    two.trade()
    assert "nothing to sign" in two.agree()
    assert "lets others read" not in grid.run("org", "status")
    two.certify(two.corporate, newtown.folder / "renewed")
    two.take_up()
    two.trade()
    newtown.run("org", "authorities", *words(two.chains))  # again: all is as it should be
    two.trade()


def test_other_authorities_issue_and_the_former_are_dropped(two: Two, tmp_path: Path) -> None:
    """For identities an intermediate with another key below the same root, for TLS another root."""
    newtown, grid = two.newtown, two.grid
    chains = {
        "enrolment": two.corporate.put_below("enrolment", "second"),
        "tls": two.corporate.put_beside("tls", "second"),
    }
    former = {
        name: (newtown.host.layout.user("newtown", "operator") / name).read_bytes()
        for name in ("certificate.pem", "private_key.pem")
    }
    newtown.run("org", "authorities", *words(chains))
    two.trade()  # with certificates of the former authorities, on both sides of TLS
    assert "its revocation list is" in newtown.run("org", "revoke", "operator", code=2)
    assert "nothing to sign" in two.agree()
    refused = newtown.run("org", "authorities", "--drop-former", code=2)
    assert "has a certificate of" in refused

    two.certify(two.corporate, tmp_path)
    said = newtown.run("org", "authorities", "--drop-former", code=2)
    assert "let the members do `commonwatt consortium agree newtown`" in said
    two.take_up()
    two.trade()
    before = known(grid, "NewtownMSP")
    newtown.run("org", "authorities", "--drop-former")
    two.trade()
    after = known(grid, "NewtownMSP")
    assert after < before
    assert len(after) == 3  # the root and the intermediate for identities, the root for TLS
    assert "nothing to sign" in two.agree()
    assert "lets others read" not in grid.run("org", "status")

    # What a former authority issued counts no longer, at the other organisation's peer or at the own one.
    place = newtown.host.layout.user("newtown", "operator")
    present = {name: (place / name).read_bytes() for name in former}
    for name, content in former.items():
        (place / name).write_bytes(content)
    assert (
        x509.load_pem_x509_certificate(former["certificate.pem"]).issuer.rfc4514_string()
        == "CN=enrolment newtown"
    )
    with pytest.raises(AssertionError, match="newtown"):
        newtown.run("org", "evaluate", "newtown", "get_parameters", json.dumps({}), "--user", "operator")
    for name, content in present.items():
        (place / name).write_bytes(content)
    newtown.run("org", "evaluate", "newtown", "get_parameters", json.dumps({}), "--user", "operator")
