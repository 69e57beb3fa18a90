"""`ca: fabric-ca`: a Fabric CA server per organisation issues its identities, over Fabric CA's own REST interface.

The server is given the key of the organisation's enrolment authority, so channels and MSP folders are as without it.
TLS certificates stay with the organisation's TLS authority. What the kit would issue is registered and enrolled, with
the same attributes; what is there and good is kept, as everywhere.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client.fabric_ca import Enrollment, FabricCA, FabricCAError
from cryptography import x509
from cryptography.x509.oid import NameOID

from commonwatt_network.certificates import attributes_of
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.identity import ADMIN, ensure_organization, ensure_tls, user_attributes
from commonwatt_network.layout import Layout, write_atomically
from commonwatt_network.nodes import HOST, Nodes
from commonwatt_network.ports import choose_first_port
from commonwatt_network.processes import Program, last_lines, log_file, running

PROGRAM = "fabric-ca-server"
REGISTRAR = "registrar"
FOLDER = "authorities"
START_TIMEOUT_S = 30.0
AT_ONCE = 8


@dataclass(frozen=True)
class AuthorityServer:
    """One organisation's Fabric CA server, `ca.newtown`; `directory` is its folder, its owner's alone."""

    organization: str
    directory: Path

    @property
    def name(self) -> str:
        return f"ca.{self.organization}"

    @property
    def port(self) -> int:
        """Chosen when first asked for, and kept."""
        path = self.directory / "port"
        if not path.exists():
            write_atomically(path, str(choose_first_port(1, path)))
        return int(path.read_text())

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def tls_directory(self) -> Path:
        return self.directory / "tls"

    @property
    def secret(self) -> str:
        """The registrar's."""
        path = self.directory / "secret"
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(24), mode=0o600)
        return path.read_text()


class AuthorityError(NetworkError):
    """A Fabric CA server did not start or did not answer."""


def require() -> None:
    """Raise UsageError where Fabric CA's program is missing."""
    if shutil.which(PROGRAM) is None:
        raise UsageError(
            f"ca: fabric-ca needs {PROGRAM} on PATH; install Fabric CA's release, or leave out `ca`"
        )


def servers(nodes: Nodes) -> list[AuthorityServer]:
    """Every organisation's server; none where the kit issues identities itself."""
    if nodes.topology.ca != "fabric-ca":
        return []
    organizations = (*nodes.topology.orderers.organizations, *nodes.topology.organizations)
    return [_server(nodes.layout, organization) for organization in organizations]


def programs(nodes: Nodes) -> list[Program]:
    """How to run every organisation's server; makes the authorities' keys, ports and the registrars' secrets."""
    return [_program(nodes.layout, server) for server in servers(nodes)]


def _program(layout: Layout, server: AuthorityServer) -> Program:
    server.directory.mkdir(parents=True, exist_ok=True)
    server.directory.chmod(0o700)  # the server's own files hold the registrar's secret too
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
        "FABRIC_CA_SERVER_BOOT": f"{REGISTRAR}:{server.secret}",
        "FABRIC_CA_SERVER_OPERATIONS_LISTENADDRESS": f"{HOST}:0",
    }
    return Program(server.name, command, environment, server.directory, (server.name,))


async def enrol(nodes: Nodes) -> None:
    """Register and enrol whoever has no certificate yet: nodes, administrators, users, homes. Raises AuthorityError."""
    topology, layout = nodes.topology, nodes.layout
    for organization in (*topology.orderers.organizations, *topology.organizations):
        wanted: dict[Path, tuple[str, str, Mapping[str, str] | None]] = {
            layout.user(organization, ADMIN): (ADMIN, ADMIN, None)
        }
        for node in nodes.fabric_nodes:
            if node.organization == organization:
                role = "peer" if organization in topology.organizations else "orderer"
                wanted[node.directory] = (node.name, role, None)
        if organization in topology.organizations:
            for user, attributes in user_attributes(nodes, organization).items():
                if user != ADMIN:
                    wanted[layout.user(organization, user)] = (user, "client", attributes)
        missing = {folder: one for folder, one in wanted.items() if not _certificate(folder).exists()}
        if missing:
            await _enrol_all(layout, organization, missing)
        else:
            async with _authority(layout, organization):
                pass  # it answers


