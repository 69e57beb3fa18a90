# SPDX-License-Identifier: Apache-2.0
"""An authority that is elsewhere, here OpenSSL's: requests out, certificates in, and what is not what was asked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from commonwatt_network.consortium.bundle import own_bundle, parse_bundle
from commonwatt_network.consortium.certification import CertificationError, take_in, write_requests
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import OwnHost, init_host, open_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.renewal import holders, renew
from commonwatt_network.consortium.review import find_differences, review_block
from commonwatt_network.embedded.trust.msp_directory import read_msp_directory
from commonwatt_network.trust.identity import AwayPair, IdentityError, ensure_organization
from cryptography import x509

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH")


class Corporate:
    """Two root authorities on another machine, run with OpenSSL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for kind in ("enrolment", "tls"):
            self._openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *(
                    "-keyout",
                    f"{kind}.key",
                    "-out",
                    f"{kind}.pem",
                    "-days",
                    "3650",
                    "-subj",
                    f"/CN={kind} root",
                ),
            )

    def sign(self, requests: Path, output: Path, *, copy: str = "copyall", by: str | None = None) -> Path:
        extensions = self.folder / "extensions"
        extensions.write_text("authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        for request in requests.rglob("*.csr"):
            kind = request.parent.name
            made = output / kind / f"{request.stem}.pem"
            made.parent.mkdir(parents=True, exist_ok=True)
            issuer = by or kind
            self._openssl(
                *("x509", "-req", "-in", str(request), "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"),
                *("-out", str(made), "-days", "365", "-copy_extensions", copy, "-extfile", str(extensions)),
            )
        return output

    def _openssl(self, *words: str) -> None:
        done = subprocess.run(
            ["openssl", *words], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def host(tmp_path: Path) -> OwnHost:
    description = OrganizationDescription.model_validate(
        {
            "name": "newtown",
            "orderers": [{"host": "orderer.newtown.example"}],
            "peers": [{"host": "peer.newtown.example"}],
            "users": {"operator": {"role": "operator"}},
            "homes": 1,
        }
    )
    return init_host(description, tmp_path / "newtown")


@pytest.fixture
def corporate(tmp_path: Path) -> Corporate:
    return Corporate(tmp_path / "corporate")


def test_an_organisation_of_corporate_authorities(
    host: OwnHost, corporate: Corporate, tmp_path: Path
) -> None:
    requests = write_requests(host, tmp_path / "out")
    assert not any(b"PRIVATE" in path.read_bytes() for path in requests)
    keys = {
        pair.key: pair.key.read_bytes() for each in holders(host) for pair in (*each.enrolment, *each.tls)
    }
    came = corporate.sign(tmp_path / "out", tmp_path / "in")
    names = take_in(host, came, corporate.folder / "enrolment.pem", corporate.folder / "tls.pem")
    assert {"orderer0.newtown", "peer0.newtown", "admin", "operator", "home001"} <= {*names}
    after = open_host(host.layout.directory)
    assert keys == {path: path.read_bytes() for path in keys}
    assert not list(host.layout.directory.rglob("ca.key"))
    # The others take the bundle, and the block says of the organisation what its host says.
    bundle = parse_bundle(own_bundle(after).to_json().encode(), "newtown.json")
    review = review_block(consortium_block("newtown", [bundle]))
    assert review.mistakes == ()
    assert find_differences(review.config, own_bundle(after)) == ()
    assert read_msp_directory(host.peers[0].directory / "msp", "NewtownMSP")
    # Starting again makes nothing new; what would have to be issued here says where to go.
    init_host(host.description, host.layout.directory)
    assert isinstance(ensure_organization(host.layout, "newtown").enrolment, AwayPair)
    more = host.description.model_copy(update={"homes": 2})
    with pytest.raises(IdentityError, match="commonwatt org request"):
        init_host(more, host.layout.directory)


async def test_renewal_by_an_authority_whose_key_was_taken_away(host: OwnHost, tmp_path: Path) -> None:
    away = tmp_path / "corporate"
    away.mkdir()
    for kind, place in (("enrolment", "ca"), ("tls", "tlsca")):
        folder = host.layout.organization("newtown") / place
        shutil.move(folder / "ca.key", away / f"{kind}.key")
        shutil.copy(folder / "ca.crt", away / f"{kind}.pem")
    offline = Corporate.__new__(Corporate)
    offline.folder = away
    with pytest.raises(IdentityError, match="is not here"):
        await renew(host, print, before_days=365)
    assert write_requests(host, tmp_path / "none", before_days=30) == []
    write_requests(host, tmp_path / "out", before_days=365)
    before = own_bundle(host)
    take_in(host, offline.sign(tmp_path / "out", tmp_path / "in"))
    after = own_bundle(host)
    assert after.orderers != before.orderers
    assert after.enrolment_authority == before.enrolment_authority


def test_what_was_not_asked_for_is_refused_and_nothing_replaced(
    host: OwnHost, corporate: Corporate, tmp_path: Path
) -> None:
    write_requests(host, tmp_path / "out")
    roots = (corporate.folder / "enrolment.pem", corporate.folder / "tls.pem")
    kept = {path: path.read_bytes() for path in host.layout.directory.rglob("*") if path.is_file()}
    bare = corporate.sign(tmp_path / "out", tmp_path / "bare", copy="none")
    good = corporate.sign(tmp_path / "out", tmp_path / "good")
    crossed = corporate.sign(tmp_path / "out", tmp_path / "crossed", by="tls")
    with pytest.raises(CertificationError, match="-copy_extensions copyall"):
        take_in(host, bare, *roots)
    with pytest.raises(CertificationError, match="not by CN=enrolment root"):
        take_in(host, crossed, *roots)
    with pytest.raises(CertificationError, match="was issued by CN=enrolment root"):
        take_in(host, good)  # the organisation's own authorities are others
    with pytest.raises(CertificationError, match="both authorities"):
        take_in(host, good, roots[0])
    with pytest.raises(CertificationError, match="one key"):
        take_in(host, good, roots[0], roots[0])
    swapped = tmp_path / "good" / "enrolment"
    shutil.copy(swapped / "operator.pem", swapped / "admin.pem")
    with pytest.raises(CertificationError, match=r"admin\.pem is for another key"):
        take_in(host, good, *roots)
    (swapped / "admin.pem").unlink()
    with pytest.raises(CertificationError, match="is missing"):
        take_in(host, good, *roots)
    (swapped / "admin.pem").write_text("hello")
    with pytest.raises(CertificationError, match="no certificate in PEM"):
        take_in(host, good, *roots)
    with pytest.raises(CertificationError, match="holds no certificate"):
        take_in(host, tmp_path / "absent")
    assert kept == {path: path.read_bytes() for path in kept}
    leaf = host.peers[0].directory / "msp" / "signcerts" / "cert.pem"
    assert x509.load_pem_x509_certificate(leaf.read_bytes())
    with pytest.raises(CertificationError, match="root authority|certificate authority's"):
        take_in(host, good, leaf, roots[1])
    host.layout.blocks.mkdir(exist_ok=True)
    (host.layout.blocks / "newtown.block").touch()
    with pytest.raises(CertificationError, match="on no channel"):
        take_in(host, good, *roots)
