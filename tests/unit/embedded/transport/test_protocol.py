# SPDX-License-Identifier: Apache-2.0
"""The protocol without I/O: a client's and a server's end that hand each other bytes, and no socket between them."""

from __future__ import annotations

import pytest
from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport.ends import IDLE_FRAMES_PER_S, ClientProtocol, ServerProtocol
from commonwatt_network.embedded.transport.frames import ProtocolViolation
from commonwatt_network.embedded.transport.metadata import encode_status
from commonwatt_network.embedded.transport.protocol import (
    CallStarted,
    Cancelled,
    Event,
    GoingAway,
    Http2Protocol,
    Received,
)
from commonwatt_network.embedded.transport.stream import BYTES_AHEAD, Stream
from hypothesis import given, settings
from hypothesis import strategies as st


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Pair:
    """Both ends of one connection, and what the server's streams keep."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.kept_bytes = 0
        self.client = ClientProtocol(self.clock, "peer0.newtown:7051", tls=True)
        self.server = ServerProtocol(self.clock, self._count)

    def _count(self, change_bytes: int) -> None:
        self.kept_bytes += change_bytes

    def carry(self, size: int = 1 << 20) -> tuple[list[Event], list[Event]]:
        """Hand bytes over, `size` at a time, until nobody has any more; the client's and the server's events."""
        of_client: list[Event] = []
        of_server: list[Event] = []
        while self.client.wants_output or self.server.wants_output:
            of_server += given_to(self.server, self.client.output()[0], size)
            of_client += given_to(self.client, self.server.output()[0], size)
        return of_client, of_server

    def call(self, path: str = "/gateway.Gateway/Submit") -> tuple[Stream, Stream]:
        """A new call's ends: the client's and the server's."""
        ours = self.client.call(path)
        _, (started,) = self.carry()
        assert isinstance(started, CallStarted)
        assert started.headers.path == path
        return ours, started.stream


def given_to(end: Http2Protocol, content: bytes, size: int = 1 << 20) -> list[Event]:
    return [
        event
        for start in range(0, len(content), size)
        for event in end.receive(content[start : start + size])
    ]


def taken(stream: Stream) -> list[bytes]:
    """The messages that have come."""
    found = []
    while (message := stream.next_message()) is not None:
        found.append(message)
    return found


@settings(deadline=None, max_examples=40)
@given(contents=st.lists(st.binary(max_size=40_000), max_size=8), size=st.integers(1, 70_000))
def test_messages_arrive_both_ways_however_the_bytes_are_cut(contents: list[bytes], size: int) -> None:
    pair = Pair()
    ours, theirs = pair.call()
    for content in contents:
        ours.send(content)
        theirs.send(content)
    pair.carry(size)
    assert taken(ours) == taken(theirs) == contents
    theirs.close(encode_status(0, ""))
    events, _ = pair.carry(size)
    assert events[0] == Received(ours)
    assert ours.half_closed
    assert not pair.server.streams
    assert pair.kept_bytes == 0


def test_an_unread_message_closes_the_window_and_reading_opens_it() -> None:
    pair = Pair()
    ours, theirs = pair.call()
    for number in range(40):
        ours.send(bytes([number]) * 100_000)
    pair.carry()
    held = len(theirs.messages)
    assert 0 < held < 40
    assert not ours.has_room
    assert len(ours.output) > BYTES_AHEAD
    contents: list[bytes] = []
    while len(contents) < 40:
        before = len(contents)
        contents += taken(theirs)
        assert len(contents) > before
        pair.carry()
    assert contents == [bytes([number]) * 100_000 for number in range(40)]
    assert ours.has_room


def test_what_the_other_side_ends_is_an_event() -> None:
    pair = Pair()
    ours, theirs = pair.call()
    assert given_to(pair.server, h2.reset(ours.id, h2.CANCEL)) == [Cancelled(theirs)]
    assert pair.kept_bytes == 0
    assert pair.server.idle_since_s == 0.0
    pair.server.go_away()
    events, _ = pair.carry()
    assert events == [GoingAway(last_stream_id=ours.id)]
    assert pair.server.is_done


def test_broken_rules_raise_and_the_last_words_say_which() -> None:
    pair = Pair()
    _, theirs = pair.call()
    with pytest.raises(ProtocolViolation, match="data of no stream") as broken:
        given_to(pair.server, h2.frame(h2.DATA, 0, 99, b"x"))
    assert pair.server.fail(broken.value) == [theirs]
    assert pair.server.is_done
    assert b"data of no stream" in pair.server.output()[0]


def test_frames_that_ask_for_nothing_are_counted_by_the_second() -> None:
    pair = Pair()
    pair.call()
    pings = h2.frame(h2.PING, h2.ACK, 0, b"12345678") * (IDLE_FRAMES_PER_S - 10)
    given_to(pair.server, pings)
    pair.clock.now_s = 1.5
    given_to(pair.server, pings)
    with pytest.raises(ProtocolViolation, match="ask for nothing"):
        given_to(pair.server, pings)


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=300))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    pair = Pair()
    pair.call()
    for end in (pair.client, pair.server):
        try:
            given_to(end, content)
        except ProtocolViolation as violation:
            end.fail(violation)
        end.output()
