# SPDX-License-Identifier: Apache-2.0
"""Authorities that issue for an organisation besides the kit's own: their certificates, kept in `trusted.pem`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout, write_atomically


def read_further(layout: Layout, organization: str) -> list[x509.Certificate]:
    """The certificates, none where the kit's own authority issues alone. Raises UsageError for a damaged file."""
    path = layout.organization(organization) / "trusted.pem"
    if not path.exists():
        return []
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} cannot be read ({error}); put it back from a backup") from error


def keep_further(layout: Layout, organization: str, certificates: Iterable[x509.Certificate]) -> None:
    """Keep these in the place of those that were kept."""
    path = layout.organization(organization) / "trusted.pem"
    write_atomically(path, b"".join(map(pem_of, certificates)))


def roots_and_intermediates(
    certificates: Sequence[x509.Certificate],
) -> tuple[list[bytes], list[bytes]]:
    """As an MSP has them, PEM: those that issued themselves, and those that another one issued."""
    roots = [pem_of(each) for each in certificates if each.issuer == each.subject]
    return roots, [pem_of(each) for each in certificates if each.issuer != each.subject]


def pem_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
