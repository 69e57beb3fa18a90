# SPDX-License-Identifier: Apache-2.0
"""Certificates renewed before they expire, with the keys they have or with new ones, while trade goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from commonwatt_client.admin import ChannelConfig, Consenter, replace_consenter
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.change.configuration import change_configuration
from commonwatt_network.change.ordering import consenter_of, orderer_signers
from commonwatt_network.change.revocation import revoke_former, settled_network
from commonwatt_network.change.site import (
    Site,
    programs_behind,
    restart,
    settle_in,
    start_authorities,
    stop_other_servers,
    stop_programs,
)
from commonwatt_network.change.witness import trading
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, Orderer, Peer
from commonwatt_network.model.roster import ADMIN, user_attributes
from commonwatt_network.model.state import exclusive
from commonwatt_network.model.topology import Topology
from commonwatt_network.trust import fabric_authorities
from commonwatt_network.trust.certificates import KeyPair, days_left, read_key_pair, reissue
from commonwatt_network.trust.identity import ensure_organization
from commonwatt_network.trust.issued import note_issued, read_record
from commonwatt_network.trust.pairs import Pair, msp_pair, reissued, tls_pair, user_pair, write_pair

NEXT = "next"  # where an orderer's new pair waits until every channel knows it


@dataclass(frozen=True)
class Renewal:
    """Certificates of one owner that expire soon, or have expired. `restarts`: the nodes that have to take notice."""

    owner: str
    organization: str
    pairs: tuple[Pair, ...]
    tls: tuple[Pair, ...]
    restarts: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()  # users who are left out for good
    manner: str = ""
    expired: bool = False

    @property
    def key(self) -> str:
        """What says that this renewal was begun."""
        return f"renew the certificates of {self.owner}"

    @property
    def words(self) -> str:
        return f"{self.key} {self.manner}"


def due(nodes: Nodes, topology: Topology, cut_off: str = "") -> list[Renewal]:
    """What expires within `certificates.renew_before_days`, or a third of its validity; and what was `cut_off`.

    Of those who are in `topology`: a node that is about to go needs no certificate.
    """
    before_days = topology.certificates.renew_before_days
    found = []
    staying = _staying(nodes, topology)
    for owner in _owners(nodes):
        if owner.organization not in {**topology.organizations, **topology.orderers.organizations}:
            continue
        if not staying.issuperset(owner.restarts):
            continue
        limit = min(before_days, _days_valid(topology, owner.organization) // 3)
        again = owner.key == cut_off
        # A node restarts once for all that it has; of users, each is renewed in its own time.
        renewal = owner if owner.restarts or again else _due_alone(owner, limit)
        left = [d for pair in (*renewal.pairs, *renewal.tls) if (d := _days_left(pair)) is not None]
        if left and (min(left) < limit or again):
            keys = "with new keys" if topology.certificates.new_keys else "with the keys they have"
            fewer = len(renewal.pairs) < len(owner.pairs)
            manner = f"{keys}: {f'{len(renewal.pairs)} of them, ' if fewer else ''}{_left(min(left))}"
            if owner.revoked:
                manner += f"; left out, for good: {', '.join(owner.revoked)} (revoked)"
            found.append(replace(renewal, manner=manner, expired=min(left) < 0))
    _refuse(nodes, topology, {renewal.owner for renewal in found})
    return found


def _staying(nodes: Nodes, topology: Topology) -> set[str]:
    """The names of the nodes and chaincode servers that are in `topology` too: of an organisation, the last ones go."""
    names = {server.name for server in nodes.chaincode_servers}
    for organization, member in topology.organizations.items():
        names |= {f"peer{number}.{organization}" for number in range(member.peers)}
    for organization, orders in topology.orderers.organizations.items():
        own = [orderer.name for orderer in nodes.orderers if orderer.organization == organization]
        names.update(own[: orders.nodes])
    return names


def _due_alone(owner: Renewal, limit: int) -> Renewal:
    def soon(pair: Pair) -> bool:
        left = _days_left(pair)
        return left is not None and left < limit

    return replace(owner, pairs=tuple(filter(soon, owner.pairs)), tls=tuple(filter(soon, owner.tls)))


def _refuse(nodes: Nodes, topology: Topology, owners: set[str]) -> None:
    """Raise UsageError for orderers whose certificates cannot be renewed as the topology wants it."""
    orderers = [node.name for node in nodes.orderers if node.name in owners]
    if orderers and topology.orderers.consensus == "bft":
        raise UsageError(
            f"the certificates of {', '.join(orderers)} expire soon, but BFT's channels name their orderers by whole "
            "certificates, which this command does not change; renew them by a configuration update of your own"
        )
    total = sum(entry.nodes for entry in topology.orderers.organizations.values())
    if orderers and topology.certificates.new_keys and min(total, len(nodes.orderers)) == 1:
        raise UsageError(
            f"{orderers[0]} is the only orderer: a Raft leader hands over before its key changes, and nobody is there "
            "to take over; say new_keys: false, or add orderers first"
        )


async def renew(site: Site, renewal: Renewal) -> tuple[str, ...]:
    """Issue anew, tell the channels where a consenter's key changes, restart who has to take notice.

    Returns why users were passed over whom their Fabric CA server gives no certificate, one line each.
    """
    new_keys = site.nodes.topology.certificates.new_keys
    if not renewal.restarts:
        return await _issue(site, renewal, new_keys)
    async with trading(site.before) as back:
        await back()
        await _issue(site, renewal, new_keys)
        if any(server.name in renewal.restarts for server in site.nodes.chaincode_servers):
            await settle_in(site)
            await back()
            stop_other_servers(site)
        else:
            await restart(site, renewal.restarts)
        await back()  # or the pauses of two owners would add up
    return ()


async def renew_expired(site: Site, renewal: Renewal) -> tuple[str, ...]:
    """As `renew`, where nobody can trade meanwhile: stops the nodes, for the caller to start once all is issued.

    Orderers keep their keys: with a certificate that has expired, none could tell the channels of another.
    """
    stop_programs(site, programs_behind(site, renewal.restarts))
    orders = any(orderer.name in renewal.restarts for orderer in site.nodes.orderers)
    return await _issue(site, renewal, site.nodes.topology.certificates.new_keys and not orders)


async def renew_user(directory: Path, organization: str, user: str, *, new_key: bool) -> tuple[str, ...]:
    """A user's certificate anew, at once. With `new_key`, the channels whose peers refuse its former ones from now on.

    The same call again finishes an interrupted one. Raises UsageError before anything is issued, NetworkError when the
    network does not answer.
    """
    layout = Layout(directory)
    with exclusive(layout):
        state = settled_network(layout)
        nodes = nodes_of(layout, state)
        _require_holder(nodes, organization, user)
        folder = layout.user(organization, user)
        tls = (tls_pair(folder / "tls"),) if user == ADMIN else ()
        site = Site(backend_called(state.backend), nodes, nodes)
        refused = await _issue(site, Renewal(user, organization, (user_pair(folder),), tls), new_key)
        if refused:
            raise NetworkError(refused[0])
        return await revoke_former(nodes, organization, user) if new_key else ()


def _require_holder(nodes: Nodes, organization: str, user: str) -> None:
    topology = nodes.topology
    known = {**topology.orderers.organizations, **topology.organizations}
    if organization not in known:
        raise UsageError(f"no organisation {organization}; there are: {', '.join(known)}")
    member = organization in topology.organizations
    if user not in (user_attributes(nodes, organization) if member else (ADMIN,)):
        raise UsageError(f"{organization} has no user {user}; `commonwatt topology show` prints who there is")
    if user in read_record(nodes.layout, organization).revoked:
        raise UsageError(f"{user} of {organization} is revoked for good; give the user another name")


async def _issue(site: Site, renewal: Renewal, new_keys: bool) -> tuple[str, ...]:
    authorities = ensure_organization(site.layout, renewal.organization)
    days = _days_valid(site.nodes.topology, renewal.organization)
    orderers = [node for node in site.nodes.orderers if node.name in renewal.restarts]
    refused = []
    if site.nodes.topology.ca == "fabric-ca" and renewal.pairs:
        start_authorities(site)
        async with fabric_authorities.renewing(site.nodes, renewal.organization) as have_renewed:
            for pair in renewal.pairs:
                try:
                    await _have_renewed(have_renewed, pair, new_keys)
                except fabric_authorities.AuthorityRefusedError as error:
                    if renewal.restarts:
                        raise
                    refused.append(str(error))  # one user is not the others' affair
    else:
        for pair in renewal.pairs:
            renewed = reissued(pair, authorities.enrolment, days, new_keys=new_keys)
            serial_number = renewed.certificate.serial_number
            note_issued(site.layout, renewal.organization, _holder(renewed.certificate), serial_number)
            write_pair(pair, renewed.certificate_pem, renewed.key_pem)
    for pair in renewal.tls:
        if orderers and new_keys:
            await _renew_consenter(site, orderers[0], pair, authorities.tls, days)
        else:
            renewed = reissued(pair, authorities.tls, days, new_keys=new_keys)
            write_pair(pair, renewed.certificate_pem, renewed.key_pem)
    return tuple(refused)


def _owners(nodes: Nodes) -> list[Renewal]:
    """Everyone who holds certificates, with all of them; orderers first."""
    layout = nodes.layout
    owners = [_node(node) for node in nodes.fabric_nodes]
    for organization in nodes.topology.organizations:
        servers = [s.name for s in nodes.chaincode_servers if s.organization == organization]
        tls = [
            tls_pair(folder)
            for folder in (layout.chaincode_tls(organization), layout.chaincode_client_tls(organization))
        ]
        if servers:
            words = f"{organization}'s chaincode servers"
            owners.append(Renewal(words, organization, (), tuple(tls), tuple(servers)))
    for organization in [*nodes.topology.orderers.organizations, *nodes.topology.organizations]:
        member = organization in nodes.topology.organizations
        everyone = list(user_attributes(nodes, organization)) if member else [ADMIN]
        gone = read_record(layout, organization).revoked
        names = [name for name in everyone if name not in gone]
        revoked = tuple(name for name in everyone if name in gone)
        users = tuple(user_pair(layout.user(organization, name)) for name in names)
        tls = [tls_pair(layout.user(organization, ADMIN) / "tls")]
        if member and nodes.topology.organizations[organization].client_authentication:
            tls.append(tls_pair(layout.client_tls(organization)))
        words = (
            f"{organization}'s {len(names)} users and homes" if member else f"{organization}'s administrator"
        )
        owners.append(Renewal(words, organization, users, tuple(tls), revoked=revoked))
    return owners


def _node(node: Orderer | Peer) -> Renewal:
    return Renewal(
        node.name,
        node.organization,
        (msp_pair(node.directory / "msp"),),
        (tls_pair(node.tls_directory),),
        (node.name,),
    )


async def _have_renewed(renew: fabric_authorities.Renew, pair: Pair, new_keys: bool) -> None:
    """By the organisation's Fabric CA server."""
    old = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    renewed = await renew(old, None if new_keys else pair.key.read_bytes())
    write_pair(pair, renewed.certificate_pem, renewed.private_key_pem)


