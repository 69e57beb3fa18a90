# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frames (RFC 9113): their numbers, writing them, and taking them out of a stream of bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 2, 3, 4, 5, 6

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 5, 6, 7, 8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

DEFAULT_WINDOW, LONGEST_WINDOW = 65_535, (1 << 31) - 1
DEFAULT_FRAME, LONGEST_FRAME = 16_384, (1 << 24) - 1

_HEADER = struct.Struct(">HBBBI")


class ProtocolViolation(Exception):
    """The other side broke HTTP/2's rules; the connection ends with this error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame; `payload` within the receiver's frame size."""
    length = len(payload)
    return _HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", name, value) for name, value in values.items()))


def window_update(stream_id: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def reset(stream_id: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: int, text: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last_stream_id, code) + text.encode()[:200])


class FrameReader:
    """Cuts received bytes into frames; a frame longer than `longest` is refused before it is read."""

    def __init__(self, longest: int = DEFAULT_FRAME) -> None:
        self._longest = longest
        self._rest = b""

    def frames(self, received: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """(kind, flags, stream id, payload) of every complete frame. Raises ProtocolViolation.

        Take them all before the next bytes are given.
        """
        buffer = self._rest + received if self._rest else received
        position, size = 0, len(buffer)
        while size - position >= 9:
            high, low, kind, flags, stream_id = _HEADER.unpack_from(buffer, position)
            length = high << 8 | low
            if length > self._longest:
                raise ProtocolViolation(FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            end = position + 9 + length
            if end > size:
                break
            yield kind, flags, stream_id & LONGEST_WINDOW, buffer[position + 9 : end]
            position = end
        self._rest = buffer[position:]


def unpadded(flags: int, payload: bytes) -> bytes:
    """A DATA or HEADERS payload without its padding. Raises ProtocolViolation."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolViolation(PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]
