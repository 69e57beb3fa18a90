# SPDX-License-Identifier: Apache-2.0
"""Authorities below a root, as they lie in an authority's folder: `ca.crt` is the root, which the others trust.

Where an intermediate issues, `intermediates.pem` holds it and all that lie between it and the root, the issuing one
first. `ca.key` is the key of the one that issues.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.trust.further import pem_of

INTERMEDIATES = "intermediates.pem"
LONGEST = 4  # intermediates below a root


class ChainError(UsageError):
    """Certificates do not lead from an issuing authority to its root; the message says where they break off."""


def read_intermediates(folder: Path) -> tuple[x509.Certificate, ...]:
    """The intermediates of an authority's folder, the issuing one first; none where the root issues itself."""
    path = folder / INTERMEDIATES
    if not path.exists():
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except ValueError as error:
        raise ChainError(f"{path} cannot be read; put it back from a backup") from error


def keep_chain(folder: Path, chain: Sequence[x509.Certificate]) -> None:
    """Keep an authority's chain, from the one that issues to its root, in the authority's folder.

    A `ca.crt` that begins with the root stays: more roots may follow there.
    """
    *intermediates, root = chain
    certificate, below = folder / "ca.crt", folder / INTERMEDIATES
    if not certificate.exists() or x509.load_pem_x509_certificate(certificate.read_bytes()) != root:
        write_atomically(certificate, pem_of(root))
    if intermediates:
        write_atomically(below, b"".join(map(pem_of, intermediates)))
    else:
        below.unlink(missing_ok=True)


def issuing_file(folder: Path) -> Path:
    """The file whose first certificate is that of the authority that issues."""
    intermediates = folder / INTERMEDIATES
    return intermediates if intermediates.exists() else folder / "ca.crt"


def in_order(certificates: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The certificates from the authority that issues to the root, in whatever order they came. Raises ChainError."""
    above = {each.issuer for each in certificates if each.issuer != each.subject}
    lowest = [each for each in certificates if each.subject not in above]
    if len(lowest) != 1 or len(certificates) > LONGEST + 1:
        raise ChainError(
            f"{len(certificates)} certificates are no chain: name one root, and {LONGEST} intermediates at most, "
            "each below the one before"
        )
    by_subject = {each.subject: each for each in certificates}
    chain = [lowest[0]]
    while chain[-1].issuer != chain[-1].subject:
        if chain[-1].issuer not in by_subject:
            raise ChainError(
                f"{chain[-1].subject.rfc4514_string()} was issued by {chain[-1].issuer.rfc4514_string()}, which is "
                "not among the certificates; add it, up to the root"
            )
        chain.append(by_subject[chain[-1].issuer])
        if len(chain) > len(certificates):
            raise ChainError("the certificates lead in a circle, to no root")
    check_chain(chain)
    return tuple(chain)


def check_chain(chain: Sequence[x509.Certificate]) -> None:
    """Raise ChainError unless each certificate was issued by the next, the last by itself, and all may issue."""
    for below, issuer in pairwise((*chain, chain[-1])):
        try:
            below.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            if issuer is chain[-1] and below is issuer:
                words = f"{below.subject.rfc4514_string()} is no root: it did not issue itself"
            else:
                words = (
                    f"{below.subject.rfc4514_string()} was not issued by {issuer.subject.rfc4514_string()}"
                )
            raise ChainError(words) from error
    for depth, each in enumerate(chain):
        name = each.subject.rfc4514_string()
        try:
            constraints = each.extensions.get_extension_for_class(x509.BasicConstraints).value
            each.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound as error:
            raise ChainError(f"{name} is not an authority with a key identifier, as Fabric needs") from error
        if not constraints.ca:
            raise ChainError(f"{name} is not a certificate authority's certificate")
        if constraints.path_length is not None and constraints.path_length < depth:
            raise ChainError(
                f"{name} allows {constraints.path_length} authorities below it; there are {depth}"
            )
