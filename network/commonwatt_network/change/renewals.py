"""Certificates renewed before they expire, with the keys they have or with new ones, while trade goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from commonwatt_client.admin import ChannelConfig, Consenter, replace_consenter
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from commonwatt_network import fabric_authorities
from commonwatt_network.certificates import KeyPair, days_left, read_key_pair, reissue
from commonwatt_network.change.configuration import change_configuration
from commonwatt_network.change.ordering import consenter_of, orderer_signers
from commonwatt_network.change.site import Site, restart, settle_in, start_authorities, stop_other_servers
from commonwatt_network.change.witness import trading
from commonwatt_network.errors import UsageError
from commonwatt_network.identity import ensure_organization, user_attributes
from commonwatt_network.layout import write_atomically
from commonwatt_network.nodes import Nodes, Orderer, Peer
from commonwatt_network.topology import Topology

NEXT = "next"  # where an orderer's new pair waits until every channel knows it


@dataclass(frozen=True)
class Pair:
    """A certificate and its key on disk; `copies` are further places of both."""

    certificate: Path
    key: Path
    copies: tuple[tuple[Path, Path], ...] = ()


@dataclass(frozen=True)
class Renewal:
    """Certificates of one owner that expire soon. `restarts`: the nodes that have to take notice."""

    owner: str
    organization: str
    pairs: tuple[Pair, ...]
    tls: tuple[Pair, ...]
    restarts: tuple[str, ...] = ()
    manner: str = ""

    @property
    def key(self) -> str:
        """What says that this renewal was begun."""
        return f"renew the certificates of {self.owner}"

    @property
    def words(self) -> str:
        return f"{self.key} {self.manner}"


def due(nodes: Nodes, topology: Topology, cut_off: str = "") -> list[Renewal]:
    """What expires within `certificates.renew_before_days`, or a third of its validity; and what was `cut_off`."""
    before_days = topology.certificates.renew_before_days
    found = []
    for renewal in _owners(nodes):
        if renewal.organization not in {**topology.organizations, **topology.orderers.organizations}:
            continue
        days_valid = _days_valid(topology, renewal.organization)
        limit = min(before_days, days_valid // 3)
        left = [d for pair in (*renewal.pairs, *renewal.tls) if (d := _days_left(pair)) is not None]
        if left and (min(left) < limit or renewal.key == cut_off):
            keys = "with new keys" if topology.certificates.new_keys else "with the keys they have"
            found.append(replace(renewal, manner=f"{keys}: {_days(min(left))} left"))
    _refuse(nodes, topology, {renewal.owner for renewal in found})
    return found


def _refuse(nodes: Nodes, topology: Topology, owners: set[str]) -> None:
    """Raise UsageError for orderers whose certificates cannot be renewed as the topology wants it."""
    orderers = [node.name for node in nodes.orderers if node.name in owners]
    if orderers and topology.orderers.consensus == "bft":
        raise UsageError(
            f"the certificates of {', '.join(orderers)} expire soon, but BFT's channels name their orderers by whole "
            "certificates, which this command does not change; renew them by a configuration update of your own"
        )
    if orderers and topology.certificates.new_keys and len(nodes.orderers) == 1:
        raise UsageError(
            f"{orderers[0]} is the only orderer: a Raft leader hands over before its key changes, and nobody is there "
            "to take over; say new_keys: false, or add orderers first"
        )


async def renew(site: Site, renewal: Renewal) -> None:
    """Issue anew, tell the channels where a consenter's key changes, restart who has to take notice."""
    if not renewal.restarts:
        await _issue(site, renewal)
        return
    async with trading(site.before) as back:
        await back()
        await _issue(site, renewal)
        if any(server.name in renewal.restarts for server in site.nodes.chaincode_servers):
            await settle_in(site)
            await back()
            stop_other_servers(site)
        else:
            await restart(site, renewal.restarts)
        await back()  # or the pauses of two owners would add up


async def _issue(site: Site, renewal: Renewal) -> None:
    new_keys = site.nodes.topology.certificates.new_keys
    authorities = ensure_organization(site.layout, renewal.organization)
    days = _days_valid(site.nodes.topology, renewal.organization)
    orderers = [node for node in site.nodes.orderers if node.name in renewal.restarts]
    by_servers = site.nodes.topology.ca == "fabric-ca"
    if by_servers and renewal.pairs:
        start_authorities(site)
    for pair in renewal.pairs:
        if by_servers:
            await _have_renewed(site, renewal.organization, pair, new_keys)
        else:
            _replace(pair, authorities.enrolment, days, new_keys)
    for pair in renewal.tls:
        if orderers and new_keys:
            await _renew_consenter(site, orderers[0], pair, authorities.tls, days)
        else:
            _replace(pair, authorities.tls, days, new_keys)


