# SPDX-License-Identifier: Apache-2.0
"""The sections of a channel's configuration and the block that holds it, built from values alone."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as raft_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as bft_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from commonwatt_network.channels import policies
from commonwatt_network.channels.readers import Readers, acls_value, readers_policy
from commonwatt_network.model.topology_parts import Batch

RAFT_TICK = "50ms"  # with 10 ticks to an election a lost leader costs about a second
SNAPSHOT_BYTES = 16 << 20
METADATA_SLOTS = 5
WHOLE_BLOCK_HASH = 2**32 - 1

Values = dict[str, Any]
Groups = dict[str, Any]


def channel_group(orderer: Any, application: Any, capability: str) -> Any:
    """A channel's whole configuration, from its two sections."""
    return policies.group(
        policies.META,
        {
            "HashingAlgorithm": policies.value(configuration_pb2.HashingAlgorithm(name="SHA256")),
            "BlockDataHashingStructure": policies.value(
                configuration_pb2.BlockDataHashingStructure(width=WHOLE_BLOCK_HASH)
            ),
            "Capabilities": _capabilities(capability),
        },
        {"Orderer": orderer, "Application": application},
    )


def application_group(members: Groups, endorsement: str, readers: Readers) -> Any:
    """The section of the organisations with peers. `endorsement` (all, majority or any) asks their peers."""
    acls = {"ACLs": acls_value()} if readers == "operators" else {}
    return policies.group(
        {
            **policies.META,
            "LifecycleEndorsement": policies.implicit("MAJORITY", "Endorsement"),
            "Endorsement": policies.implicit(endorsement.upper(), "Endorsement"),
        },
        {"Capabilities": _capabilities("V2_5"), **acls},
        members,
    )


def member_group(mspid: str, msp: Any, anchors: Sequence[tuple[str, int]], readers: Readers) -> Any:
    """An organisation with peers; `anchors` are host and port of those that other organisations' peers meet first."""
    peers = [peer_pb2.AnchorPeer(host=host, port=port) for host, port in anchors]
    return policies.group(
        {
            **policies.organization(mspid, readers_policy(msp, readers)),
            "Endorsement": policies.signed_by_role(mspid, "PEER"),
        },
        {"MSP": msp, "AnchorPeers": policies.value(peer_pb2.AnchorPeers(anchor_peers=peers))},
    )


def orderer_organization_group(mspid: str, msp: Any, endpoints: Sequence[str], readers: Readers) -> Any:
    """An organisation in the ordering section; `endpoints` (host:port) are its orderers."""
    addresses = configuration_pb2.OrdererAddresses(addresses=endpoints)
    return policies.group(
        policies.organization(mspid, readers_policy(msp, readers)),
        {"MSP": msp, "Endpoints": policies.value(addresses)},
    )


def msp_value(
    mspid: str,
    root: bytes,
    tls_root: bytes,
    further: tuple[Sequence[bytes], Sequence[bytes]] = ((), ()),
    further_tls: tuple[Sequence[bytes], Sequence[bytes]] = ((), ()),
) -> Any:
    """An organisation's MSP, from its two root authorities' certificates (PEM).

    `further`: more roots that issue for it, and intermediates; `further_tls`: the same for TLS.
    """
    roots, intermediates = further
    tls_roots, tls_intermediates = further_tls

    def role(unit: str) -> Any:
        # With a certificate, the role would be that of one authority alone.
        certificate = b"" if roots or intermediates else root
        return msp_config_pb2.FabricOUIdentifier(certificate=certificate, organizational_unit_identifier=unit)

    config = msp_config_pb2.FabricMSPConfig(
        name=mspid,
        root_certs=[root, *roots],
        intermediate_certs=intermediates,
        tls_root_certs=[tls_root, *tls_roots],
        tls_intermediate_certs=tls_intermediates,
        crypto_config=msp_config_pb2.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
        fabric_node_ous=msp_config_pb2.FabricNodeOUs(
            enable=True,
            client_ou_identifier=role("client"),
            peer_ou_identifier=role("peer"),
            admin_ou_identifier=role("admin"),
            orderer_ou_identifier=role("orderer"),
        ),
    )
    return policies.value(msp_config_pb2.MSPConfig(type=0, config=config.SerializeToString()))


def raft_group(consenters: Sequence[Any], batch: Batch, organizations: Groups) -> Any:
    """The ordering section of a channel ordered by Raft."""
    metadata = raft_pb2.ConfigMetadata(
        consenters=consenters,
        options=raft_pb2.Options(
            tick_interval=RAFT_TICK,
            election_tick=10,
            heartbeat_tick=1,
            max_inflight_blocks=5,
            snapshot_interval_size=SNAPSHOT_BYTES,
        ),
    )
    consensus = orderer_pb2.ConsensusType(type="etcdraft", metadata=metadata.SerializeToString())
    return policies.group(
        {**policies.META, "BlockValidation": policies.implicit("ANY", "Writers")},
        {**_ordering_values(batch), "ConsensusType": policies.value(consensus)},
        organizations,
    )


