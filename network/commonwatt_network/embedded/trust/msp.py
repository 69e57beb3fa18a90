# SPDX-License-Identifier: Apache-2.0
"""Membership service providers: who belongs to an organisation, and in which role.

Behaviour and error texts follow Fabric's X.509 MSP at configuration version 1.4.3 and later (NodeOUs with
client, peer, admin and orderer; administrators by certificate or by OU). One `IdentityRegistry` holds the
MSPs of one channel (or a node's local MSP) and the caches that make a known identity nearly free.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.transport.standing import vouch
from commonwatt_network.embedded.trust.authorities import Authorities
from commonwatt_network.embedded.trust.certificates import (
    CertificateError,
    PublicKey,
    chain_identifier,
    der,
    is_authority,
    organizational_units,
    parse_pem,
    with_low_s,
)
from commonwatt_network.embedded.trust.msp_directory import MspDirectoryError, read_msp_directory
from commonwatt_network.embedded.trust.signing import SignatureChecks, SignatureError

ROLE_NAMES = {0: "MEMBER", 1: "ADMIN", 2: "CLIENT", 3: "PEER", 4: "ORDERER"}
MEMBER, ADMIN, CLIENT, PEER, ORDERER = range(5)
LONGEST_IDENTITY = 1 << 17  # bytes of a SerializedIdentity
LONGEST_PRINCIPAL_KEPT = 4096
DEEPEST_PRINCIPAL = 16  # combined principals within each other


class IdentityError(Exception):
    """An identity or an MSP is refused; the message is Fabric's."""


class Identity:
    """One certificate under one MSP. Two are the same identity when `mspid` and `identifier` are equal."""

    __slots__ = (
        "_checks",
        "_key",
        "_msp",
        "_principals",
        "_registry",
        "_verdict",
        "certificate",
        "chain",
        "fingerprint",
        "mspid",
        "units",
    )

    def __init__(
        self,
        msp: MSP,
        certificate: x509.Certificate,
        checks: SignatureChecks,
        registry: tuple[IdentityRegistry, bytes] | None = None,
    ) -> None:
        """Raises IdentityError if the certificate has no chain to the MSP's roots.

        `registry` is to keep the identity under a digest once a signature of it has held.
        """
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise IdentityError("failed to import certificate's public key: unsupported algorithm")
        self._msp = msp
        self._checks = checks
        self._registry = registry
        self._key: PublicKey = key
        self._verdict: str | bool | None = False  # False: not yet validated
        self._principals: dict[bytes, str | None] = {}
        self.mspid = msp.mspid
        self.certificate = certificate
        self.chain = msp.chain(certificate)
        self.fingerprint = hashlib.sha256(
            with_low_s(certificate, self.chain[min(1, len(self.chain) - 1)])
        ).digest()
        self.units = organizational_units(certificate)

    @property
    def identifier(self) -> str:
        """Hex SHA-256 of the certificate's DER, its signature in the form with the low S."""
        return self.fingerprint.hex()

    @property
    def has_ed25519_key(self) -> bool:
        return isinstance(self._key, ed25519.Ed25519PublicKey)

    @property
    def expires_at(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def chain_identifier(self) -> bytes:
        return chain_identifier(self.chain[1:])

    def serialize(self) -> bytes:
        """SerializedIdentity with the certificate as PEM."""
        pem = self.certificate.public_bytes(Encoding.PEM)
        serialized = identities_pb2.SerializedIdentity(mspid=self.mspid, id_bytes=pem).SerializeToString()
        return cast(bytes, serialized)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raises IdentityError unless `signature` is this identity's low-S signature over `message`."""
        try:
            self._checks.verify(self.fingerprint, self._key, message, signature)
        except SignatureError as error:
            raise IdentityError(str(error)) from error
        vouch()
        if self._registry is not None:
            registry, digest = self._registry
            registry.keep(digest, self)
            self._registry = None

    def validate(self) -> None:
        """Raises IdentityError if the certificate is a CA's, revoked, or without exactly one role OU."""
        if self._verdict is False:
            self._verdict = _failure(lambda: self._msp.validate(self))
        if self._verdict is not None:
            raise IdentityError(cast(str, self._verdict))

    def satisfies(self, principal: Any) -> None:
        """Raises IdentityError unless this identity matches the `MSPPrincipal`."""
        key = hashlib.sha256(b"%d:" % principal.principal_classification + principal.principal).digest()
        if key in self._principals:
            failure = self._principals[key]
        else:
            failure = _failure(lambda: self._msp.satisfies(self, principal))
            if len(self._principals) >= 256:
                self._principals.clear()
            if len(principal.principal) <= LONGEST_PRINCIPAL_KEPT:  # the reason may quote it
                self._principals[key] = failure
        if failure is not None:
            raise IdentityError(failure)

    def has_role(self, role: int) -> bool:
        """Whether the identity is of its own MSP in `role` (MEMBER, ADMIN, CLIENT, PEER or ORDERER)."""
        try:
            self.satisfies(role_principal(self.mspid, role))
        except IdentityError:
            return False
        return True


def _failure(check: Callable[[], None]) -> str | None:
    try:
        check()
    except (IdentityError, CertificateError) as error:
        return str(error)
    return None


def role_principal(mspid: str, role: int) -> Any:
    """The MSPPrincipal that is satisfied by `role` of `mspid`."""
    wanted = msp_principal_pb2.MSPRole(msp_identifier=mspid, role=role)
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=wanted.SerializeToString()
    )


