# SPDX-License-Identifier: Apache-2.0
"""Authorities that issue for an organisation besides the one that issues for it here: their certificates.

Those for identities are kept in `trusted.pem`, those for TLS in `trusted-tls.pem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.trust.certificates import key_bytes

ENROLMENT, TLS = "ca", "tlsca"  # the folder of the authority that issues
FILES = {ENROLMENT: "trusted.pem", TLS: "trusted-tls.pem"}


def read_further(layout: Layout, organization: str, kind: str = ENROLMENT) -> list[x509.Certificate]:
    """The certificates, none where the kit's own authority issues alone. Raises UsageError for a damaged file."""
    path = layout.organization(organization) / FILES[kind]
    if not path.exists():
        return []
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} cannot be read ({error}); put it back from a backup") from error


def keep_further(
    layout: Layout, organization: str, certificates: Iterable[x509.Certificate], kind: str = ENROLMENT
) -> None:
    """Keep these in the place of those that were kept."""
    path = layout.organization(organization) / FILES[kind]
    kept = b"".join(map(pem_of, certificates))
    if kept:
        write_atomically(path, kept)
    else:
        path.unlink(missing_ok=True)


def roots_and_intermediates(
    certificates: Sequence[x509.Certificate],
) -> tuple[list[bytes], list[bytes]]:
    """As an MSP has them, PEM: those that issued themselves, and those that another one issued."""
    roots = [pem_of(each) for each in certificates if each.issuer == each.subject]
    return roots, [pem_of(each) for each in certificates if each.issuer != each.subject]


def pem_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def merged(before: Sequence[x509.Certificate], given: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Those before, the renewed ones in their places, then the new ones."""
    renewed = {key_bytes(each): each for each in given}
    kept = [renewed.pop(key_bytes(each), each) for each in before]
    return [*kept, *renewed.values()]


def refuse_below_issuing(before: Sequence[x509.Certificate], after: Sequence[x509.Certificate]) -> None:
    """A node refuses members of an authority that another one is below: those that exist would be locked out."""
    above = {each.issuer for each in before if each.issuer != each.subject}
    for each in after:
        for issuing in before:
            below = each.issuer == issuing.subject and each.subject != issuing.subject
            if below and issuing.subject not in above and key_bytes(each) not in map(key_bytes, before):
                raise UsageError(
                    f"{each.subject.rfc4514_string()} is below {issuing.subject.rfc4514_string()}, which issued "
                    "certificates that Fabric would refuse from then on; put it below a root of its own"
                )


def refuse_later(before: Sequence[x509.Certificate], after: Sequence[x509.Certificate]) -> None:
    """A node looks at authorities as they were when a member's certificate began, whatever the time is now."""
    begins = {key_bytes(each): each.not_valid_before_utc for each in before}
    for each in after:
        former = begins.get(key_bytes(each), each.not_valid_before_utc)
        if each.not_valid_before_utc > former:
            raise UsageError(
                f"{each.subject.rfc4514_string()} is valid from {each.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC on, "
                f"and was before from {former:%Y-%m-%d %H:%M:%S} on: Fabric would refuse every certificate that began "
                "between the two. Renew it with the beginning that it had, or take an authority with another key"
            )
