# SPDX-License-Identifier: Apache-2.0
"""An organisation's authorities renewed or replaced: what is refused before any channel is asked, and its bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commonwatt_network.consortium.authorities import drop_former, renew_authorities
from commonwatt_network.consortium.bundle import own_bundle, parse_bundle
from commonwatt_network.consortium.certification import take_in, write_requests
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.rendering import containers_of
from commonwatt_network.consortium.review import find_differences, review_block
from commonwatt_network.embedded.trust.msp_directory import read_msp_directory
from commonwatt_network.errors import UsageError
from commonwatt_network.trust.chains import keep_chain
from commonwatt_network.trust.further import ENROLMENT, TLS, keep_further
from commonwatt_network.trust.identity import ensure_organization

from tests.support.corporate import Corporate, authorities_in

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH")


def quiet(_: str) -> None:
    """Nobody reads it."""


def described(folder: Path) -> OwnHost:
    description = OrganizationDescription.model_validate(
        {
            "name": "newtown",
            "orderers": [{"host": "orderer.newtown.example"}],
            "peers": [{"host": "peer.newtown.example"}],
            "users": {"operator": {"role": "operator"}},
        }
    )
    return init_host(description, folder)


@pytest.fixture
def corporate(tmp_path: Path) -> Corporate:
    return Corporate(tmp_path / "corporate")


@pytest.fixture
def host(tmp_path: Path, corporate: Corporate) -> OwnHost:
    """Its certificates come from intermediates below a root for each kind."""
    host = described(tmp_path / "newtown")
    chains = [corporate.put_below(kind, "newtown") for kind in ("enrolment", "tls")]
    write_requests(host, tmp_path / "out")
    take_in(host, corporate.sign(tmp_path / "out", tmp_path / "in"), *chains)
    return host


async def test_authorities_that_would_lock_members_out_are_refused(
    host: OwnHost, corporate: Corporate, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="name the authority"):
        await renew_authorities(host, None, None, quiet)
    chain = corporate.folder / "enrolment-chain.pem"
    kept = chain.read_bytes()
    with pytest.raises(UsageError, match="with the beginning that it had"):
        await renew_authorities(host, corporate.renew(chain, late=True), None, quiet)
    chain.write_bytes(kept)
    tls = corporate.folder / "tls-chain.pem"
    with pytest.raises(UsageError, match="have one key"):
        await renew_authorities(host, tls, None, quiet)


async def test_none_may_be_below_an_authority_that_issued_to_members(
    tmp_path: Path, corporate: Corporate
) -> None:
    host = described(tmp_path / "glebe")
    write_requests(host, tmp_path / "out")
    roots = (corporate.folder / "enrolment.pem", corporate.folder / "tls.pem")
    take_in(host, corporate.sign(tmp_path / "out", tmp_path / "in"), *roots)
    with pytest.raises(UsageError, match="below a root of its own"):
        await renew_authorities(host, corporate.put_below("enrolment", "village"), None, quiet)


async def test_an_authority_whose_certificates_are_in_use_is_not_dropped(
    host: OwnHost, corporate: Corporate
) -> None:
    others_follow(host, corporate)
    with pytest.raises(UsageError, match="has a certificate of CN=enrolment newtown still"):
        await drop_former(host, quiet)


def test_the_bundle_and_the_nodes_know_the_former_authorities(host: OwnHost, corporate: Corporate) -> None:
    before = own_bundle(host)
    others_follow(host, corporate)
    bundle = parse_bundle(own_bundle(host).to_json().encode(), "newtown.json")
    assert {*before.authorities} < {*bundle.authorities}
    assert bundle.fingerprint != before.fingerprint
    # Certificates of the former authorities are as good as they were, and a channel says of both what the host says.
    review = review_block(consortium_block("newtown", [bundle]))
    assert review.mistakes == ()
    assert find_differences(review.config, bundle) == ()
    assert find_differences(review.config, before)
    for node in host.fabric_nodes:
        assert read_msp_directory(node.directory / "msp", "NewtownMSP")
        assert len(authorities_in(node.tls_directory / "ca.crt")) == 2
    for container in containers_of(host)[: len(host.fabric_nodes)]:
        rendered = {
            "msp/cacerts/trusted1.pem",
            "msp/tlscacerts/trusted1.pem",
            "msp/intermediatecerts/trusted1.pem",
        }
        assert rendered <= container.files.keys()


def others_follow(host: OwnHost, corporate: Corporate) -> None:
    """Other roots issue from now on, and the former authorities count still."""
    own = ensure_organization(host.layout, host.name)
    for kind, pair, name in ((ENROLMENT, own.enrolment, "enrolment"), (TLS, own.tls, "tls")):
        keep_further(host.layout, host.name, [pair.certificate, *pair.above], kind)
        keep_chain(
            host.layout.organization(host.name) / kind, authorities_in(corporate.put_beside(name, "second"))
        )
    init_host(host.description, host.layout.directory)
