# SPDX-License-Identifier: Apache-2.0
"""The server's end of a connection, and the calls that come on it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial

from commonwatt_network.embedded.transport.budget import UNFINISHED
from commonwatt_network.embedded.transport.connection import Connection
from commonwatt_network.embedded.transport.ends import ServerProtocol
from commonwatt_network.embedded.transport.metadata import CallHeaders
from commonwatt_network.embedded.transport.protocol import (
    CallStarted,
    Cancelled,
    Event,
    Received,
)
from commonwatt_network.embedded.transport.stream import Stream

PREFACE_TIMEOUT_S = 20.0


class ServerConnection(Connection):
    """One client. `start_call` is called for every new call, `closed` once when the connection is gone."""

    def __init__(
        self, start_call: Callable[[Call, CallHeaders], None], closed: Callable[[ServerConnection], None]
    ) -> None:
        self.is_known = False
        self.received_bytes = 0
        self._start_call = start_call
        self._closed = closed
        self._deadline: asyncio.TimerHandle | None = None
        super().__init__(ServerProtocol(asyncio.get_running_loop().time, partial(UNFINISHED.change, self)))

    @property
    def streams(self) -> dict[int, Stream]:
        """The calls that have not ended."""
        return self._http2.streams

    @property
    def idle_since_s(self) -> float | None:
        """Since when there have been no calls, by the event loop's clock; None while there are."""
        return self._http2.idle_since_s

    def client_certificate_hash(self) -> bytes:
        """SHA-256 of the certificate (DER) that the client has proved to own; empty where it showed none."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        shown = tls.getpeercert(binary_form=True) if tls is not None else None
        return hashlib.sha256(shown).digest() if shown else b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            transport.close()
            return
        super().connection_made(transport)
        self._deadline = self._loop.call_later(PREFACE_TIMEOUT_S, self.abort)

    def connection_lost(self, error: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(error)
        self._closed(self)

    def data_received(self, received: bytes) -> None:
        super().data_received(received)
        if self._deadline is not None and self._http2.has_settings:
            self._deadline.cancel()
            self._deadline = None

    def handle(self, event: Event) -> None:
        if isinstance(event, Received):
            event.stream.owner.received()
        elif isinstance(event, CallStarted):
            event.stream.owner = call = Call(self, event.stream)
            self._start_call(call, event.headers)
        elif isinstance(event, Cancelled):
            event.stream.owner.cancel()
        UNFINISHED.keep()

    def moved(self, stream: Stream) -> None:
        stream.owner.tell()

    def dropped(self, stream: Stream) -> None:
        stream.owner.cancel()


class Call:
    """A stream, and the servicer that waits for it.

    `on_request` is called once the client has sent all, `on_cancel` when the client or the connection is gone.
    """

    def __init__(self, connection: ServerConnection, stream: Stream) -> None:
        self.connection = connection
        self.on_request: Callable[[], None] | None = None
        self.on_cancel: Callable[[], None] | None = None
        self._stream = stream
        self._changed: asyncio.Event | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the client has sent all that it will send, or something that cannot be read."""
        return self._stream.is_complete

    def await_one(self, on_request: Callable[[], None], on_cancel: Callable[[], None]) -> None:
        """The client is to send one message, not more."""
        self._stream.takes_one = True
        self.on_request, self.on_cancel = on_request, on_cancel

    def received(self) -> None:
        if self.on_request is not None and self._stream.is_complete:
            self.on_request()
        self.tell()

    def cancel(self) -> None:
        if self.on_cancel is not None:
            self.on_cancel()
        self.tell()

    def tell(self) -> None:
        """Wake the servicer to look at the stream."""
        if self._changed is not None:
            self._changed.set()

    async def _wait(self) -> None:
        self._changed = self._changed or asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    async def next_message(self) -> bytes | None:
        """The client's next message; None after its last. The one before is done with. Raises StreamFailure."""
        while True:
            message = self._stream.next_message()
            if message is not None:
                self.connection.flush_soon()
                return message
            if self._stream.half_closed:
                return None
            await self._wait()

    def only_message(self) -> bytes:
        """The one message of a call that takes one. Raises StreamFailure."""
        return self._stream.only_message()

    def open(self) -> None:
        """Send the headers of the answer, before its first message."""
        self._stream.open()
        self.connection.flush_soon()

    def send(self, message: bytes) -> None:
        """Queue a message of the answer."""
        self._stream.send(message)
        self.connection.flush_soon()

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was queued."""
        while not self._stream.has_room:
            await self._wait()

    def close(self, trailers: bytes) -> None:
        """End the answer with these header fields."""
        self._stream.close(trailers)
        self.connection.flush_soon()