async def renew(
    layout: Layout, organization: str, certificate: x509.Certificate, private_key_pem: bytes | None
) -> Enrollment:
    """The certificate anew, for the same key, or for a new one where none is given. Raises AuthorityError.

    The server knows it then, as it must to revoke it one day. By the holder's secret and not by its old pair, which
    may be cut in two by an interruption.
    """
    [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    server = _server(layout, organization)
    try:
        async with registrar(layout, organization) as (authority, _):
            return await authority.enroll(
                str(name.value),
                _enrolment_secret(server, str(name.value)),
                attributes=None if attributes_of(certificate) else (),
                private_key_pem=private_key_pem,
            )
    except FabricCAError as error:
        raise AuthorityError(f"{server.name}: {error}") from error


async def revoke(nodes: Nodes, organization: str, user: str) -> bytes:
    """Revoke a user with all its certificates; the authority's revocation list (PEM). Raises AuthorityError.

    The list counts on a channel once a configuration update puts it into the organisation's MSP.
    """
    try:
        async with registrar(nodes.layout, organization) as (authority, held):
            return (await authority.revoke(held, user, reason="privilegewithdrawn")).crl_pem
    except FabricCAError as error:
        raise AuthorityError(f"{_server(nodes.layout, organization).name}: {error}") from error


@asynccontextmanager
async def registrar(layout: Layout, organization: str) -> AsyncIterator[tuple[FabricCA, Enrollment]]:
    """An organisation's authority, and the certificate of who may register and revoke there; waits until it answers."""
    server = _server(layout, organization)
    async with _authority(layout, organization) as authority:
        yield authority, await authority.enroll(REGISTRAR, server.secret)


@asynccontextmanager
async def _authority(layout: Layout, organization: str) -> AsyncIterator[FabricCA]:
    server = _server(layout, organization)
    tls_ca = layout.tls_ca_certificate(organization).read_bytes()
    async with FabricCA(f"https://{server.address}", ca_name=server.name, tls_ca=tls_ca) as authority:
        await _answering(authority, layout, server.name)
        yield authority


async def _enrol_all(
    layout: Layout, organization: str, missing: Mapping[Path, tuple[str, str, Mapping[str, str] | None]]
) -> None:
    gate, server = asyncio.Semaphore(AT_ONCE), _server(layout, organization)
    try:
        async with registrar(layout, organization) as (authority, held):
            known = {identity.name for identity in await authority.identities(held)}

            async def one(folder: Path, name: str, role: str, attributes: Mapping[str, str] | None) -> None:
                async with gate:
                    # hf.* attributes are the authority's own to give.
                    given = {
                        key: value for key, value in (attributes or {}).items() if not key.startswith("hf.")
                    }
                    secret = _enrolment_secret(server, name)
                    if (
                        name not in known
                    ):  # else an earlier start was cut off between registering and enrolling
                        await authority.register(held, name, type=role, secret=secret, attributes=given)
                    # A node's or administrator's certificate carries no attributes, as the kit's own do not.
                    enrolled = await authority.enroll(name, secret, attributes=None if attributes else ())
                    _write(folder, enrolled, node=role in ("peer", "orderer"))

            await asyncio.gather(*(one(folder, *described) for folder, described in missing.items()))
    except FabricCAError as error:
        raise AuthorityError(f"{server.name}: {error}") from error


def _enrolment_secret(server: AuthorityServer, name: str) -> str:
    """The same each time, so that a start that was cut off between registering and enrolling goes on."""
    return hmac.digest(server.secret.encode(), name.encode(), "sha256").hex()


def _write(folder: Path, enrolled: Enrollment, *, node: bool) -> None:
    write_atomically(folder / "msp" / "keystore" / "key.pem", enrolled.private_key_pem, mode=0o600)
    write_atomically(_certificate(folder), enrolled.certificate_pem)
    if not node:
        write_atomically(folder / "private_key.pem", enrolled.private_key_pem, mode=0o600)
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


def _server(layout: Layout, organization: str) -> AuthorityServer:
    return AuthorityServer(organization, layout.directory / FOLDER / organization)
