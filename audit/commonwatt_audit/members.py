# SPDX-License-Identifier: Apache-2.0
"""Whom a channel's configuration knows: which certificates count, and in which roles (Fabric's X.509 MSP)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from commonwatt_client.ledger import ChannelConfig
from commonwatt_client.ledger.configuration import msp_of
from commonwatt_client.pem import first_block
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from google.protobuf.message import DecodeError

MEMBER, ADMIN, CLIENT, PEER, ORDERER = range(5)
_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())
_HALF_ORDER = {
    "secp224r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D >> 1,
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 >> 1,
    "secp384r1": (2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D) >> 1,
    "secp521r1": (2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7) >> 1,
}
# The extensions that a peer (Go's verifier of chains) takes care of where they are critical.
_HANDLED_EXTENSIONS = {
    x509.ObjectIdentifier(f"2.5.29.{number}") for number in (14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54)
}
_LATEST = datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC)
_NODE_UNITS = (
    (CLIENT, "client_ou_identifier"),
    (PEER, "peer_ou_identifier"),
    (ADMIN, "admin_ou_identifier"),
    (ORDERER, "orderer_ou_identifier"),
)


@dataclass(frozen=True)
class Member:
    """An identity under the channel's configuration.

    refusal: why it counts for nothing, in words; empty for a member in good standing.
    certifiers: SHA-256 over the certificates above its own. valid_s: epoch seconds, both included.
    identifier: tells members apart, however their certificates' signatures are written.
    """

    mspid: str
    refusal: str
    roles: frozenset[int] = frozenset()
    units: frozenset[str] = frozenset()
    certifiers: bytes = b""
    certificate: bytes = field(default=b"", repr=False)
    identifier: bytes = b""
    key: object = field(default=None, repr=False)
    valid_s: tuple[int, int] = (0, 0)

    @property
    def period(self) -> str:
        """From when to when its certificate is in force, in words."""
        return f"from {date(self.valid_s[0])} to {date(self.valid_s[1])}"

    def in_force(self, time_s: int) -> bool:
        """Whether its certificate is, at a time."""
        return self.valid_s[0] <= time_s <= self.valid_s[1]

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature over a message is its own; of ECDSA's two Fabric takes the one with the lower S."""
        try:
            if isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, message)
                return True
            if not isinstance(self.key, ec.EllipticCurvePublicKey):
                return False
            if decode_dss_signature(signature)[1] > _HALF_ORDER.get(self.key.curve.name, 0):
                return False
            self.key.verify(signature, message, _ECDSA_SHA256)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True

    def is_principal(self, principal: Any) -> bool:
        """Whether it is whom a ``MSPPrincipal`` means: a role, an organisational unit or one identity."""
        kinds = msp_principal_pb2.MSPPrincipal
        kind, wanted = principal.principal_classification, principal.principal
        if self.refusal:
            return False
        if kind == kinds.ROLE:
            role = msp_principal_pb2.MSPRole.FromString(wanted)
            return bool(role.msp_identifier == self.mspid and role.role in self.roles)
        if kind == kinds.ORGANIZATION_UNIT:
            unit = msp_principal_pb2.OrganizationUnit.FromString(wanted)
            return bool(
                unit.msp_identifier == self.mspid
                and unit.organizational_unit_identifier in self.units
                and unit.certifiers_identifier == self.certifiers
            )
        if kind == kinds.IDENTITY:
            named = identities_pb2.SerializedIdentity.FromString(wanted)
            return bool(named.mspid == self.mspid and _same(named.id_bytes, self.certificate))
        return False


