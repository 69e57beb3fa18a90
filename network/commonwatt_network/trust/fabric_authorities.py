# SPDX-License-Identifier: Apache-2.0
"""`ca: fabric-ca`: a Fabric CA server per organisation issues its identities, over Fabric CA's own REST interface.

The server is given the key of the organisation's enrolment authority, so channels and MSP folders are as without it.
TLS certificates stay with the organisation's TLS authority. The kit registers and enrols the same holders as it would
issue certificates to, with the same attributes; good certificates that are there stay, as everywhere.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client.fabric_ca import Enrollment, FabricCA, FabricCAError, RegisteredIdentity
from cryptography import x509
from cryptography.x509.oid import NameOID

from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.model.home_ids import ensure_secret
from commonwatt_network.model.layout import Layout, make_private, write_atomically
from commonwatt_network.model.nodes import HOST, AuthorityServer, Nodes
from commonwatt_network.model.roster import ADMIN, user_attributes
from commonwatt_network.model.topology import Topology
from commonwatt_network.model.topology_parts import Registrar
from commonwatt_network.programs.processes import Program, last_lines, log_file, running
from commonwatt_network.trust.certificates import has_attributes
from commonwatt_network.trust.identity import ensure_organization, ensure_tls
from commonwatt_network.trust.issued import note_issued, read_record

PROGRAM = "fabric-ca-server"
REGISTRAR = "registrar"
START_TIMEOUT_S = 30.0
AT_ONCE = 8
Renew = Callable[[x509.Certificate, bytes | None], Awaitable[Enrollment]]
NO_SUCH_CERTIFICATE, REVOKED_ALREADY = 8, 66  # Fabric CA's error codes (lib/caerrors)


@dataclass(frozen=True)
class Holder:
    """Who holds an enrolment certificate: its name and type, its folder, its certificate's attributes.

    `enrolment_id` is its name at the server, which is another where the registrar has the name.
    """

    name: str
    role: str
    directory: Path
    attributes: Mapping[str, str]
    enrolment_id: str


class AuthorityError(NetworkError):
    """A Fabric CA server did not start, was silent, or answered with an error."""


class AuthorityRefusedError(AuthorityError):
    """A Fabric CA server answered, and issues this holder no certificate."""


def require() -> None:
    """Raise UsageError where Fabric CA's program is missing."""
    if shutil.which(PROGRAM) is None:
        raise UsageError(
            f"ca: fabric-ca needs {PROGRAM} on PATH; install Fabric CA's release, or leave out `ca`"
        )


def programs(nodes: Nodes) -> list[Program]:
    """How to run every organisation's server; makes the authorities' keys and the registrars' secrets."""
    return [_program(nodes, server) for server in nodes.authorities]


def _program(nodes: Nodes, server: AuthorityServer) -> Program:
    layout = nodes.layout
    make_private(server.directory)  # the server's own files hold the registrar's secret too
    authorities = ensure_organization(layout, server.organization)
    ensure_tls(server.tls_directory, authorities.tls, server.name, 3650)
    authority, tls = layout.organization(server.organization) / "ca", server.tls_directory
    command = [
        *(PROGRAM, "start", "--address", HOST, "--port", str(server.port), "--loglevel", "warning"),
        *("--ca.name", server.name, "--tls.enabled"),
        *("--ca.certfile", str(authority / "ca.crt"), "--ca.keyfile", str(authority / "ca.key")),
        *("--tls.certfile", str(tls / "server.crt"), "--tls.keyfile", str(tls / "server.key")),
    ]
    # The secret goes by the environment: every user of the machine may read a command line.
    environment = {
        "FABRIC_CA_SERVER_HOME": str(server.directory),
        "FABRIC_CA_SERVER_BOOT": ":".join(_registrar(nodes, server)),
        "FABRIC_CA_SERVER_OPERATIONS_LISTENADDRESS": f"{HOST}:0",
    }
    return Program(server.name, command, environment, server.directory, (server.name,))


async def enrol(nodes: Nodes) -> None:
    """Register and enrol all that have no certificate with their attributes: nodes, administrators, users, homes.

    Users that are revoked are passed over. Raises AuthorityError.
    """
    for server in nodes.authorities:
        issued = read_record(nodes.layout, server.organization)
        missing = [
            holder
            for holder in _holders(nodes, server.organization)
            if holder.name not in issued.revoked and not _has_certificate(holder)
        ]
        if missing:
            await _enrol_all(nodes, server, missing)
        else:
            async with _authority(nodes, server.organization):
                pass  # it answers


