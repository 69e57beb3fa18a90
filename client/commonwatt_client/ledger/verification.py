# SPDX-License-Identifier: Apache-2.0
"""Checking a ledger's blocks without trust in their sender: hashes, signatures, certificates.

For auditors. The hash chain shows that nothing was changed or left out. Orderers' signatures show that this is the
channel's own history, and creators' and endorsers' signatures who agreed to each transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fabric_protos.common import common_pb2

from commonwatt_client.errors import UnexpectedAnswerError
from commonwatt_client.ledger.block import Block
from commonwatt_client.ledger.configuration import ChannelConfig
from commonwatt_client.ledger.hashes import (
    block_data_hash,
    block_header_bytes,
    proposal_hash,
    transaction_id,
)
from commonwatt_client.ledger.transaction import BlockTransaction, Creator, decode_transaction
from commonwatt_client.ledger.validation import ValidationCode
from commonwatt_client.ledger.wire import parse
from commonwatt_client.pem import first_block


@dataclass(frozen=True)
class Flaw:
    """Something in a block that does not hold. transaction_id is empty for the block itself.

    ::

        blocks = [await peer.get_block_by_number("newtown", number) for number in (0, 2)]
        assert [str(flaw) for flaw in verify_chain(blocks)] == ["block 2: it follows block 0"]
    """

    block_number: int
    transaction_id: str
    reason: str

    def __str__(self) -> str:
        where = f"block {self.block_number}"
        if self.transaction_id:
            where += f", transaction {self.transaction_id}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True)
class Authorities:
    """The certificate authorities (PEM, roots and intermediates) of each organisation, by MSP id.

    ::

        authorities = Authorities.of(await peer.fetch_config("newtown"))
        print(sorted(authorities.by_mspid))
    """

    by_mspid: dict[str, tuple[x509.Certificate, ...]]

    @classmethod
    def of(cls, config: ChannelConfig) -> "Authorities":
        """Those of a channel's organisations. Raises UnexpectedAnswerError for a certificate that cannot be read."""
        by_mspid = {}
        for organizations in (config.application_organizations, config.orderer_organizations):
            for each in organizations.values():
                pems = (*each.root_certificates, *each.intermediate_certificates)
                try:
                    by_mspid[each.mspid] = tuple(_certificate(pem) for pem in pems)
                except ValueError as error:
                    raise UnexpectedAnswerError(
                        f"a certificate of {each.mspid} in the configuration cannot be read",
                        answer=str(error),
                    ) from error
        return cls(by_mspid)

    def certify(self, creator: Creator) -> bool:
        """Whether an authority of the creator's organisation issued its certificate (directly).

        It looks at no validity dates, because blocks are older than today, and at no revocation lists.
        """
        try:
            certificate = _certificate(creator.certificate)
        except ValueError:
            return False
        return any(_issued(certificate, authority) for authority in self.by_mspid.get(creator.mspid, ()))


def verify_chain(blocks: Iterable[Block]) -> list[Flaw]:
    """Check that blocks follow each other: numbers, previous hashes, and each one's data hash.

    ::

        blocks = [block async for block in peer.blocks("newtown", 0, 2)]
        assert verify_chain(blocks) == []
    """
    flaws = []
    before: Block | None = None
    for block in blocks:
        if before is not None and block.number != before.number + 1:
            flaws.append(Flaw(block.number, "", f"it follows block {before.number}"))
        elif before is not None and block.previous_hash != before.header_hash:
            flaws.append(Flaw(block.number, "", "its previous hash is not that of the block before"))
        elif before is None and block.number == 0 and block.previous_hash:
            flaws.append(Flaw(0, "", "the first block names a block before it"))
        if block_data_hash(block.envelopes) != block.data_hash:
            flaws.append(Flaw(block.number, "", "its data are not those its header was made for"))
        before = block
    return flaws


def orderers_that_signed(block: Block, config: ChannelConfig) -> tuple[Creator, ...]:
    """The orderers whose signature on the block is good and whose certificate the channel knows.

    config: the configuration in force for this block. Block 0 carries no signature.

    ::

        config = await peer.fetch_config("newtown")
        assert orderers_that_signed(await peer.get_block_by_number("newtown", 1), config)
    """
    authorities = Authorities.of(config)
    header = block_header_bytes(block.number, block.previous_hash, block.data_hash)
    signers = []
    for signature in block.signatures:
        signer = signature.signer
        if signer is None:
            listed = [each for each in config.consenters if each.id == signature.consenter_id]
            if not listed:
                continue
            signer = Creator(listed[0].mspid, listed[0].identity, b"")
        message = block.signed_metadata + signature.signed_header + header
        if authorities.certify(signer) and verify_signature(signer, message, signature.signature):
            signers.append(signer)
    return tuple(signers)