def _owners(nodes: Nodes) -> list[Renewal]:
    """Everyone who holds certificates, with all of them; orderers first."""
    layout = nodes.layout
    owners = [_node(node) for node in nodes.fabric_nodes]
    for organization in nodes.topology.organizations:
        servers = [s.name for s in nodes.chaincode_servers if s.organization == organization]
        tls = [
            _tls(folder)
            for folder in (layout.chaincode_tls(organization), layout.chaincode_client_tls(organization))
        ]
        if servers:
            words = f"{organization}'s chaincode servers"
            owners.append(Renewal(words, organization, (), tuple(tls), tuple(servers)))
    for organization in [*nodes.topology.orderers.organizations, *nodes.topology.organizations]:
        member = organization in nodes.topology.organizations
        names = list(user_attributes(nodes, organization)) if member else ["admin"]
        users = tuple(_user(layout.user(organization, name)) for name in names)
        tls = [_tls(layout.user(organization, "admin") / "tls")]
        if member and nodes.topology.organizations[organization].client_authentication:
            tls.append(_tls(layout.client_tls(organization)))
        words = (
            f"{organization}'s {len(names)} users and homes" if member else f"{organization}'s administrator"
        )
        owners.append(Renewal(words, organization, users, tuple(tls)))
    return owners


def _node(node: Orderer | Peer) -> Renewal:
    return Renewal(
        node.name,
        node.organization,
        (_msp(node.directory / "msp"),),
        (_tls(node.tls_directory),),
        (node.name,),
    )


def _msp(folder: Path) -> Pair:
    return Pair(folder / "signcerts" / "cert.pem", folder / "keystore" / "key.pem")


def _tls(folder: Path) -> Pair:
    return Pair(folder / "server.crt", folder / "server.key")


def _user(folder: Path) -> Pair:
    pair = _msp(folder / "msp")
    return Pair(pair.certificate, pair.key, ((folder / "certificate.pem", folder / "private_key.pem"),))


async def _have_renewed(site: Site, organization: str, pair: Pair, new_keys: bool) -> None:
    """By the organisation's Fabric CA server. The key first, as below."""
    old = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    key = None if new_keys else pair.key.read_bytes()
    renewed = await fabric_authorities.renew(site.layout, organization, old, key)
    _write(pair, renewed.certificate_pem, renewed.private_key_pem)


def _replace(pair: Pair, authority: KeyPair, days: int, new_keys: bool) -> None:
    """The key first: a pair that is cut in two is issued anew by the next try."""
    old = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    key = None if new_keys else read_key_pair(pair.certificate, pair.key).key
    renewed = reissue(authority, old, key, days)
    _write(pair, renewed.certificate_pem, renewed.key_pem)


def _write(pair: Pair, certificate_pem: bytes, key_pem: bytes) -> None:
    for certificate, key in ((pair.certificate, pair.key), *pair.copies):
        write_atomically(key, key_pem, mode=0o600)
        write_atomically(certificate, certificate_pem)


async def _renew_consenter(site: Site, orderer: Orderer, pair: Pair, authority: KeyPair, days: int) -> None:
    """The channels learn the new certificate before the orderer shows it."""
    folder = pair.certificate.parent / NEXT
    waiting = Pair(folder / "server.crt", folder / "server.key")
    if not waiting.certificate.exists():
        old = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        issued = reissue(authority, old, ec.generate_private_key(ec.SECP256R1()), days)
        _write(waiting, issued.certificate_pem, issued.key_pem)
    renewed = read_key_pair(waiting.certificate, waiting.key)
    consenter = consenter_of(orderer, renewed.certificate_pem)
    edit = _edit(orderer, consenter)
    channels = list(site.nodes.topology.channels)
    for channel in channels:
        await change_configuration(site.nodes, channel, edit, orderer_signers(site.nodes))
    _write(pair, renewed.certificate_pem, renewed.key_pem)
    waiting.certificate.unlink()
    waiting.key.unlink()
    folder.rmdir()


def _edit(orderer: Orderer, consenter: Consenter) -> Callable[[ChannelConfig], ChannelConfig]:
    def with_certificate(config: ChannelConfig) -> ChannelConfig:
        return replace_consenter(config, orderer.address, consenter)

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


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}"