@asynccontextmanager
async def renewing(nodes: Nodes, organization: str) -> AsyncIterator[Renew]:
    """Yields what gives a certificate anew: for the same private key, or for a new one where none is given.

    The server knows the new one then, as it must to revoke it one day. By the holder's secret and not by its old pair,
    which may be cut in two by an interruption. Raises AuthorityError; AuthorityRefusedError where the server says no.
    """
    async with registrar(nodes, organization) as (authority, held):
        known = {identity.name: identity for identity in await authority.identities(held)}
        holders = {holder.enrolment_id: holder for holder in _holders(nodes, organization)}

        async def renew(certificate: x509.Certificate, private_key_pem: bytes | None) -> Enrollment:
            [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            holder = holders[str(name.value)]
            identity = known.get(holder.enrolment_id)
            return await _enrolled(nodes, organization, authority, held, holder, identity, private_key_pem)

        yield renew


async def revoke(nodes: Nodes, organization: str, user: str) -> bytes:
    """Revoke a user with all its certificates; the authority's revocation list (PEM). Raises AuthorityError.

    Empty for a user that the server does not know. The list counts on a channel once a configuration update puts it
    into the organisation's MSP.
    """
    async with registrar(nodes, organization) as (authority, held):
        if user not in {identity.name for identity in await authority.identities(held)}:
            return b""
        return (await authority.revoke(held, user, reason="privilegewithdrawn")).crl_pem


async def revoke_certificates(nodes: Nodes, organization: str, serial_numbers: Iterable[int]) -> None:
    """Revoke single certificates at the server; those that it does not know, or has revoked, stay so.

    Raises AuthorityError.
    """
    issuer = ensure_organization(nodes.layout, organization).enrolment.certificate
    key_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    async with registrar(nodes, organization) as (authority, held):
        for serial_number in serial_numbers:
            try:
                await authority.revoke(
                    held, serial=f"{serial_number:x}", aki=key_identifier, reason="superseded"
                )
            except FabricCAError as error:
                if error.code not in (NO_SUCH_CERTIFICATE, REVOKED_ALREADY):
                    raise


@asynccontextmanager
async def registrar(nodes: Nodes, organization: str) -> AsyncIterator[tuple[FabricCA, Enrollment]]:
    """An organisation's authority, and the certificate of who may register and revoke there; waits until it answers.

    An error that the authority answers to a call within the `async with` is raised as an AuthorityError.
    """
    server = _server(nodes, organization)
    async with _authority(nodes, organization) as authority:
        try:
            yield authority, await authority.enroll(*_registrar(nodes, server))
        except FabricCAError as error:
            raise AuthorityError(f"{server.name}: {error}") from error


@asynccontextmanager
async def _authority(nodes: Nodes, organization: str) -> AsyncIterator[FabricCA]:
    server = _server(nodes, organization)
    tls_ca = nodes.layout.tls_ca_certificate(organization).read_bytes()
    async with FabricCA(f"https://{server.address}", ca_name=server.name, tls_ca=tls_ca) as authority:
        await _answering(authority, nodes.layout, server.name)
        yield authority


async def _enrol_all(nodes: Nodes, server: AuthorityServer, missing: Iterable[Holder]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    async with registrar(nodes, server.organization) as (authority, held):
        known = {identity.name: identity for identity in await authority.identities(held)}

        async def one(holder: Holder) -> None:
            async with gate:
                identity = known.get(holder.enrolment_id)
                enrolled = await _enrolled(nodes, server.organization, authority, held, holder, identity)
                _write(holder, enrolled)

        await asyncio.gather(*(one(holder) for holder in missing))


async def _enrolled(
    nodes: Nodes,
    organization: str,
    authority: FabricCA,
    held: Enrollment,
    holder: Holder,
    known: RegisteredIdentity | None,
    private_key_pem: bytes | None = None,
) -> Enrollment:
    """A certificate for the holder, registered before if it is not `known`, and with its attributes as they are now."""
    server = _server(nodes, organization)
    # hf.* attributes are the authority's own to give.
    given = {key: value for key, value in holder.attributes.items() if not key.startswith("hf.")}
    unit = holder.attributes.get("hf.Affiliation", "")
    secret, enrolment_id = enrolment_secret(server, holder.enrolment_id), holder.enrolment_id
    try:
        if unit and (known is None or known.affiliation != unit):
            await authority.add_affiliation(held, unit)
        if known is None:  # else an earlier start may have been cut off between registering and enrolling
            await authority.register(
                held, enrolment_id, type=holder.role, secret=secret, affiliation=unit, attributes=given
            )
        else:
            has = {key: value for key, value in known.attributes.items() if not key.startswith("hf.")}
            if (given, unit) != (has, known.affiliation):
                attributes = {**dict.fromkeys(has, ""), **given}
                await authority.modify(held, enrolment_id, attributes=attributes, affiliation=unit)
        # A node's or administrator's certificate carries no attributes, as the kit's own do not.
        enrolled = await authority.enroll(
            enrolment_id,
            secret,
            attributes=None if holder.attributes else (),
            private_key_pem=private_key_pem,
        )
    except FabricCAError as error:
        kind = AuthorityRefusedError if error.status else AuthorityError
        raise kind(f"{holder.name} of {organization}: {server.name} gives no certificate: {error}") from error
    serial_number = x509.load_pem_x509_certificate(enrolled.certificate_pem).serial_number
    note_issued(nodes.layout, organization, holder.name, serial_number)
    return enrolled


def _holders(nodes: Nodes, organization: str) -> list[Holder]:
    """Everyone whom the organisation's server gives a certificate."""
    topology, layout = nodes.topology, nodes.layout
    role = "peer" if organization in topology.organizations else "orderer"
    found = [
        Holder(ADMIN, ADMIN, layout.user(organization, ADMIN), {}, administrator_id(topology, organization))
    ]
    for node in nodes.fabric_nodes:
        if node.organization == organization:
            found.append(Holder(node.name, role, node.directory, {}, node.name))
    if organization in topology.organizations:
        ensure_secret(layout, organization, topology.home_seed)
        for user, attributes in user_attributes(nodes, organization).items():
            if user != ADMIN:
                found.append(Holder(user, "client", layout.user(organization, user), attributes, user))
    return found


def administrator_id(topology: Topology, organization: str) -> str:
    """The administrator's name at the organisation's server: `admin`, or `org1admin` where the registrar is `admin`."""
    registrar = _known_registrar(topology, organization)
    taken = registrar is not None and registrar.name == ADMIN
    return f"{organization.split('.')[0]}{ADMIN}" if taken else ADMIN


def _known_registrar(topology: Topology, organization: str) -> Registrar | None:
    member = topology.organizations.get(organization)
    return member.registrar if member else None


def _registrar(nodes: Nodes, server: AuthorityServer) -> tuple[str, str]:
    """The name and secret of who registers: what the topology says, or the kit's own."""
    known = _known_registrar(nodes.topology, server.organization)
    return (known.name, known.secret) if known else (REGISTRAR, _secret(server))


def _has_certificate(holder: Holder) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(_certificate(holder.directory).read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True  # `ensure_identities` names the damaged file
    return has_attributes(certificate, holder.attributes)


def enrolment_secret(server: AuthorityServer, name: str) -> str:
    """The same each time, so that a start that was cut off between registering and enrolling goes on."""
    return hmac.digest(_secret(server).encode(), name.encode(), "sha256").hex()


def _secret(server: AuthorityServer) -> str:
    """The kit's own for this server: its registrar's, and that from which other secrets are derived."""
    path = server.directory / "secret"
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(24))
    return path.read_text()


def _write(holder: Holder, enrolled: Enrollment) -> None:
    folder = holder.directory
    write_atomically(folder / "msp" / "keystore" / "key.pem", enrolled.private_key_pem)
    write_atomically(_certificate(folder), enrolled.certificate_pem)
    if holder.role not in ("peer", "orderer"):
        write_atomically(folder / "private_key.pem", enrolled.private_key_pem)
        write_atomically(folder / "certificate.pem", enrolled.certificate_pem)


async def _answering(authority: FabricCA, layout: Layout, name: str) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                try:
                    await authority.info()
                    return
                except FabricCAError:
                    if name not in running(layout):
                        break
                    await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    raise AuthorityError(
        f"{name} does not answer; its last lines ({log_file(layout, name)}):\n{last_lines(layout, name)}\n"
        "put right what it names, then repeat the command"
    )


def _certificate(folder: Path) -> Path:
    return folder / "msp" / "signcerts" / "cert.pem"


def _server(nodes: Nodes, organization: str) -> AuthorityServer:
    return next(server for server in nodes.authorities if server.organization == organization)
