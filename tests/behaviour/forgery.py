# SPDX-License-Identifier: Apache-2.0
"""A ledger's end as somebody would forge it who holds every key: endorsed again, signed again, chained again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from commonwatt_client.admin import (
    APPLICATION,
    Block,
    ChannelConfig,
    compute_update,
    decode_block,
    read_channel_config,
    revoke_certificates,
)
from commonwatt_network.embedded.channels.blocks import build_block
from commonwatt_network.embedded.channels.updates import propose_config_update
from commonwatt_network.embedded.trust.signing import SigningIdentity
from commonwatt_network.model.layout import Layout
from commonwatt_network.trust.certificates import KeyPair, issue_revocations, read_key_pair
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
OPERATOR = json.dumps({"attrs": {"role": "operator"}}).encode()
PEM = serialization.Encoding.PEM


@dataclass
class Parts:
    """A transaction taken apart. `sets` are the market's reads and writes."""

    header: Any
    nonce: bytes
    proposed: bytes
    outcome: Any
    sets: Any = None
    action: Any = None


Edit = Callable[[Parts], object]
ConfigEdit = Callable[[Any], object]


def nothing(_: object) -> None:
    """The edit that changes nothing."""


class EverybodyAgrees:
    """All policies of a configuration, satisfied by whatever is signed."""

    def manager(self, _: object) -> EverybodyAgrees:
        return self

    get = manager

    def __contains__(self, _: object) -> bool:
        return True

    def evaluate(self, _: object) -> None:
        """Raises nothing."""


@dataclass(frozen=True)
class Forger:
    """The keys of a network: its operator's, one home's, its peers', its orderer's.

    layout: where to find more, such as administrators' and authorities'. organizations: their folders' names, by
    MSP id.
    """

    operator: SigningIdentity
    home: SigningIdentity
    peers: tuple[SigningIdentity, ...]
    orderer: SigningIdentity
    layout: Layout
    organizations: Mapping[str, str]

    @classmethod
    def of(cls, network: Any) -> Forger:
        """Read the keys where the network keeps them."""
        layout, nodes = network.nodes.layout, network.nodes
        mspid = nodes.topology.mspid
        peers = tuple(
            SigningIdentity.from_directory(
                next((layout.organization(name) / "peers").iterdir()) / "msp", mspid(name)
            )
            for name in ("newtown", "grid")
        )
        name = nodes.orderers[0].organization
        orderer = next((layout.organization(name) / "orderers").iterdir()) / "msp"
        users = [
            SigningIdentity.from_directory(layout.user("newtown", user) / "msp", "NewtownMSP")
            for user in ("operator", "home001")
        ]
        signer = SigningIdentity.from_directory(orderer, mspid(name))
        organizations = {mspid(each): each for each in ("newtown", "grid", name)}
        return cls(*users, peers, signer, layout, organizations)

    @property
    def founded(self) -> datetime:
        """Since when every authority has been in force."""
        return max(self._authority(mspid).certificate.not_valid_before_utc for mspid in self.organizations)

    def _authority(self, mspid: str) -> KeyPair:
        folder = self.layout.organization(self.organizations[mspid]) / "ca"
        return read_key_pair(folder / "ca.crt", folder / "ca.key")

    def double(
        self, member: SigningIdentity, begins: datetime, ends: datetime, claimed_mspid: str = ""
    ) -> SigningIdentity:
        """Another one like a member, of the same authority, with a certificate for these dates."""
        issuer = self._authority(member.mspid)
        key = ec.generate_private_key(ec.SECP256R1())
        likeness = x509.load_pem_x509_certificate(member.certificate_pem)
        builder = (
            x509.CertificateBuilder()
            .subject_name(likeness.subject)
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.UnrecognizedExtension(ATTRIBUTES, OPERATOR), critical=False)
        )
        pem = builder.sign(issuer.key, hashes.SHA256()).public_bytes(PEM)
        mspid = claimed_mspid or member.mspid
        creator = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=pem).SerializeToString()
        return SigningIdentity(mspid, pem, creator, key)

    def transaction(
        self,
        original: bytes,
        *,
        creator: SigningIdentity | None = None,
        endorsers: Sequence[SigningIdentity] | None = None,
        before: Edit = nothing,
        after: Edit = nothing,
    ) -> bytes:
        """The transaction once more, from `creator`: edited `before` it is endorsed and `after`, then signed."""
        creator = creator or self.operator
        parts, former = _apart(original)
        parts.nonce = sha256(b"forged" + parts.nonce).digest()[:24]
        parts.header.tx_id = sha256(parts.nonce + creator.creator).hexdigest()
        # Records carry the id of the transaction that wrote them.
        renamed = parts.outcome.SerializeToString().replace(former.encode(), parts.header.tx_id.encode())
        parts.outcome = proposal_pb2.ChaincodeAction.FromString(renamed)
        results = rwset_pb2.TxReadWriteSet.FromString(parts.outcome.results)
        of_market = next(each for each in results.ns_rwset if each.namespace == "market")
        parts.sets = kv_rwset_pb2.KVRWSet.FromString(of_market.rwset)
        before(parts)
        of_market.rwset = parts.sets.SerializeToString()
        parts.outcome.results = results.SerializeToString()
        signed_by = common_pb2.SignatureHeader(creator=creator.creator, nonce=parts.nonce).SerializeToString()
        channel_header = parts.header.SerializeToString()
        response = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=sha256(channel_header + signed_by + parts.proposed).digest(),
            extension=parts.outcome.SerializeToString(),
        ).SerializeToString()
        parts.action = transaction_pb2.ChaincodeActionPayload(chaincode_proposal_payload=parts.proposed)
        parts.action.action.proposal_response_payload = response
        for each in self.peers if endorsers is None else endorsers:
            parts.action.action.endorsements.add(
                endorser=each.creator, signature=each.sign(response + each.creator)
            )
        after(parts)
        action = transaction_pb2.TransactionAction(header=signed_by, payload=parts.action.SerializeToString())
        data = transaction_pb2.Transaction(actions=[action]).SerializeToString()
        header = common_pb2.Header(
            channel_header=parts.header.SerializeToString(), signature_header=signed_by
        )
        payload = common_pb2.Payload(header=header, data=data).SerializeToString()
        return _envelope(payload, creator.sign(payload))

    def revocation(self, config_block: Block, revoked: SigningIdentity) -> bytes:
        """A configuration after the block's, whose community has revoked a member, as its administrator wanted it."""
        serial = x509.load_pem_x509_certificate(revoked.certificate_pem).serial_number
        crl = issue_revocations(self._authority(revoked.mspid), (), [serial])
        current = read_channel_config(config_block)
        desired = revoke_certificates(current, APPLICATION, revoked.mspid, crl)
        return self.configuration(config_block, desired, self.administrator(revoked.mspid))

    def administrator(self, mspid: str) -> SigningIdentity:
        """Of an organisation."""
        folder = self.layout.user(self.organizations[mspid], "admin") / "msp"
        return SigningIdentity.from_directory(folder, mspid)

    def configuration(
        self,
        config_block: Block,
        desired: ChannelConfig,
        *signers: SigningIdentity,
        before: ConfigEdit = nothing,
        after: ConfigEdit = nothing,
    ) -> bytes:
        """The transaction that brings `desired` after the configuration of a block, whether nodes would take it or not.

        before: edits the ``ConfigUpdate`` before the `signers` sign it. after: edits the ``ConfigEnvelope``.
        """
        current = read_channel_config(config_block)
        update = configtx_pb2.ConfigUpdate.FromString(compute_update(current, desired))
        config = configtx_pb2.Config(sequence=current.sequence, channel_group=current.root)
        made = propose_config_update(current.channel, config, EverybodyAgrees(), self._signed(update))
        before(update)
        made.last_update.CopyFrom(self._signed(update, *signers))
        after(made)
        content = self._payload(common_pb2.CONFIG, current.channel, made, self.orderer)
        return _envelope(content, self.orderer.sign(content))

    def _signed(self, update: Any, *signers: SigningIdentity) -> Any:
        signed = configtx_pb2.ConfigUpdateEnvelope(config_update=update.SerializeToString())
        for signer in signers:
            header = self._signature_header(signer)
            signed.signatures.add(
                signature_header=header, signature=signer.sign(header + signed.config_update)
            )
        payload = self._payload(common_pb2.CONFIG_UPDATE, update.channel_id, signed, self.operator)
        return common_pb2.Envelope(payload=payload, signature=self.operator.sign(payload))

    def _payload(self, kind: int, channel: str, data: Any, creator: SigningIdentity) -> bytes:
        header = common_pb2.ChannelHeader(type=kind, channel_id=channel)
        header.timestamp.GetCurrentTime()
        whole = common_pb2.Header(
            channel_header=header.SerializeToString(), signature_header=self._signature_header(creator)
        )
        return bytes(common_pb2.Payload(header=whole, data=data.SerializeToString()).SerializeToString())

    def _signature_header(self, creator: SigningIdentity) -> bytes:
        header = common_pb2.SignatureHeader(creator=creator.creator, nonce=b"forged")
        return bytes(header.SerializeToString())

    def block(
        self, former: Block, envelopes: Sequence[bytes], codes: bytes, config: int | None = None
    ) -> Block:
        """The block after `former`, signed by the orderer, with the verdicts that a peer is to have found."""
        last_config = former.last_config_number if config is None else config
        block = build_block(former.number + 1, former.header_hash, list(envelopes), last_config, self.orderer)
        block.metadata.metadata[2] = codes
        return decode_block(block.SerializeToString())