def raft_consenter(host: str, port: int, certificate: bytes) -> Any:
    """A Raft node; it shows the one TLS certificate (PEM) as server and as client."""
    return raft_pb2.Consenter(host=host, port=port, client_tls_cert=certificate, server_tls_cert=certificate)


def bft_group(consenters: Sequence[Any], batch: Batch, organizations: Groups) -> Any:
    """The ordering section of a channel ordered by BFT; `consenters` are ``common.Consenter``."""
    consensus = orderer_pb2.ConsensusType(type="BFT", metadata=_bft_options(batch).SerializeToString())
    values = {
        **_ordering_values(batch),
        "Orderers": policies.value(configuration_pb2.Orderers(consenter_mapping=consenters)),
        "ConsensusType": policies.value(consensus),
    }
    return policies.group(
        {**policies.META, "BlockValidation": _bft_block_validation(consenters)}, values, organizations
    )


def _ordering_values(batch: Batch) -> Values:
    return {
        "BatchSize": policies.value(
            orderer_pb2.BatchSize(
                max_message_count=batch.max_messages,
                absolute_max_bytes=batch.absolute_bytes,
                preferred_max_bytes=batch.preferred_bytes,
            )
        ),
        "BatchTimeout": policies.value(orderer_pb2.BatchTimeout(timeout=f"{batch.timeout_ms}ms")),
        "ChannelRestrictions": policies.value(orderer_pb2.ChannelRestrictions()),
        "Capabilities": _capabilities("V2_0"),
    }


def _bft_options(batch: Batch) -> Any:
    """Timeouts that notice a lost leader in about three seconds; Fabric's samples take most of a minute."""
    return bft_pb2.Options(
        request_batch_max_count=batch.max_messages,
        request_batch_max_bytes=batch.absolute_bytes,
        request_batch_max_interval="50ms",
        incoming_message_buffer_size=200,
        request_pool_size=100_000,
        request_forward_timeout="500ms",
        request_complain_timeout="2s",
        request_auto_remove_timeout="3m0s",
        request_max_bytes=batch.absolute_bytes,
        view_change_resend_interval="1s",
        view_change_timeout="3s",
        leader_heartbeat_timeout="5s",
        leader_heartbeat_count=10,
        collect_timeout="1s",
        sync_on_start=False,  # with it each join waits for peers that are not there yet
        speed_up_view_change=False,
        leader_rotation=bft_pb2.Options.ROTATION_OFF,
        decisions_per_leader=3,
    )


def _bft_block_validation(consenters: Sequence[Any]) -> Any:
    """Blocks need a quorum of the consenters' own signatures: q = ceil((n + f + 1) / 2), f = (n - 1) // 3."""
    tolerated = (len(consenters) - 1) // 3
    quorum = math.ceil((len(consenters) + tolerated + 1) / 2)
    principals = [
        msp_principal_pb2.MSPPrincipal(
            principal_classification=msp_principal_pb2.MSPPrincipal.IDENTITY,
            principal=identities_pb2.SerializedIdentity(
                mspid=consenter.msp_id, id_bytes=consenter.identity
            ).SerializeToString(),
        )
        for consenter in consenters
    ]
    return policies.signed_by(quorum, principals)


def _capabilities(name: str) -> Any:
    capabilities = configuration_pb2.Capabilities()
    capabilities.capabilities[name].SetInParent()
    return policies.value(capabilities)


def configuration_block(channel: str, root: Any) -> bytes:
    """Block 0 that holds a channel's configuration, serialized (common.Block)."""
    nonce = bytes(24)
    header = common_pb2.ChannelHeader(
        type=common_pb2.CONFIG, version=1, channel_id=channel, tx_id=hashlib.sha256(nonce).hexdigest()
    )
    header.timestamp.seconds = int(time.time())
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(nonce=nonce).SerializeToString(),
        ),
        data=configtx_pb2.ConfigEnvelope(
            config=configtx_pb2.Config(sequence=0, channel_group=root)
        ).SerializeToString(),
    )
    envelope = common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString()
    block = common_pb2.Block(
        header=common_pb2.BlockHeader(number=0, data_hash=hashlib.sha256(envelope).digest()),
        data=common_pb2.BlockData(data=[envelope]),
    )
    block.metadata.metadata.extend([b""] * METADATA_SLOTS)
    last_config = common_pb2.LastConfig(index=0)
    slots: Mapping[int, Any] = {
        common_pb2.SIGNATURES: common_pb2.OrdererBlockMetadata(last_config=last_config),
        common_pb2.LAST_CONFIG: last_config,
    }
    for slot, message in slots.items():
        metadata = common_pb2.Metadata(value=message.SerializeToString())
        block.metadata.metadata[slot] = metadata.SerializeToString()
    serialized: bytes = block.SerializeToString()
    return serialized
