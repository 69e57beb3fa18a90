# SPDX-License-Identifier: Apache-2.0
"""What a network's own peers answer of it: its channels, and their organisations, peers, orderers and chaincodes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from commonwatt_client import ClientCertificate, ClientError, Identity, Peer, Timeouts
from commonwatt_client.admin import ChannelConfig, DiscoveredPeer, Organization, PeerAdmin, RefusedError
from commonwatt_client.identity import read_pem
from commonwatt_client.signers import Signer
from cryptography import x509
from cryptography.x509.oid import NameOID
from fabric_protos.common import configuration_pb2

from commonwatt_network.connected.trouble import why_silent
from commonwatt_network.errors import NotThereError, UsageError
from commonwatt_network.model.forward_market import MARKET, market_of

PATIENCE = Timeouts(evaluate_s=5.0, endorse_s=5.0, submit_s=5.0, commit_status_s=5.0)
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Other organisations choose what follows, so it is bounded before it is kept or shown.
ENDPOINT = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
CALLED = re.compile(r"[A-Za-z0-9@._-]{1,100}")
MOST_NODES = 500
LONGEST_NOTE = 500


@dataclass(frozen=True)
class FoundNode:
    """A peer or an orderer; `endpoint` says how to reach it, with its TLS authority as PEM."""

    mspid: str
    endpoint: Peer


@dataclass(frozen=True)
class FoundChannel:
    """A channel: its organisations' MSP ids, and each chaincode's version and sequence.

    market: which one its chaincode `market` is for; empty without it.
    """

    organizations: tuple[str, ...]
    chaincodes: Mapping[str, tuple[str, int]]
    batch_timeout_s: float
    market: str = ""


@dataclass(frozen=True)
class Survey:
    """All that was found. `notes` say what was not, and why, one line each."""

    channels: Mapping[str, FoundChannel]
    peers: tuple[FoundNode, ...]
    orderers: tuple[FoundNode, ...]
    notes: tuple[str, ...] = ()


@dataclass
class _Finding:
    """What is put together while peers answer. `pair`: what nodes that demand a TLS client certificate are shown."""

    local: bool
    pair: ClientCertificate | None = None
    peers: dict[tuple[str, str], FoundNode] = field(default_factory=dict)  # by MSP id and name:port
    orderers: dict[str, FoundNode] = field(default_factory=dict)
    channels: dict[str, FoundChannel] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a sentence, in which other organisations may have had a say."""
        printable = "".join(character if character.isprintable() else "?" for character in text)
        self.notes.append(printable[:LONGEST_NOTE])

    def take_peer(self, mspid: str, peer: Peer) -> None:
        """Keep a peer, unless it is one that is known already, by its name or by the address that is dialled."""
        known = {node.endpoint.address for node in self.peers.values() if node.mspid == mspid}
        if peer.address not in known and len(self.peers) < MOST_NODES:
            shown = replace(peer, client_certificate=self.pair)
            self.peers.setdefault((mspid, _place(peer)), FoundNode(mspid, shown))

    def usable(self, endpoints: Iterable[str], mspid: str) -> list[str]:
        """Those that are host:port; a note says of the others."""
        listed = list(endpoints)
        good = [endpoint for endpoint in listed if ENDPOINT.fullmatch(endpoint)]
        if len(good) < len(listed):
            self.note(
                f"{len(listed) - len(good)} endpoints of {mspid} are not host:port, so they are left out"
            )
        return good


async def survey(peers: Sequence[Peer], identity: Identity, signer: Signer) -> Survey:
    """Ask the organisation's own peers.

    Raises NotThereError where none answers, UsageError where they refuse the identity or no channel knows it.
    """
    mspid = identity.mspid
    finding = _Finding(all(_on_this_machine(peer) for peer in peers), peers[0].client_certificate)
    for peer in peers:
        finding.peers[mspid, _place(peer)] = FoundNode(mspid, _with_pem(peer))
    asked = [PeerAdmin(peer, identity=identity, signer=signer, timeouts=PATIENCE) for peer in peers]
    try:
        joined = await _joined(peers, asked, identity, finding)
        for channel in sorted({name for names in joined.values() for name in names}):
            await _ask_of(channel, [admin for admin, names in joined.items() if channel in names], finding)
    finally:
        await asyncio.gather(*(admin.close() for admin in asked))
    if not finding.channels:
        why = "; ".join(finding.notes) or "its peers have joined none"
        raise UsageError(f"{mspid} is on no channel that answers this identity: {why}")
    return Survey(
        finding.channels,
        tuple(node for _, node in sorted(finding.peers.items())),
        tuple(node for _, node in sorted(finding.orderers.items())),
        tuple(finding.notes),
    )