def with_higher_s(envelope: bytes) -> bytes:
    """The envelope with the other one of ECDSA's two signatures."""
    whole = common_pb2.Envelope.FromString(envelope)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = decode_dss_signature(whole.signature)
    return _envelope(whole.payload, encode_dss_signature(r, order - s))


def with_flipped_signature(envelope: bytes) -> bytes:
    """The envelope with a signature over something else."""
    whole = common_pb2.Envelope.FromString(envelope)
    return _envelope(whole.payload, whole.signature[:-1] + bytes([whole.signature[-1] ^ 1]))


def one_endorsement_less(parts: Parts) -> None:
    del parts.action.action.endorsements[-1]


def endorsed_something_else(parts: Parts) -> None:
    """Half of the endorsements are over another outcome."""
    parts.action.action.endorsements[0].signature = parts.action.action.endorsements[1].signature


def another_argument(parts: Parts) -> None:
    """The proposal that the ledger shows is not the one that was endorsed."""
    parts.action.chaincode_proposal_payload = parts.proposed.replace(b'"round"', b'"rounD"')


def _envelope(payload: bytes, signature: bytes) -> bytes:
    return bytes(common_pb2.Envelope(payload=payload, signature=signature).SerializeToString())


def _apart(content: bytes) -> tuple[Parts, str]:
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(content).payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    signed_by = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    action = transaction_pb2.Transaction.FromString(payload.data).actions[0]
    endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload)
    response = proposal_response_pb2.ProposalResponsePayload.FromString(
        endorsed.action.proposal_response_payload
    )
    outcome = proposal_pb2.ChaincodeAction.FromString(response.extension)
    return Parts(header, signed_by.nonce, endorsed.chaincode_proposal_payload, outcome), header.tx_id
