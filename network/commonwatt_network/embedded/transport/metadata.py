# SPDX-License-Identifier: Apache-2.0
"""What gRPC says in HTTP/2 headers: a call's path and deadline, and the status that ends it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import hpack
from hpack.exceptions import HPACKError

from commonwatt_network.embedded.transport.frames import COMPRESSION_ERROR, PROTOCOL_ERROR, ProtocolViolation

LARGEST_HEADERS = 16_384
UNITS_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class CallHeaders:
    """A call as its headers describe it. `problem` says why a gRPC call cannot be served, where it cannot."""

    path: str
    timeout_s: float | None
    encoding: bytes
    is_grpc: bool = True
    problem: str = ""


def decoder() -> hpack.Decoder:
    """The header decompression of one connection."""
    return hpack.Decoder(max_header_list_size=LARGEST_HEADERS)


def decode_call(context: hpack.Decoder, block: bytes) -> CallHeaders:
    """The headers of a call. Raises ProtocolViolation for a block that is damaged, or no HTTP request.

    A `grpc-timeout` that is malformed is the call's `problem`, for the answer to name.
    """
    fields = {}
    for name, value in decode_fields(context, block):
        if name.startswith(b":") and name in fields:
            raise ProtocolViolation(PROTOCOL_ERROR, "a repeated pseudo-header")
        fields[name] = value
    method, path = fields.get(b":method"), fields.get(b":path")
    if method is None or path is None or b":scheme" not in fields:
        raise ProtocolViolation(PROTOCOL_ERROR, "a request without method, scheme or path")
    is_grpc = method == b"POST" and fields.get(b"content-type", b"").startswith(b"application/grpc")
    problem = ""
    timeout_s = None
    encoded = fields.get(b"grpc-timeout")
    if encoded is not None:
        match = TIMEOUT.fullmatch(encoded)
        if match is None:
            problem = "malformed grpc-timeout"
        else:
            timeout_s = int(match[1]) * UNITS_S[match[2]]
    encoding = fields.get(b"grpc-encoding", b"identity")
    return CallHeaders(path.decode("latin-1"), timeout_s, encoding, is_grpc, problem)


def decode_fields(context: hpack.Decoder, block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a header block. Raises ProtocolViolation."""
    try:
        return [(field[0], field[1]) for field in context.decode(block, raw=True)]
    except HPACKError as error:
        raise ProtocolViolation(COMPRESSION_ERROR, f"headers cannot be decompressed: {error}") from error


def _integer(value: int, prefix_bits: int) -> bytes:
    """HPACK's integer representation; the bits before the prefix are zero."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([value])
    encoded = bytearray([limit])
    value -= limit
    while value >= 128:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _literal(name: bytes, value: bytes) -> bytes:
    """A field without indexing or Huffman coding: this side keeps no compression state."""
    return b"\x00" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    return _integer(len(text), 7) + text


STATUS_200 = b"\x88"  # field 8 of the static table
HEADERS_OF_ANSWER = STATUS_200 + _literal(b"content-type", b"application/grpc")
STATUS_OK = _literal(b"grpc-status", b"0")
NOT_GRPC = _literal(b":status", b"415")


def encode_call(path: str, authority: str, *, tls: bool) -> bytes:
    """The headers that begin a call. Fields of the static table by number, all others never indexed."""
    post, scheme = b"\x83", b"\x87" if tls else b"\x86"
    named = b"\x04" + _string(path.encode()) + b"\x01" + _string(authority.encode())
    content = _literal(b"content-type", b"application/grpc") + _literal(b"te", b"trailers")
    return post + scheme + named + content


def encode_status(code: int, message: str, metadata: Metadata = ()) -> bytes:
    """The trailing headers of a call that ends with a gRPC status."""
    if code == 0 and not message and not metadata:
        return STATUS_OK
    block = _literal(b"grpc-status", str(code).encode())
    if message:
        block += _literal(b"grpc-message", percent_encoded(message))
    return block + encode_metadata(metadata)


def encode_metadata(metadata: Metadata) -> bytes:
    """Metadata of an application as header fields; binary values (`...-bin`) as Base64."""
    block = b""
    for name, value in metadata:
        raw = value.encode() if isinstance(value, str) else value
        binary = name.endswith("-bin")
        block += _literal(name.lower().encode(), b64encode(raw).rstrip(b"=") if binary else raw)
    return block


def percent_encoded(message: str) -> bytes:
    """`grpc-message`: printable ASCII as it is, every other byte of the UTF-8 form as %XX."""
    return b"".join(
        b"%c" % byte if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte
        for byte in message.encode()
    )