async def _joined(
    peers: Sequence[Peer], asked: Sequence[PeerAdmin], identity: Identity, finding: _Finding
) -> dict[PeerAdmin, tuple[str, ...]]:
    answers = await asyncio.gather(*(admin.list_channels() for admin in asked), return_exceptions=True)
    joined, failed = {}, []
    for peer, admin, answer in zip(peers, asked, answers, strict=True):
        if isinstance(answer, RefusedError):
            raise UsageError(
                f"{name_of(peer)} refuses this identity: {answer.answer or answer}; use a certificate that an "
                f"authority of {identity.mspid} issued, or name its organisation with --msp"
            ) from answer
        if isinstance(answer, ClientError):
            failed.append((peer, answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            joined[admin] = answer
    reasons = await asyncio.gather(*(why_silent(peer) for peer, _ in failed))
    for (peer, error), reason in zip(failed, reasons, strict=True):
        finding.note(f"{name_of(peer)} does not answer: {reason or error}")
    if not joined:
        raise NotThereError(f"no peer of {identity.mspid} answers: {'; '.join(finding.notes)}")
    return joined


async def _ask_of(channel: str, admins: Sequence[PeerAdmin], finding: _Finding) -> None:
    """All about a channel, from the first peer that tells it."""
    config: ChannelConfig | None = None
    for admin in admins:
        try:
            config = await admin.fetch_config(channel)
            break
        except ClientError as error:
            refused = error
    if config is None:
        finding.note(f"channel {channel} is left out: {refused}")
        return
    members = {each.mspid: each for each in config.application_organizations.values()}
    chaincodes = {}
    market = ""
    try:
        for each in await admin.query_committed_chaincode_definitions(channel):
            chaincodes[each.definition.name] = each.definition.version, each.definition.sequence
            if each.definition.name == MARKET:
                market = market_of(each.definition)
    except ClientError as error:
        finding.note(f"channel {channel}: its chaincodes are unknown: {error}")
    finding.channels[channel] = FoundChannel(tuple(members), chaincodes, config.batch_timeout_s, market)
    _take_orderers(config, finding)
    try:
        discovered = await admin.discover_peers(channel)
    except ClientError as error:
        finding.note(f"channel {channel}: discovery failed, so anchor peers stand for the others: {error}")
        discovered = ()
    _take_peers(channel, members, discovered, finding)


def _take_peers(
    channel: str,
    members: Mapping[str, Organization],
    discovered: Sequence[DiscoveredPeer],
    finding: _Finding,
) -> None:
    for mspid, member in sorted(members.items()):
        roots = b"".join(member.tls_root_certificates)
        called = {
            each.endpoint: _common_name(each.certificate)
            for each in discovered
            if each.mspid == mspid and each.endpoint
        }
        anchors = () if called else member.anchor_peers
        for endpoint in finding.usable([*called, *anchors], mspid):
            finding.take_peer(mspid, dialled(endpoint, roots, finding.local, called.get(endpoint, "")))
        if not called and discovered:
            known = "only its anchor peers are" if anchors else "none is"
            finding.note(
                f"channel {channel}: {known} known of the peers of {mspid}: they publish no external endpoint, or have "
                "not met yet; connect again later, with --replace"
            )
    if len(finding.peers) >= MOST_NODES:
        finding.note(f"more than {MOST_NODES} peers: the others are left out")


def _take_orderers(config: ChannelConfig, finding: _Finding) -> None:
    organizations = tuple(config.orderer_organizations.values())
    every_root = b"".join(root for each in organizations for root in each.tls_root_certificates)
    listed = [
        (each.mspid, address, b"".join(each.tls_root_certificates))
        for each in organizations
        for address in each.orderer_endpoints
    ]
    if not listed:  # channels that began before Fabric 1.4.2 list all orderers in one place
        only = organizations[0].mspid if len(organizations) == 1 else ""
        value = (
            config.root.values["OrdererAddresses"].value if "OrdererAddresses" in config.root.values else b""
        )
        addresses = configuration_pb2.OrdererAddresses.FromString(value).addresses
        listed = [
            (only, address, every_root) for address in addresses or [one.address for one in config.consenters]
        ]
    called = {each.address: _common_name(each.server_tls_certificate) for each in config.consenters}
    for mspid, address, roots in listed[:MOST_NODES]:
        if not finding.usable([address], mspid):
            continue
        node = dialled(address, roots, finding.local, called.get(address, ""))
        finding.orderers.setdefault(address, FoundNode(mspid, replace(node, client_certificate=finding.pair)))


def dialled(endpoint: str, roots: bytes, local: bool, called: str = "") -> Peer:
    """A node that the network names `endpoint`, as it is dialled from here: `local` networks at localhost.

    `called`: the name in its certificate, for an endpoint that has none of its own.
    """
    host, _, port = endpoint.rpartition(":")
    if local and host not in LOOPBACK:
        return Peer(f"localhost:{port}", roots or None, tls_server_name=host, name=host)
    return Peer(endpoint, roots or None, name=(called or endpoint) if host in LOOPBACK else host)


def _common_name(certificate: bytes) -> str:
    try:
        names = x509.load_pem_x509_certificate(certificate).subject.get_attributes_for_oid(
            NameOID.COMMON_NAME
        )
    except ValueError:
        return ""
    called = str(names[0].value) if names else ""
    return called if CALLED.fullmatch(called) else ""


def name_of(peer: Peer) -> str:
    """What messages call a node."""
    return f"{peer.name} at {peer.address}" if peer.name and peer.name != peer.address else peer.address


def unique_names(nodes: Sequence[FoundNode]) -> list[str]:
    """A name for each, with its port where two would be called the same."""
    names = [node.endpoint.name or node.endpoint.address for node in nodes]
    return [
        name if names.count(name) == 1 else f"{name}:{node.endpoint.address.rpartition(':')[2]}"
        for name, node in zip(names, nodes, strict=True)
    ]


def _on_this_machine(peer: Peer) -> bool:
    """Whether it is dialled at this machine under the name of another, as tutorials' networks in containers are."""
    host = peer.address.rpartition(":")[0]
    return host in LOOPBACK and (peer.tls_server_name or host) not in LOOPBACK


def _place(peer: Peer) -> str:
    """What tells a peer from the others of its organisation, whether it is dialled by its name or at localhost."""
    host, _, port = peer.address.rpartition(":")
    called = peer.tls_server_name or host
    return f"{'localhost' if called in LOOPBACK else called}:{port}"


def _with_pem(peer: Peer) -> Peer:
    if peer.tls_ca_cert is None:
        return peer
    return replace(peer, tls_ca_cert=read_pem(peer.tls_ca_cert, f"the TLS CA certificate of {peer.name}"))
