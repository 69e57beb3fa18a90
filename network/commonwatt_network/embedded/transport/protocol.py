# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 with gRPC's messages, without I/O: bytes in, events and bytes out.

`receive` yields an event for each thing that its user has to know; `output` gives the bytes that may leave now. An
asyncio connection drives it, or a test without a socket. Limits keep the other side from costing more than it is worth.
They count streams at once, header and message sizes, bytes waiting in either direction, and the frames per second that
only keep this side busy. The work for a frame grows with its bytes alone, never with the number of streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport import metadata
from commonwatt_network.embedded.transport.frames import ProtocolViolation
from commonwatt_network.embedded.transport.stream import Stream

LARGEST_FRAME_SENT = 1 << 16
LONGEST_HEADER_BLOCK = 1 << 15
MOST_UNSENT = 256 << 20  # bytes of all streams of one connection
MOST_CONTROL_UNSENT = 1 << 20


class CallStarted(NamedTuple):
    """The other side has begun a call."""

    stream: Stream
    headers: metadata.CallHeaders


class Received(NamedTuple):
    """A stream may have messages, an end or a failure that it did not have before."""

    stream: Stream


class Cancelled(NamedTuple):
    """The other side has no use for the stream any more."""

    stream: Stream


class GoingAway(NamedTuple):
    """The other side takes no more calls; those up to `last_stream_id` it still serves."""

    last_stream_id: int


GOAWAY_BYTES = 8  # the last stream, an error code; words may follow
Event = CallStarted | Received | Cancelled | GoingAway
Count = Callable[[int], None]
"""Is told how many bytes more or less the unfinished calls of the connection hold."""


