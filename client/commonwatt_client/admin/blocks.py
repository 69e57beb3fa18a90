"""Blocks, decoded, with the hashes that chain them."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fabric_protos.common import common_pb2

from commonwatt_client.admin.errors import InvalidInputError, UnexpectedAnswerError
from commonwatt_client.admin.transactions import Creator, Transaction, decode_creator, decode_transaction
from commonwatt_client.admin.wire import parse
from commonwatt_client.validation import ValidationCode

_SIGNATURES, _LAST_CONFIG, _VALIDATION, _, _COMMIT_HASH = range(5)


@dataclass(frozen=True)
class BlockSignature:
    """An orderer's signature over the block's metadata value, this signature's own header, and the block's header.

    signer: the orderer, or None where it names itself by its consenter number alone (BFT): `consenter_id`.
    """

    signer: Creator | None
    consenter_id: int
    signed_header: bytes
    signature: bytes


@dataclass(frozen=True)
class Block:
    """A block of a channel's ledger.

    serialized: its bytes as received, for joining, archiving and hashing.
    last_config_number: the block holding the configuration in force.
    commit_hash: the peer's running hash over all commits; empty in an orderer's block.
    signed_metadata: the part of the metadata that the orderers' signatures cover.

    ::

        block = await peer.get_block_by_number("newtown", 1)
        print(block.number, block.header_hash.hex(), [code.name for code in block.validations])
    """

    number: int
    previous_hash: bytes
    data_hash: bytes
    envelopes: tuple[bytes, ...] = field(repr=False)
    validations: tuple[ValidationCode, ...]
    last_config_number: int
    commit_hash: bytes
    signatures: tuple[BlockSignature, ...] = field(repr=False)
    signed_metadata: bytes = field(repr=False)
    serialized: bytes = field(repr=False)

    @cached_property
    def header_hash(self) -> bytes:
        """SHA-256 of the header: what the next block has as `previous_hash`."""
        return block_header_hash(self.number, self.previous_hash, self.data_hash)

    @cached_property
    def transactions(self) -> tuple[Transaction, ...]:
        """The block's transactions in order. Raises UnexpectedAnswerError for an envelope that cannot be read.

        One that a peer has found invalid may hold anything: it is of kind ``UNREADABLE`` where it cannot be read.
        """
        validations = self.validations or (None,) * len(self.envelopes)
        return tuple(map(_transaction, self.envelopes, validations))

    @property
    def channel_id(self) -> str:
        """The channel, as the first envelope names it; empty for a block of none."""
        if not self.envelopes:
            return ""
        payload = parse(common_pb2.Payload, parse(common_pb2.Envelope, self.envelopes[0]).payload)
        return str(parse(common_pb2.ChannelHeader, payload.header.channel_header).channel_id)


def decode_block(content: bytes) -> Block:
    """Read a ``common.Block``. Raises UnexpectedAnswerError.

    ::

        block = await peer.get_block_by_number("newtown", 0)
        assert decode_block(block.serialized) == block
    """
    block = parse(common_pb2.Block, content)
    metadata = [*block.metadata.metadata, *[b""] * (5 - len(block.metadata.metadata))]
    envelopes = tuple(block.data.data)
    codes = metadata[_VALIDATION]
    if codes and len(codes) != len(envelopes):
        raise UnexpectedAnswerError(
            f"block {block.header.number} has {len(envelopes)} transactions but {len(codes)} validation codes"
        )
    signed = parse(common_pb2.Metadata, metadata[_SIGNATURES])
    return Block(
        number=block.header.number,
        previous_hash=block.header.previous_hash,
        data_hash=block.header.data_hash,
        envelopes=envelopes,
        validations=tuple(map(ValidationCode, codes)),
        last_config_number=_last_config(signed.value, metadata[_LAST_CONFIG]),
        commit_hash=parse(common_pb2.Metadata, metadata[_COMMIT_HASH]).value,
        signatures=tuple(map(_signature, signed.signatures)),
        signed_metadata=signed.value,
        serialized=content,
    )


def read_config_block(content: bytes) -> Block:
    """Read a block given to join a channel with. Raises InvalidInputError unless it holds a configuration."""
    try:
        block = decode_block(content)
        kind = block.transactions[0].kind if block.envelopes else "empty block"
    except UnexpectedAnswerError as error:
        raise InvalidInputError("this is not a block", answer=error.answer) from error
    if kind != "CONFIG":
        raise InvalidInputError(
            f"block {block.number} does not hold a channel configuration but {kind}",
            advice="give the channel's genesis block or its newest configuration block",
        )
    return block


def block_header_bytes(number: int, previous_hash: bytes, data_hash: bytes) -> bytes:
    """The header as it is hashed and signed: ASN.1 DER ``SEQUENCE { INTEGER, OCTET STRING, OCTET STRING }``."""
    # One byte more than the magnitude needs when its top bit is set: DER integers are signed.
    magnitude = number.to_bytes(number.bit_length() // 8 + 1, "big")
    content = _der(0x02, magnitude) + _der(0x04, previous_hash) + _der(0x04, data_hash)
    return _der(0x30, content)


def block_header_hash(number: int, previous_hash: bytes, data_hash: bytes) -> bytes:
    """SHA-256 of the header.

    ::

        block = await peer.get_block_by_number("newtown", 1)
        named = (await peer.get_block_by_number("newtown", 2)).previous_hash
        assert named == block_header_hash(block.number, block.previous_hash, block.data_hash)
    """
    return hashlib.sha256(block_header_bytes(number, previous_hash, data_hash)).digest()


def block_data_hash(envelopes: tuple[bytes, ...]) -> bytes:
    """SHA-256 over the envelopes one after the other: what the header has as `data_hash`.

    ::

        block = await peer.get_block_by_number("newtown", 1)
        assert block_data_hash(block.envelopes) == block.data_hash
    """
    return hashlib.sha256(b"".join(envelopes)).digest()


def _transaction(envelope: bytes, validation: ValidationCode | None) -> Transaction:
    try:
        return decode_transaction(envelope, validation)
    except UnexpectedAnswerError:
        if validation in (None, ValidationCode.VALID):
            raise
        nobody = Creator("", b"", b"")
        return Transaction("", "", "UNREADABLE", (0, 0), nobody, b"", (), validation, b"", b"")


def _signature(signature: Any) -> BlockSignature:
    header, identifier = signature.signature_header, signature.identifier_header
    if header:
        signer = decode_creator(parse(common_pb2.SignatureHeader, header).creator)
        return BlockSignature(signer, 0, header, signature.signature)
    consenter = parse(common_pb2.IdentifierHeader, identifier).identifier
    return BlockSignature(None, consenter, identifier, signature.signature)


def _last_config(signed: bytes, unsigned: bytes) -> int:
    if signed:
        return int(parse(common_pb2.OrdererBlockMetadata, signed).last_config.index)
    # Blocks from before Fabric 1.4.1 keep it here.
    return int(parse(common_pb2.LastConfig, parse(common_pb2.Metadata, unsigned).value).index)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content
