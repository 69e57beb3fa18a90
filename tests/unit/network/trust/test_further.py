# SPDX-License-Identifier: Apache-2.0
"""Authorities besides the kit's own, and the name that an MSP gives to a path of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_audit import members
from commonwatt_network.embedded.trust.certificates import HALF_ORDER, chain_identifier, der, with_low_s
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.trust.certificates import KeyPair, create_authority
from commonwatt_network.trust.further import keep_further, read_further, roots_and_intermediates
from commonwatt_network.trust.identity import ensure_organization
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def with_high_s() -> KeyPair:
    """Every second authority is such a one."""
    while True:
        pair = create_authority("ca.newtown", "newtown")
        if decode_dss_signature(pair.certificate.signature)[1] > HALF_ORDER["secp256r1"]:
            return pair


def test_a_path_has_one_name_whichever_of_its_signatures_is_shown() -> None:
    """Fabric lowers the S of each certificate before it hashes the path."""
    high = with_high_s().certificate
    low = x509.load_der_x509_certificate(with_low_s(high, high))
    assert der(low) != der(high)
    assert chain_identifier((high,)) == chain_identifier((low,))
    assert members._path_identifier((high,)) == chain_identifier((low,))
    assert members._path_identifier((low,)) == chain_identifier((low,))


def test_none_is_kept_at_first_and_those_that_are_come_into_msp_folders(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ensure_organization(layout, "newtown")
    assert read_further(layout, "newtown") == []
    more = create_authority("ca.second", "newtown")
    keep_further(layout, "newtown", [more.certificate])
    assert read_further(layout, "newtown") == [more.certificate]
    ensure_organization(layout, "newtown")
    names = sorted(path.name for path in (layout.msp("newtown") / "cacerts").iterdir())
    assert names == ["ca.pem", "trusted1.pem"]
    assert roots_and_intermediates([more.certificate]) == ([more.certificate_pem], [])


def test_a_damaged_file_of_authorities_is_no_empty_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    keep_further(layout, "newtown", [create_authority("ca.second", "newtown").certificate])
    path = layout.organization("newtown") / "trusted.pem"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError, match="put it back from a backup"):
        read_further(layout, "newtown")
