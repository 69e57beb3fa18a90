# SPDX-License-Identifier: Apache-2.0
"""Certificates from an authority whose key is elsewhere: requests go out (PKCS #10), certificates come in.

The keys of nodes and users never leave the host. All certificates that come in are looked at before one is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.renewal import Holder, holders
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import PUBLIC_FILE, write_atomically
from commonwatt_network.model.state import exclusive
from commonwatt_network.trust.certificates import OWN_OF_EACH, days_left, key_bytes, read_key_pair
from commonwatt_network.trust.chains import ChainError, in_order, keep_chain
from commonwatt_network.trust.further import pem_of
from commonwatt_network.trust.identity import ensure_organization
from commonwatt_network.trust.issued import note_issued
from commonwatt_network.trust.pairs import Pair, write_pair

ENROLMENT, TLS = "enrolment", "tls"
KINDS = {ENROLMENT: "ca", TLS: "tlsca"}  # kind of certificate -> the folder of the authority that issues it


LARGEST_CHAIN_BYTES = 1 << 16


class CertificationError(UsageError):
    """A certificate cannot be taken in; the message says which and why. Nothing was replaced."""


@dataclass(frozen=True)
class Wanted:
    """A certificate of the organisation that its authority may issue anew; `name` is that of its request's file."""

    name: str
    kind: str
    holder: Holder
    pair: Pair


def write_requests(host: OwnHost, output: Path, before_days: int | None = None) -> list[Path]:
    """Write a request for each certificate, or for those that expire within `before_days`, each for the key it has."""
    written = []
    for wanted in wanted_of(host, before_days):
        present = read_key_pair(wanted.pair.certificate, wanted.pair.key)
        builder = x509.CertificateSigningRequestBuilder().subject_name(present.certificate.subject)
        for extension in present.certificate.extensions:
            if not isinstance(extension.value, OWN_OF_EACH):
                builder = builder.add_extension(extension.value, extension.critical)
        path = output / wanted.kind / f"{wanted.name}.csr"
        request = builder.sign(present.key, hashes.SHA256())
        write_atomically(path, request.public_bytes(Encoding.PEM), PUBLIC_FILE)
        written.append(path)
    return written


def take_in(
    host: OwnHost, folder: Path, authority: Path | None = None, tls_authority: Path | None = None
) -> tuple[str, ...]:
    """Take in the certificates `KIND/NAME.pem` of `folder`; whose they are.

    `authority`, `tls_authority`: certificates (PEM) of other authorities than the organisation began with, each with
    those above it up to the root. Name both or neither; other authorities issue every certificate anew, and only for an
    organisation on no channel.
    Raises CertificationError.
    """
    named = {ENROLMENT: authority, TLS: tls_authority}
    others = {kind: read_chain(path) for kind, path in named.items() if path is not None}
    _refuse_others(host, others)
    own = ensure_organization(host.layout, host.name)
    chains = {
        ENROLMENT: (own.enrolment.certificate, *own.enrolment.above),
        TLS: (own.tls.certificate, *own.tls.above),
    } | others
    found: list[tuple[Wanted, x509.Certificate]] = []
    for wanted in wanted_of(host):
        path = folder / wanted.kind / f"{wanted.name}.pem"
        if path.exists():
            certificate = _read(path)
            _refuse(path, wanted, certificate, chains[wanted.kind][0])
            found.append((wanted, certificate))
        elif others:
            raise CertificationError(
                f"{path} is missing: other authorities have to issue every certificate anew"
            )
    if not found:
        raise CertificationError(
            f"{folder} holds no certificate by the name of a request, such as {ENROLMENT}/peer0.{host.name}.pem"
        )
    with exclusive(host.layout):
        for kind, chain in others.items():
            place = host.layout.organization(host.name) / KINDS[kind]
            (place / "ca.key").unlink(missing_ok=True)  # of the authority that issues for nobody now
            keep_chain(place, chain)
        for wanted, certificate in found:
            if wanted.kind == ENROLMENT:
                note_issued(host.layout, host.name, wanted.holder.name, certificate.serial_number)
            shown = (certificate, *(chains[TLS][:-1] if wanted.kind == TLS else ()))
            write_pair(wanted.pair, b"".join(map(pem_of, shown)), wanted.pair.key.read_bytes())
    init_host(host.description, host.layout.directory)
    return tuple(dict.fromkeys(wanted.holder.name for wanted, _ in found))


