# SPDX-License-Identifier: Apache-2.0
"""The consenters that a channel names, and what an orderer demands of them.

The embedded orderers form no cluster: they share one sequence. The channel's consensus metadata is checked all the
same, so that a configuration that works here also works on Raft or BFT orderers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fabric_protos.common import configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as raft_configuration_pb2
from fabric_protos.orderer.etcdraft import metadata_pb2 as raft_metadata_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as bft_configuration_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.configuration import (
    ChannelConfig,
    ChannelConfigError,
    parse_duration_s,
)
from commonwatt_network.embedded.trust.certificates import (
    CertificateError,
    ManyChains,
    NoChain,
    parse_pem,
    unique_chain,
)
from commonwatt_network.embedded.trust.signing import SigningIdentity


class ConsenterError(Exception):
    """A channel's consensus metadata is unusable; the message is Fabric's."""


@dataclass(frozen=True, slots=True)
class Consenter:
    """`identity_pem` is set for BFT alone."""

    host: str
    port: int
    client_tls_pem: bytes
    server_tls_pem: bytes
    identity_pem: bytes = b""


def read_consenters(config: ChannelConfig) -> tuple[Consenter, ...]:
    """The channel's consenters. Raises ConsenterError if there is no usable consensus metadata."""
    if config.consensus_type == "BFT":
        return _read_bft(config)
    if config.consensus_type == "etcdraft":
        return _read_raft(config)
    raise ConsenterError(f"error retrieving consenter of type: {config.consensus_type}")


def is_consenter(config: ChannelConfig, tls_certificate_pem: bytes, signer: SigningIdentity) -> bool:
    """Whether a node is one of the channel's consenters: by TLS public key, for BFT by its identity."""
    for consenter in read_consenters(config):
        if consenter.identity_pem:
            if _same_certificate(consenter.identity_pem, signer.certificate_pem):
                return True
        elif any(
            _same_public_key(pem, tls_certificate_pem)
            for pem in (consenter.client_tls_pem, consenter.server_tls_pem)
        ):
            return True
    return False


def validate_consenters(config: ChannelConfig) -> None:
    """What an orderer checks when it joins: options and certificates. Raises ConsenterError."""
    consenters = read_consenters(config)
    if not consenters:
        raise ConsenterError("empty consenter set")
    roots = [ca for msp in config.registry.msps.values() for ca in msp.authorities.tls_roots]
    intermediates = [ca for msp in config.registry.msps.values() for ca in msp.authorities.tls_intermediates]
    for consenter in consenters:
        for role, pem in (("server", consenter.server_tls_pem), ("client", consenter.client_tls_pem)):
            _check_certificate(consenter, role, pem, roots, intermediates)


def validate_consenter_update(current: ChannelConfig, successor: ChannelConfig) -> None:
    """Raises ConsenterError if an update changes more than one consenter at a time or breaks the options."""
    prefix = "consensus metadata update for channel config update is invalid"
    if current.consensus_type != successor.consensus_type:
        return  # a migration, which only the maintenance mode allows
    try:
        before, after = read_consenters(current), read_consenters(successor)
        if before != after:
            validate_consenters(successor)
    except ConsenterError as error:
        raise ConsenterError(f"{prefix}: {error}") from error
    added = [consenter for consenter in after if consenter not in before]
    removed = [consenter for consenter in before if consenter not in after]
    rotation = len(added) == 1 and len(removed) == 1
    if successor.consensus_type == "etcdraft" and len(added) + len(removed) > 1 and not rotation:
        raise ConsenterError(
            f"{prefix}: update of more than one consenter at a time is not supported, requested changes: "
            f"add {len(added)} node(s), remove {len(removed)} node(s)"
        )


def consenter_metadata(config: ChannelConfig, number: int) -> bytes:
    """What Raft orderers note in block `number`: the consenters' ids and an index of their log; else nothing."""
    if config.consensus_type != "etcdraft":
        return b""
    count = len(read_consenters(config))
    metadata = raft_metadata_pb2.BlockMetadata(
        consenter_ids=range(1, count + 1), next_consenter_id=count + 1, raft_index=count + 1 + number
    )
    serialized: bytes = metadata.SerializeToString()
    return serialized


