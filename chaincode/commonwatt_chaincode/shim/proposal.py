# SPDX-License-Identifier: Apache-2.0
"""The signed proposal behind a transaction, read once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2

from .results import EPOCH, Timestamp


@dataclass(frozen=True)
class SignedProposal:
    """A client's proposal: the signed bytes and what they say. Empty when the peer sent none."""

    proposal: bytes = b""
    signature: bytes = b""
    creator: bytes = b""
    nonce: bytes = b""
    epoch: int = 0
    timestamp: Timestamp = EPOCH
    transient: Mapping[str, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"SignedProposal({len(self.proposal)} bytes)"  # transient values are secrets

    @property
    def binding(self) -> bytes:
        """SHA-256 of nonce, creator and epoch (little endian), as Fabric's shims compute it."""
        return hashlib.sha256(self.nonce + self.creator + self.epoch.to_bytes(8, "little")).digest()


def read_signed_proposal(signed: Any) -> SignedProposal:
    """Read a peer.SignedProposal message. DecodeError if what it holds is malformed."""
    if not signed.proposal_bytes:
        return SignedProposal()
    proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    signature = common_pb2.SignatureHeader.FromString(header.signature_header)
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    return SignedProposal(
        proposal=signed.proposal_bytes,
        signature=signed.signature,
        creator=signature.creator,
        nonce=signature.nonce,
        epoch=channel.epoch,
        timestamp=Timestamp(channel.timestamp.seconds, channel.timestamp.nanos),
        transient=MappingProxyType(dict(payload.TransientMap)),
    )