def wanted_of(host: OwnHost, before_days: int | None = None) -> Iterator[Wanted]:
    """Every certificate of the organisation, or those that expire within `before_days`."""
    for holder in holders(host):
        for kind, pairs in ((ENROLMENT, holder.enrolment), (TLS, holder.tls)):
            for number, pair in enumerate(pairs):
                present = read_key_pair(pair.certificate, pair.key).certificate
                if before_days is None or days_left(present) <= before_days:
                    yield Wanted(f"{holder.name}-{number}" if number else holder.name, kind, holder, pair)


def _refuse_others(host: OwnHost, others: dict[str, tuple[x509.Certificate, ...]]) -> None:
    if not others:
        return
    if len(others) < len(KINDS):
        raise CertificationError("name both authorities, for identities and for TLS: Fabric needs them apart")
    refuse_one_key(others[ENROLMENT][0], others[TLS][0])
    if any(host.layout.blocks.glob("*.block")):
        raise CertificationError(
            f"channels know {host.name} by the authorities that it has; tell them of others first: `commonwatt org "
            "authorities`"
        )


def refuse_one_key(enrolment: x509.Certificate, tls: x509.Certificate) -> None:
    """Raise CertificationError where one authority would issue for identities and for TLS."""
    if key_bytes(enrolment) == key_bytes(tls):
        raise CertificationError("both authorities have one key; Fabric needs them apart")


def _refuse(path: Path, wanted: Wanted, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raise CertificationError unless the certificate is what was asked for, by the right authority, and valid now."""
    present = read_key_pair(wanted.pair.certificate, wanted.pair.key)
    now = datetime.now(UTC)
    if key_bytes(certificate) != key_bytes(present.certificate):
        raise CertificationError(f"{path} is for another key than the one on this host")
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CertificationError(
            f"{path} was issued by {certificate.issuer.rfc4514_string()}, not by {issuer.subject.rfc4514_string()}"
        ) from error
    if _subject(certificate, wanted.kind) != _subject(present.certificate, wanted.kind):
        raise CertificationError(
            f"{path} is for {certificate.subject.rfc4514_string()}; {present.certificate.subject.rfc4514_string()} was "
            "asked for, and Fabric reads a node's role from it"
        )
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CertificationError(f"{path} is not valid now")
    for extension in present.certificate.extensions:
        if isinstance(extension.value, OWN_OF_EACH):
            continue
        try:
            covered = _covers(
                certificate.extensions.get_extension_for_oid(extension.oid).value, extension.value
            )
        except x509.ExtensionNotFound:
            covered = False
        if not covered:
            raise CertificationError(
                f"{path} lacks what was asked for in the extension {extension.oid.dotted_string}; let the authority "
                "copy the request's extensions (openssl: -copy_extensions copyall)"
            )
    for kind in (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier):
        try:
            certificate.extensions.get_extension_for_class(kind)
        except x509.ExtensionNotFound as error:
            raise CertificationError(
                f"{path} has no {kind.__name__}, without which Fabric refuses it"
            ) from error


def _subject(certificate: x509.Certificate, kind: str) -> list[tuple[str, str]]:
    """What Fabric reads of a subject, in whatever order it stands: of one for TLS, the name alone."""
    return sorted(
        (attribute.oid.dotted_string, str(attribute.value))
        for attribute in certificate.subject
        if kind == ENROLMENT or attribute.oid == NameOID.COMMON_NAME
    )


def _covers(came: x509.ExtensionType, asked: x509.ExtensionType) -> bool:
    """Whether an extension allows all that was asked for; authorities may allow more of the usual."""
    if isinstance(asked, x509.KeyUsage) and isinstance(came, x509.KeyUsage):
        usages = ("digital_signature", "key_encipherment")
        return all(getattr(came, usage) or not getattr(asked, usage) for usage in usages)
    if isinstance(asked, Iterable) and isinstance(came, type(asked)):
        return set(asked) <= set(came)
    return came == asked


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """An authority and those above it, up to the root."""
    try:
        content = path.read_bytes()
        if len(content) > LARGEST_CHAIN_BYTES:
            raise CertificationError(f"{path}: {len(content)} bytes are no chain of authorities")
        return in_order(x509.load_pem_x509_certificates(content))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no certificate in PEM"
        raise CertificationError(f"{path}: {reason}") from error
    except ChainError as error:
        raise CertificationError(f"{path}: {error}") from error


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no certificate in PEM"
        raise CertificationError(f"{path}: {reason}") from error
