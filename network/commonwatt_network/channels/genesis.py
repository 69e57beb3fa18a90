# SPDX-License-Identifier: Apache-2.0
"""Genesis blocks: a channel's whole first configuration, from the nodes of a network.

Nodes accept several wrong configurations at join and fail much later. `check_certificates` refuses those here: a node
certificate of the wrong role, an expired one, a TLS certificate without the dialled name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from fabric_protos.common import configuration_pb2

from commonwatt_network.channels.groups import (
    application_group,
    bft_group,
    channel_group,
    configuration_block,
    member_group,
    msp_value,
    orderer_organization_group,
    raft_consenter,
    raft_group,
)
from commonwatt_network.channels.readers import Readers
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import in_brackets
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.model.nodes import Nodes, Orderer
from commonwatt_network.model.topology_parts import Batch
from commonwatt_network.trust.certificates import days_left
from commonwatt_network.trust.further import read_further, roots_and_intermediates


class ChannelError(UsageError):
    """A channel's configuration would be refused, or worse, accepted and fail later."""


def ensure_genesis_blocks(nodes: Nodes) -> dict[str, bytes]:
    """The genesis block of every channel, made once: a channel keeps the block it began with."""
    check_certificates(nodes)
    blocks = {}
    for channel in nodes.topology.channels:
        path = nodes.layout.genesis_block(channel)
        if not path.exists():
            write_atomically(path, genesis_block(nodes, channel))
        blocks[channel] = path.read_bytes()
    return blocks


def genesis_block(nodes: Nodes, channel: str) -> bytes:
    """Block 0 of `channel`, serialized (common.Block)."""
    topology = nodes.topology
    settings = topology.channels[channel]
    bft = topology.orderers.consensus == "bft"
    orderer = _orderer_group(nodes, settings.batch, settings.readers)
    members = {
        topology.mspid(name): member_entry(nodes, name, settings.readers) for name in settings.organizations
    }
    application = application_group(members, settings.endorsement, settings.readers)
    return configuration_block(channel, channel_group(orderer, application, "V3_0" if bft else "V2_0"))


def check_certificates(nodes: Nodes) -> None:
    """Refuse node certificates that a node would start with and fail later. Raises ChannelError."""
    for node in nodes.fabric_nodes:
        role = "orderer" if isinstance(node, Orderer) else "peer"
        enrolment = node.directory / "msp" / "signcerts" / "cert.pem"
        tls = node.directory / "tls" / "server.crt"
        loaded = {path: x509.load_pem_x509_certificate(path.read_bytes()) for path in (enrolment, tls)}
        for path, certificate in loaded.items():
            if days_left(certificate) < 0:
                raise ChannelError(f"{path} expired on {certificate.not_valid_after_utc.date()}")
        units = [
            unit.value
            for unit in loaded[enrolment].subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        ]
        if units != [role]:
            raise ChannelError(
                f"{enrolment}: {node.name} needs the one organisational unit {role}, not {units}"
            )
        if node.host not in hosts_of(loaded[tls]):
            raise ChannelError(f"{tls} does not name {node.host}, at which {node.name} is dialled")


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The names and addresses a TLS certificate is good for, as a host in an address: IPv6 in brackets."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [in_brackets(str(name.value)) for name in names]


def _orderer_group(nodes: Nodes, batch: Batch, readers: Readers) -> Any:
    topology = nodes.topology
    groups = {
        topology.mspid(name): orderer_entry(nodes, name, readers) for name in topology.orderers.organizations
    }
    if topology.orderers.consensus == "raft":
        certificates = ((node.directory / "tls" / "server.crt").read_bytes() for node in nodes.orderers)
        consenters = [
            raft_consenter(node.host, node.port, certificate)
            for node, certificate in zip(nodes.orderers, certificates, strict=True)
        ]
        return raft_group(consenters, batch, groups)
    return bft_group(_bft_consenters(nodes.orderers), batch, groups)


def member_entry(nodes: Nodes, organization: str, readers: Readers) -> Any:
    """A member organisation of the topology as a channel's configuration has it."""
    anchor = nodes.gateway_peer(organization)
    mspid = nodes.topology.mspid(organization)
    return member_group(mspid, _msp(nodes, organization), [(anchor.host, anchor.port)], readers)


def orderer_entry(nodes: Nodes, organization: str, readers: Readers) -> Any:
    """An orderer organisation of the topology as a channel's configuration has it, with all its orderers."""
    mspid = nodes.topology.mspid(organization)
    endpoints = [orderer.address for orderer in nodes.orderers if orderer.organization == organization]
    return orderer_organization_group(mspid, _msp(nodes, organization), endpoints, readers)


def _bft_consenters(orderers: Sequence[Orderer]) -> list[Any]:
    consenters = []
    for number, orderer in enumerate(orderers, start=1):
        certificate = (orderer.directory / "tls" / "server.crt").read_bytes()
        consenters.append(
            configuration_pb2.Consenter(
                id=number,
                host=orderer.host,
                port=orderer.port,
                msp_id=orderer.mspid,
                identity=(orderer.directory / "msp" / "signcerts" / "cert.pem").read_bytes(),
                client_tls_cert=certificate,
                server_tls_cert=certificate,
            )
        )
    return consenters


def _msp(nodes: Nodes, organization: str) -> Any:
    folder = nodes.layout.msp(organization)
    return msp_value(
        nodes.topology.mspid(organization),
        (folder / "cacerts" / "ca.pem").read_bytes(),
        (folder / "tlscacerts" / "tlsca.pem").read_bytes(),
        roots_and_intermediates(read_further(nodes.layout, organization)),
    )
