# SPDX-License-Identifier: Apache-2.0
"""Messages between the serving process and a worker: length, stream number, bytes, over a socket pair."""

import asyncio
import struct
from collections.abc import Callable

_HEADER = struct.Struct("<II")


class FrameProtocol(asyncio.Protocol):
    """Both ends of the socket pair. Frames queued in one turn of the event loop leave in one write."""

    def __init__(self, received: Callable[[int, bytes], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None
        self._incoming = bytearray()
        self._outgoing: list[bytes] = []

    def send(self, stream: int, message: bytes) -> None:
        """Queue a frame; after the connection is lost it goes nowhere."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing += (_HEADER.pack(len(message), stream), message)

    def _flush(self) -> None:
        frames, self._outgoing = self._outgoing, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def close(self) -> None:
        """Send what is queued and close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is there."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio: some bytes came, of no, one or several frames."""
        incoming = self._incoming
        incoming += data
        start = 0
        while len(incoming) - start >= _HEADER.size:
            length, stream = _HEADER.unpack_from(incoming, start)
            end = start + _HEADER.size + length
            if len(incoming) < end:
                break
            message = bytes(memoryview(incoming)[start + _HEADER.size : end])
            start = end
            self._received(stream, message)
        if start:
            del incoming[:start]

    def connection_lost(self, _: Exception | None) -> None:
        """asyncio: the other process closed its end, or is gone."""
        self._lost()