class Http2Protocol:
    """What both ends of a connection have in common."""

    def __init__(
        self,
        clock: Callable[[], float],
        count: Count | None,
        stream_window: int,
        connection_window: int,
        frame: int,
    ) -> None:
        """`clock` tells seconds. The windows and the largest frame are those that this side offers.

        `count`, if any, is told what the unfinished calls hold.
        """
        self.count = count
        self.streams: dict[int, Stream] = {}
        self.initial_window = h2.DEFAULT_WINDOW
        self.has_settings = False
        self.overflowed = False  # so much waits to be sent that the connection should be given up
        self.going_away = False
        self.wants_output = False
        self._clock = clock
        self._stream_window, self._connection_window = stream_window, connection_window
        self._reader = h2.FrameReader(frame)
        self._decoder = metadata.decoder()
        self._header_block: tuple[int, int, bytearray] | None = None
        self._quiet_since_s = clock()
        self._last_stream_id = 0
        self._unacknowledged = 0
        self._send_window = h2.DEFAULT_WINDOW
        self._widened = False
        self._frame_size = h2.DEFAULT_FRAME
        self._sending: dict[int, Stream] = {}
        self._unsent_bytes = 0
        self._control = bytearray()

    @property
    def idle_since_s(self) -> float | None:
        """Since when there have been no calls, by the clock; None while there are."""
        return None if self.streams else self._quiet_since_s

    @property
    def is_done(self) -> bool:
        """Whether the connection can close: this side goes away and every call has ended."""
        return self.going_away and not self.streams

    # Receiving

    def receive(self, received: bytes) -> Iterator[Event]:
        """What the bytes bring. Take all events before the next bytes. Raises ProtocolViolation: then `fail`."""
        for kind, flags, stream_id, payload in self._reader.frames(received):
            if self._header_block is not None and kind != h2.CONTINUATION:
                raise ProtocolViolation(h2.PROTOCOL_ERROR, "headers are interrupted")
            if not self.has_settings:
                if kind != h2.SETTINGS:
                    raise ProtocolViolation(h2.PROTOCOL_ERROR, "the first frame is not SETTINGS")
                self.has_settings = True
            event = self._take(kind, flags, stream_id, payload)
            if event is not None:
                yield event

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> Event | None:
        if kind == h2.DATA:
            return self._take_data(flags, stream_id, payload)
        if kind == h2.HEADERS:
            return self._take_headers(flags, stream_id, payload)
        if kind == h2.CONTINUATION:
            return self._take_continuation(flags, stream_id, payload)
        if kind == h2.RST_STREAM:
            return self._take_reset(stream_id, payload)
        if kind == h2.GOAWAY:
            return self._take_goaway(stream_id, payload)
        if kind == h2.WINDOW_UPDATE:
            self._take_window(stream_id, payload)
        elif kind == h2.SETTINGS:
            self._take_settings(flags, stream_id, payload)
        elif kind == h2.PING:
            self._take_ping(flags, stream_id, payload)
        elif kind == h2.PUSH_PROMISE:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a push that nobody asked for")
        elif kind == h2.PRIORITY:
            self._count_idle()
        return None

    def _count_idle(self, *, reset: bool = False, settings: bool = False) -> None:
        """A frame that asks for nothing. May raise ProtocolViolation when there are too many in one second."""

    def _take_headers(self, flags: int, stream_id: int, payload: bytes) -> Event | None:
        block = h2.unpadded(flags, payload)
        if flags & h2.HAS_PRIORITY:
            if len(block) < 5:
                raise ProtocolViolation(h2.FRAME_SIZE_ERROR, "headers without their priority")
            block = block[5:]
        if not stream_id % 2:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, f"headers of stream {stream_id}")
        if flags & h2.END_HEADERS:
            return self._take_header_block(stream_id, flags, block)
        self._header_block = stream_id, flags, bytearray(block)
        return None

    def _take_continuation(self, flags: int, stream_id: int, payload: bytes) -> Event | None:
        self._count_idle()
        if self._header_block is None or self._header_block[0] != stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a continuation of no headers")
        _, first_flags, block = self._header_block
        block += payload
        if len(block) > LONGEST_HEADER_BLOCK:
            raise ProtocolViolation(h2.ENHANCE_YOUR_CALM, "the headers are too long")
        if not flags & h2.END_HEADERS:
            return None
        self._header_block = None
        return self._take_header_block(stream_id, first_flags, bytes(block))

    def _take_header_block(self, stream_id: int, flags: int, block: bytes) -> Event | None:
        """Headers of a stream that is open: its answer's, or trailers, which carry nothing that gRPC knows."""
        metadata.decode_fields(self._decoder, block)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._count_idle()
            return None
        if not self._may_follow(stream, flags):
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "headers in the midst of a stream")
        stream.take_data(b"", 0, bool(flags & h2.END_STREAM))
        return Received(stream)

    def _may_follow(self, stream: Stream, flags: int) -> bool:
        """Whether headers may come on a stream that is open."""
        return not stream.half_closed

    def _take_data(self, flags: int, stream_id: int, payload: bytes) -> Event | None:
        size = len(payload)
        if not stream_id or stream_id > self._last_stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "data of no stream")
        self._unacknowledged += size
        if self._unacknowledged > self._connection_window:
            raise ProtocolViolation(h2.FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._unacknowledged > self._connection_window // 2:
            self._say(h2.window_update(0, self._unacknowledged))
            self._unacknowledged = 0
        stream = self.streams.get(stream_id)
        if size == 0:
            self._count_idle()
        content = h2.unpadded(flags, payload) if flags & h2.PADDED else payload
        if stream is None:
            return None  # it was reset or answered while this was on its way
        if stream.half_closed:
            raise ProtocolViolation(h2.STREAM_CLOSED, "data after the end of a stream")
        stream.take_data(content, size, bool(flags & h2.END_STREAM))
        return Received(stream)

    def _take_window(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ProtocolViolation(h2.FRAME_SIZE_ERROR, "a malformed WINDOW_UPDATE")
        increment = int.from_bytes(payload, "big") & h2.LONGEST_WINDOW
        if not increment:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a window update of nothing")
        if stream_id == 0:
            self._send_window += increment
            if self._send_window > h2.LONGEST_WINDOW:
                raise ProtocolViolation(h2.FLOW_CONTROL_ERROR, "the window is too wide")
        elif stream_id > self._last_stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a window update of no stream")
        elif (stream := self.streams.get(stream_id)) is not None:
            stream.granted += increment
            if stream.send_window > h2.LONGEST_WINDOW:
                raise ProtocolViolation(h2.FLOW_CONTROL_ERROR, "the window is too wide")
            if stream.has_output:
                self._sending[stream_id] = stream
        if not self._sending:
            self._count_idle()
        else:
            self.wants_output = True

    def _take_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id or len(payload) % 6 or (flags & h2.ACK and payload):
            raise ProtocolViolation(h2.FRAME_SIZE_ERROR, "malformed settings")
        if flags & h2.ACK:
            return
        self._count_idle(settings=True)
        for start in range(0, len(payload), 6):
            name = int.from_bytes(payload[start : start + 2], "big")
            value = int.from_bytes(payload[start + 2 : start + 6], "big")
            if name == h2.INITIAL_WINDOW_SIZE:
                self._resize_windows(value)
            elif name == h2.MAX_FRAME_SIZE:
                if not h2.DEFAULT_FRAME <= value <= h2.LONGEST_FRAME:
                    raise ProtocolViolation(h2.PROTOCOL_ERROR, f"a frame size of {value}")
                self._frame_size = min(value, LARGEST_FRAME_SENT)
            elif name == h2.ENABLE_PUSH and value > 1:
                raise ProtocolViolation(h2.PROTOCOL_ERROR, f"ENABLE_PUSH of {value}")
        self._say(h2.frame(h2.SETTINGS, h2.ACK, 0))

    def _resize_windows(self, value: int) -> None:
        """Every stream's window follows: it is counted from this value on."""
        if value > h2.LONGEST_WINDOW:
            raise ProtocolViolation(h2.FLOW_CONTROL_ERROR, f"a window of {value}")
        if value > self.initial_window:
            self._widened = self.wants_output = True
        self.initial_window = value

    def _take_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id or len(payload) != 8:
            raise ProtocolViolation(h2.FRAME_SIZE_ERROR, "a malformed PING")
        self._count_idle()
        if not flags & h2.ACK:
            self._say(h2.frame(h2.PING, h2.ACK, 0, payload))

    def _take_reset(self, stream_id: int, payload: bytes) -> Event | None:
        if len(payload) != 4 or not stream_id or stream_id > self._last_stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a malformed RST_STREAM")
        self._count_idle(reset=True)
        stream = self.streams.get(stream_id)
        if stream is None:
            return None
        self._drop(stream)
        self.wants_output = self.wants_output or self.is_done
        return Cancelled(stream)

    def _take_goaway(self, stream_id: int, payload: bytes) -> Event | None:
        if stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a GOAWAY of one stream")
        if len(payload) < GOAWAY_BYTES:
            raise ProtocolViolation(h2.FRAME_SIZE_ERROR, "a GOAWAY that is cut off")
        return GoingAway(int.from_bytes(payload[:4], "big") & 0x7FFFFFFF)

    # Ending

    def go_away(self) -> None:
        """Take no more calls; the connection is done once the last one is answered."""
        if not self.going_away:
            self.going_away = True
            self._say(h2.goaway(self._last_stream_id, h2.NO_ERROR))
        self.wants_output = True

    def fail(self, violation: ProtocolViolation) -> list[Stream]:
        """End the connection with all its calls; these."""
        self.going_away = True
        dropped = self.drop_all()
        self._control += h2.goaway(self._last_stream_id, violation.code, str(violation))
        self.wants_output = True
        return dropped

    def drop_all(self) -> list[Stream]:
        """Forget every stream; these."""
        dropped = list(self.streams.values())
        for stream in dropped:
            self._drop(stream)
        return dropped

    def _drop(self, stream: Stream) -> None:
        self._forget(stream)
        stream.finished = True

    def _forget(self, stream: Stream) -> None:
        self.streams.pop(stream.id, None)
        self._quiet_since_s = self._clock()
        self._sending.pop(stream.id, None)
        stream.count(-stream.received_bytes)
        self._unsent_bytes -= len(stream.output)

    # Sending

    def widen(self, stream_id: int, increment: int) -> None:
        """Let the other side send so many more bytes on a stream."""
        self._say(h2.window_update(stream_id, increment))

    def send_soon(self, stream: Stream, added_bytes: int) -> None:
        """A stream has something more to say, `added_bytes` of it subject to flow control."""
        if stream.id in self.streams:
            self._unsent_bytes += added_bytes
            if self._unsent_bytes > MOST_UNSENT:
                self.overflowed = True
            self._sending[stream.id] = stream
            self.wants_output = True

    def _say(self, content: bytes) -> None:
        self._control += content
        if len(self._control) > MOST_CONTROL_UNSENT:
            self.overflowed = True
        self.wants_output = True

    def output(self) -> tuple[bytes, list[Stream]]:
        """What may leave now, and the streams of which some has left."""
        self.wants_output = False
        pieces = [bytes(self._control)] if self._control else []
        self._control.clear()
        moved = []
        if self._widened:  # once for all settings since the last output: it looks at every stream
            self._widened = False
            waiting = (stream for stream in self.streams.values() if stream.has_output)
            self._sending.update((stream.id, stream) for stream in waiting)
        while self._sending:
            stream_id, stream = next(iter(self._sending.items()))
            del self._sending[stream_id]
            sent = stream.write(pieces, self._send_window, self._frame_size)
            self._send_window -= sent
            self._unsent_bytes -= sent
            moved.append(stream)
            if stream.finished:
                self._end(stream)
            elif stream.has_output and stream.send_window > 0:
                self._sending[stream_id] = stream  # behind the others
                if self._send_window <= 0:
                    break
        if self._control:
            pieces.append(bytes(self._control))
            self._control.clear()
        return b"".join(pieces), moved

    def _end(self, stream: Stream) -> None:
        """The stream's last frame has been written."""
        if not stream.half_closed:
            self._control += h2.reset(stream.id, h2.NO_ERROR)
        self._forget(stream)
