# SPDX-License-Identifier: Apache-2.0
"""The few encodings that Fabric's ledger files and hashes use beside published messages."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """Protobuf's base-128 varint."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def framed(content: bytes) -> bytes:
    """The content after its length."""
    return varint(len(content)) + content


def bytes_field(number: int, content: bytes) -> bytes:
    """A protobuf field of type bytes or string, below number 16; nothing where it is empty."""
    if not content:
        return b""
    if len(content) < 0x80:  # most are, and blocks of messages have thousands
        return bytes((number << 3 | 2, len(content))) + content
    return bytes([number << 3 | 2]) + framed(content)


def order_preserving(number: int) -> bytes:
    """A number's length in bytes, then its bytes: sorts as the numbers do."""
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(content)]) + content
