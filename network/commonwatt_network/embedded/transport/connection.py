# SPDX-License-Identifier: Apache-2.0
"""A protocol on an asyncio connection. Everything that one turn of the event loop produces leaves in one write."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import cast

from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport.frames import ProtocolViolation
from commonwatt_network.embedded.transport.protocol import Event, Http2Protocol
from commonwatt_network.embedded.transport.stream import Stream

LINGER_S = 1.0


class Connection(asyncio.Protocol, ABC):
    """The I/O of one end. Servers and clients say what they do with events."""

    def __init__(self, http2: Http2Protocol) -> None:
        self._http2 = http2
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flushing = self._paused = False

    @abstractmethod
    def handle(self, event: Event) -> None:
        """An event of the protocol."""

    def moved(self, stream: Stream) -> None:
        """Some of a stream's output has left."""

    def dropped(self, stream: Stream) -> None:
        """A stream has gone with its connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for stream in self._http2.drop_all():
            self.dropped(stream)

    def data_received(self, received: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        try:
            for event in self._http2.receive(received):
                self.handle(event)
                if transport.is_closing():
                    return
        except ProtocolViolation as violation:
            self.fail(violation)
        self.flush_soon()

    def go_away(self) -> None:
        """Take no more calls; the connection closes once the last one is answered."""
        self._http2.go_away()
        if self._http2.is_done:
            self._flush()
        self.flush_soon()

    def give_up(self) -> None:
        """End the connection with all its calls."""
        self.fail(ProtocolViolation(h2.ENHANCE_YOUR_CALM, "too many unfinished requests"))

    def fail(self, violation: ProtocolViolation) -> None:
        """Tell the other side how it broke the rules, and end the connection."""
        for stream in self._http2.fail(violation):
            self.dropped(stream)
        if self._transport is not None:
            self._flush()
            self._loop.call_later(LINGER_S, self.abort)  # one that does not read must not hold the connection

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Sending

    def flush_soon(self) -> None:
        """Let what the protocol has to say leave at the end of this turn of the event loop."""
        if self._http2.overflowed:
            self.abort()
        if self._http2.wants_output and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is None or self._transport.is_closing() or self._paused:
            return
        content, moved = self._http2.output()
        if content:
            self._transport.write(content)
        for stream in moved:
            self.moved(stream)
        if self._http2.is_done:
            self._transport.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush_soon()
