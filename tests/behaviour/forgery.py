"""A ledger's end as somebody would forge it who holds every key: endorsed again, signed again, chained again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from commonwatt_client.admin import Block, decode_block
from commonwatt_network.embedded.blocks import build_block
from commonwatt_network.embedded.signing import SigningIdentity
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2
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


def nothing(_: Parts) -> None:
    """The edit that changes nothing."""


@dataclass(frozen=True)
class Forger:
    """The keys of a network: its operator's, one home's, its peers', its orderer's, an authority's folder."""

    operator: SigningIdentity
    home: SigningIdentity
    peers: tuple[SigningIdentity, ...]
    orderer: SigningIdentity
    authority: Path

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
        return cls(*users, peers, signer, layout.organization("newtown") / "ca")

    @property
    def founded(self) -> datetime:
        """Since when the community's authority has been in force."""
        return self._issuer().not_valid_before_utc

    def _issuer(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.authority / "ca.crt").read_bytes())

    def operator_with(self, begins: datetime, ends: datetime, mspid: str = "NewtownMSP") -> SigningIdentity:
        """Another operator of the same authority, with a certificate for these dates."""
        issuer = self._issuer()
        issuer_key: Any = serialization.load_pem_private_key((self.authority / "ca.key").read_bytes(), None)
        key = ec.generate_private_key(ec.SECP256R1())
        likeness = x509.load_pem_x509_certificate(self.operator.certificate_pem)
        builder = (
            x509.CertificateBuilder()
            .subject_name(likeness.subject)
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.UnrecognizedExtension(ATTRIBUTES, OPERATOR), critical=False)
        )
        pem = builder.sign(issuer_key, hashes.SHA256()).public_bytes(PEM)
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
        """A configuration like the block's, whose community has revoked a member."""
        issuer = self._issuer()
        issuer_key: Any = serialization.load_pem_private_key((self.authority / "ca.key").read_bytes(), None)
        now = datetime.now(UTC)
        serial = x509.load_pem_x509_certificate(revoked.certificate_pem).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        revocations = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(now)
            .next_update(now + timedelta(days=1))
            .add_revoked_certificate(entry)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
                ),
                critical=False,
            )
            .sign(issuer_key, hashes.SHA256())
        )
        envelope = common_pb2.Envelope.FromString(config_block.envelopes[0])
        payload = common_pb2.Payload.FromString(envelope.payload)
        configuration = configtx_pb2.ConfigEnvelope.FromString(payload.data)
        configuration.config.sequence += 1
        for group in configuration.config.channel_group.groups["Application"].groups.values():
            outer = msp_config_pb2.MSPConfig.FromString(group.values["MSP"].value)
            inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
            if inner.name == revoked.mspid:
                inner.revocation_list.append(revocations.public_bytes(PEM))
                outer.config = inner.SerializeToString()
                group.values["MSP"].value = outer.SerializeToString()
        payload.data = configuration.SerializeToString()
        signed_by = common_pb2.SignatureHeader(creator=self.orderer.creator, nonce=b"forged")
        payload.header.signature_header = signed_by.SerializeToString()
        content = payload.SerializeToString()
        return _envelope(content, self.orderer.sign(content))

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
