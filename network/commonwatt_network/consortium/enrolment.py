# SPDX-License-Identifier: Apache-2.0
"""Certificates from the organisation's own Fabric CA servers: one for identities, one for TLS.

Each is issued for the key that its holder has, which never leaves the host. The servers' certificates go into files as
those of any other authority, and `certification` looks at them before it replaces anything.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client.fabric_ca import Enrollment, FabricCA, FabricCAError, RegisteredIdentity
from cryptography import x509
from cryptography.x509.oid import NameOID

from commonwatt_network.consortium.certification import ENROLMENT, TLS, Wanted, wanted_of
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.model.layout import PUBLIC_FILE, write_atomically
from commonwatt_network.trust.certificates import attributes_of, read_key_pair

CLIENT = "client"


@dataclass(frozen=True)
class Server:
    """A Fabric CA server and who may register there."""

    url: str
    registrar: str
    secret: str
    tls_ca: bytes | None = None  # PEM; None: as this system trusts


class EnrolmentError(NetworkError):
    """The server did not answer, or refused a certificate; the message says which, with its own words."""


async def enrol(
    host: OwnHost, kind: str, server: Server, output: Path, before_days: int | None = None
) -> list[Path]:
    """Have each certificate of a kind (enrolment or tls) issued anew, or those that expire within `before_days`.

    The files, `KIND/NAME.pem`; `certification.take_in` takes them in. Raises EnrolmentError, UsageError.
    """
    wanted = [each for each in wanted_of(host, before_days) if each.kind == kind]
    if any(_name(each) == server.registrar for each in wanted):
        raise UsageError(
            f"{server.registrar} is one of {host.name}'s own; let another identity register, such as `registrar`"
        )
    written = []
    try:
        async with FabricCA(server.url, tls_ca=server.tls_ca) as authority:
            held = await authority.enroll(server.registrar, server.secret)
            known = {identity.name: identity for identity in await authority.identities(held)}
            for each in wanted:
                certificate = await _issued(
                    authority, held, each, _secret(host, kind, _name(each)), known.get(_name(each))
                )
                path = output / kind / f"{each.name}.pem"
                write_atomically(path, certificate, PUBLIC_FILE)
                written.append(path)
    except FabricCAError as error:
        raise EnrolmentError(f"{server.url}: {error}") from error
    return written


async def _issued(
    authority: FabricCA, held: Enrollment, wanted: Wanted, secret: str, known: RegisteredIdentity | None
) -> bytes:
    """The certificate (PEM) that the server issues for the key and with the contents of the present one."""
    present = read_key_pair(wanted.pair.certificate, wanted.pair.key)
    attributes = attributes_of(present.certificate)
    given = {name: value for name, value in attributes.items() if not name.startswith("hf.")}
    affiliation = attributes.get("hf.Affiliation", "")
    if affiliation:
        await authority.add_affiliation(held, affiliation)
    name = _name(wanted)
    if known is None:  # else an earlier call may have been cut off between registering and enrolling
        await authority.register(
            held,
            name,
            type=_role(wanted, present.certificate),
            secret=secret,
            affiliation=affiliation,
            attributes=given,
        )
    elif given != {key: value for key, value in known.attributes.items() if not key.startswith("hf.")}:
        await authority.modify(held, name, attributes=given)
    enrolled = await authority.enroll(
        name,
        secret,
        profile=TLS if wanted.kind == TLS else "",
        hosts=_hosts(present.certificate),
        attributes=tuple(attributes),
        private_key_pem=present.key_pem,
    )
    return enrolled.certificate_pem


def _secret(host: OwnHost, kind: str, name: str) -> str:
    """The same each time, so that a call that was cut off between registering and enrolling goes on."""
    path = host.layout.organization(host.name) / "enrolment-secret"
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(24))
    return hmac.digest(path.read_bytes(), f"{kind}/{name}".encode(), "sha256").hex()


def _name(wanted: Wanted) -> str:
    """Its holder's name at the server, which becomes the certificate's common name."""
    certificate = x509.load_pem_x509_certificate(wanted.pair.certificate.read_bytes())
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _role(wanted: Wanted, certificate: x509.Certificate) -> str:
    """The first organisational unit, by which Fabric knows nodes and administrators; TLS has none."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return str(units[0].value) if wanted.kind == ENROLMENT else CLIENT


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]
