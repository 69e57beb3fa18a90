# SPDX-License-Identifier: Apache-2.0
"""An organisation's public bundle: its certificates and where its nodes are reached. Nothing in it is secret.

A bundle comes from somebody else, so everything in it is looked at before it is used. Refused are a field too many, a
key, and a certificate that is expired, of another authority, or without the name that will be dialled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from commonwatt_client.admin import Organization
from commonwatt_client.yaml_models import words_of
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from commonwatt_network.channels.genesis import hosts_of
from commonwatt_network.channels.groups import msp_value
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.organization import Port
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import HostName
from commonwatt_network.model.layout import PUBLIC_FILE, write_atomically
from commonwatt_network.model.topology_parts import MspId, Name
from commonwatt_network.trust.certificates import key_bytes, signed
from commonwatt_network.trust.chains import LONGEST, ChainError, check_chain, read_intermediates
from commonwatt_network.trust.further import ENROLMENT, TLS, pem_of, read_further, roots_and_intermediates

SIZE_LIMIT_BYTES = 1 << 20
MOST_FURTHER = 8


class Trusted(NamedTuple):
    """An organisation's authorities (PEM) as an MSP sorts them."""

    roots: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]
    tls_roots: tuple[bytes, ...]
    tls_intermediates: tuple[bytes, ...]


class BundleError(UsageError):
    """A bundle cannot be used; the message says which and why. Nothing was changed."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundledPeer(_Model):
    """A peer, where the others reach it."""

    host: HostName
    port: Port

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class BundledOrderer(BundledPeer):
    """An ordering node; its TLS certificate (PEM) is what the other orderers know it by."""

    tls_certificate: str


class Bundle(_Model):
    """What the other organisations need to know of one. Certificates are PEM, one each."""

    format: Literal[1] = 1
    name: Name
    mspid: MspId
    enrolment_authority: str
    tls_authority: str
    enrolment_intermediates: list[str] = Field(
        default_factory=list,
        max_length=LONGEST,
        description="below enrolment_authority, the issuing one first",
    )
    tls_intermediates: list[str] = Field(default_factory=list, max_length=LONGEST)
    further_enrolment: list[str] = Field(
        default_factory=list,
        max_length=MOST_FURTHER,
        description="authorities beside those above, roots and intermediates, whose certificates are in use still",
    )
    further_tls: list[str] = Field(default_factory=list, max_length=MOST_FURTHER)
    orderers: list[BundledOrderer] = Field(default_factory=list, max_length=5)
    peers: list[BundledPeer] = Field(min_length=1, max_length=16)

    @property
    def addresses(self) -> list[str]:
        """Of orderers and peers, host:port."""
        return [*(orderer.address for orderer in self.orderers), *(peer.address for peer in self.peers)]

    def to_json(self) -> str:
        """The same text every time, keys sorted."""
        content = self.model_dump(mode="json")
        for name in ("enrolment_intermediates", "tls_intermediates", "further_enrolment", "further_tls"):
            if not content[name]:
                del content[name]  # the fingerprint of an organisation whose roots issue has not changed
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    @property
    def enrolment_authorities(self) -> list[str]:
        """Every authority for identities, the root of the one that issues first."""
        return [self.enrolment_authority, *self.enrolment_intermediates, *self.further_enrolment]

    @property
    def tls_authorities(self) -> list[str]:
        """Every authority for TLS, the root of the one that issues first."""
        return [self.tls_authority, *self.tls_intermediates, *self.further_tls]

    @property
    def authorities(self) -> list[str]:
        """Every authority of the organisation."""
        return [*self.enrolment_authorities, *self.tls_authorities]

    @property
    def trusted(self) -> Trusted:
        """The authorities as an MSP has them."""
        enrolment, tls = (
            roots_and_intermediates([x509.load_pem_x509_certificate(pem.encode()) for pem in pems])
            for pems in (self.enrolment_authorities, self.tls_authorities)
        )
        return Trusted(*map(tuple, (*enrolment, *tls)))

    @property
    def msp(self) -> Any:
        """The organisation's MSP, as a channel's configuration has it."""
        trusted = self.trusted
        return msp_value(
            self.mspid,
            trusted.roots[0],
            trusted.tls_roots[0],
            (trusted.roots[1:], trusted.intermediates),
            (trusted.tls_roots[1:], trusted.tls_intermediates),
        )

    def is_of(self, organization: Organization) -> bool:
        """Whether a channel's configuration has the very authorities of the bundle for the organisation."""
        known = (
            organization.root_certificates,
            organization.intermediate_certificates,
            organization.tls_root_certificates,
            organization.tls_intermediate_certificates,
        )
        return list(map(set, known)) == list(map(set, self.trusted))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the text, in hex: what two people compare by another way than the file came."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def own_bundle(host: OwnHost) -> Bundle:
    """The organisation's own bundle, from its folder."""
    msp = host.layout.msp(host.name)
    return Bundle(
        name=host.name,
        mspid=host.mspid,
        enrolment_authority=(msp / "cacerts" / "ca.pem").read_text(),
        tls_authority=(msp / "tlscacerts" / "tlsca.pem").read_text(),
        enrolment_intermediates=_intermediates(host, ENROLMENT),
        tls_intermediates=_intermediates(host, TLS),
        further_enrolment=_further(host, ENROLMENT),
        further_tls=_further(host, TLS),
        orderers=[
            BundledOrderer(
                host=orderer.host,
                port=orderer.port,
                tls_certificate=_own_certificate(orderer.tls_directory / "server.crt"),
            )
            for orderer in host.orderers
        ],
        peers=[BundledPeer(host=peer.host, port=peer.port) for peer in host.peers],
    )


