# SPDX-License-Identifier: Apache-2.0
"""An organisation's revocation list, kept beside the key of the authority that signs it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.trust.certificates import issue_revocations
from commonwatt_network.trust.identity import ensure_organization
from commonwatt_network.trust.issued import read_record


def serials_of(layout: Layout, organization: str, user: str) -> set[int]:
    """Of every certificate that was issued to the user."""
    folder = layout.user(organization, user)
    kept = (folder / "certificate.pem", folder / "msp" / "signcerts" / "cert.pem")
    found = {certificate.serial_number for path in kept for certificate in certificates_in(path)}
    return found | {*read_record(layout, organization).serials.get(user, ())}


def certificates_in(path: Path) -> list[x509.Certificate]:
    """The certificate in a file, as a list; an empty one where the file is missing."""
    return [x509.load_pem_x509_certificate(path.read_bytes())] if path.exists() else []


def add_to_list(layout: Layout, organization: str, serials: Iterable[int], listed: bytes = b"") -> bytes:
    """The authority's list (PEM) with `serials`, and with what another list of it (PEM) has; kept from now on."""
    path = layout.organization(organization) / "ca" / "crl.pem"
    lists = [path.read_bytes()] if path.exists() else []
    former = [entry for pem in (*lists, listed) if pem for entry in x509.load_pem_x509_crl(pem)]
    crl = issue_revocations(ensure_organization(layout, organization).enrolment, former, serials)
    write_atomically(path, crl)
    return crl