class Members:
    """The organisations of one configuration, and the identities seen under it."""

    def __init__(self, config: ChannelConfig) -> None:
        self._organizations: dict[str, _Organization] = {}
        self._seen: dict[bytes, Member] = {}
        takes_ed25519 = "V3_0" in config.capabilities.get("Channel", ())
        for section in ("Application", "Orderer"):
            if section in config.root.groups:
                for group in config.root.groups[section].groups.values():
                    settings = msp_of(group)
                    self._organizations[settings.name] = _Organization(settings, takes_ed25519)

    def member(self, serialized: bytes) -> Member:
        """The identity of a ``SerializedIdentity``; one that is refused if it cannot be read."""
        if serialized not in self._seen:
            self._seen[serialized] = self._read(serialized)
        return self._seen[serialized]

    def _read(self, serialized: bytes) -> Member:
        try:
            identity = identities_pb2.SerializedIdentity.FromString(serialized)
            certificate = read_certificate(identity.id_bytes)
        except (DecodeError, ValueError):
            return Member("", "has no certificate that can be read")
        organization = self._organizations.get(identity.mspid)
        if organization is None:
            return Member(identity.mspid, f"is of {identity.mspid}, which is not of the channel")
        return organization.member(certificate)


def read_certificate(pem: bytes) -> x509.Certificate:
    """The certificate in the first PEM block, all of it readable, as a peer demands. Raises ValueError."""
    try:
        certificate = x509.load_der_x509_certificate(first_block(pem) or b"")
        key = certificate.public_key()
        # What the library reads when it is asked for, and a peer at once.
        for name in (certificate.subject, certificate.issuer):
            name.rfc4514_string()
        for moment in (certificate.not_valid_before_utc, certificate.not_valid_after_utc):
            moment.timestamp()
        critical = {each.oid for each in certificate.extensions if each.critical}
    except Exception as error:  # the library has many ways to refuse one
        raise ValueError(f"no certificate that can be read: {error}") from error
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        if point not in certificate.tbs_certificate_bytes:
            raise ValueError("its key is compressed")
    if certificate.serial_number < 0 or critical - _HANDLED_EXTENSIONS:
        raise ValueError("its serial number is negative, or it has a critical extension that no peer knows")
    return certificate


