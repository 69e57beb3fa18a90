# SPDX-License-Identifier: Apache-2.0
"""Signed proposals: taken apart, checked, and turned into prepared transactions.

Every check, and the order of the checks, is Fabric's (`core/endorser/msgvalidation.go`), for clients read the
texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from commonwatt_client.ledger.hashes import proposal_hash, transaction_id
from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, transaction_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.trust.msp import Identity, IdentityError, IdentityRegistry

TIME_WINDOW_S = 15 * 60  # `peer.authentication.timewindow` of a real peer


class ProposalError(Exception):
    """A proposal is refused before any chaincode runs; the message is Fabric's."""


class ProposalFiltered(Exception):
    """A proposal does not even reach the endorser (expired certificate, clock too far off)."""


@dataclass(frozen=True)
class Proposal:
    """A SignedProposal with its parts. `hash` is what endorsements are bound to."""

    signed: Any
    header: Any
    channel_header: Any
    signature_header: Any
    chaincode_name: str
    input: Any
    payload: Any
    public_payload: bytes
    hash: bytes

    @property
    def channel_id(self) -> str:
        return str(self.channel_header.channel_id)

    @property
    def transaction_id(self) -> str:
        return str(self.channel_header.tx_id)

    @property
    def creator(self) -> bytes:
        return bytes(self.signature_header.creator)

    @property
    def has_transient_data(self) -> bool:
        return len(self.payload.TransientMap) > 0


def unpack_proposal(signed: Any) -> Proposal:
    """The parts of a SignedProposal. Raises ProposalError."""
    try:
        proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        channel_header = common_pb2.ChannelHeader.FromString(header.channel_header)
        signature_header = common_pb2.SignatureHeader.FromString(header.signature_header)
        extension = proposal_pb2.ChaincodeHeaderExtension.FromString(channel_header.extension)
        if not extension.HasField("chaincode_id"):
            raise ProposalError("ChaincodeHeaderExtension.ChaincodeId is nil")
        if not extension.chaincode_id.name:
            raise ProposalError("ChaincodeHeaderExtension.ChaincodeId.Name is empty")
        payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
        invocation = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input)
    except DecodeError as error:
        raise ProposalError(f"error unmarshalling proposal: {error}") from error
    if not invocation.HasField("chaincode_spec"):
        raise ProposalError("chaincode invocation spec did not contain chaincode spec")
    if not invocation.chaincode_spec.HasField("input"):
        raise ProposalError("chaincode input did not contain any input")
    public_payload = proposal_pb2.ChaincodeProposalPayload(input=payload.input).SerializeToString()
    return Proposal(
        signed=signed,
        header=header,
        channel_header=channel_header,
        signature_header=signature_header,
        chaincode_name=extension.chaincode_id.name,
        input=invocation.chaincode_spec.input,
        payload=payload,
        public_payload=public_payload,
        hash=proposal_hash(header.channel_header, header.signature_header, public_payload),
    )


def check_proposal(proposal: Proposal, identities: IdentityRegistry) -> Identity:
    """The creator of a proposal that is well formed and signed. Raises ProposalError."""
    header, creator_header = proposal.channel_header, proposal.signature_header
    if header.type not in (common_pb2.ENDORSER_TRANSACTION, common_pb2.CONFIG):
        names = common_pb2.HeaderType.values()
        kind = common_pb2.HeaderType.Name(header.type) if header.type in names else header.type
        raise ProposalError(f"invalid header type {kind}")
    if header.epoch != 0:
        raise ProposalError("epoch is non-zero")
    if not creator_header.nonce:
        raise ProposalError("nonce is empty")
    if not creator_header.creator:
        raise ProposalError("creator is empty")
    expected = transaction_id(creator_header.nonce, creator_header.creator)
    if header.tx_id != expected:
        raise ProposalError(f"incorrectly computed txid '{header.tx_id}' -- expected '{expected}'")
    if not proposal.signed.proposal_bytes:
        raise ProposalError("empty proposal bytes")
    if not proposal.signed.signature:
        raise ProposalError("empty signature bytes")
    try:
        identity = identities.deserialize(creator_header.creator)
    except IdentityError:
        raise ProposalError(
            f"access denied: channel [{header.channel_id}] creator org unknown, creator is malformed"
        ) from None
    try:
        identity.validate()
        identity.verify(proposal.signed.proposal_bytes, proposal.signed.signature)
    except IdentityError:
        raise ProposalError(
            f"access denied: channel [{header.channel_id}] creator org [{identity.mspid}]"
        ) from None
    return identity


def filter_proposal(proposal: Proposal, now_s: float, identities: IdentityRegistry) -> None:
    """A peer's authentication filters. Raises ProposalFiltered. `now_s`: the peer's clock, epoch seconds."""
    expires_at = identities.expiry(
        proposal.creator
    )  # without a certificate: the endorser's own checks refuse it
    if expires_at is not None and expires_at.timestamp() < now_s:
        raise ProposalFiltered("proposal client identity expired")
    stamp = proposal.channel_header.timestamp
    if abs(stamp.seconds + stamp.nanos / 1e9 - now_s) > TIME_WINDOW_S:
        raise ProposalFiltered(
            f"request unauthorized due to incorrect timestamp {_utc(stamp.seconds, stamp.nanos)}, "
            f"peer time {_utc(int(now_s), int(now_s % 1 * 1e9))}, peer.authentication.timewindow 15m0s"
        )


def _utc(seconds: int, nanos: int) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # no year from 1 to 9999
        return f"{seconds} s after 1970"
    return moment.strftime("%Y-%m-%d %H:%M:%S") + f".{nanos:09d} +0000 UTC"


def prepare_transaction(proposal: Proposal, response_payload: bytes, endorsements: list[Any]) -> Any:
    """The unsigned Envelope of an endorsed proposal; an endorser counts once."""
    unique = {endorsement.endorser: endorsement for endorsement in reversed(endorsements)}
    action = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=proposal.public_payload,
        action=transaction_pb2.ChaincodeEndorsedAction(
            proposal_response_payload=response_payload, endorsements=reversed(unique.values())
        ),
    )
    transaction = transaction_pb2.Transaction()
    transaction.actions.add(header=proposal.header.signature_header, payload=action.SerializeToString())
    payload = common_pb2.Payload(header=proposal.header, data=transaction.SerializeToString())
    return common_pb2.Envelope(payload=payload.SerializeToString())
