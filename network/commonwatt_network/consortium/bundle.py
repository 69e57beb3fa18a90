# SPDX-License-Identifier: Apache-2.0
"""An organisation's public bundle: its certificates and where its nodes are reached. Nothing in it is secret.

A bundle comes from somebody else, so everything in it is looked at before it is used: a field too many, a key, a
certificate that is expired, of another authority, or without the name that will be dialled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from commonwatt_client.yaml_models import words_of
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from commonwatt_network.channels.genesis import hosts_of
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.organization import Port
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import HostName
from commonwatt_network.model.layout import PUBLIC_FILE, write_atomically
from commonwatt_network.model.topology_parts import MspId, Name

SIZE_LIMIT_BYTES = 1 << 20


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
    orderers: list[BundledOrderer] = Field(default_factory=list, max_length=5)
    peers: list[BundledPeer] = Field(min_length=1, max_length=16)

    @property
    def addresses(self) -> list[str]:
        """Of orderers and peers, host:port."""
        return [*(orderer.address for orderer in self.orderers), *(peer.address for peer in self.peers)]

    def to_json(self) -> str:
        """The same text every time, keys sorted."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"

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
        orderers=[
            BundledOrderer(
                host=orderer.host,
                port=orderer.port,
                tls_certificate=(orderer.tls_directory / "server.crt").read_text(),
            )
            for orderer in host.orderers
        ],
        peers=[BundledPeer(host=peer.host, port=peer.port) for peer in host.peers],
    )


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
        if (kept.name, kept.enrolment_authority) != (bundle.name, bundle.enrolment_authority):
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
            for pem in (bundle.enrolment_authority, bundle.tls_authority)
        ]
        for claim in claims:
            if claim in seen:
                raise BundleError(f"{seen[claim]} and {bundle.name} both claim {claim[0]} {claim[1]}")
        seen |= dict.fromkeys(claims, bundle.name)


def _mistakes(bundle: Bundle) -> Iterator[str]:
    for address in bundle.addresses:
        if bundle.addresses.count(address) > 1:
            yield f"two of its nodes have the address {address}"
    authorities = []
    for what, pem in (("enrolment", bundle.enrolment_authority), ("TLS", bundle.tls_authority)):
        certificate = _one_certificate(pem)
        if certificate is None:
            yield f"its {what} authority is not one PEM certificate and nothing else"
            return
        yield from _validity_mistakes(certificate, f"its {what} authority")
        if not _is_authority(certificate):
            yield f"its {what} authority's certificate is not a certificate authority's"
        authorities.append(certificate)
    if authorities[0].public_key() == authorities[1].public_key():
        yield "its enrolment and TLS authorities have one key; Fabric needs them apart"
    for orderer in bundle.orderers:
        yield from _orderer_mistakes(orderer, authorities[1])


def _orderer_mistakes(orderer: BundledOrderer, authority: x509.Certificate) -> Iterator[str]:
    what = f"the TLS certificate of orderer {orderer.address}"
    certificate = _one_certificate(orderer.tls_certificate)
    if certificate is None:
        yield f"{what} is not one PEM certificate and nothing else"
        return
    yield from _validity_mistakes(certificate, what)
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # each kind of key fails in its own way; none of them was issued by it
        yield f"{what} is foreign: the organisation's TLS authority did not issue it"
    if orderer.host not in hosts_of(certificate):
        yield f"{what} does not name {orderer.host}"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= set(usage):
        yield f"{what} is not for server and client both"


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
