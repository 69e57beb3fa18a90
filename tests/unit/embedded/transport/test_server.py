# SPDX-License-Identifier: Apache-2.0
"""The HTTP/2 gRPC server: real gRPC clients against it, then frames that no honest client would send."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import hpack
import pytest
from commonwatt_network.embedded.transport import ends as ends_module
from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.transport.calls import ServerConnection
from commonwatt_network.embedded.transport.metadata import percent_encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from .echo_server import ADDRESS, Echo, server_of, serving

BIG = 5 << 20


async def test_unary_calls_of_every_size_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, _, channel):
        call = channel.unary_unary("/test.Echo/unary")
        requests = [bytes([size % 251]) * size for size in (0, 1, 5, 16_379, 65_536, BIG)] * 3
        assert await asyncio.gather(*map(call, requests)) == requests


async def test_statuses_carry_message_and_details(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, _, channel):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary("/test.Echo/fail")(b"")
        assert failed.value.code() == grpc.StatusCode.ABORTED
        assert failed.value.details() == "50 % übel\n"
        assert ("grpc-status-details-bin", b"\x00\xff") in tuple(failed.value.trailing_metadata())
        with pytest.raises(grpc.aio.AioRpcError, match="no such thing") as failed:
            await channel.unary_unary("/test.Echo/crash")(b"")
        assert failed.value.code() == grpc.StatusCode.UNKNOWN
        with pytest.raises(grpc.aio.AioRpcError, match="unknown method /test.Echo/other") as failed:
            await channel.unary_unary("/test.Echo/other")(b"")
        assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary("/test.Echo/unary")(b"x" * 999, compression=grpc.Compression.Gzip)
        assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_deadlines_and_cancelled_calls_end_the_work(tmp_path: Path) -> None:
    async with serving(tmp_path) as (echo, _, channel):
        call = channel.unary_unary("/test.Echo/hang")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"", timeout=0.2)
        assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(echo.cancelled.wait(), 5)
        echo.started.clear()
        echo.cancelled.clear()
        running = call(b"")
        running_task = asyncio.ensure_future(_outcome(running))
        await asyncio.wait_for(echo.started.wait(), 5)
        running.cancel()
        await running_task
        await asyncio.wait_for(echo.cancelled.wait(), 5)


async def _outcome(call: Any) -> Any:
    try:
        return await call
    except (asyncio.CancelledError, grpc.RpcError) as error:
        return error


async def test_streams_both_ways(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, _, channel):
        received = [message async for message in channel.unary_stream("/test.Echo/count")(b"300 20000")]
        assert received == [b"x" * 20_000] * 300
        contents = [bytes([number]) * 40_000 for number in range(100)]

        async def requests() -> AsyncIterator[bytes]:
            for content in contents:
                yield content

        assert [m async for m in channel.stream_stream("/test.Echo/chat")(requests())] == contents
        silent = channel.unary_stream("/test.Echo/count")(b"0 0")
        await asyncio.wait_for(silent.initial_metadata(), 5)  # the headers come before the first message
        silent.cancel()


async def test_a_stop_lets_calls_finish_and_then_ends_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as (echo, server, channel):
        running = asyncio.ensure_future(_outcome(channel.unary_unary("/test.Echo/hang")(b"")))
        await asyncio.wait_for(echo.started.wait(), 5)
        await server.stop(0.1)
        outcome = await asyncio.wait_for(running, 5)
        assert outcome.code() == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(OSError):
            await asyncio.open_connection(*ADDRESS.split(":"))


async def test_a_client_without_alpn_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path):
        context = ssl.create_default_context(cafile=str(tmp_path / "server.crt"))
        reader, writer = await asyncio.open_connection(*ADDRESS.split(":"), ssl=context)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def take(self) -> list[tuple[int, int, int, bytes]]:
        """(kind, flags, stream, payload) of the frames written since."""
        content, found = bytes(self.written), []
        self.written.clear()
        while content:
            length = int.from_bytes(content[:3], "big")
            stream = int.from_bytes(content[5:9], "big")
            found.append((content[3], content[4], stream, content[9 : 9 + length]))
            content = content[9 + length :]
        return found


class Client:
    """A raw client: its connection to a server, and the frames that it sends."""

    def __init__(self, greet: bool = True) -> None:
        self.echo = Echo()
        self.server = server_of(self.echo)
        self.connection: ServerConnection = self.server.connection()
        self.wire = Wire()
        self.encoder = hpack.Encoder()
        self.connection.connection_made(self.wire)
        if greet:
            self.send(h2.PREFACE + h2.settings({}))

    def send(self, content: bytes) -> None:
        self.connection.data_received(content)

    def headers(self, stream: int, path: str = "/test.Echo/unary", flags: int = h2.END_HEADERS) -> bytes:
        block = self.encoder.encode(
            [
                (":method", "POST"),
                (":scheme", "https"),
                (":path", path),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
            ]
        )
        return h2.frame(h2.HEADERS, flags, stream, block)

    async def settle(self) -> list[tuple[int, int, int, bytes]]:
        for _ in range(6):
            await asyncio.sleep(0)
        return self.wire.take()

    async def ended_by(self, content: bytes) -> int:
        """The error code of the GOAWAY that `content` brings about; -1 if there is none."""
        self.send(content)
        for kind, _, _, payload in await self.settle():
            if kind == h2.GOAWAY:
                assert self.wire.closed
                return int.from_bytes(payload[4:8], "big")
        return -1

    async def leave(self) -> None:
        self.connection.connection_lost(None)
        await self.server.stop(0)


def message(content: bytes) -> bytes:
    return b"\x00" + len(content).to_bytes(4, "big") + content


async def test_flow_control_holds_an_answer_back() -> None:
    client = Client(greet=False)
    client.send(h2.PREFACE + h2.settings({h2.INITIAL_WINDOW_SIZE: 10}))
    client.send(client.headers(1) + h2.frame(h2.DATA, h2.END_STREAM, 1, message(b"0123456789abcdef")))
    data = [f for f in await client.settle() if f[0] == h2.DATA]
    assert [len(f[3]) for f in data] == [10]
    client.send(h2.settings({h2.INITIAL_WINDOW_SIZE: 14}))
    assert [len(f[3]) for f in await client.settle() if f[0] == h2.DATA] == [4]
    client.send(h2.window_update(1, 100))
    last = await client.settle()
    assert [len(f[3]) for f in last if f[0] == h2.DATA] == [7]
    assert last[-1][0] == h2.HEADERS
    assert last[-1][1] & h2.END_STREAM
    await client.leave()


async def test_a_slow_reader_stops_the_stream_that_it_does_not_read() -> None:
    client = Client()
    client.send(client.headers(1, "/test.Echo/count"))
    client.send(h2.frame(h2.DATA, h2.END_STREAM, 1, message(b"1000 100000")))
    await client.settle()
    await client.settle()
    assert 0 < client.echo.sent < 30
    client.send(h2.window_update(0, 1 << 22) + h2.window_update(1, 1 << 22))
    await client.settle()
    assert client.echo.sent > 30
    await client.leave()


BROKEN: dict[str, tuple[bytes, int]] = {
    "no settings first": (h2.PREFACE + h2.frame(h2.PING, 0, 0, b"12345678"), h2.PROTOCOL_ERROR),
    "HTTP/1": (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", h2.PROTOCOL_ERROR),
}
BROKEN_LATER: dict[str, tuple[bytes, int]] = {
    "long frame": (b"\xff\xff\xff" + b"\x00" * 6, h2.FRAME_SIZE_ERROR),
    "data of no stream": (h2.frame(h2.DATA, 0, 1, b"x"), h2.PROTOCOL_ERROR),
    "even stream": (h2.frame(h2.HEADERS, h2.END_HEADERS, 2, b"\x82"), h2.PROTOCOL_ERROR),
    "bad compression": (h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff\xff\xff"), h2.COMPRESSION_ERROR),
    "no path": (h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\x83\x87"), h2.PROTOCOL_ERROR),
    "padding": (h2.frame(h2.HEADERS, h2.END_HEADERS | h2.PADDED, 1, b"\x09\x82"), h2.PROTOCOL_ERROR),
    "short ping": (h2.frame(h2.PING, 0, 0, b"1234"), h2.FRAME_SIZE_ERROR),
    "window of nothing": (h2.window_update(0, 0), h2.PROTOCOL_ERROR),
    "window too wide": (h2.window_update(0, h2.LONGEST_WINDOW), h2.FLOW_CONTROL_ERROR),
    "settings of 5 bytes": (h2.frame(h2.SETTINGS, 0, 0, b"12345"), h2.FRAME_SIZE_ERROR),
    "frame size": (h2.settings({h2.MAX_FRAME_SIZE: 1}), h2.PROTOCOL_ERROR),
    "push promise": (h2.frame(h2.PUSH_PROMISE, 0, 1, b"1234"), h2.PROTOCOL_ERROR),
    "lone continuation": (h2.frame(h2.CONTINUATION, 0, 1, b""), h2.PROTOCOL_ERROR),
    "reset of no stream": (h2.reset(7, 0), h2.PROTOCOL_ERROR),
    "interrupted headers": (
        h2.frame(h2.HEADERS, 0, 1, b"") + h2.frame(h2.PING, 0, 0, b"12345678"),
        h2.PROTOCOL_ERROR,
    ),
    "endless headers": (
        h2.frame(h2.HEADERS, 0, 1, b"") + 3 * h2.frame(h2.CONTINUATION, 0, 1, b"\x00" * 16_000),
        h2.ENHANCE_YOUR_CALM,
    ),
    "ping flood": (h2.frame(h2.PING, 0, 0, b"12345678") * 5_100, h2.ENHANCE_YOUR_CALM),
    "settings flood": (h2.settings({}) * 5_100, h2.ENHANCE_YOUR_CALM),
}


@pytest.mark.parametrize("name", [*BROKEN, *BROKEN_LATER])
async def test_broken_rules_end_the_connection(name: str) -> None:
    content, code = {**BROKEN, **BROKEN_LATER}[name]
    client = Client(greet=name in BROKEN_LATER)
    assert await client.ended_by(content) == code
    await client.leave()


async def test_rapid_resets_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends_module, "RESETS_PER_S", 50)  # which a busy machine makes in a second too
    client = Client()
    code = -1
    for stream in range(1, 2 * ends_module.RESETS_PER_S + 10, 2):
        code = await client.ended_by(client.headers(stream, "/test.Echo/hang") + h2.reset(stream, h2.CANCEL))
        if code >= 0:
            break
    assert code == h2.ENHANCE_YOUR_CALM
    await client.leave()


async def test_too_many_streams_are_refused_one_by_one() -> None:
    client = Client()
    for stream in range(1, 2 * ends_module.CONCURRENT_STREAMS + 2, 2):
        client.send(client.headers(stream))
    refused = [f for f in await client.settle() if f[0] == h2.RST_STREAM]
    assert [f[2] for f in refused] == [2 * ends_module.CONCURRENT_STREAMS + 1]
    assert not client.wire.closed
    await client.leave()


async def test_more_data_than_the_window_ends_the_connection() -> None:
    client = Client()
    client.send(client.headers(1, "/test.Echo/chat"))
    chunk = h2.frame(h2.DATA, 0, 1, message(b"x" * 16_000))
    assert await client.ended_by(chunk * 70) == h2.FLOW_CONTROL_ERROR
    await client.leave()


async def test_a_message_beyond_the_limit_is_refused_unread() -> None:
    client = Client()
    client.send(client.headers(1) + h2.frame(h2.DATA, 0, 1, b"\x00\xff\xff\xff\xff"))
    frames = await client.settle()
    decoder = hpack.Decoder()
    fields = [dict(decoder.decode(f[3])) for f in frames if f[0] == h2.HEADERS]
    assert fields[0]["grpc-status"] == "8"
    assert frames[-1][0] == h2.RST_STREAM  # the client need not send the rest
    await client.leave()


FRAMES = st.builds(
    h2.frame,
    st.integers(0, 11),
    st.integers(0, 255),
    st.sampled_from([0, 1, 1, 3, 5, 2, 77]),
    st.one_of(
        st.binary(max_size=64),
        st.just(message(b"hello")),
        st.just(b"\x83\x87\x04\x0f/test.Echo/chat\x0f\x10\x10application/grpc"),
        st.just(b"\x83\x87\x04\x10/test.Echo/unary\x0f\x10\x10application/grpc"),
        st.just(b"\x00\x00\x00\x00"),
    ),
)


@settings(max_examples=300, deadline=None)
@given(frames=st.lists(FRAMES, max_size=30), junk=st.binary(max_size=50), cut=st.integers(1, 400))
def test_whatever_comes_the_server_neither_fails_nor_leaks(
    frames: list[bytes], junk: bytes, cut: int
) -> None:
    async def run() -> None:
        client = Client()
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        content = b"".join(frames) + junk
        for start in range(0, len(content), cut):
            client.send(content[start : start + cut])
            await asyncio.sleep(0)
        await client.settle()
        await client.leave()
        assert not errors
        assert not client.connection.streams
        assert client.connection.received_bytes == 0
        assert client.connection._http2._unsent_bytes == 0

    asyncio.run(run())


@given(st.text(max_size=30))
def test_messages_survive_percent_encoding(text: str) -> None:
    from urllib.parse import unquote_to_bytes

    try:
        expected = text.encode()
    except UnicodeEncodeError:
        return
    assert unquote_to_bytes(percent_encoded(text)) == expected