class MSP:
    """One organisation's members, from a `FabricMSPConfig`. Raises IdentityError where Fabric does.

    `ed25519` says whether members may have such keys: in a node's own MSP, and on channels with capability V3_0.
    """

    def __init__(self, config: Any, *, ed25519: bool = True) -> None:
        self.mspid: str = config.name
        self._takes_ed25519 = ed25519
        self.config = config
        try:
            self.authorities = Authorities(config)
            self._required_units = {
                (unit.organizational_unit_identifier, self.authorities.certifiers(unit.certificate))
                for unit in config.organizational_unit_identifiers
            }
            self._set_up_node_units()
            self._admins = {der(parse_pem(pem)) for pem in config.admins}
        except CertificateError as error:
            raise IdentityError(str(error)) from error
        if not self._admins and not (self.enforces_units and ADMIN in self._role_units):
            raise IdentityError("administrators must be declared when no admin ou classification is set")

    @classmethod
    def from_config_value(cls, msp_config: Any, *, ed25519: bool) -> MSP:
        """From a channel configuration's `MSPConfig` value."""
        if msp_config.type != 0:
            raise IdentityError(f"setting up the MSP failed: unsupported MSP type {msp_config.type}")
        try:
            return cls(msp_config_pb2.FabricMSPConfig.FromString(msp_config.config), ed25519=ed25519)
        except DecodeError as error:
            raise IdentityError(f"failed unmarshalling fabric msp config: {error}") from error

    @classmethod
    def from_directory(cls, directory: Path, mspid: str) -> MSP:
        """From a node's own MSP folder (`cacerts`, `config.yaml`, ...)."""
        try:
            return cls(read_msp_directory(directory, mspid))
        except MspDirectoryError as error:
            raise IdentityError(str(error)) from error

    def chain(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """From the certificate to a root. Raises IdentityError."""
        try:
            return self.authorities.chain(certificate)
        except CertificateError as error:
            raise IdentityError(str(error)) from error

    def validate(self, identity: Identity) -> None:
        if identity.has_ed25519_key and not self._takes_ed25519:
            raise IdentityError(
                "could not validate identity's public key algorithm: Ed25519 is not supported"
            )
        try:
            self._validate_chain(identity)
        except IdentityError as error:
            raise IdentityError(f"could not obtain certification chain: {error}") from error
        if self.authorities.is_revoked(identity.chain):
            raise IdentityError(
                "could not validate identity against certification chain: The certificate has been revoked"
            )
        try:
            self._validate_units(identity)
        except IdentityError as error:
            raise IdentityError(f"could not validate identity's OUs: {error}") from error

    def satisfies(self, identity: Identity, principal: Any, depth: int = 0) -> None:
        if depth > DEEPEST_PRINCIPAL:
            raise IdentityError(f"more than {DEEPEST_PRINCIPAL} principals are combined within each other")
        kinds = msp_principal_pb2.MSPPrincipal
        kind = principal.principal_classification
        try:
            if kind == kinds.ROLE:
                self._satisfies_role(identity, msp_principal_pb2.MSPRole.FromString(principal.principal))
            elif kind == kinds.ORGANIZATION_UNIT:
                self._satisfies_unit(
                    identity, msp_principal_pb2.OrganizationUnit.FromString(principal.principal)
                )
            elif kind == kinds.IDENTITY:
                self._satisfies_identity(identity, principal.principal)
            elif kind == kinds.ANONYMITY:
                wanted = msp_principal_pb2.MSPIdentityAnonymity.FromString(principal.principal)
                if wanted.anonymity_type == msp_principal_pb2.MSPIdentityAnonymity.ANONYMOUS:
                    raise IdentityError(
                        "Principal is anonymous, but X.509 MSP does not support anonymous identities"
                    )
            elif kind == kinds.COMBINED:
                parts = msp_principal_pb2.CombinedPrincipal.FromString(principal.principal).principals
                if not parts:
                    raise IdentityError("No principals in CombinedPrincipal")
                for part in parts:
                    self.satisfies(identity, part, depth + 1)
            else:
                raise IdentityError(f"invalid principal type {kind}")
        except DecodeError as error:
            raise IdentityError(f"could not unmarshal principal: {error}") from error

    def _satisfies_role(self, identity: Identity, wanted: Any) -> None:
        self._demand_own(identity, wanted.msp_identifier)
        if wanted.role == MEMBER:
            identity.validate()
            return
        if wanted.role == ADMIN:
            if der(identity.certificate) in self._admins:
                return
            if not self.enforces_units:
                raise IdentityError("This identity is not an admin")
        elif wanted.role not in ROLE_NAMES:
            raise IdentityError(f"invalid MSP role type {wanted.role}")
        role = ROLE_NAMES[wanted.role]
        try:
            identity.validate()
        except IdentityError as error:
            raise IdentityError(
                f"The identity is not valid under this MSP [{self.mspid}]: {error}"
            ) from error
        try:
            self._demand_role_unit(identity, wanted.role)
        except IdentityError as error:
            named = "an admin" if wanted.role == ADMIN else f"a [{role}]"
            raise IdentityError(
                f"The identity is not {named} under this MSP [{self.mspid}]: {error}"
            ) from error

    def _demand_role_unit(self, identity: Identity, role: int) -> None:
        name = ROLE_NAMES[role]
        if not self.enforces_units:
            raise IdentityError("NodeOUs not activated. Cannot tell apart identities.")
        if role not in self._role_units:
            raise IdentityError(
                f"cannot test for classification, node ou for type [{name}], not defined, msp: [{self.mspid}]"
            )
        if self._role_units[role][0] not in identity.units:
            raise IdentityError(f"The identity does not contain OU [{name}], MSP: [{self.mspid}]")

    def _satisfies_unit(self, identity: Identity, wanted: Any) -> None:
        self._demand_own(identity, wanted.msp_identifier)
        identity.validate()
        named = wanted.organizational_unit_identifier in identity.units
        if not named or identity.chain_identifier != wanted.certifiers_identifier:
            raise IdentityError("The identities do not match")

    def _satisfies_identity(self, identity: Identity, serialized: bytes) -> None:
        prefix = "invalid identity principal, not a certificate"
        try:
            wanted = identities_pb2.SerializedIdentity.FromString(serialized)
            if wanted.mspid != self.mspid:
                raise IdentityError(f"{prefix}: expected MSP ID {self.mspid}, received {wanted.mspid}")
            certificate = parse_pem(wanted.id_bytes)
        except (DecodeError, CertificateError) as error:
            raise IdentityError(f"{prefix}: {error}") from error
        if certificate != identity.certificate:
            raise IdentityError("The identities do not match")
        identity.validate()

    def _demand_own(self, identity: Identity, mspid: str) -> None:
        if mspid != self.mspid:
            raise IdentityError(
                f"the identity is a member of a different MSP (expected {mspid}, got {identity.mspid})"
            )

    def _validate_chain(self, identity: Identity) -> None:
        if is_authority(identity.certificate):
            raise IdentityError(
                "An X509 certificate with Basic Constraint: Certificate Authority equals true "
                "cannot be used as an identity"
            )
        if len(identity.chain) < 2:
            raise IdentityError(f"expected a chain of length at least 2, got {len(identity.chain)}")
        if identity.chain[1] in self.authorities.inner:
            raise IdentityError(
                "invalid validation chain. Parent certificate should be a leaf of the certification tree"
            )

    def _validate_units(self, identity: Identity) -> None:
        certifiers = identity.chain_identifier
        listed = f"[{' '.join(f'{unit}({certifiers[:8].hex().upper()})' for unit in identity.units)}]"
        if self._required_units and not any(
            (unit, certifiers) in self._required_units for unit in identity.units
        ):
            if not identity.units:
                raise IdentityError("the identity certificate does not contain an Organizational Unit (OU)")
            raise IdentityError(
                f"none of the identity's organizational units {listed} are in MSP {self.mspid}"
            )
        if not self.enforces_units:
            return
        roles = dict(self._role_units.values())
        matching = [unit for unit in identity.units if unit in roles]
        for unit in matching[:2]:
            if roles[unit] and roles[unit] != certifiers:
                raise IdentityError(f"certifiersIdentifier does not match: {listed}, MSP: [{self.mspid}]")
        if not matching:
            raise IdentityError(
                "the identity does not have an OU that resolves to client, peer, orderer, or admin role. "
                f"OUs: {listed}, MSP: [{self.mspid}]"
            )
        if len(matching) > 1:
            raise IdentityError(
                "the identity must have a client, a peer, an orderer, or an admin OU role to be valid, "
                f"not a combination of them. OUs: {listed}, MSP: [{self.mspid}]"
            )

    def _set_up_node_units(self) -> None:
        node_units = self.config.fabric_node_ous
        self._role_units: dict[int, tuple[str, bytes]] = {}
        for role, field in (
            (CLIENT, "client_ou_identifier"),
            (PEER, "peer_ou_identifier"),
            (ADMIN, "admin_ou_identifier"),
            (ORDERER, "orderer_ou_identifier"),
        ):
            if self.config.HasField("fabric_node_ous") and node_units.HasField(field):
                unit = getattr(node_units, field)
                certifiers = self.authorities.certifiers(unit.certificate) if unit.certificate else b""
                self._role_units[role] = (unit.organizational_unit_identifier, certifiers)
        self.enforces_units = bool(node_units.enable and self._role_units)


class IdentityRegistry:
    """The MSPs of one channel (or one node), with a bounded cache of the identities whose signatures have held.

    `checks` may be shared by several registries of the process; by default each registry has its own.
    """

    def __init__(
        self, msps: Iterable[MSP], checks: SignatureChecks | None = None, cache_limit: int = 5_000
    ) -> None:
        self.msps: dict[str, MSP] = {msp.mspid: msp for msp in msps}
        self.checks = checks or SignatureChecks()
        self._cache_limit = cache_limit
        self._known: OrderedDict[bytes, Identity] = OrderedDict()  # by SHA-256 of the serialized identity

    def deserialize(self, creator: bytes) -> Identity:
        """The identity of a SerializedIdentity. Raises IdentityError; the result is not yet validated."""
        if len(creator) > LONGEST_IDENTITY:
            raise IdentityError(
                f"the identity is too long: {len(creator)} bytes, not {LONGEST_IDENTITY} at most"
            )
        digest = hashlib.sha256(creator).digest()
        known = self._known.get(digest)
        if known is not None:
            return known
        try:
            serialized = identities_pb2.SerializedIdentity.FromString(creator)
        except DecodeError as error:
            raise IdentityError(f"could not deserialize a SerializedIdentity: {error}") from error
        msp = self.msps.get(serialized.mspid)
        if msp is None:
            raise IdentityError(f"MSP {serialized.mspid} is not defined on channel")
        try:
            return Identity(msp, parse_pem(serialized.id_bytes), self.checks, (self, digest))
        except CertificateError as error:
            raise IdentityError(str(error)) from error

    def keep(self, digest: bytes, identity: Identity) -> None:
        """A signature of `identity` has held: the next time its bytes of this SHA-256 need not be read."""
        self._known[digest] = identity
        if len(self._known) > self._cache_limit:
            self._known.popitem(last=False)

    def expiry(self, creator: bytes) -> datetime | None:
        """When the certificate of a SerializedIdentity of any MSP ends; None where there is none to be read."""
        if len(creator) > LONGEST_IDENTITY:
            return None
        known = self._known.get(hashlib.sha256(creator).digest())
        if known is not None:
            return known.expires_at
        try:
            certificate = parse_pem(identities_pb2.SerializedIdentity.FromString(creator).id_bytes)
        except (DecodeError, CertificateError):
            return None
        return certificate.not_valid_after_utc