class _Organization:
    """An organisation's ``FabricMSPConfig``: its authorities, revocation lists and roles."""

    def __init__(self, settings: Any, takes_ed25519: bool) -> None:
        self.mspid: str = settings.name
        self._takes_ed25519 = takes_ed25519
        self._roots = [read_certificate(pem) for pem in settings.root_certs]
        self._intermediates = [read_certificate(pem) for pem in settings.intermediate_certs]
        self._inner = {parent for each in self._intermediates for parent in self._chain(each)[1:]}
        self._revocations = [_revocations(encoded) for encoded in settings.revocation_list]
        self._admins = {_der(read_certificate(pem)) for pem in settings.admins}
        self._required = {
            (unit.organizational_unit_identifier, self._certifiers(unit.certificate))
            for unit in settings.organizational_unit_identifiers
        }
        nodes = settings.fabric_node_ous
        self._roles: dict[str, tuple[int, bytes]] = {}
        for role, name in _NODE_UNITS if nodes.enable else ():
            if nodes.HasField(name):
                unit = getattr(nodes, name)
                above = self._certifiers(unit.certificate) if unit.certificate else b""
                self._roles[unit.organizational_unit_identifier] = (role, above)

    def member(self, certificate: x509.Certificate) -> Member:
        """The certificate's holder, refused where a peer refuses it."""
        chain = self._chain(certificate)
        above = _path_identifier(chain[1:])
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
        units = frozenset(str(name.value) for name in names)
        refusal = self._refusal(certificate, chain, units, above)
        roles = {MEMBER, *(self._roles[unit][0] for unit in units if unit in self._roles)}
        if _der(certificate) in self._admins:
            roles.add(ADMIN)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return Member(
            self.mspid,
            refusal,
            frozenset(roles),
            units,
            above,
            _der(certificate),
            _identifier(certificate, chain[-1] if len(chain) < 2 else chain[1]),
            certificate.public_key(),
            (int(begins.timestamp()), int(ends.timestamp())),
        )

    def _refusal(
        self,
        certificate: x509.Certificate,
        chain: tuple[x509.Certificate, ...],
        units: frozenset[str],
        above: bytes,
    ) -> str:
        if len(chain) < 2 or _is_authority(certificate):
            return f"holds a certificate that no authority of {self.mspid} issued to a member"
        if chain[1] in self._inner:
            return (
                f"holds a certificate of an authority of {self.mspid} that only issues to other authorities"
            )
        if self._revoked(certificate, chain[1]):
            return f"holds a certificate that {self.mspid} has revoked"
        if isinstance(certificate.public_key(), ed25519.Ed25519PublicKey) and not self._takes_ed25519:
            return "holds an Ed25519 key, which the channel does not take before capability V3_0"
        if self._required and not any((unit, above) in self._required for unit in units):
            return f"is in no organisational unit of {self.mspid}"
        named = [self._roles[unit][1] for unit in units if unit in self._roles]
        if self._roles and (len(named) != 1 or named[0] not in (b"", above)):
            return f"has not exactly one role in {self.mspid}"
        return ""

    def _chain(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """Up to a root, by authorities in force when the certificate began to be valid, as Fabric looks at it.

        The certificate alone where there is no such chain, or more than one.
        """
        moment = min(certificate.not_valid_before_utc, _LATEST) + timedelta(seconds=1)
        if moment > certificate.not_valid_after_utc:
            return (certificate,)

        def climb(chain: tuple[x509.Certificate, ...]) -> Iterator[tuple[x509.Certificate, ...]]:
            if chain[-1] in self._roots:
                yield chain
                return
            for issuer in (*self._roots, *self._intermediates):
                in_force = issuer.not_valid_before_utc <= moment <= issuer.not_valid_after_utc
                if issuer not in chain and in_force and _is_authority(issuer) and _issued(chain[-1], issuer):
                    yield from climb((*chain, issuer))

        chains = list(climb((certificate,)))
        return chains[0] if len(chains) == 1 else (certificate,)

    def _certifiers(self, pem: bytes) -> bytes:
        return _path_identifier(self._chain(read_certificate(pem)))

    def _revoked(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        wanted = _key_identifier(issuer)
        for authority, revocations in self._revocations:
            serial = certificate.serial_number
            if authority != wanted or not revocations.get_revoked_certificate_by_serial_number(serial):
                continue
            try:
                if revocations.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                    return True
            except (TypeError, InvalidSignature, UnsupportedAlgorithm):
                continue
        return False


def date(time_s: int) -> str:
    """Epoch seconds for people to read; a number where no calendar goes so far."""
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{time_s} s after 1970"


def _revocations(encoded: bytes) -> tuple[bytes | None, x509.CertificateRevocationList]:
    """The key identifier of the authority that a list names, and the list."""
    pem = encoded.lstrip().startswith(b"-----BEGIN")
    revocations = x509.load_pem_x509_crl(encoded) if pem else x509.load_der_x509_crl(encoded)
    try:
        named = revocations.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None, revocations
    return named.key_identifier, revocations


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _identifier(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """SHA-256 over what is signed and the signature: of ECDSA's two, which anybody can make, the lower one."""
    signature, key = certificate.signature, issuer.public_key()
    half = _HALF_ORDER.get(key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else None
    if half is not None and certificate != issuer:
        r, s = decode_dss_signature(signature)
        signature = encode_dss_signature(r, min(s, 2 * half + 1 - s))
    return sha256(certificate.tbs_certificate_bytes + signature).digest()


def _path_identifier(path: tuple[x509.Certificate, ...]) -> bytes:
    """SHA-256 over an authority's certificates up to the root, each with the lower signature, as an MSP keeps them."""
    return sha256(b"".join(map(_lowered, path, (*path[1:], *path[-1:])))).digest()


def _lowered(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    encoded, key = _der(certificate), issuer.public_key()
    half = _HALF_ORDER.get(key.curve.name) if isinstance(key, ec.EllipticCurvePublicKey) else None
    r, s = decode_dss_signature(certificate.signature) if half else (0, 0)
    if half is None or s <= half:
        return encoded
    signed = certificate.tbs_certificate_bytes
    algorithm = encoded[encoded.index(signed) + len(signed) :]
    algorithm = algorithm[: 2 + algorithm[1]]
    signature = _element(3, b"\0" + encode_dss_signature(r, 2 * half + 1 - s))
    return _element(0x30, signed + algorithm + signature)


def _element(tag: int, content: bytes) -> bytes:
    """DER of a tag and its content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _same(pem: bytes, der: bytes) -> bool:
    try:
        return _der(read_certificate(pem)) == der
    except ValueError:
        return False


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
