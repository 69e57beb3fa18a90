"""One client's HTTP/2 connection: frames in, streams and flow control, frames out.

Everything that streams have to say in one turn of the event loop leaves in one write. Limits keep a client from
costing more than it is worth: streams at once, header and message sizes, bytes waiting in either direction, and how
many frames per second may do nothing but keep this side busy. The work for a frame grows with its bytes alone, never
with the number of streams.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import cast

from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport import metadata
from commonwatt_network.embedded.transport.budget import STREAM_COST_BYTES, UNFINISHED
from commonwatt_network.embedded.transport.frames import ProtocolViolation
from commonwatt_network.embedded.transport.stream import Stream

CONCURRENT_STREAMS = 2500
STREAM_WINDOW, CONNECTION_WINDOW = 1 << 20, 1 << 24
LARGEST_FRAME_SENT = 1 << 16
LONGEST_HEADER_BLOCK = 1 << 15
PREFACE_TIMEOUT_S = 20.0
IDLE_FRAMES_PER_S, RESETS_PER_S, SETTINGS_PER_S = 5_000, 1_000, 100
MOST_UNSENT = 256 << 20  # bytes of all streams of one connection
MOST_CONTROL_UNSENT = 1 << 20

StartCall = Callable[[Stream, metadata.CallHeaders], None]


class Connection(asyncio.Protocol):
    """`start_call` is called for every new call, `closed` once when the connection is gone."""

    def __init__(self, start_call: StartCall, closed: Callable[[Connection], None]) -> None:
        self._start_call = start_call
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = h2.FrameReader()
        self._preface = h2.PREFACE
        self._seen_settings = False
        self._decoder = metadata.decoder()
        self._header_block: tuple[int, int, bytearray] | None = None
        self.streams: dict[int, Stream] = {}
        self.is_known = False
        self._quiet_since_s = self._loop.time()  # of the event loop's clock, while there are no streams
        self._last_stream_id = 0
        self._going_away = False
        self._unacknowledged = 0
        self.received_bytes = 0
        self._send_window = h2.DEFAULT_WINDOW
        self.initial_window = h2.DEFAULT_WINDOW
        self._widened = False
        self._frame_size = h2.DEFAULT_FRAME
        self._sending: dict[int, Stream] = {}
        self._unsent_bytes = 0
        self._control = bytearray()
        self._flushing = self._paused = False
        self._second, self._idle_frames, self._resets, self._settings = 0.0, 0, 0, 0
        self._deadline: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._transport.close()
            return
        self._deadline = self._loop.call_later(PREFACE_TIMEOUT_S, self._transport.abort)
        self._transport.write(
            h2.settings(
                {
                    h2.MAX_CONCURRENT_STREAMS: CONCURRENT_STREAMS,
                    h2.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                    h2.MAX_HEADER_LIST_SIZE: metadata.LARGEST_HEADERS,
                }
            )
            + h2.window_update(0, CONNECTION_WINDOW - h2.DEFAULT_WINDOW)
        )

    def connection_lost(self, error: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._transport = None
        for stream in list(self.streams.values()):
            self._drop(stream)
        self._closed(self)

    @property
    def idle_since_s(self) -> float | None:
        """Since when there have been no calls, by the event loop's clock; None while there are."""
        return None if self.streams else self._quiet_since_s

    def client_certificate_hash(self) -> bytes:
        """SHA-256 of the certificate (DER) that the client has proved to own; empty where it showed none."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        shown = tls.getpeercert(binary_form=True) if tls is not None else None
        return hashlib.sha256(shown).digest() if shown else b""

    def go_away(self) -> None:
        """Take no more calls; the connection closes once the last one is answered."""
        if not self._going_away:
            self._going_away = True
            self._say(h2.goaway(self._last_stream_id, h2.NO_ERROR))
        self._close_if_done()

    def give_up(self) -> None:
        """End the connection with all its calls."""
        self._fail(ProtocolViolation(h2.ENHANCE_YOUR_CALM, "too many unfinished requests"))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _close_if_done(self) -> None:
        if self._going_away and not self.streams:
            self._flush()

    def _fail(self, violation: ProtocolViolation) -> None:
        self._going_away = True
        for stream in list(self.streams.values()):
            self._drop(stream)
        if self._transport is not None:
            self._control += h2.goaway(self._last_stream_id, violation.code, str(violation))
            self._flush()
            self._loop.call_later(1.0, self.abort)  # a client that does not read must not hold the connection

    # Receiving

    def data_received(self, received: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        try:
            if self._preface:
                received = self._take_preface(received)
            for kind, flags, stream_id, payload in self._reader.frames(received):
                self._take(kind, flags, stream_id, payload)
                if self._transport is None or self._transport.is_closing():
                    return
        except ProtocolViolation as violation:
            self._fail(violation)

    def _take_preface(self, received: bytes) -> bytes:
        size = min(len(self._preface), len(received))
        if received[:size] != self._preface[:size]:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "no HTTP/2 preface")
        self._preface = self._preface[size:]
        return received[size:]

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._header_block is not None and kind != h2.CONTINUATION:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "headers are interrupted")
        if not self._seen_settings:
            if kind != h2.SETTINGS:
                raise ProtocolViolation(h2.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._seen_settings = True
            if self._deadline is not None:
                self._deadline.cancel()
        if kind == h2.DATA:
            self._take_data(flags, stream_id, payload)
        elif kind == h2.HEADERS:
            self._take_headers(flags, stream_id, payload)
        elif kind == h2.CONTINUATION:
            self._take_continuation(flags, stream_id, payload)
        elif kind == h2.WINDOW_UPDATE:
            self._take_window(stream_id, payload)
        elif kind == h2.SETTINGS:
            self._take_settings(flags, stream_id, payload)
        elif kind == h2.PING:
            self._take_ping(flags, stream_id, payload)
        elif kind == h2.RST_STREAM:
            self._take_reset(stream_id, payload)
        elif kind == h2.PUSH_PROMISE or (kind == h2.GOAWAY and stream_id):
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a frame that no client may send")
        elif kind == h2.PRIORITY:
            self._count_idle()

    def _count_idle(self, *, reset: bool = False, settings: bool = False) -> None:
        """A frame that asks for nothing. Raises ProtocolViolation when there are too many in one second."""
        now_s = self._loop.time()
        if now_s - self._second > 1:
            self._second, self._idle_frames, self._resets, self._settings = now_s, 0, 0, 0
        self._idle_frames += 1
        self._resets += reset
        self._settings += settings
        too_many = self._resets > RESETS_PER_S or self._settings > SETTINGS_PER_S
        if too_many or self._idle_frames > IDLE_FRAMES_PER_S:
            raise ProtocolViolation(h2.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _take_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = h2.unpadded(flags, payload)
        if flags & h2.HAS_PRIORITY:
            if len(block) < 5:
                raise ProtocolViolation(h2.FRAME_SIZE_ERROR, "headers without their priority")
            block = block[5:]
        if not stream_id % 2:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, f"a client's stream {stream_id}")
        if flags & h2.END_HEADERS:
            self._take_header_block(stream_id, flags, block)
        else:
            self._header_block = stream_id, flags, bytearray(block)

    def _take_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._count_idle()
        if self._header_block is None or self._header_block[0] != stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a continuation of no headers")
        _, first_flags, block = self._header_block
        block += payload
        if len(block) > LONGEST_HEADER_BLOCK:
            raise ProtocolViolation(h2.ENHANCE_YOUR_CALM, "the headers are too long")
        if flags & h2.END_HEADERS:
            self._header_block = None
            self._take_header_block(stream_id, first_flags, bytes(block))

    def _take_header_block(self, stream_id: int, flags: int, block: bytes) -> None:
        if stream_id <= self._last_stream_id:  # trailers, which carry nothing that gRPC knows
            metadata.decode_fields(self._decoder, block)
            stream = self.streams.get(stream_id)
            if stream is None:
                self._count_idle()
            elif not flags & h2.END_STREAM or stream.half_closed:
                raise ProtocolViolation(h2.PROTOCOL_ERROR, "headers in the midst of a stream")
            else:
                stream.take_data(b"", True)
            return
        call = metadata.decode_call(self._decoder, block)
        self._last_stream_id = stream_id
        if self._going_away or len(self.streams) >= CONCURRENT_STREAMS:
            self._count_idle()
            self._say(h2.reset(stream_id, h2.REFUSED_STREAM))
            return
        stream = self.streams[stream_id] = Stream(self, stream_id, STREAM_WINDOW, h2.END_STREAM & flags != 0)
        stream.count(STREAM_COST_BYTES)
        self._start_call(stream, call)
        UNFINISHED.keep()

    def _take_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        if not stream_id or stream_id > self._last_stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "data of no stream")
        self._unacknowledged += size
        if self._unacknowledged > CONNECTION_WINDOW:
            raise ProtocolViolation(h2.FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._unacknowledged > CONNECTION_WINDOW // 2:
            self._say(h2.window_update(0, self._unacknowledged))
            self._unacknowledged = 0
        stream = self.streams.get(stream_id)
        if size == 0:
            self._count_idle()
        content = h2.unpadded(flags, payload)
        if stream is None:
            return  # it was reset or answered while this was on its way
        if stream.half_closed:
            raise ProtocolViolation(h2.STREAM_CLOSED, "data after the end of a stream")
        stream.spend(size)
        stream.take_data(content, bool(flags & h2.END_STREAM))
        UNFINISHED.keep()

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
            self._flush_soon()

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
            self._widened = True
            self._flush_soon()
        self.initial_window = value

    def _take_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id or len(payload) != 8:
            raise ProtocolViolation(h2.FRAME_SIZE_ERROR, "a malformed PING")
        self._count_idle()
        if not flags & h2.ACK:
            self._say(h2.frame(h2.PING, h2.ACK, 0, payload))

    def _take_reset(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4 or not stream_id or stream_id > self._last_stream_id:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "a malformed RST_STREAM")
        self._count_idle(reset=True)
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._drop(stream)
            self._close_if_done()

    def _drop(self, stream: Stream) -> None:
        """Forget a stream whose other side is gone; its call is told."""
        self._forget(stream)
        stream.cancel()

    def _forget(self, stream: Stream) -> None:
        self.streams.pop(stream.id, None)
        self._quiet_since_s = self._loop.time()
        self._sending.pop(stream.id, None)
        stream.count(-stream.received_bytes)
        self._unsent_bytes -= len(stream.output)

    # Sending

    def widen(self, stream_id: int, increment: int) -> None:
        """Let the client send so many more bytes on a stream."""
        self._say(h2.window_update(stream_id, increment))

    def send_soon(self, stream: Stream, added_bytes: int) -> None:
        """A stream has something more to say, `added_bytes` of it subject to flow control."""
        if stream.id in self.streams:
            self._unsent_bytes += added_bytes
            if self._unsent_bytes > MOST_UNSENT:
                self.abort()
            self._sending[stream.id] = stream
            self._flush_soon()

    def end(self, stream: Stream) -> None:
        """The stream's last frame has been written."""
        if not stream.half_closed:
            self._control += h2.reset(stream.id, h2.NO_ERROR)
        self._forget(stream)

    def _say(self, content: bytes) -> None:
        self._control += content
        if len(self._control) > MOST_CONTROL_UNSENT:
            self.abort()
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is None or self._transport.is_closing() or self._paused:
            return
        pieces = [bytes(self._control)] if self._control else []
        self._control.clear()
        if self._widened:  # once for all settings since the last flush: it looks at every stream
            self._widened = False
            waiting = (stream for stream in self.streams.values() if stream.has_output)
            self._sending.update((stream.id, stream) for stream in waiting)
        while self._sending:
            stream_id, stream = next(iter(self._sending.items()))
            del self._sending[stream_id]
            sent = stream.write(pieces, self._send_window, self._frame_size)
            self._send_window -= sent
            self._unsent_bytes -= sent
            if stream.finished:
                self.end(stream)
            elif stream.has_output and stream.send_window > 0:
                self._sending[stream_id] = stream  # behind the others
                if self._send_window <= 0:
                    break
        if self._control:
            pieces.append(bytes(self._control))
            self._control.clear()
        if pieces:
            self._transport.write(b"".join(pieces))
        if self._going_away and not self.streams:
            self._transport.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush_soon()
