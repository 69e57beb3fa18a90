# SPDX-License-Identifier: Apache-2.0
"""An organisation's certificates renewed by its own authorities, one node after the other, while the others trade on.

Every certificate is issued for the key that it has. So no channel has to learn of it: orderers know each other by
the public key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from commonwatt_network.consortium.host import OwnHost, start_host
from commonwatt_network.consortium.membership import approve, install
from commonwatt_network.consortium.units import under_systemd, write_environment
from commonwatt_network.errors import UsageError
from commonwatt_network.model.roster import ADMIN
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs import processes
from commonwatt_network.programs.readiness import NotReadyError, accepts
from commonwatt_network.trust.certificates import KeyPair, days_left, signed
from commonwatt_network.trust.identity import Authorities, ensure_organization
from commonwatt_network.trust.issued import note_issued, read_record
from commonwatt_network.trust.pairs import Pair, msp_pair, reissued, tls_pair, user_pair, write_pair

BEFORE_DAYS = 30
APPROVAL_S = 120.0
BACK_S = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Holder:
    """Who holds certificates: a node, the chaincode, or a user. `programs`: what has to start again."""

    name: str
    enrolment: tuple[Pair, ...]
    tls: tuple[Pair, ...]
    programs: tuple[str, ...] = ()
    packaged: bool = False  # the chaincode's package holds one of them

    @property
    def days_left(self) -> int:
        """Of the certificate that expires first."""
        return min(days_left(_certificate(pair.certificate)) for pair in (*self.enrolment, *self.tls))


def holders(host: OwnHost) -> Iterator[Holder]:
    """Everyone who holds certificates of the organisation; revoked users are left out for good."""
    layout, name = host.layout, host.name
    for node in host.fabric_nodes:
        yield Holder(
            node.name, (msp_pair(node.directory / "msp"),), (tls_pair(node.tls_directory),), (node.name,)
        )
    chaincode = (layout.chaincode_tls(name), layout.chaincode_client_tls(name))
    servers = tuple(server.name for server in host.chaincode_servers)
    yield Holder(f"chaincode.{name}", (), tuple(map(tls_pair, chaincode)), servers, packaged=True)
    revoked = read_record(layout, name).revoked
    for user in (user for user in host.users() if user not in revoked):
        folder = layout.user(name, user)
        tls = (tls_pair(folder / "tls"),) if user == ADMIN else ()
        yield Holder(user, (user_pair(folder),), tls)


def due(host: OwnHost, before_days: int | None = None) -> list[Holder]:
    """Whose certificates expire within `before_days`, by default 30 or a third of their validity."""
    limit = min(BEFORE_DAYS, host.description.days_valid // 3) if before_days is None else before_days
    return [holder for holder in holders(host) if holder.days_left <= limit]


async def renew(host: OwnHost, say: Say, before_days: int | None = None) -> tuple[str, ...]:
    """Issue anew what expires soon, and restart the nodes that have to take notice, one at a time; the holders' names.

    The same call again goes on after an interruption. Raises UsageError where the authorities' keys are elsewhere.
    """
    found = due(host, before_days)
    renewed = []
    for holder in found:
        left = holder.days_left
        with exclusive(host.layout):
            authorities = ensure_organization(host.layout, host.name)
            elsewhere = _changes_root(host, authorities.tls, holder)
            _issue(host, authorities, holder)
        say(f"{holder.name}: renewed for {holder.days_left} days, {_words(left)}")
        renewed.append(holder.name)
        if elsewhere:
            say(
                f"{holder.name} goes on with its former certificate: let the members do `commonwatt consortium agree "
                f"{host.name}`, then start it again"
            )
        elif holder.programs and not host.in_containers:
            await restart(host, holder.programs)
            if holder.packaged:
                await agree_on_package(host, say)
    if host.in_containers and any(holder.programs for holder in found):
        say(
            f"the containers have yet to take notice: repeat `commonwatt org render`, then start them again under "
            f"{host.description.backend}; where the chaincode's were renewed, repeat `org install` and `org approve`"
        )
    return tuple(renewed)


async def restart(host: OwnHost, names: Iterable[str]) -> None:
    """Stop these programs of the organisation and bring them back; those that did not run stay stopped.

    A program that systemd started is left for systemd to start again. Raises NotReadyError.
    """
    alive = processes.running(host.layout)
    wanted = [name for name in names if name in alive]
    if not wanted:
        return
    theirs = [name for name in wanted if under_systemd(alive[name][0].environ())]
    for server in host.chaincode_servers:
        if server.name in theirs:
            write_environment(host, server)
    processes.stop(process for name in wanted for process in alive[name])
    if not theirs:
        await start_host(host, only=wanted)
        return
    await _back(host, theirs)


async def _back(host: OwnHost, names: Sequence[str]) -> None:
    """Until systemd has started these again, and they take connections."""
    deadline = asyncio.get_running_loop().time() + BACK_S
    for node in (*host.fabric_nodes, *host.chaincode_servers):
        while node.name in names and not (
            node.name in processes.running(host.layout) and await accepts(node)
        ):
            if asyncio.get_running_loop().time() > deadline:
                raise NotReadyError(
                    f"systemd has not started {node.name} again; see `systemctl status 'commonwatt-*'`"
                )
            await asyncio.sleep(0.2)


def _issue(host: OwnHost, authorities: Authorities, holder: Holder) -> None:
    days = host.description.days_valid
    for pair in holder.enrolment:
        made = reissued(pair, authorities.enrolment, days, new_keys=False)
        note_issued(host.layout, host.name, holder.name, made.certificate.serial_number)
        write_pair(pair, made.certificate_pem, made.key_pem)
    for pair in holder.tls:
        made = reissued(pair, authorities.tls, days, new_keys=False)
        write_pair(pair, made.chain_pem, made.key_pem)


async def agree_on_package(host: OwnHost, say: Say) -> None:
    """The package holds what peers show to the chaincode: install it, and let this organisation's peers use it."""
    channels = [path.stem for path in sorted(host.layout.blocks.glob("*.block"))]
    if not channels:
        return
    await install(host, say)
    for channel in channels:
        await approve(host, channel, APPROVAL_S, say)


def _changes_root(host: OwnHost, authority: KeyPair, holder: Holder) -> bool:
    """Whether an orderer's next certificate for TLS is below another root than the present one.

    Orderers that run dial each other with the roots that they knew when they first did. They begin anew once the
    channel has another certificate for the orderer, and not before.
    """
    if holder.name not in (orderer.name for orderer in host.orderers) or len(authority.roots) == 1:
        return False
    return not all(signed(_certificate(pair.certificate), authority.certificate) for pair in holder.tls)


def _words(days: int) -> str:
    if days < 0:
        return "it had expired"
    return f"{days} day{'' if days == 1 else 's'} before it expired"


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read; put it back from a backup, or delete it and its key"
        ) from error
