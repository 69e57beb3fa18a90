# SPDX-License-Identifier: Apache-2.0
"""What a client's bytes may cost: lines of our code for each byte, and memory for all unfinished requests together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from commonwatt_network.embedded.transport import budget as budget_module
from commonwatt_network.embedded.transport import ends as ends_module
from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport.budget import UNFINISHED

from .test_server import Client, message

LINES_PER_BYTE = 20  # a small frame is about ten bytes, and taken in about fifty lines
LINES_PER_FLUSH = 20  # for each open stream, at most once in a turn of the loop


class LinesOfOurs:
    """Counts the lines of this distribution that are executed within the block."""

    def __enter__(self) -> LinesOfOurs:
        self.count = 0
        self._former = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._former)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        return self._line if "commonwatt_network" in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        self.count += event == "line"
        return self._line


async def with_blocked_streams(count: int) -> Client:
    """A client whose answers wait for its windows, on so many streams."""
    client = Client(greet=False)
    client.send(h2.PREFACE + h2.settings({h2.INITIAL_WINDOW_SIZE: 0}))
    for stream in range(1, 2 * count, 2):
        client.send(client.headers(stream) + h2.frame(h2.DATA, h2.END_STREAM, stream, message(b"hello")))
    await client.settle()
    assert sum(stream.has_output for stream in client.connection.streams.values()) == count
    return client


def changing_window(entries: int) -> bytes:
    """A SETTINGS frame that changes the initial window again and again."""
    return h2.frame(
        h2.SETTINGS,
        0,
        0,
        b"".join(b"\x00\x04" + (number % 2).to_bytes(4, "big") for number in range(entries)),
    )


ATTACKS = {
    "settings of many windows": changing_window(2_730) * 3,
    "many settings": changing_window(2) * 90,
    "window of one byte": h2.window_update(0, 1) * 1_000,
    "window of one stream": h2.window_update(1, 1) * 1_000,
    "pings": h2.frame(h2.PING, 0, 0, b"12345678") * 1_000,
    "unknown frames": h2.frame(77, 0, 0) * 1_000,
    "calls beyond the limit": b"".join(
        h2.frame(h2.HEADERS, h2.END_HEADERS, stream, b"\x83\x87\x84") for stream in range(4_801, 6_801, 2)
    ),
    "data of one byte": h2.frame(h2.DATA, 0, 4_801, b"x") * 1_000,
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_work_for_a_byte_does_not_grow_with_the_open_streams(name: str) -> None:
    client = await with_blocked_streams(2_400)
    client.send(client.headers(4_801, "/test.Echo/chat"))
    attack = ATTACKS[name]
    with LinesOfOurs() as lines:
        client.send(attack)
        await client.settle()
    assert lines.count < LINES_PER_BYTE * len(attack) + LINES_PER_FLUSH * 2_400
    await client.leave()


async def test_settings_are_limited_in_number() -> None:
    client = await with_blocked_streams(10)
    code = await client.ended_by(changing_window(1) * (ends_module.SETTINGS_PER_S + 2))
    assert code == h2.ENHANCE_YOUR_CALM
    await client.leave()


async def test_unfinished_requests_have_one_budget_and_strangers_give_way_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept_before = UNFINISHED.used_bytes
    monkeypatch.setattr(budget_module, "MOST_UNFINISHED_BYTES", kept_before + 1_000_000)
    member, modest, greedy = Client(), Client(), Client()
    for client, size in ((member, 500_000), (modest, 100_000), (greedy, 390_000)):
        client.send(client.headers(1) + h2.frame(h2.DATA, 0, 1, b"\x00" + (1 << 20).to_bytes(4, "big")))
        for _ in range(size // 10_000):
            client.send(h2.frame(h2.DATA, 0, 1, bytes(10_000)))
    member.connection.is_known = True
    assert not any(client.wire.closed for client in (member, modest, greedy))
    member.send(h2.frame(h2.DATA, 0, 1, bytes(10_000)))
    await greedy.settle()
    assert [client.wire.closed for client in (member, modest, greedy)] == [False, False, True]
    for client in (member, modest, greedy):
        await client.leave()
    assert UNFINISHED.used_bytes == kept_before


async def test_open_calls_and_tiny_messages_count_for_what_they_cost() -> None:
    kept_before = UNFINISHED.used_bytes
    client = Client()
    client.send(client.headers(1, "/test.Echo/hang"))
    client.send(client.headers(3, "/test.Echo/chat") + h2.frame(h2.DATA, 0, 3, message(b"") * 1_000))
    kept_bytes = UNFINISHED.used_bytes - kept_before
    assert kept_bytes == 2 * budget_module.STREAM_COST_BYTES + 1_000 * (5 + budget_module.MESSAGE_COST_BYTES)
    await client.leave()
    assert UNFINISHED.used_bytes == kept_before


async def test_a_request_counts_until_it_is_answered() -> None:
    kept_before = UNFINISHED.used_bytes
    client = Client()
    client.send(
        client.headers(1, "/test.Echo/hang")
        + h2.frame(h2.DATA, h2.END_STREAM, 1, message(b"x" * 9_000))
        + client.headers(3)
        + h2.frame(h2.DATA, h2.END_STREAM, 3, message(b"x" * 9_000))
    )
    await client.settle()
    assert client.echo.started.is_set()
    assert 9_000 < UNFINISHED.used_bytes - kept_before < 18_000
    await client.leave()
    assert UNFINISHED.used_bytes == kept_before


async def test_a_second_message_of_a_call_that_takes_one_is_not_waited_for() -> None:
    client = Client()
    client.send(client.headers(1) + h2.frame(h2.DATA, 0, 1, message(b"x") * 2))
    frames = await client.settle()
    assert frames[-1][0] == h2.RST_STREAM
    await client.leave()
