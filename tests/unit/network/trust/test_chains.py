# SPDX-License-Identifier: Apache-2.0
"""From the authority that issues to its root, in whatever order the certificates came; and what leads nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from commonwatt_network.trust.certificates import KeyPair, create_authority, issue_tls
from commonwatt_network.trust.chains import ChainError, check_chain, in_order
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def below(issuer: KeyPair, named: str | KeyPair, path_length: int | None = None) -> KeyPair:
    """An intermediate that `issuer` issued, by a name or another authority's."""
    subject = (
        named.certificate.subject
        if isinstance(named, KeyPair)
        else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, named)])
    )
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    return KeyPair(certificate, key, (issuer.certificate, *issuer.above))


ROOT = create_authority("root", "utilities")
UPPER = below(ROOT, "upper")
LOWER = below(UPPER, "lower")


def test_any_order_leads_from_the_issuing_one_to_the_root() -> None:
    chain = (LOWER.certificate, UPPER.certificate, ROOT.certificate)
    for given in permutations(chain):
        assert in_order(given) == chain
    assert in_order([ROOT.certificate]) == (ROOT.certificate,)


def test_what_is_issued_below_shows_all_but_the_root() -> None:
    issued = issue_tls(LOWER, "peer0.newtown", ["peer.newtown.example"], 30)
    shown = x509.load_pem_x509_certificates(issued.chain_pem)
    assert shown == [issued.certificate, LOWER.certificate, UPPER.certificate]
    assert issued.root == ROOT.certificate
    by_the_root = issue_tls(ROOT, "peer0.newtown", ["peer.newtown.example"], 30)
    assert by_the_root.chain_pem == by_the_root.certificate_pem


def test_what_is_no_chain_is_refused() -> None:
    deep = LOWER
    for number in range(3):
        deep = below(deep, f"deep{number}")
    for certificates, says in (
        ([], "are no chain"),
        ([LOWER.certificate, UPPER.certificate], "not among the certificates"),
        ([LOWER.certificate, ROOT.certificate], "are no chain"),
        ([UPPER.certificate, below(ROOT, "other").certificate, ROOT.certificate], "are no chain"),
        ([deep.certificate, *deep.above], "4 intermediates at most"),
        (
            [below(create_authority("root", "utilities"), "forged").certificate, ROOT.certificate],
            "was not issued by",
        ),
    ):
        with pytest.raises(ChainError, match=says):
            in_order(certificates)
    one, other = create_authority("one", "utilities"), create_authority("other", "utilities")
    circle = [below(one, other), below(other, one), below(one, "lowest")]
    with pytest.raises(ChainError, match="in a circle"):
        in_order([each.certificate for each in circle])
    with pytest.raises(ChainError, match="is no root"):
        check_chain([LOWER.certificate, UPPER.certificate])
    leaf = issue_tls(LOWER, "peer0.newtown", [], 30)
    with pytest.raises(ChainError, match="not a certificate authority"):
        in_order([leaf.certificate, *leaf.above])


def test_an_authority_that_allows_none_below_it_has_none() -> None:
    narrow = below(ROOT, "narrow", path_length=0)
    assert in_order([narrow.certificate, ROOT.certificate])
    under = below(narrow, "under")
    with pytest.raises(ChainError, match="allows 0 authorities below it; there are 1"):
        in_order([under.certificate, *under.above])
