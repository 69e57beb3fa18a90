# SPDX-License-Identifier: Apache-2.0
"""Signing what administration sends: proposals to system chaincodes, envelopes, configuration signatures."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2

from commonwatt_client._aio import made_signature
from commonwatt_client._proposal import NONCE_BYTES, new_invocation, proposal_bytes
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.wire import serialize
from commonwatt_client.signers import Signer


@dataclass(frozen=True)
class Signatory:
    """An identity together with the signer of its key."""

    identity: Identity
    signer: Signer

    async def sign(self, message: bytes) -> bytes:
        """The signature over a message. Raises SigningError."""
        return await made_signature(self.signer, self.identity.digest(message))

    def signature_header(self) -> bytes:
        """A fresh ``common.SignatureHeader``."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return serialize(common_pb2.SignatureHeader(creator=self.identity.creator, nonce=nonce))

    async def signed_proposal(
        self, channel: str, chaincode: str, function: str, arguments: tuple[bytes, ...]
    ) -> tuple[str, Any]:
        """The transaction id and ``protos.SignedProposal`` of a call to a system chaincode.

        `channel` is empty for the peer's own affairs.
        """
        invocation = new_invocation(channel, chaincode, function, arguments)
        nonce = secrets.token_bytes(NONCE_BYTES)
        transaction_id, proposal = proposal_bytes(invocation, self.identity, nonce, time.time_ns())
        signature = await self.sign(proposal)
        return transaction_id, proposal_pb2.SignedProposal(proposal_bytes=proposal, signature=signature)

    async def signed_envelope(
        self, kind: int, channel: str, data: bytes, tls_certificate_hash: bytes = b""
    ) -> Any:
        """A ``common.Envelope`` of this ``common.HeaderType``, of now.

        tls_certificate_hash: binds it to the mutual TLS connection of that client certificate.
        """
        channel_header = common_pb2.ChannelHeader(
            type=kind, channel_id=channel, tls_cert_hash=tls_certificate_hash
        )
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        channel_header.timestamp.seconds, channel_header.timestamp.nanos = seconds, nanos
        header = common_pb2.Header(
            channel_header=serialize(channel_header), signature_header=self.signature_header()
        )
        payload = serialize(common_pb2.Payload(header=header, data=data))
        return common_pb2.Envelope(payload=payload, signature=await self.sign(payload))
