# SPDX-License-Identifier: Apache-2.0
"""Blocks: hashes, building, the orderer's signature, metadata, and what a peer checks of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from commonwatt_client.ledger.hashes import block_data_hash, block_header_bytes, block_header_hash
from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.trust.policies import Policy, PolicyError, SignedData
from commonwatt_network.embedded.trust.signing import SigningIdentity

WIRE_ERROR = "proto: cannot parse invalid wire-format data"  # Go's words for bytes that are no message

SIGNATURES, LAST_CONFIG, TRANSACTIONS_FILTER, ORDERER, COMMIT_HASH = range(5)


class BlockError(Exception):
    """A block is not what it should be; the message is Fabric's where Fabric has one."""


def header_bytes(header: Any) -> bytes:
    """A header as it is hashed and signed."""
    return block_header_bytes(header.number, header.previous_hash, header.data_hash)


def header_hash(header: Any) -> bytes:
    return block_header_hash(header.number, header.previous_hash, header.data_hash)


def data_hash(envelopes: Iterable[bytes]) -> bytes:
    return block_data_hash(tuple(envelopes))


def build_block(
    number: int,
    previous_hash: bytes,
    envelopes: list[bytes],
    last_config: int,
    signer: SigningIdentity,
    consenter_metadata: bytes = b"",
) -> Any:
    """A signed `common.Block` as an orderer writes it; `last_config` numbers the newest config block."""
    header = common_pb2.BlockHeader(
        number=number, previous_hash=previous_hash, data_hash=data_hash(envelopes)
    )
    value = common_pb2.OrdererBlockMetadata(
        last_config=common_pb2.LastConfig(index=last_config),
        consenter_metadata=common_pb2.Metadata(value=consenter_metadata).SerializeToString(),
    ).SerializeToString()
    signature_header = signer.signature_header()
    signature = common_pb2.MetadataSignature(
        signature_header=signature_header,
        signature=signer.sign(value + signature_header + header_bytes(header)),
    )
    metadata = common_pb2.Metadata(value=value, signatures=[signature]).SerializeToString()
    last_config_slot = common_pb2.Metadata(
        value=common_pb2.LastConfig(index=last_config).SerializeToString()
    ).SerializeToString()
    return common_pb2.Block(
        header=header,
        data=common_pb2.BlockData(data=envelopes),
        metadata=common_pb2.BlockMetadata(metadata=[metadata, last_config_slot, b"", b"", b""]),
    )


def last_config_number(block: Any) -> int:
    """The number of the configuration block in force at `block`. Raises BlockError."""
    try:
        slots = block.metadata.metadata
        signatures = common_pb2.Metadata.FromString(slots[SIGNATURES]) if slots else common_pb2.Metadata()
        if signatures.value:
            return int(common_pb2.OrdererBlockMetadata.FromString(signatures.value).last_config.index)
        if len(slots) <= LAST_CONFIG:
            return 0
        metadata = common_pb2.Metadata.FromString(slots[LAST_CONFIG])
        return int(common_pb2.LastConfig.FromString(metadata.value).index)
    except DecodeError as error:
        raise BlockError(f"failed to retrieve metadata: {WIRE_ERROR}") from error


def verify_block_signature(block: Any, policy: Policy) -> None:
    """Raises BlockError unless the block's signatures satisfy `policy` (the BlockValidation policy)."""
    if not block.metadata.metadata:
        raise BlockError("no signatures in block metadata")
    try:
        metadata = common_pb2.Metadata.FromString(block.metadata.metadata[SIGNATURES])
        header = header_bytes(block.header)
        signed = [
            SignedData(
                metadata.value + entry.signature_header + header,
                common_pb2.SignatureHeader.FromString(entry.signature_header).creator,
                entry.signature,
            )
            for entry in metadata.signatures
        ]
        policy.evaluate(signed)
    except DecodeError as error:
        raise BlockError(f"error unmarshalling signatures from metadata: {WIRE_ERROR}") from error
    except PolicyError as error:
        raise BlockError(str(error)) from error


def verify_block(block: Any, number: int, previous_hash: bytes, policy: Policy | None) -> None:
    """What a peer checks of a received block: number, hash chain, data hash, the orderer's signature.

    Block 0 carries no signature: pass no policy for it. Raises BlockError.
    """
    if block.header.number != number:
        raise BlockError(f"block number should have been {number} but was {block.header.number}")
    if block.header.previous_hash != previous_hash:
        raise BlockError(
            f"unexpected Previous block hash. Expected PreviousHash = [{previous_hash.hex()}], "
            f"PreviousHash referred in the latest block= [{block.header.previous_hash.hex()}]"
        )
    if data_hash(block.data.data) != block.header.data_hash:
        raise BlockError(f"Header.DataHash is different from Hash(block.Data) for block with id [{number}]")
    if policy is not None:
        verify_block_signature(block, policy)


def channel_of(envelope: Any) -> str:
    """The channel id of an envelope. Raises BlockError."""
    return cast(str, headers_of(envelope)[1].channel_id)


def headers_of(envelope: Any) -> tuple[Any, Any, Any]:
    """(Payload, ChannelHeader, SignatureHeader) of an envelope. Raises BlockError."""
    try:
        payload = common_pb2.Payload.FromString(envelope.payload)
    except DecodeError as error:
        raise BlockError(f"error unmarshalling Payload: {WIRE_ERROR}") from error
    if not payload.HasField("header"):
        raise BlockError("header not set")
    try:
        channel_header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    except DecodeError as error:
        raise BlockError(
            f"error unmarshalling channel header: error unmarshalling ChannelHeader: {WIRE_ERROR}"
        ) from error
    try:
        return payload, channel_header, common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    except DecodeError as error:
        raise BlockError(f"error unmarshalling SignatureHeader: {WIRE_ERROR}") from error


def config_envelope_of(block: Any) -> Any | None:
    """The `ConfigEnvelope` if `block` is a configuration block, else None."""
    if len(block.data.data) != 1:
        return None
    try:
        envelope = common_pb2.Envelope.FromString(block.data.data[0])
        payload = common_pb2.Payload.FromString(envelope.payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        if header.type != common_pb2.CONFIG:
            return None
        return configtx_pb2.ConfigEnvelope.FromString(payload.data)
    except DecodeError:
        return None
