"""One HTTP/2 stream, that is one gRPC call: messages in and out, and their flow control."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport.budget import MESSAGE_COST_BYTES, UNFINISHED
from commonwatt_network.embedded.transport.metadata import HEADERS_OF_ANSWER, NOT_GRPC

if TYPE_CHECKING:
    from commonwatt_network.embedded.transport.connection import Connection

LONGEST_MESSAGE = 100 << 20  # Fabric's own limit for both directions
MESSAGES_AHEAD = 16
BYTES_AHEAD = 1 << 20


class StreamFailure(Exception):
    """The client's messages cannot be read: a gRPC status code and a sentence."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Stream:
    """`on_request` is called once the client has sent all, `on_cancel` when the client or the connection is gone."""

    def __init__(
        self, connection: Connection, stream_id: int, receive_window: int, half_closed: bool
    ) -> None:
        self.id = stream_id
        self.granted = 0  # what the client let this stream send beyond the initial window, less what was sent
        self.half_closed = half_closed
        self.received_bytes = 0
        self.output = bytearray()
        self.finished = False
        self.wants_headers = False
        self.failure: StreamFailure | None = None
        self.on_request: Callable[[], None] | None = None
        self.on_cancel: Callable[[], None] | None = None
        self.connection = connection
        self._receive_window = self._largest_window = receive_window
        self._input = bytearray()
        self._messages: deque[bytes] = deque()
        self._taken_bytes = 0  # of the message that is being worked on
        self._changed: asyncio.Event | None = None
        self._opened = False
        self._trailers: bytes | None = None

    def client_certificate_hash(self) -> bytes:
        return self.connection.client_certificate_hash()

    # Receiving

    def spend(self, size: int) -> None:
        """The client has used so much of its window. Raises ProtocolViolation."""
        self._receive_window -= size
        if self._receive_window < 0:
            raise h2.ProtocolViolation(h2.FLOW_CONTROL_ERROR, "more data than the stream's window")

    def take_data(self, content: bytes, is_last: bool) -> None:
        if self.failure is None and content:
            self._input += content
            self.count(len(content))
            self._take_messages()
        self.half_closed = is_last
        if is_last:
            if self._input and self.failure is None:
                self.failure = StreamFailure(13, "the request ends in the midst of a message")
            if self.on_request is not None:
                self.on_request()
        else:
            self._widen()
        self._tell()

    def count(self, change_bytes: int) -> None:
        """The process keeps so many bytes more or less for this call."""
        self.received_bytes += change_bytes
        UNFINISHED.change(self.connection, change_bytes)

    def _take_messages(self) -> None:
        data, position = self._input, 0
        while len(data) - position >= 5:
            length = int.from_bytes(data[position + 1 : position + 5], "big")
            if data[position]:
                self._refuse(12, "compressed requests are not supported")
                return
            if length > LONGEST_MESSAGE:
                self._refuse(8, f"Received message larger than max ({length} vs. {LONGEST_MESSAGE})")
                return
            if len(data) - position - 5 < length:
                break
            if self.on_request is not None and self._messages:
                self._refuse(13, "the call takes one message, not more")
                return
            self._messages.append(bytes(data[position + 5 : position + 5 + length]))
            self.count(MESSAGE_COST_BYTES)
            position += 5 + length
        del data[:position]

    def _refuse(self, code: int, text: str) -> None:
        self.failure = StreamFailure(code, text)
        self._input.clear()
        self._messages.clear()
        self.count(-self.received_bytes)
        self._taken_bytes = 0
        if self.on_request is not None:
            self.on_request()

    def _widen(self) -> None:
        """Let the client send on, unless messages pile up that nobody takes."""
        used = self._largest_window - self._receive_window
        wanted = not (self.half_closed or self.finished) and len(self._messages) < MESSAGES_AHEAD
        if wanted and used > self._largest_window // 2:
            self._receive_window = self._largest_window
            self.connection.widen(self.id, used)

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def next_message(self) -> bytes | None:
        """The client's next message; None after its last. The one before is done with. Raises StreamFailure."""
        if not self.finished:
            self.count(-self._taken_bytes)
        self._taken_bytes = 0
        while True:
            if self.failure is not None:
                raise self.failure
            if self._messages:
                return self._pop()
            if self.half_closed:
                return None
            await self._wait()

    def only_message(self) -> bytes:
        """The one message of a call that takes one. Raises StreamFailure."""
        if self.failure is not None:
            raise self.failure
        if len(self._messages) != 1:
            raise StreamFailure(13, f"the call takes one message, not {len(self._messages)}")
        return self._pop()

    def _pop(self) -> bytes:
        message = self._messages.popleft()
        self._taken_bytes = len(message) + 5 + MESSAGE_COST_BYTES
        self._widen()
        return message

    async def _wait(self) -> None:
        self._changed = self._changed or asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    def cancel(self) -> None:
        self.finished = True
        if self.on_cancel is not None:
            self.on_cancel()
        self._tell()

    # Sending

    @property
    def send_window(self) -> int:
        return self.connection.initial_window + self.granted

    @property
    def has_output(self) -> bool:
        return bool(self.output) or self._trailers is not None

    def open(self) -> None:
        """Send the headers of the answer, before its first message."""
        if not self._opened and not self.finished:
            self.wants_headers = True
            self.connection.send_soon(self, 0)

    def send(self, message: bytes) -> None:
        """Queue a message of the answer."""
        if not self.finished:
            self.wants_headers = True
            self.output += b"\x00" + len(message).to_bytes(4, "big") + message
            self.connection.send_soon(self, len(message) + 5)

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was queued."""
        while len(self.output) > BYTES_AHEAD and not self.finished:
            await self._wait()

    def close(self, trailers: bytes) -> None:
        """End the answer with these header fields."""
        if self._trailers is None and not self.finished:
            self._trailers = trailers
            self.connection.send_soon(self, 0)

    def write(self, pieces: list[bytes], window: int, frame_size: int) -> int:
        """Append frames to `pieces`, as far as both windows let; how many bytes of the windows they took."""
        if self._trailers is not None and not self.output and not self._opened and not self.wants_headers:
            block = self._trailers if self._trailers is NOT_GRPC else HEADERS_OF_ANSWER + self._trailers
            self._end(pieces, block, frame_size)
            return 0
        if self.wants_headers and not self._opened:
            pieces.append(h2.frame(h2.HEADERS, h2.END_HEADERS, self.id, HEADERS_OF_ANSWER))
            self._opened = True
        size = max(0, min(len(self.output), window, self.send_window, frame_size))
        if size:
            pieces.append(h2.frame(h2.DATA, 0, self.id, bytes(self.output[:size])))
            del self.output[:size]
            self.granted -= size
            self._tell()
        if self._trailers is not None and not self.output:
            self._end(pieces, self._trailers, frame_size)
        return size

    def _end(self, pieces: list[bytes], block: bytes, frame_size: int) -> None:
        first, rest = block[:frame_size], block[frame_size:]
        flags = h2.END_STREAM | (0 if rest else h2.END_HEADERS)
        pieces.append(h2.frame(h2.HEADERS, flags, self.id, first))
        while rest:
            first, rest = rest[:frame_size], rest[frame_size:]
            pieces.append(h2.frame(h2.CONTINUATION, 0 if rest else h2.END_HEADERS, self.id, first))
        self._trailers = None
        self.finished = True
