# SPDX-License-Identifier: Apache-2.0
"""A line between a client and a server that a test can cut and mend."""

from __future__ import annotations

import asyncio
from typing import Self

SLOW_S, SLOW_PIECES = 0.4, 2  # the handshakes of TLS and HTTP/2 last longer than a second


class Line:
    """A line that can be cut and mended; each connection's first messages are slow."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None] | None] = set()
        self._is_cut = False
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*(task for task in self._carrying if task))

    def cut(self) -> None:
        """Reset every connection, and each new one, until the line is mended."""
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Carry connections again."""
        self._is_cut = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._carrying.add(asyncio.current_task())
        there_reader, there_writer = await asyncio.open_connection(self._host, int(self._port))
        ends = {writer, there_writer}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            self._open -= ends
            self._carrying.discard(asyncio.current_task())

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces = 0
        try:
            while piece := await reader.read(1 << 16):
                pieces += 1
                if pieces <= SLOW_PIECES:
                    await asyncio.sleep(SLOW_S)
                writer.write(piece)
        except OSError:
            pass  # cut
        writer.close()