def verify_transaction(transaction: BlockTransaction, authorities: Authorities) -> list[str]:
    """Check one endorsed transaction: its id, its creator's signature, its proposal's hash, every endorsement.

    Returns what does not hold, in words. Whether the endorsers satisfy the policy is for the caller to judge.

    ::

        authorities = Authorities.of(await peer.fetch_config("newtown"))
        sent = (await peer.get_block_by_number("newtown", 1)).transactions[0]
        assert verify_transaction(sent, authorities) == []
    """
    found = []
    if transaction.transaction_id != transaction_id(transaction.nonce, transaction.creator.serialized):
        found.append("its id is not the hash of its nonce and creator")
    if not authorities.certify(transaction.creator):
        found.append(f"no authority of {transaction.creator.mspid} issued its creator's certificate")
    if not verify_signature(transaction.creator, transaction.payload, transaction.signature):
        found.append("its creator's signature is not good")
    header = parse(common_pb2.Payload, transaction.payload).header
    for action in transaction.actions:
        asked = proposal_hash(header.channel_header, header.signature_header, action.proposal_payload)
        if asked != action.proposal_hash:
            found.append("its endorsers were asked for something else")
        for endorsement in action.endorsements:
            endorser = endorsement.endorser
            if not authorities.certify(endorser):
                found.append(f"no authority of {endorser.mspid} issued its endorser's certificate")
            message = action.response_payload + endorser.serialized
            if not verify_signature(endorser, message, endorsement.signature):
                found.append(f"the endorsement of {endorser.mspid} is not good")
    return found


def endorsers_that_signed(transaction: BlockTransaction) -> tuple[Creator, ...]:
    """Whose signature over the answer to this very question is good; whether to trust them is for the caller to judge.

    None where the endorsers were asked for something else, or for several things. It needs no creator's signature: an
    endorsed query is no transaction. Raises UnexpectedAnswerError.

    ::

        asked = await market.new_proposal("get_parameters", arguments=["{}"]).endorse()
        print([signer.mspid for signer in endorsers_that_signed(decode_transaction(asked.envelope))])
    """
    if len(transaction.actions) != 1:
        return ()
    [action] = transaction.actions
    header = parse(common_pb2.Payload, transaction.payload).header
    asked = proposal_hash(header.channel_header, header.signature_header, action.proposal_payload)
    if asked != action.proposal_hash:
        return ()
    return tuple(
        each.endorser
        for each in action.endorsements
        if verify_signature(each.endorser, action.response_payload + each.endorser.serialized, each.signature)
    )


def verify_block(block: Block, authorities: Authorities) -> list[Flaw]:
    """Check every endorsed transaction of a block that counts as valid.

    ::

        authorities = Authorities.of(await peer.fetch_config("newtown"))
        assert verify_block(await peer.get_block_by_number("newtown", 1), authorities) == []
    """
    # What does not count as valid may hold anything, and need not be one that can be read.
    valid = (
        decode_transaction(content, code)
        for content, code in zip(block.envelopes, block.validations, strict=False)
        if code == ValidationCode.VALID
    )
    return [
        Flaw(block.number, transaction.transaction_id, reason)
        for transaction in valid
        if transaction.kind == "ENDORSER_TRANSACTION"
        for reason in verify_transaction(transaction, authorities)
    ]


def verify_signature(signer: Creator, message: bytes, signature: bytes) -> bool:
    """Whether the signature over the message is the signer's (ECDSA over SHA-256, or Ed25519).

    ::

        sent = (await peer.get_block_by_number("newtown", 1)).transactions[0]
        assert verify_signature(sent.creator, sent.payload, sent.signature)
    """
    try:
        key = _public_key(signer.certificate)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            return False
    except Exception:  # a certificate or signature of any other shape is not a good one
        return False
    return True


# A ledger repeats few certificates many times: each is parsed and checked against its issuer once.


@lru_cache(maxsize=4096)
def _certificate(pem: bytes) -> x509.Certificate:
    """Raises ValueError."""
    try:
        return x509.load_der_x509_certificate(first_block(pem) or b"")
    except Exception as error:  # the library has many ways to refuse one
        raise ValueError(str(error)) from error


@lru_cache(maxsize=4096)
def _public_key(pem: bytes) -> object:
    return _certificate(pem).public_key()


@lru_cache(maxsize=4096)
def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        if certificate.issuer != authority.subject:
            return False
        certificate.verify_directly_issued_by(authority)
    except Exception:  # every kind of key has its own way to refuse
        return False
    return True
