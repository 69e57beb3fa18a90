# SPDX-License-Identifier: Apache-2.0
"""The hashes that hold a ledger together: of a block's header and data, of transactions' ids and of proposals."""

import hashlib


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
    """SHA-256 over the envelopes one after the other, which the header has as `data_hash`.

    ::

        block = await peer.get_block_by_number("newtown", 1)
        assert block_data_hash(block.envelopes) == block.data_hash
    """
    return hashlib.sha256(b"".join(envelopes)).digest()


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """The hex SHA-256 of nonce and creator (``msp.SerializedIdentity``), as every peer computes it."""
    return hashlib.sha256(nonce + creator).hexdigest()


def proposal_hash(channel_header: bytes, signature_header: bytes, proposal_payload: bytes) -> bytes:
    """SHA-256 over the two headers and the proposal's payload without its transient data: what endorsers hashed."""
    return hashlib.sha256(channel_header + signature_header + proposal_payload).digest()


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content
