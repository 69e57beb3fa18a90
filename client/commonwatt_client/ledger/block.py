# SPDX-License-Identifier: Apache-2.0
"""Blocks, decoded: one value for those of event streams, of administration and of files."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fabric_protos.common import common_pb2

from commonwatt_client.errors import InvalidInputError, UnexpectedAnswerError
from commonwatt_client.ledger.hashes import block_header_hash
from commonwatt_client.ledger.transaction import (
    BlockTransaction,
    Creator,
    decode_transaction,
    signer_of,
    unreadable_transaction,
)
from commonwatt_client.ledger.validation import ValidationCode
from commonwatt_client.ledger.wire import parse

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

        async with gateway.get_network("newtown").block_events(start_block=1) as blocks:
            block = await anext(blocks)
            print(block.number, block.header_hash.hex(), [code.name for code in block.validations])
            again = Block.parse(block.raw)  # as an auditor would
            print([each.kind for each in again.transactions])
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

    @classmethod
    def parse(cls, raw: bytes) -> "Block":
        """A block from its bytes, as `decode_block`. Raises UnexpectedAnswerError."""
        return decode_block(raw)

    @property
    def raw(self) -> bytes:
        """Its bytes, as `serialized`."""
        return self.serialized

    @cached_property
    def header_hash(self) -> bytes:
        """SHA-256 of the header, which the next block has as `previous_hash`."""
        return block_header_hash(self.number, self.previous_hash, self.data_hash)

    @cached_property
    def transactions(self) -> tuple[BlockTransaction, ...]:
        """The block's transactions in order. Raises UnexpectedAnswerError for an envelope that cannot be read.

        One that a peer has found invalid may hold anything: it is of kind ``UNREADABLE`` where it cannot be read.
        """
        validations = self.validations or (None,) * len(self.envelopes)
        return tuple(
            _transaction(envelope, code, self.number)
            for envelope, code in zip(self.envelopes, validations, strict=True)
        )

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
    return block_of(parse(common_pb2.Block, content), content)


def block_of(block: Any, serialized: bytes) -> Block:
    """A ``common.Block`` that was read from these bytes. Raises UnexpectedAnswerError."""
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
        serialized=serialized,
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


def _transaction(envelope: bytes, validation: ValidationCode | None, block_number: int) -> BlockTransaction:
    try:
        return decode_transaction(envelope, validation, block_number)
    except UnexpectedAnswerError:
        if validation in (None, ValidationCode.VALID):
            raise
        return unreadable_transaction(validation, block_number)


def _signature(signature: Any) -> BlockSignature:
    header, identifier = signature.signature_header, signature.identifier_header
    if header:
        try:
            creator = parse(common_pb2.SignatureHeader, header).creator
        except UnexpectedAnswerError:  # as of an orderer that peers passed over
            creator = b""
        signer = signer_of(creator)
        return BlockSignature(signer, 0, header, signature.signature)
    consenter = parse(common_pb2.IdentifierHeader, identifier).identifier
    return BlockSignature(None, consenter, identifier, signature.signature)


def _last_config(signed: bytes, unsigned: bytes) -> int:
    if signed:
        return int(parse(common_pb2.OrdererBlockMetadata, signed).last_config.index)
    # Blocks from before Fabric 1.4.1 keep it here.
    return int(parse(common_pb2.LastConfig, parse(common_pb2.Metadata, unsigned).value).index)
