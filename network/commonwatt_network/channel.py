"""Genesis blocks: a channel's whole first configuration, built from Fabric's own messages.

Nodes accept several wrong configurations at join and fail much later; `check_block` refuses those here (a node
certificate of the wrong role, an expired one, a TLS certificate without the dialled name, a consenter who is not one).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as raft_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as bft_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from commonwatt_network import policies
from commonwatt_network.certificates import days_left
from commonwatt_network.errors import UsageError
from commonwatt_network.layout import write_atomically
from commonwatt_network.nodes import HOST, Nodes, Orderer
from commonwatt_network.topology import Batch

RAFT_TICK = "50ms"  # with 10 ticks to an election a lost leader costs about a second
SNAPSHOT_BYTES = 16 << 20
METADATA_SLOTS = 5
WHOLE_BLOCK_HASH = 2**32 - 1

Values = dict[str, Any]
Groups = dict[str, Any]


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
    orderer = _orderer_group(nodes, settings.batch)
    application = policies.group(
        {
            **policies.META,
            "LifecycleEndorsement": policies.implicit("MAJORITY", "Endorsement"),
            "Endorsement": policies.implicit(settings.endorsement.upper(), "Endorsement"),
        },
        {"Capabilities": _capabilities("V2_5")},
        {topology.mspid(name): _member_group(nodes, name) for name in settings.organizations},
    )
    root = policies.group(
        policies.META,
        {
            "HashingAlgorithm": policies.value(configuration_pb2.HashingAlgorithm(name="SHA256")),
            "BlockDataHashingStructure": policies.value(
                configuration_pb2.BlockDataHashingStructure(width=WHOLE_BLOCK_HASH)
            ),
            "Capabilities": _capabilities("V3_0" if bft else "V2_0"),
        },
        {"Orderer": orderer, "Application": application},
    )
    return _block(channel, root)


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
        if HOST not in _hosts(loaded[tls]):
            raise ChannelError(f"{tls} does not name {HOST}, at which {node.name} is dialled")


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _orderer_group(nodes: Nodes, batch: Batch) -> Any:
    topology = nodes.topology
    values: Values = {
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
    if topology.orderers.consensus == "bft":
        consenters = _bft_consenters(nodes.orderers)
        values["Orderers"] = policies.value(configuration_pb2.Orderers(consenter_mapping=consenters))
        consensus = orderer_pb2.ConsensusType(type="BFT", metadata=_bft_options(batch).SerializeToString())
        block_validation = bft_block_validation(consenters)
    else:
        metadata = _raft_metadata(nodes.orderers).SerializeToString()
        consensus = orderer_pb2.ConsensusType(type="etcdraft", metadata=metadata)
        block_validation = policies.implicit("ANY", "Writers")
    values["ConsensusType"] = policies.value(consensus)
    groups = {
        topology.mspid(name): policies.group(
            policies.organization(topology.mspid(name)),
            {
                "MSP": _msp(nodes, name),
                "Endpoints": policies.value(
                    configuration_pb2.OrdererAddresses(
                        addresses=[
                            orderer.address for orderer in nodes.orderers if orderer.organization == name
                        ]
                    )
                ),
            },
        )
        for name in topology.orderers.organizations
    }
    return policies.group({**policies.META, "BlockValidation": block_validation}, values, groups)


def _member_group(nodes: Nodes, organization: str) -> Any:
    mspid = nodes.topology.mspid(organization)
    anchor = nodes.gateway_peer(organization)
    anchors = peer_pb2.AnchorPeers(anchor_peers=[peer_pb2.AnchorPeer(host=HOST, port=anchor.port)])
    return policies.group(
        {**policies.organization(mspid), "Endorsement": policies.signed_by_role(mspid, "PEER")},
        {"MSP": _msp(nodes, organization), "AnchorPeers": policies.value(anchors)},
    )


def _raft_metadata(orderers: Sequence[Orderer]) -> Any:
    consenters = []
    for orderer in orderers:
        certificate = (orderer.directory / "tls" / "server.crt").read_bytes()
        consenters.append(
            raft_pb2.Consenter(
                host=HOST, port=orderer.port, client_tls_cert=certificate, server_tls_cert=certificate
            )
        )
    options = raft_pb2.Options(
        tick_interval=RAFT_TICK,
        election_tick=10,
        heartbeat_tick=1,
        max_inflight_blocks=5,
        snapshot_interval_size=SNAPSHOT_BYTES,
    )
    return raft_pb2.ConfigMetadata(consenters=consenters, options=options)


def _bft_consenters(orderers: Sequence[Orderer]) -> list[Any]:
    consenters = []
    for number, orderer in enumerate(orderers, start=1):
        certificate = (orderer.directory / "tls" / "server.crt").read_bytes()
        consenters.append(
            configuration_pb2.Consenter(
                id=number,
                host=HOST,
                port=orderer.port,
                msp_id=orderer.mspid,
                identity=(orderer.directory / "msp" / "signcerts" / "cert.pem").read_bytes(),
                client_tls_cert=certificate,
                server_tls_cert=certificate,
            )
        )
    return consenters


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


def bft_block_validation(consenters: Sequence[Any]) -> Any:
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


def _msp(nodes: Nodes, organization: str) -> Any:
    folder = nodes.layout.msp(organization)
    root = (folder / "cacerts" / "ca.pem").read_bytes()

    def role(unit: str) -> Any:
        return msp_config_pb2.FabricOUIdentifier(certificate=root, organizational_unit_identifier=unit)

    config = msp_config_pb2.FabricMSPConfig(
        name=nodes.topology.mspid(organization),
        root_certs=[root],
        tls_root_certs=[(folder / "tlscacerts" / "tlsca.pem").read_bytes()],
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


def _capabilities(name: str) -> Any:
    capabilities = configuration_pb2.Capabilities()
    capabilities.capabilities[name].SetInParent()
    return policies.value(capabilities)


def _block(channel: str, root: Any) -> bytes:
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
