"""`ca: fabric-ca`: a Fabric CA server per organisation issues its identities, over Fabric CA's own REST interface.

The server is given the key of the organisation's enrolment authority, so channels and MSP folders are as without it.
TLS certificates stay with the organisation's TLS authority. What the kit would issue is registered and enrolled, with
the same attributes; what is there and good is kept, as everywhere.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from commonwatt_client.fabric_ca import Enrollment, FabricCA, FabricCAError

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


class AuthorityError(NetworkError):
    """A Fabric CA server did not start or did not answer."""


def require() -> None:
    """Raise UsageError where Fabric CA's program is missing."""
    if shutil.which(PROGRAM) is None:
        raise UsageError(
            f"ca: fabric-ca needs {PROGRAM} on PATH; install Fabric CA's release, or leave out `ca`"
        )


def programs(nodes: Nodes) -> list[Program]:
    """How to run every organisation's server; makes the authorities' keys, ports and the registrars' secrets."""
    found = []
    for organization in (*nodes.topology.orderers.organizations, *nodes.topology.organizations):
        layout, home = nodes.layout, _home(nodes.layout, organization)
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)  # the server's own files hold the registrar's secret too
        authorities = ensure_organization(layout, organization)
        ensure_tls(home / "tls", authorities.tls, _name(organization), 3650)
        authority = layout.organization(organization) / "ca"
        command = [
            *(PROGRAM, "start", "--address", HOST, "--port", str(_port(home)), "--loglevel", "warning"),
            *("--ca.name", _name(organization), "--tls.enabled"),
            *("--ca.certfile", str(authority / "ca.crt"), "--ca.keyfile", str(authority / "ca.key")),
            *(
                "--tls.certfile",
                str(home / "tls" / "server.crt"),
                "--tls.keyfile",
                str(home / "tls" / "server.key"),
            ),
        ]
        # The secret goes by the environment: every user of the machine may read a command line.
        environment = {
            "FABRIC_CA_SERVER_HOME": str(home),
            "FABRIC_CA_SERVER_BOOT": f"{REGISTRAR}:{_secret(home)}",
            "FABRIC_CA_SERVER_OPERATIONS_LISTENADDRESS": f"{HOST}:0",
        }
        found.append(Program(_name(organization), command, environment, home))
    return found


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


async def revoke(nodes: Nodes, organization: str, user: str) -> bytes:
    """Revoke a user with all its certificates; the authority's revocation list (PEM).

    The list counts on a channel once a configuration update puts it into the organisation's MSP.
    """
    async with registrar(nodes.layout, organization) as (authority, held):
        revocation = await authority.revoke(held, user, reason="privilegewithdrawn")
    write_atomically(_home(nodes.layout, organization) / "crl.pem", revocation.crl_pem)
    return revocation.crl_pem


@asynccontextmanager
async def registrar(layout: Layout, organization: str) -> AsyncIterator[tuple[FabricCA, Enrollment]]:
    """An organisation's authority, and the certificate of who may register and revoke there; waits until it answers."""
    home = _home(layout, organization)
    url = f"https://{HOST}:{_port(home)}"
    authority = FabricCA(
        url, ca_name=_name(organization), tls_ca=layout.tls_ca_certificate(organization).read_bytes()
    )
    async with authority:
        await _answering(authority, layout, _name(organization))
        yield authority, await authority.enroll(REGISTRAR, _secret(home))


async def _enrol_all(
    layout: Layout, organization: str, missing: Mapping[Path, tuple[str, str, Mapping[str, str] | None]]
) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    try:
        async with registrar(layout, organization) as (authority, held):
            known = {identity.name for identity in await authority.identities(held)}

            async def one(folder: Path, name: str, role: str, attributes: Mapping[str, str] | None) -> None:
                async with gate:
                    # hf.* attributes are the authority's own to give.
                    given = {
                        key: value for key, value in (attributes or {}).items() if not key.startswith("hf.")
                    }
                    if name in known:  # an earlier start was cut off between registering and enrolling
                        raise AuthorityError(
                            f"{_name(organization)} knows {name} already, whose certificate is missing; put it back "
                            "from a backup, or delete this network with `make network-reset`"
                        )
                    secret = await authority.register(held, name, type=role, attributes=given)
                    # A node's or administrator's certificate carries no attributes, as the kit's own do not.
                    enrolled = await authority.enroll(name, secret, attributes=None if attributes else ())
                    _write(folder, enrolled, node=role in ("peer", "orderer"))

            await asyncio.gather(*(one(folder, *described) for folder, described in missing.items()))
    except FabricCAError as error:
        raise AuthorityError(f"{_name(organization)}: {error}") from error


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


def _name(organization: str) -> str:
    return f"ca.{organization}"


def _home(layout: Layout, organization: str) -> Path:
    return layout.directory / FOLDER / organization


def _port(home: Path) -> int:
    path = home / "port"
    if not path.exists():
        write_atomically(path, str(choose_first_port(1, path)))
    return int(path.read_text())


def _secret(home: Path) -> str:
    path = home / "secret"
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(24), mode=0o600)
    return path.read_text()
