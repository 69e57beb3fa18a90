# SPDX-License-Identifier: Apache-2.0
"""An authority that is elsewhere, here OpenSSL's: requests out, certificates in, and what is not what was asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commonwatt_network.consortium.bundle import BundleError, own_bundle, parse_bundle
from commonwatt_network.consortium.certification import CertificationError, take_in, write_requests
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import OwnHost, init_host, open_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.rendering import containers_of
from commonwatt_network.consortium.renewal import holders, renew
from commonwatt_network.consortium.review import find_differences, review_block
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.orderer.consenters import validate_consenters
from commonwatt_network.embedded.trust.msp_directory import read_msp_directory
from commonwatt_network.trust.further import pem_of
from commonwatt_network.trust.identity import AwayPair, IdentityError, ensure_organization
from cryptography import x509
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2

from tests.support.corporate import Corporate, authorities_in

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH")


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


def test_an_organisation_below_intermediates(host: OwnHost, corporate: Corporate, tmp_path: Path) -> None:
    enrolment = corporate.put_below("enrolment", "utilities", "newtown")
    tls = corporate.put_below("tls", "servers")
    write_requests(host, tmp_path / "out")
    take_in(host, corporate.sign(tmp_path / "out", tmp_path / "in"), enrolment, tls)
    folder, orderer = host.layout.organization("newtown"), host.orderers[0]
    names = lambda found: [each.subject.rfc4514_string() for each in found]  # noqa: E731
    # Others trust the root; servers show what lies between.
    assert names(authorities_in(host.layout.tls_ca_certificate("newtown"))) == ["CN=tls root"]
    assert names(authorities_in(orderer.tls_directory / "server.crt"))[1:] == ["CN=tls servers"]
    assert names(authorities_in(orderer.tls_directory / "ca.crt")) == ["CN=tls root"]
    assert len(authorities_in(orderer.directory / "msp" / "signcerts" / "cert.pem")) == 1
    for place in (folder / "msp", orderer.directory / "msp"):
        between = [names(authorities_in(path)) for path in sorted((place / "intermediatecerts").iterdir())]
        assert between == [["CN=enrolment newtown"], ["CN=enrolment utilities"]]
        assert len(list((place / "tlsintermediatecerts").iterdir())) == 1
    msp = read_msp_directory(orderer.directory / "msp", "NewtownMSP")
    assert (len(msp.intermediate_certs), len(msp.tls_intermediate_certs)) == (2, 1)

    own = own_bundle(host)
    bundle = parse_bundle(own.to_json().encode(), "newtown.json")
    assert bundle == own
    review = review_block(consortium_block("newtown", [bundle]))
    assert review.mistakes == ()
    assert find_differences(review.config, own) == ()
    [member] = review.config.application_organizations.values()
    assert (len(member.intermediate_certificates), len(member.tls_intermediate_certificates)) == (2, 1)
    plain = own.model_copy(update={"tls_intermediates": []})
    [difference] = find_differences(review.config, plain)
    assert "other authorities in it are foreign" in difference
    # The embedded network's view of the channel: the orderer's certificate for TLS counts, and the peer's identity.
    block = common_pb2.Block.FromString(consortium_block("newtown", [bundle]))
    config = ChannelConfig.from_block(block)
    validate_consenters(config)
    certificate = (host.peers[0].directory / "msp" / "signcerts" / "cert.pem").read_bytes()
    creator = identities_pb2.SerializedIdentity(mspid="NewtownMSP", id_bytes=certificate)
    config.registry.deserialize(creator.SerializeToString()).validate()

    # Renewed by the same intermediate: only the certificates change.
    write_requests(host, tmp_path / "again", before_days=400)
    take_in(host, corporate.sign(tmp_path / "again", tmp_path / "renewed"))
    assert names(authorities_in(orderer.tls_directory / "server.crt"))[1:] == ["CN=tls servers"]
    after = own_bundle(host)
    assert after.tls_intermediates == own.tls_intermediates
    assert after.orderers != own.orderers
    # Containers get the whole chain.
    files = containers_of(open_host(host.layout.directory))[0].files
    assert {"msp/intermediatecerts/issuing1.pem", "msp/tlsintermediatecerts/issuing0.pem"} <= files.keys()


def test_an_intermediate_whose_key_is_here_issues(
    host: OwnHost, corporate: Corporate, tmp_path: Path
) -> None:
    chains = [corporate.put_below(kind, "newtown") for kind in ("enrolment", "tls")]
    write_requests(host, tmp_path / "out")
    take_in(host, corporate.sign(tmp_path / "out", tmp_path / "in"), *chains)
    folder = host.layout.organization("newtown")
    for kind, place in (("enrolment", "ca"), ("tls", "tlsca")):
        shutil.copy(corporate.folder / f"{kind}-newtown.key", folder / place / "ca.key")
    shutil.rmtree(host.orderers[0].tls_directory)
    init_host(host.description.model_copy(update={"homes": 2}), host.layout.directory)
    home = host.layout.user("newtown", "home002") / "certificate.pem"
    assert authorities_in(home)[0].issuer.rfc4514_string() == "CN=enrolment newtown"
    leaf, above = authorities_in(host.orderers[0].tls_directory / "server.crt")
    leaf.verify_directly_issued_by(above)
    assert above.subject.rfc4514_string() == "CN=tls newtown"
    shutil.copy(corporate.folder / "tls.key", folder / "tlsca" / "ca.key")
    with pytest.raises(IdentityError, match="is not the key of"):
        ensure_organization(host.layout, "newtown")


def test_chains_that_break_off_are_refused(host: OwnHost, corporate: Corporate, tmp_path: Path) -> None:
    enrolment = corporate.put_below("enrolment", "utilities", "newtown")
    tls = corporate.put_below("tls", "servers")
    write_requests(host, tmp_path / "out")
    came = corporate.sign(tmp_path / "out", tmp_path / "in")
    issuing = corporate.folder / "enrolment-newtown.pem"
    with pytest.raises(CertificationError, match="not among the certificates; add it, up to the root"):
        take_in(host, came, issuing, tls)
    root, utilities, newtown = authorities_in(enrolment)
    (tmp_path / "two.pem").write_bytes(pem_of(newtown) + pem_of(root))
    with pytest.raises(CertificationError, match="are no chain|not among"):
        take_in(host, came, tmp_path / "two.pem", tls)
    (tmp_path / "mixed.pem").write_bytes(enrolment.read_bytes() + tls.read_bytes())
    with pytest.raises(CertificationError, match="are no chain"):
        take_in(host, came, tmp_path / "mixed.pem", tls)
    # The root itself issues nothing for members: their certificates are the intermediate's.
    with pytest.raises(
        CertificationError, match="was issued by CN=enrolment newtown, not by CN=enrolment root"
    ):
        take_in(host, came, corporate.folder / "enrolment.pem", tls)
    (tmp_path / "large.pem").write_bytes(enrolment.read_bytes() * 100)
    with pytest.raises(CertificationError, match="no chain of authorities"):
        take_in(host, came, tmp_path / "large.pem", tls)
    assert not list(host.layout.directory.rglob("intermediates.pem"))
    take_in(host, came, enrolment, tls)
    own = own_bundle(host)
    swapped = own.model_copy(update={"enrolment_intermediates": own.enrolment_intermediates[::-1]})
    with pytest.raises(BundleError, match="its enrolment authority: .* was not issued by"):
        parse_bundle(swapped.to_json().encode(), "newtown.json")
    assert utilities.subject != root.subject


async def test_renewal_by_an_authority_whose_key_was_taken_away(host: OwnHost, tmp_path: Path) -> None:
    away = tmp_path / "corporate"
    away.mkdir()
    for kind, place in (("enrolment", "ca"), ("tls", "tlsca")):
        folder = host.layout.organization("newtown") / place
        shutil.move(folder / "ca.key", away / f"{kind}.key")
        shutil.copy(folder / "ca.crt", away / f"{kind}.pem")
    offline = Corporate.__new__(Corporate)
    offline.folder, offline.issuers = away, {}
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
    with pytest.raises(CertificationError, match="not among the certificates; add it, up to the root"):
        take_in(host, good, leaf, roots[1])
    host.layout.blocks.mkdir(exist_ok=True)
    (host.layout.blocks / "newtown.block").touch()
    with pytest.raises(CertificationError, match="tell them of others first"):
        take_in(host, good, *roots)