def _consensus_metadata(config: ChannelConfig) -> bytes:
    group = config.config.channel_group.groups["Orderer"]
    value = orderer_configuration_pb2.ConsensusType.FromString(group.values["ConsensusType"].value)
    metadata: bytes = value.metadata
    return metadata


def _read_raft(config: ChannelConfig) -> tuple[Consenter, ...]:
    try:
        metadata = raft_configuration_pb2.ConfigMetadata.FromString(_consensus_metadata(config))
    except DecodeError as error:
        raise ConsenterError(f"failed to unmarshal consensus metadata: {error}") from error
    if not metadata.HasField("options"):
        raise ConsenterError("etcdraft options have not been provided")
    options = metadata.options
    if not (options.heartbeat_tick and options.election_tick and options.max_inflight_blocks):
        raise ConsenterError(
            f"none of HeartbeatTick ({options.heartbeat_tick}), ElectionTick ({options.election_tick}) "
            f"and MaxInflightBlocks ({options.max_inflight_blocks}) can be zero"
        )
    if options.election_tick <= options.heartbeat_tick:
        raise ConsenterError(
            f"ElectionTick ({options.election_tick}) must be greater than "
            f"HeartbeatTick ({options.heartbeat_tick})"
        )
    try:
        parse_duration_s(options.tick_interval)
    except ChannelConfigError as error:
        raise ConsenterError(
            f"failed to parse TickInterval ({options.tick_interval}) to time duration: {error}"
        ) from error
    return tuple(
        Consenter(entry.host, entry.port, entry.client_tls_cert, entry.server_tls_cert)
        for entry in metadata.consenters
    )


def _read_bft(config: ChannelConfig) -> tuple[Consenter, ...]:
    group = config.config.channel_group.groups["Orderer"]
    try:
        options = bft_configuration_pb2.Options.FromString(_consensus_metadata(config))
        orderers = configuration_pb2.Orderers.FromString(group.values["Orderers"].value)
    except DecodeError as error:
        raise ConsenterError(f"failed to unmarshal consensus metadata: {error}") from error
    try:
        parse_duration_s(options.request_batch_max_interval)
    except ChannelConfigError as error:
        raise ConsenterError(f"bad config metadata option RequestBatchMaxInterval: {error}") from error
    if not options.request_pool_size:
        raise ConsenterError("RequestPoolSize should be greater than zero")
    ids = [entry.id for entry in orderers.consenter_mapping]
    if len(set(ids)) != len(ids):
        raise ConsenterError(f"nodes contains duplicate IDs, nodes: [{' '.join(map(str, ids))}]")
    if 0 in ids:
        raise ConsenterError("SelfID should be greater than zero")
    return tuple(
        Consenter(entry.host, entry.port, entry.client_tls_cert, entry.server_tls_cert, entry.identity)
        for entry in orderers.consenter_mapping
    )


def _check_certificate(
    consenter: Consenter,
    role: str,
    pem: bytes,
    roots: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
) -> None:
    try:
        certificate = parse_pem(pem)
    except CertificateError as error:
        raise ConsenterError(
            f"consenter {consenter.host}:{consenter.port} has invalid certificate: {error}"
        ) from error
    try:
        unique_chain(certificate, roots, intermediates)
    except ManyChains:
        return
    except NoChain as error:
        raise ConsenterError(
            f"consenter {consenter.host}:{consenter.port} has invalid certificate: verifying tls {role} cert "
            f"with serial number {certificate.serial_number}: {error.reason}"
        ) from error


def _same_public_key(left: bytes, right: bytes) -> bool:
    def key(pem: bytes) -> Any:
        return parse_pem(pem).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    try:
        return bool(key(left) == key(right))
    except CertificateError:
        return False


def _same_certificate(left: bytes, right: bytes) -> bool:
    try:
        return parse_pem(left) == parse_pem(right)
    except CertificateError:
        return False
