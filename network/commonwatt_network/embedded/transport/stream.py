# SPDX-License-Identifier: Apache-2.0
"""One HTTP/2 stream, that is one gRPC call: messages in and out, and their flow control. No I/O and no waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport.budget import MESSAGE_COST_BYTES
from commonwatt_network.embedded.transport.metadata import NOT_GRPC

LONGEST_MESSAGE = 100 << 20  # Fabric's own limit for both directions
MESSAGES_AHEAD = 16
BYTES_AHEAD = 1 << 20


class StreamFailure(Exception):
    """The other side's messages cannot be read: a gRPC status code and a sentence."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Carrier(Protocol):
    """The connection's end that a stream belongs to."""

    initial_window: int
    count: Callable[[int], None] | None
    """Is told how many bytes more or less the streams keep, if anybody wants to know."""

    def widen(self, stream_id: int, increment: int) -> None:
        """Let the other side send so many more bytes on a stream."""

    def send_soon(self, stream: Stream, added_bytes: int) -> None:
        """A stream has something more to say, `added_bytes` of it subject to flow control."""


class Stream:
    """One call as this side sees it. `owner` is for its user; `takes_one` says that one message is all it may bring."""

    def __init__(
        self, carrier: Carrier, stream_id: int, headers: bytes, receive_window: int, half_closed: bool
    ) -> None:
        """`headers` is the header block that this side sends before its first message."""
        self.id = stream_id
        self.owner: Any = None
        self.takes_one = False
        self.granted = (
            0  # what the other side let this stream send beyond the initial window, less what was sent
        )
        self.half_closed = half_closed
        self.received_bytes = 0
        self.output = bytearray()
        self.finished = False
        self.wants_headers = False
        self.failure: StreamFailure | None = None
        self.messages: deque[bytes] = deque()
        self._carrier = carrier
        self._headers = headers
        self._receive_window = self._largest_window = receive_window
        self._least_window = receive_window - receive_window // 2
        self._input = bytearray()
        self._taken_bytes = 0  # of the message that is being worked on
        self._opened = False
        self._trailers: bytes | None = None

    # Receiving

    def take_data(self, content: bytes, size: int, is_last: bool) -> None:
        """The other side has used `size` bytes of its window. Raises ProtocolViolation."""
        self._receive_window -= size
        if self._receive_window < 0:
            raise h2.ProtocolViolation(h2.FLOW_CONTROL_ERROR, "more data than the stream's window")
        if self.failure is None and content:
            self._input += content
            earlier = len(self.messages)
            self._take_messages()
            if self.failure is None:
                self.count(len(content) + MESSAGE_COST_BYTES * (len(self.messages) - earlier))
        self.half_closed = is_last
        if is_last:
            if self._input and self.failure is None:
                self.failure = StreamFailure(13, "the request ends in the midst of a message")
        elif self._receive_window < self._least_window:
            self._widen()

    def count(self, change_bytes: int) -> None:
        """The process keeps so many bytes more or less for this call."""
        self.received_bytes += change_bytes
        if self._carrier.count is not None:
            self._carrier.count(change_bytes)

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
            if self.takes_one and self.messages:
                self._refuse(13, "the call takes one message, not more")
                return
            self.messages.append(bytes(data[position + 5 : position + 5 + length]))
            position += 5 + length
        del data[:position]

    def _refuse(self, code: int, text: str) -> None:
        self.failure = StreamFailure(code, text)
        self._input.clear()
        self.messages.clear()
        self.count(-self.received_bytes)
        self._taken_bytes = 0

    def _widen(self) -> None:
        """Let the other side send on, unless messages pile up that nobody takes."""
        if not (self.half_closed or self.finished) and len(self.messages) < MESSAGES_AHEAD:
            used = self._largest_window - self._receive_window
            self._receive_window = self._largest_window
            self._carrier.widen(self.id, used)

    @property
    def is_complete(self) -> bool:
        """Whether nothing more will come that can be read."""
        return self.half_closed or self.failure is not None

    def next_message(self) -> bytes | None:
        """The next message, if one is there; the one before is done with. Raises StreamFailure."""
        if not self.finished:
            self.count(-self._taken_bytes)
        self._taken_bytes = 0
        if self.failure is not None:
            raise self.failure
        return self._pop() if self.messages else None

    def only_message(self) -> bytes:
        """The one message of a call that takes one. Raises StreamFailure."""
        if self.failure is not None:
            raise self.failure
        if len(self.messages) != 1:
            raise StreamFailure(13, f"the call takes one message, not {len(self.messages)}")
        return self._pop()

    def _pop(self) -> bytes:
        message = self.messages.popleft()
        self._taken_bytes = len(message) + 5 + MESSAGE_COST_BYTES
        if self._receive_window < self._least_window:
            self._widen()
        return message

    # Sending

    @property
    def send_window(self) -> int:
        return self._carrier.initial_window + self.granted

    @property
    def has_output(self) -> bool:
        return bool(self.output) or self._trailers is not None

    def open(self) -> None:
        """Send the headers, before the first message."""
        if not self._opened and not self.finished:
            self.wants_headers = True
            self._carrier.send_soon(self, 0)

    def send(self, message: bytes) -> None:
        """Queue a message."""
        if not self.finished:
            self.wants_headers = True
            self.output += b"\x00" + len(message).to_bytes(4, "big") + message
            self._carrier.send_soon(self, len(message) + 5)

    @property
    def has_room(self) -> bool:
        """Whether the other side has taken enough of what was queued."""
        return len(self.output) <= BYTES_AHEAD or self.finished

    def close(self, trailers: bytes) -> None:
        """End this side's part with these header fields."""
        if self._trailers is None and not self.finished:
            self._trailers = trailers
            self._carrier.send_soon(self, 0)

    def write(self, pieces: list[bytes], window: int, frame_size: int) -> int:
        """Append frames to `pieces`, as far as both windows let; how many bytes of the windows they took."""
        if self._trailers is not None and not self.output and not self._opened and not self.wants_headers:
            block = self._trailers if self._trailers is NOT_GRPC else self._headers + self._trailers
            self._end(pieces, block, frame_size)
            return 0
        if self.wants_headers and not self._opened:
            pieces.append(h2.frame(h2.HEADERS, h2.END_HEADERS, self.id, self._headers))
            self._opened = True
        size = max(0, min(len(self.output), window, self.send_window, frame_size))
        if size:
            pieces.append(h2.frame(h2.DATA, 0, self.id, bytes(self.output[:size])))
            del self.output[:size]
            self.granted -= size
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
