# SPDX-License-Identifier: Apache-2.0
"""Every call of an embedded network that reads bytes of anybody, and how a stranger makes requests of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.discovery import protocol_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, snapshot_pb2

CHANNEL = "newtown"
NONCE = b"n" * 24
Sign = Callable[[bytes], bytes]


def no_signature(message: bytes) -> bytes:
    return b"none"


def serialized(pem: bytes, mspid: str = "NewtownMSP") -> bytes:
    identity = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=pem)
    return bytes(identity.SerializeToString())


def header(creator: bytes, kind: int, seconds: int, extension: bytes = b"") -> Any:
    channel = common_pb2.ChannelHeader(
        type=kind,
        channel_id=CHANNEL,
        tx_id=sha256(NONCE + creator).hexdigest(),
        extension=extension,
    )
    channel.timestamp.seconds = seconds
    return common_pb2.Header(
        channel_header=channel.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=creator, nonce=NONCE).SerializeToString(),
    )


def envelope(creator: bytes, kind: int, seconds: int, data: bytes, sign: Sign) -> Any:
    payload = common_pb2.Payload(header=header(creator, kind, seconds), data=data).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=sign(payload))


def signed_proposal(creator: bytes, seconds: int, sign: Sign) -> Any:
    name = chaincode_pb2.ChaincodeID(name="qscc")
    specification = chaincode_pb2.ChaincodeSpec(chaincode_id=name)
    specification.input.args.extend([b"GetChainInfo", CHANNEL.encode()])
    invocation = chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=specification)
    extension = proposal_pb2.ChaincodeHeaderExtension(chaincode_id=name).SerializeToString()
    proposal = proposal_pb2.Proposal(
        header=header(creator, common_pb2.ENDORSER_TRANSACTION, seconds, extension).SerializeToString(),
        payload=proposal_pb2.ChaincodeProposalPayload(
            input=invocation.SerializeToString()
        ).SerializeToString(),
    ).SerializeToString()
    return proposal_pb2.SignedProposal(proposal_bytes=proposal, signature=sign(proposal))


def seek(creator: bytes, seconds: int, sign: Sign) -> Any:
    wanted = ab_pb2.SeekInfo(behavior=ab_pb2.SeekInfo.FAIL_IF_NOT_READY)
    wanted.start.specified.number = wanted.stop.specified.number = 0
    return envelope(creator, common_pb2.DELIVER_SEEK_INFO, seconds, wanted.SerializeToString(), sign)


def snapshot(kind: Any) -> Callable[[bytes, int, Sign], Any]:
    def request(creator: bytes, seconds: int, sign: Sign) -> Any:
        wanted = kind(channel_id=CHANNEL)
        wanted.signature_header.creator = creator
        encoded = wanted.SerializeToString()
        return snapshot_pb2.SignedSnapshotRequest(request=encoded, signature=sign(encoded))

    return request


def discovery(channel: str, kind: str) -> Callable[[bytes, int, Sign], Any]:
    def request(creator: bytes, seconds: int, sign: Sign) -> Any:
        wanted = protocol_pb2.Request()
        wanted.authentication.client_identity = creator
        query = wanted.queries.add(channel=channel)
        getattr(query, kind).SetInParent()
        encoded = wanted.SerializeToString()
        return protocol_pb2.SignedRequest(payload=encoded, signature=sign(encoded))

    return request


def status(creator: bytes, seconds: int, sign: Sign) -> Any:
    wanted = gateway_pb2.CommitStatusRequest(transaction_id="x", channel_id=CHANNEL, identity=creator)
    encoded = wanted.SerializeToString()
    return gateway_pb2.SignedCommitStatusRequest(request=encoded, signature=sign(encoded))


def events(creator: bytes, seconds: int, sign: Sign) -> Any:
    wanted = gateway_pb2.ChaincodeEventsRequest(channel_id=CHANNEL, identity=creator, chaincode_id="x")
    encoded = wanted.SerializeToString()
    return gateway_pb2.SignedChaincodeEventsRequest(request=encoded, signature=sign(encoded))


def submitted(creator: bytes, seconds: int, sign: Sign) -> Any:
    prepared = envelope(creator, common_pb2.ENDORSER_TRANSACTION, seconds, b"data", sign)
    return gateway_pb2.SubmitRequest(transaction_id="x", channel_id=CHANNEL, prepared_transaction=prepared)


def evaluated(creator: bytes, seconds: int, sign: Sign) -> Any:
    proposed = signed_proposal(creator, seconds, sign)
    return gateway_pb2.EvaluateRequest(transaction_id="x", channel_id=CHANNEL, proposed_transaction=proposed)


def endorsed(creator: bytes, seconds: int, sign: Sign) -> Any:
    proposed = signed_proposal(creator, seconds, sign)
    return gateway_pb2.EndorseRequest(transaction_id="x", channel_id=CHANNEL, proposed_transaction=proposed)


def ordered(creator: bytes, seconds: int, sign: Sign) -> Any:
    return envelope(creator, common_pb2.ENDORSER_TRANSACTION, seconds, b"data", sign)


PEER_CALLS: dict[str, Callable[[bytes, int, Sign], Any]] = {
    "/gateway.Gateway/Evaluate": evaluated,
    "/gateway.Gateway/Endorse": endorsed,
    "/gateway.Gateway/Submit": submitted,
    "/gateway.Gateway/CommitStatus": status,
    "/gateway.Gateway/ChaincodeEvents": events,
    "/protos.Endorser/ProcessProposal": signed_proposal,
    "/protos.Deliver/Deliver": seek,
    "/protos.Deliver/DeliverFiltered": seek,
    "/protos.Deliver/DeliverWithPrivateData": seek,
    "/discovery.Discovery/Discover": discovery("", "local_peers"),
    "/protos.Snapshot/Generate": snapshot(snapshot_pb2.SnapshotRequest),
    "/protos.Snapshot/Cancel": snapshot(snapshot_pb2.SnapshotRequest),
    "/protos.Snapshot/QueryPendings": snapshot(snapshot_pb2.SnapshotQuery),
}
ORDERER_CALLS: dict[str, Callable[[bytes, int, Sign], Any]] = {
    "/orderer.AtomicBroadcast/Broadcast": ordered,
    "/orderer.AtomicBroadcast/Deliver": seek,
}
CALLS = {**PEER_CALLS, **ORDERER_CALLS}
STREAMING = {path for path in CALLS if "Deliver/" in path or "AtomicBroadcast" in path}
OPERATIONS_PATHS = {"/healthz", "/metrics", "/version", "/logspec"}


def now_s() -> int:
    return int(time.time())