def _holder(certificate: x509.Certificate) -> str:
    [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


async def _renew_consenter(site: Site, orderer: Orderer, pair: Pair, authority: KeyPair, days: int) -> None:
    """The channels learn the new certificate before the orderer shows it."""
    folder = pair.certificate.parent / NEXT
    waiting = Pair(folder / "server.crt", folder / "server.key")
    if not waiting.certificate.exists():
        old = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        issued = reissue(authority, old, ec.generate_private_key(ec.SECP256R1()), days)
        write_pair(waiting, issued.certificate_pem, issued.key_pem)
    renewed = read_key_pair(waiting.certificate, waiting.key)
    edit = _edit(consenter_of(site.named_as(orderer), renewed.certificate_pem))
    channels = list(site.nodes.topology.channels)
    for channel in channels:
        await change_configuration(site.nodes, channel, edit, orderer_signers(site.nodes))
    write_pair(pair, renewed.certificate_pem, renewed.key_pem)
    waiting.certificate.unlink()
    waiting.key.unlink()
    folder.rmdir()


def _edit(consenter: Consenter) -> Callable[[ChannelConfig], ChannelConfig]:
    def with_certificate(config: ChannelConfig) -> ChannelConfig:
        return replace_consenter(config, consenter.address, consenter)

    return with_certificate


def _days_valid(topology: Topology, organization: str) -> int:
    entry = topology.organizations.get(organization) or topology.orderers.organizations[organization]
    return entry.days_valid


def _days_left(pair: Pair) -> int | None:
    """None for one that is not there yet."""
    try:
        return days_left(x509.load_pem_x509_certificate(pair.certificate.read_bytes()))
    except (OSError, ValueError):
        return None


def _left(days: int) -> str:
    return "expired" if days < 0 else f"{days} day{'' if days == 1 else 's'} left"