def _intermediates(host: OwnHost, place: str) -> list[str]:
    folder = host.layout.organization(host.name) / place
    return [pem_of(each).decode() for each in read_intermediates(folder)]


def _further(host: OwnHost, place: str) -> list[str]:
    return [pem_of(each).decode() for each in read_further(host.layout, host.name, place)]


def _own_certificate(path: Path) -> str:
    """The certificate itself, of a file that may hold those above it too."""
    return pem_of(x509.load_pem_x509_certificate(path.read_bytes())).decode()


def write_bundle(bundle: Bundle, path: Path) -> Path:
    """Write the bundle to a file that ends in `.json`, or as NAME.json into the folder `path`; where it is now.

    Raises BundleError rather than write over anything but an earlier bundle of the same organisation.
    """
    target = path if path.suffix == ".json" and not path.is_dir() else path / f"{bundle.name}.json"
    if target.exists():
        try:
            kept = read_bundle(target)
        except BundleError as error:
            raise BundleError(f"nothing was written over {target}: {error}; name another file") from error
        if kept.name != bundle.name or not _keys(kept.enrolment_authorities) & _keys(
            bundle.enrolment_authorities
        ):
            raise BundleError(
                f"{target} holds the bundle of {kept.name}; nothing was written: name another file"
            )
    try:
        write_atomically(target, bundle.to_json(), PUBLIC_FILE)
    except OSError as error:
        raise BundleError(
            f"{target} cannot be written: {error.strerror}; name a folder, or a file that ends in .json"
        ) from error
    return target


def read_bundle(path: Path) -> Bundle:
    """The bundle in a file. Raises BundleError for anything that must not be there, or cannot be relied on."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    return parse_bundle(content, str(path))


def parse_bundle(content: bytes, where: str) -> Bundle:
    """As `read_bundle`, of bytes."""
    if len(content) > SIZE_LIMIT_BYTES:
        raise BundleError(f"{where}: larger than any bundle ({len(content)} bytes)")
    if b"PRIVATE KEY" in content:
        raise BundleError(
            f"{where} holds a private key, which must never leave its host; its maker should renew that key and "
            "send the file that `commonwatt org export` writes"
        )
    try:
        bundle = Bundle.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(
            f"{where} is not a bundle of `commonwatt org export`: {at}: {words_of(first)}"
        ) from error
    for mistake in _mistakes(bundle):
        raise BundleError(f"{where} ({bundle.name}): {mistake}")
    return bundle


def check_together(bundles: Sequence[Bundle]) -> None:
    """Refuse bundles that overlap in names, addresses or authorities. Raises BundleError."""
    seen: dict[tuple[str, str], str] = {}
    for bundle in bundles:
        claims = [("the name", bundle.name), ("the MSP id", bundle.mspid)]
        claims += [("the address", address) for address in bundle.addresses]
        claims += [
            ("an authority", x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string())
            for pem in bundle.authorities
        ]
        for claim in claims:
            if claim in seen:
                raise BundleError(f"{seen[claim]} and {bundle.name} both claim {claim[0]} {claim[1]}")
        seen |= dict.fromkeys(claims, bundle.name)


def _mistakes(bundle: Bundle) -> Iterator[str]:
    for address in bundle.addresses:
        if bundle.addresses.count(address) > 1:
            yield f"two of its nodes have the address {address}"
    issuing = []
    for what, pem, intermediates, further in (
        ("enrolment", bundle.enrolment_authority, bundle.enrolment_intermediates, bundle.further_enrolment),
        ("TLS", bundle.tls_authority, bundle.tls_intermediates, bundle.further_tls),
    ):
        chain = []
        for each in (*intermediates, pem, *further):
            certificate = _one_certificate(each)
            if certificate is None:
                yield f"its {what} authority is not one PEM certificate and nothing else"
                return
            yield from _validity_mistakes(certificate, f"its {what} authority")
            if not _is_authority(certificate):
                yield f"its {what} authority's certificate is not a certificate authority's"
            chain.append(certificate)
        if intermediates:
            try:
                check_chain(chain[: len(intermediates) + 1])
            except ChainError as error:
                yield f"its {what} authority: {error}"
        issuing.append(chain)
    if issuing[0][0].public_key() == issuing[1][0].public_key():
        yield "its enrolment and TLS authorities have one key; Fabric needs them apart"
    for orderer in bundle.orderers:
        yield from _orderer_mistakes(orderer, issuing[1])


def _orderer_mistakes(orderer: BundledOrderer, authorities: Sequence[x509.Certificate]) -> Iterator[str]:
    what = f"the TLS certificate of orderer {orderer.address}"
    certificate = _one_certificate(orderer.tls_certificate)
    if certificate is None:
        yield f"{what} is not one PEM certificate and nothing else"
        return
    yield from _validity_mistakes(certificate, what)
    if not any(signed(certificate, each) for each in authorities):
        yield f"{what} is foreign: the organisation's TLS authority did not issue it"
    if orderer.host not in hosts_of(certificate):
        yield f"{what} does not name {orderer.host}"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= set(usage):
        yield f"{what} is not for server and client both"


def _keys(pems: Sequence[str]) -> set[bytes]:
    return {key_bytes(x509.load_pem_x509_certificate(pem.encode())) for pem in pems}


def _one_certificate(pem: str) -> x509.Certificate | None:
    """The certificate, when the text is exactly that: nothing can hide before or after it."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None
    canonical = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return certificate if pem == canonical else None


def _validity_mistakes(certificate: x509.Certificate, what: str) -> Iterator[str]:
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        yield f"{what} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if now < certificate.not_valid_before_utc:
        yield f"{what} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on"


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return constraints.ca
