# SPDX-License-Identifier: Apache-2.0
"""Channel configurations, decoded: organisations, consenters, batches, policies, as typed values and as a dict."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2
from fabric_protos.peer import configuration_pb2 as peer_configuration_pb2

from commonwatt_client.errors import InvalidInputError, NotFoundError
from commonwatt_client.ledger.block import Block
from commonwatt_client.ledger.configuration_json import group_to_dict
from commonwatt_client.ledger.wire import parse

_DURATION = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Consenter:
    """One of the nodes that order a channel; certificates are PEM.

    id, mspid and identity are the BFT consenter's number, organisation and enrolment certificate: absent in
    Raft.

    ::

        config = await peer.fetch_config("newtown")
        print([consenter.address for consenter in config.consenters])
    """

    host: str
    port: int
    client_tls_certificate: bytes = field(repr=False)
    server_tls_certificate: bytes = field(repr=False)
    id: int = 0
    mspid: str = ""
    identity: bytes = field(default=b"", repr=False)

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class BatchSize:
    """When a block is full: messages, and bytes (absolute, and above which it is cut early).

    ::

        size = BatchSize(max_message_count=100, absolute_max_bytes=10_000_000, preferred_max_bytes=2_000_000)
        desired = set_batch(await peer.fetch_config("newtown"), size=size)
    """

    max_message_count: int
    absolute_max_bytes: int
    preferred_max_bytes: int


@dataclass(frozen=True)
class Organization:
    """An organisation of a channel; certificates and revocation lists are PEM.

    orderer_endpoints: ``host:port`` of its orderers; anchor_peers: ``host:port`` of its anchor peers.

    ::

        config = await peer.fetch_config("newtown")
        print(config.application_organizations["NewtownMSP"].anchor_peers)
    """

    name: str
    mspid: str
    root_certificates: tuple[bytes, ...] = field(repr=False)
    intermediate_certificates: tuple[bytes, ...] = field(repr=False)
    tls_root_certificates: tuple[bytes, ...] = field(repr=False)
    revocation_lists: tuple[bytes, ...] = field(repr=False)
    orderer_endpoints: tuple[str, ...]
    anchor_peers: tuple[str, ...]
    tls_intermediate_certificates: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class ChannelConfig:
    """A channel's configuration as of one sequence.

    `group` is the serialized ``common.ConfigGroup``; the properties read it.

    ::

        config = await peer.fetch_config("newtown")
        print(config.sequence, config.consensus_type, config.batch_timeout_s, config.to_json())
    """

    channel: str
    sequence: int
    group: bytes = field(repr=False)

    @cached_property
    def root(self) -> Any:
        """The ``common.ConfigGroup`` itself: not to be changed, see `edited_group`."""
        return parse(configtx_pb2.ConfigGroup, self.group)

    def edited_group(self) -> Any:
        """A copy of the ``common.ConfigGroup``, to be changed."""
        return parse(configtx_pb2.ConfigGroup, self.group)

    @cached_property
    def application_organizations(self) -> Mapping[str, Organization]:
        """The organisations with peers, by the name of their group."""
        return {name: _organization(name, group) for name, group in self._groups("Application")}

    @cached_property
    def orderer_organizations(self) -> Mapping[str, Organization]:
        """The organisations with orderers, by the name of their group."""
        return {name: _organization(name, group) for name, group in self._groups("Orderer")}

    @cached_property
    def consensus_type(self) -> str:
        """``etcdraft`` or ``BFT``."""
        return str(self._orderer_value("ConsensusType", orderer_configuration_pb2.ConsensusType).type)

    @cached_property
    def consenters(self) -> tuple[Consenter, ...]:
        """The nodes that order this channel."""
        if self.consensus_type == "BFT":
            listed = self._orderer_value("Orderers", configuration_pb2.Orderers).consenter_mapping
            return tuple(
                Consenter(
                    each.host,
                    each.port,
                    each.client_tls_cert,
                    each.server_tls_cert,
                    each.id,
                    each.msp_id,
                    each.identity,
                )
                for each in listed
            )
        consensus = self._orderer_value("ConsensusType", orderer_configuration_pb2.ConsensusType)
        raft = parse(etcdraft_pb2.ConfigMetadata, consensus.metadata)
        return tuple(
            Consenter(each.host, each.port, each.client_tls_cert, each.server_tls_cert)
            for each in raft.consenters
        )

    @cached_property
    def batch_size(self) -> BatchSize:
        """When a block is full."""
        size = self._orderer_value("BatchSize", orderer_configuration_pb2.BatchSize)
        return BatchSize(size.max_message_count, size.absolute_max_bytes, size.preferred_max_bytes)

    @cached_property
    def batch_timeout_s(self) -> float:
        """How long a block waits for more transactions, in seconds."""
        timeout = self._orderer_value("BatchTimeout", orderer_configuration_pb2.BatchTimeout)
        return duration_s(timeout.timeout)

    @cached_property
    def capabilities(self) -> Mapping[str, tuple[str, ...]]:
        """Required capabilities, by ``Channel``, ``Orderer`` and ``Application``."""
        groups = {"Channel": self.root, **dict(self.root.groups.items())}
        return {
            name: tuple(
                sorted(parse(configuration_pb2.Capabilities, group.values["Capabilities"].value).capabilities)
            )
            for name, group in groups.items()
            if "Capabilities" in group.values
        }

    def policy_paths(self) -> tuple[str, ...]:
        """Every policy's path, such as ``/Channel/Application/Admins``."""

        def walk(group: Any, path: str) -> Iterator[str]:
            yield from (f"{path}/{name}" for name in group.policies)
            for name, inner in group.groups.items():
                yield from walk(inner, f"{path}/{name}")

        return tuple(sorted(walk(self.root, "/Channel")))

    def to_dict(self) -> dict[str, Any]:
        """The whole configuration with every value decoded, of JSON types; bytes are base64."""
        return {"channel": self.channel, "sequence": self.sequence, "channel_group": group_to_dict(self.root)}

    def to_json(self) -> str:
        """`to_dict` as text, keys sorted."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True)

    def _groups(self, section: str) -> Iterator[tuple[str, Any]]:
        return (
            iter(sorted(self.root.groups[section].groups.items()))
            if section in self.root.groups
            else iter(())
        )

    def _orderer_value(self, name: str, kind: Any) -> Any:
        if "Orderer" not in self.root.groups or name not in self.root.groups["Orderer"].values:
            raise NotFoundError(f"the configuration of {self.channel!r} has no {name}")
        return parse(kind, self.root.groups["Orderer"].values[name].value)


def read_channel_config(block: Block) -> ChannelConfig:
    """The configuration in a configuration block. Raises InvalidInputError for a block that holds none.

    ::

        config = read_channel_config(await peer.fetch_config_block("newtown"))
        print(config.sequence, config.batch_timeout_s)
    """
    transaction = block.transactions[0] if block.envelopes else None
    if transaction is None or transaction.kind != "CONFIG":
        raise InvalidInputError(
            f"block {block.number} holds no channel configuration",
            advice=f"fetch block {block.last_config_number}",
        )
    payload = parse(common_pb2.Payload, transaction.payload)
    config = parse(configtx_pb2.ConfigEnvelope, payload.data).config
    return ChannelConfig(transaction.channel, config.sequence, config.channel_group.SerializeToString())


def duration_s(text: str) -> float:
    """A duration as Fabric writes them (``1m30s``, ``200ms``), in seconds. Raises InvalidInputError."""
    seconds, position = 0.0, 0
    for part in _DURATION.finditer(text):
        if part.start() != position:
            break
        seconds += float(part["number"]) * _SECONDS[part["unit"]]
        position = part.end()
    if not text or position != len(text):
        raise InvalidInputError(f"{text!r} is not a duration such as 200ms or 1m30s")
    return seconds


def msp_of(group: Any) -> Any:
    """An organisation group's ``msp.FabricMSPConfig``."""
    outer = parse(msp_config_pb2.MSPConfig, group.values["MSP"].value if "MSP" in group.values else b"")
    return parse(msp_config_pb2.FabricMSPConfig, outer.config)


def _organization(name: str, group: Any) -> Organization:
    msp = msp_of(group)
    anchors = peer_configuration_pb2.AnchorPeers()
    if "AnchorPeers" in group.values:
        anchors = parse(peer_configuration_pb2.AnchorPeers, group.values["AnchorPeers"].value)
    endpoints = configuration_pb2.OrdererAddresses()
    if "Endpoints" in group.values:
        endpoints = parse(configuration_pb2.OrdererAddresses, group.values["Endpoints"].value)
    return Organization(
        name=name,
        mspid=msp.name,
        root_certificates=tuple(msp.root_certs),
        intermediate_certificates=tuple(msp.intermediate_certs),
        tls_root_certificates=tuple(msp.tls_root_certs),
        revocation_lists=tuple(msp.revocation_list),
        orderer_endpoints=tuple(endpoints.addresses),
        anchor_peers=tuple(f"{anchor.host}:{anchor.port}" for anchor in anchors.anchor_peers),
        tls_intermediate_certificates=tuple(msp.tls_intermediate_certs),
    )
