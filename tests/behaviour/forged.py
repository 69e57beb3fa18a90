# SPDX-License-Identifier: Apache-2.0
"""Transactions put together without any peer, so that a test decides on every byte and on who signed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from commonwatt_client import Identity, private_key_signer
from commonwatt_client.identity import load_identity
from commonwatt_client.signers import PrivateKeySigner
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.trust.certificates import KeyPair, issue_enrolment, read_key_pair
from cryptography import x509
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

CHANNEL = "trials"


@dataclass(frozen=True)
class Member:
    """Somebody who can sign."""

    identity: Identity
    signer: PrivateKeySigner

    @property
    def serialized(self) -> bytes:
        """The SerializedIdentity."""
        encoded: bytes = identities_pb2.SerializedIdentity(
            mspid=self.identity.mspid, id_bytes=self.identity.certificate_pem
        ).SerializeToString()
        return encoded

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.identity.certificate_pem)

    def sign(self, message: bytes) -> bytes:
        return self.signer.sign(self.identity.digest(message))


def member(nodes: Nodes, organization: str, user: str) -> Member:
    """A user that the network was made with."""
    folder = nodes.layout.user(organization, user)
    mspid = nodes.topology.mspid(organization)
    return Member(
        load_identity(mspid, folder / "certificate.pem"), private_key_signer(folder / "private_key.pem")
    )


def authority(nodes: Nodes, organization: str) -> KeyPair:
    """An organisation's certificate authority, key and all."""
    folder = nodes.layout.organization(organization) / "ca"
    return read_key_pair(folder / "ca.crt", folder / "ca.key")


def enrol(nodes: Nodes, organization: str, name: str) -> Member:
    """A new client of an organisation, of whom the network has not heard before."""
    pair = issue_enrolment(authority(nodes, organization), name, "client", None, days=30)
    return member_with(nodes, organization, pair)


def member_with(nodes: Nodes, organization: str, pair: KeyPair) -> Member:
    return Member(
        Identity(nodes.topology.mspid(organization), pair.certificate_pem), private_key_signer(pair.key_pem)
    )


@dataclass
class Parts:
    """The layers of a transaction that writes one key. `raw` replaces a layer's bytes, whatever they should be.

    Names in `raw`: extension (of the channel header), rwset, results, event, chaincode_action, proposal,
    proposal_hash, response, action_payload, transaction, payload, signature.
    """

    channel_header: Any
    signature_header: Any
    action_header: Any
    chaincode: Any
    namespaces: list[tuple[str, Any]]
    chaincode_action: Any
    endorsers: list[Member]
    actions: int = 1
    raw: dict[str, bytes] = field(default_factory=dict)


Edit = Callable[[Parts], object]


@dataclass(frozen=True)
class Forged:
    """An envelope, and the id that its header tells."""

    transaction_id: str
    envelope: bytes


def forge(
    creator: Member, endorsers: Sequence[Member], chaincode: str, key: str, *edits: Edit, nonce: bytes = b""
) -> Forged:
    """A transaction that would be valid if these endorsers were enough and nothing were edited."""
    nonce = nonce or secrets.token_bytes(24)
    header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        channel_id=CHANNEL,
        tx_id=sha256(nonce + creator.serialized).hexdigest(),
    )
    header.timestamp.GetCurrentTime()
    write = kv_rwset_pb2.KVWrite(key=key, value=b"forged")
    parts = Parts(
        channel_header=header,
        signature_header=common_pb2.SignatureHeader(creator=creator.serialized, nonce=nonce),
        action_header=common_pb2.SignatureHeader(creator=creator.serialized, nonce=nonce),
        chaincode=proposal_pb2.ChaincodeHeaderExtension(chaincode_id={"name": chaincode}),
        namespaces=[(chaincode, kv_rwset_pb2.KVRWSet(writes=[write]))],
        chaincode_action=proposal_pb2.ChaincodeAction(
            response={"status": 200}, chaincode_id={"name": chaincode, "version": "1.0"}
        ),
        endorsers=list(endorsers),
    )
    for edit in edits:
        edit(parts)
    return _sealed(parts, creator)


def _sealed(parts: Parts, creator: Member) -> Forged:
    raw = parts.raw
    parts.channel_header.extension = raw.get("extension", parts.chaincode.SerializeToString())
    channel_header = parts.channel_header.SerializeToString()
    action_header = parts.action_header.SerializeToString()
    proposed = raw.get("proposal", proposal_pb2.ChaincodeProposalPayload(input=b"forged").SerializeToString())
    sets = rwset_pb2.TxReadWriteSet(
        ns_rwset=[
            {"namespace": name, "rwset": raw.get("rwset", content.SerializeToString())}
            for name, content in parts.namespaces
        ]
    )
    parts.chaincode_action.results = raw.get("results", sets.SerializeToString())
    parts.chaincode_action.events = raw.get("event", b"")
    response = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=raw.get("proposal_hash", sha256(channel_header + action_header + proposed).digest()),
        extension=raw.get("chaincode_action", parts.chaincode_action.SerializeToString()),
    )
    payload = raw.get("response", response.SerializeToString())
    endorsements = [
        {"endorser": by.serialized, "signature": by.sign(payload + by.serialized)} for by in parts.endorsers
    ]
    action_payload = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=proposed,
        action={"proposal_response_payload": payload, "endorsements": endorsements},
    )
    action = transaction_pb2.TransactionAction(
        header=action_header, payload=raw.get("action_payload", action_payload.SerializeToString())
    )
    transaction = transaction_pb2.Transaction(actions=[action] * parts.actions)
    content = common_pb2.Payload(
        header={
            "channel_header": channel_header,
            "signature_header": parts.signature_header.SerializeToString(),
        },
        data=raw.get("transaction", transaction.SerializeToString()),
    )
    signed = raw.get("payload", content.SerializeToString())
    envelope = common_pb2.Envelope(payload=signed, signature=raw.get("signature", creator.sign(signed)))
    return Forged(parts.channel_header.tx_id, envelope.SerializeToString())
