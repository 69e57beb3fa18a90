# SPDX-License-Identifier: Apache-2.0
"""Clients that come and cost: connections at once, silence before and after the handshake, requests without an end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from commonwatt_network.embedded.transport import calls as calls_module
from commonwatt_network.embedded.transport import listener as listener_module
from commonwatt_network.embedded.transport import server as server_module
from commonwatt_network.embedded.transport.frames import PREFACE

from .echo_server import ADDRESS, serving

HOST, PORT = ADDRESS.split(":")
Raw = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def ended(raw: Raw) -> None:
    """The server has closed the connection; what it said before counts for nothing."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await asyncio.wait_for(raw[0].read(), 10)
    await leave(raw)


async def leave(raw: Raw) -> None:
    raw[1].close()
    with contextlib.suppress(OSError):
        await raw[1].wait_closed()


async def test_the_oldest_stranger_makes_room_and_members_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "MOST_CONNECTIONS", 3)
    async with serving(tmp_path) as (echo, server, channel):
        member = channel.unary_unary("/test.Echo/join")
        assert await member(b"x") == b"x"
        silent = [await asyncio.open_connection(HOST, PORT) for _ in range(2)]
        await until(lambda: server.connections == 3)
        another = await asyncio.open_connection(HOST, PORT)
        await ended(silent[0])
        assert server.connections == 3
        assert await member(b"x") == b"x"
        assert echo.connections == 1  # it is still the first one
        for raw in (silent[1], another):
            await leave(raw)


async def test_connections_are_refused_where_all_are_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "MOST_CONNECTIONS", 1)
    async with serving(tmp_path) as (_, _, channel):
        member = channel.unary_unary("/test.Echo/join")
        assert await member(b"x") == b"x"
        await ended(await asyncio.open_connection(HOST, PORT))
        assert await member(b"x") == b"x"


async def test_an_address_has_a_limit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "MOST_CONNECTIONS", 6)
    monkeypatch.setattr(listener_module, "MOST_OF_ONE_ADDRESS", 3)
    async with serving(tmp_path) as (_, server, _):
        elsewhere = [
            await asyncio.open_connection(HOST, PORT, local_addr=(f"127.0.0.{9 + number}", 0))
            for number in range(3)
        ]
        silent = [await asyncio.open_connection(HOST, PORT) for _ in range(5)]
        for raw in silent[:2]:
            await ended(raw)
        assert server.connections == 6
        for raw in (*elsewhere, *silent[2:]):
            await leave(raw)


async def test_whoever_does_not_shake_hands_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "HANDSHAKE_TIMEOUT_S", 0.1)
    async with serving(tmp_path) as (_, server, _):
        await ended(await asyncio.open_connection(HOST, PORT))
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"):  # no TLS; the beginning of TLS
            raw = await asyncio.open_connection(HOST, PORT)
            raw[1].write(said)
            await ended(raw)
        await until(lambda: server.connections == 0)


async def test_whoever_says_nothing_after_the_handshake_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "PREFACE_TIMEOUT_S", 0.1)
    async with serving(tmp_path) as (_, server, _):
        context = ssl.create_default_context(cafile=str(tmp_path / "server.crt"))
        context.set_alpn_protocols(["h2"])
        for said in (b"", PREFACE):
            raw = await asyncio.open_connection(HOST, PORT, ssl=context)
            raw[1].write(said)
            await ended(raw)
        await until(lambda: server.connections == 0)


async def test_a_quiet_connection_ends_and_its_client_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "STRANGER_TIMEOUT_S", 0.1)
    async with serving(tmp_path) as (echo, server, channel):
        call = channel.unary_unary("/test.Echo/unary")
        for _ in range(3):
            assert await call(b"x") == b"x"
            await until(lambda: server.connections == 0)
        waiting = asyncio.ensure_future(channel.unary_unary("/test.Echo/hang")(b""))
        await asyncio.wait_for(echo.started.wait(), 10)
        await asyncio.sleep(0.3)  # a connection with a call is not quiet
        assert not waiting.done()
        waiting.cancel()


async def test_a_stream_without_its_first_message_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "REQUEST_TIMEOUT_S", 0.1)
    async with serving(tmp_path) as (_, _, channel):
        silent = channel.stream_stream("/test.Echo/chat")()
        assert await asyncio.wait_for(silent.code(), 10) == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "no request has come" in await silent.details()
        speaking = channel.stream_stream("/test.Echo/chat")()
        await speaking.write(b"first")
        assert await speaking.read() == b"first"
        await asyncio.sleep(0.3)  # once it has spoken it may be silent
        await speaking.write(b"second")
        assert await speaking.read() == b"second"
        speaking.cancel()


async def test_a_request_that_never_ends_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "REQUEST_TIMEOUT_S", 0.1)
    async with serving(tmp_path) as (_, _, channel):
        call = channel.stream_unary(
            "/test.Echo/unary"
        )()  # where one message is expected, it never says its last
        assert await asyncio.wait_for(call.code(), 10) == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "not complete" in await call.details()
