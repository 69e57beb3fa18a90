# SPDX-License-Identifier: Apache-2.0
"""The two ends of a connection: one is called, by anybody, and counts what costs work; the other calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport import metadata
from commonwatt_network.embedded.transport.budget import STREAM_COST_BYTES
from commonwatt_network.embedded.transport.frames import ProtocolViolation
from commonwatt_network.embedded.transport.protocol import CallStarted, Count, Event, Http2Protocol
from commonwatt_network.embedded.transport.stream import Stream

CONCURRENT_STREAMS = 2500
STREAM_WINDOW, CONNECTION_WINDOW = 1 << 20, 1 << 24
IDLE_FRAMES_PER_S, RESETS_PER_S, SETTINGS_PER_S = 5_000, 1_000, 100
CLIENT_WINDOW, CLIENT_FRAME = 1 << 30, 1 << 20  # a client has chosen whom it calls


class ServerProtocol(Http2Protocol):
    """The end that is called, by anybody: it bounds what frames that ask for nothing may cost."""

    def __init__(self, clock: Callable[[], float], count: Count) -> None:
        super().__init__(clock, count, STREAM_WINDOW, CONNECTION_WINDOW, h2.DEFAULT_FRAME)
        self._preface = h2.PREFACE
        self._second, self._idle_frames, self._resets, self._settings = 0.0, 0, 0, 0
        self._say(
            h2.settings(
                {
                    h2.MAX_CONCURRENT_STREAMS: CONCURRENT_STREAMS,
                    h2.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                    h2.MAX_HEADER_LIST_SIZE: metadata.LARGEST_HEADERS,
                }
            )
            + h2.window_update(0, CONNECTION_WINDOW - h2.DEFAULT_WINDOW)
        )

    def receive(self, received: bytes) -> Iterator[Event]:
        if self._preface:
            received = self._take_preface(received)
        return super().receive(received)

    def _take_preface(self, received: bytes) -> bytes:
        size = min(len(self._preface), len(received))
        if received[:size] != self._preface[:size]:
            raise ProtocolViolation(h2.PROTOCOL_ERROR, "no HTTP/2 preface")
        self._preface = self._preface[size:]
        return received[size:]

    def _count_idle(self, *, reset: bool = False, settings: bool = False) -> None:
        now_s = self._clock()
        if now_s - self._second > 1:
            self._second, self._idle_frames, self._resets, self._settings = now_s, 0, 0, 0
        self._idle_frames += 1
        self._resets += reset
        self._settings += settings
        too_many = self._resets > RESETS_PER_S or self._settings > SETTINGS_PER_S
        if too_many or self._idle_frames > IDLE_FRAMES_PER_S:
            raise ProtocolViolation(h2.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _take_header_block(self, stream_id: int, flags: int, block: bytes) -> Event | None:
        if stream_id <= self._last_stream_id:
            return super()._take_header_block(stream_id, flags, block)
        call = metadata.decode_call(self._decoder, block)
        self._last_stream_id = stream_id
        if self.going_away or len(self.streams) >= CONCURRENT_STREAMS:
            self._count_idle()
            self._say(h2.reset(stream_id, h2.REFUSED_STREAM))
            return None
        stream = Stream(
            self, stream_id, metadata.HEADERS_OF_ANSWER, STREAM_WINDOW, bool(flags & h2.END_STREAM)
        )
        self.streams[stream_id] = stream
        stream.count(STREAM_COST_BYTES)
        return CallStarted(stream, call)

    def _may_follow(self, stream: Stream, flags: int) -> bool:
        return bool(flags & h2.END_STREAM) and not stream.half_closed


class ClientProtocol(Http2Protocol):
    """The end that calls."""

    def __init__(self, clock: Callable[[], float], authority: str, *, tls: bool) -> None:
        super().__init__(clock, None, CLIENT_WINDOW, CLIENT_WINDOW, CLIENT_FRAME)
        self._authority, self._tls = authority, tls
        offered = {h2.ENABLE_PUSH: 0, h2.INITIAL_WINDOW_SIZE: CLIENT_WINDOW, h2.MAX_FRAME_SIZE: CLIENT_FRAME}
        widened = h2.window_update(0, CLIENT_WINDOW - h2.DEFAULT_WINDOW)
        self._say(h2.PREFACE + h2.settings(offered) + widened)

    def call(self, path: str) -> Stream:
        """Begin a call."""
        self._last_stream_id += 1 if not self._last_stream_id else 2
        headers = metadata.encode_call(path, self._authority, tls=self._tls)
        stream = Stream(self, self._last_stream_id, headers, CLIENT_WINDOW, False)
        self.streams[stream.id] = stream
        stream.open()
        return stream
