# SPDX-License-Identifier: Apache-2.0
"""The transport's client: flow control, fragments, and whatever else a chaincode server may send."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.shim.testing.certificates import tls_files
from commonwatt_network.embedded.lifecycle.package_store import ChaincodePackage, Connection
from commonwatt_network.embedded.peer.chaincode.link import ChaincodeError, ChaincodeLink
from commonwatt_network.embedded.transport.client import DialError, GrpcStream, open_stream
from commonwatt_network.embedded.transport.frames import (
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from fabric_protos.peer import chaincode_shim_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from .echo_server import Echo, free_address, make_certificate, server_of

SETTLED = frame(SETTINGS, 0, 0)
CONNECT = "/protos.Chaincode/Connect"


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

    def frames(self) -> list[tuple[int, int, bytes]]:
        """(kind, stream, payload) of everything after the preface."""
        content = bytes(self.written).removeprefix(PREFACE)
        found = []
        while content:
            length = int.from_bytes(content[:3], "big")
            found.append((content[3], int.from_bytes(content[5:9], "big"), content[9 : 9 + length]))
            content = content[9 + length :]
        return found


def connected() -> tuple[GrpcStream, Wire, list[bytes]]:
    received: list[bytes] = []
    stream = GrpcStream("127.0.0.1:1", CONNECT, True, received.append)
    wire = Wire()
    stream.connection_made(wire)
    stream.data_received(SETTLED)
    return stream, wire, received


def message(content: bytes) -> bytes:
    return b"\x00" + struct.pack(">I", len(content)) + content


async def test_messages_in_pieces_arrive_whole_and_in_order() -> None:
    stream, _, received = connected()
    contents = [b"", b"a", b"b" * 70_000]
    data = b"".join(message(content) for content in contents)
    frames = b"".join(frame(DATA, 0, 1, data[start : start + 9_999]) for start in range(0, len(data), 9_999))
    for start in range(0, len(frames), 777):
        stream.data_received(frames[start : start + 777])
    assert received == contents


@pytest.mark.parametrize("last_stream_id", [1, 2**31 - 1])
async def test_a_server_that_goes_away_still_serves_the_call_that_it_has(last_stream_id: int) -> None:
    """As Java's chaincode library does every five seconds."""
    stream, wire, received = connected()
    stream.data_received(frame(GOAWAY, 0, 0, struct.pack(">II", last_stream_id, 0) + b"max_age"))
    stream.data_received(frame(DATA, 0, 1, message(b"after")))
    assert received == [b"after"]
    assert not stream.ended.done()
    assert not wire.closed


async def test_sending_keeps_within_the_servers_windows() -> None:
    stream, wire, _ = connected()
    stream.send(b"x" * 100_000)
    await asyncio.sleep(0)
    sent = sum(len(payload) for kind, _, payload in wire.frames() if kind == DATA)
    assert sent == 65_535
    stream.data_received(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 50_000)))
    await asyncio.sleep(0)
    assert sum(len(payload) for kind, _, payload in wire.frames() if kind == DATA) == sent
    stream.data_received(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 50_000)))
    await asyncio.sleep(0)
    payloads = [payload for kind, _, payload in wire.frames() if kind == DATA]
    assert b"".join(payloads) == message(b"x" * 100_000)
    assert max(map(len, payloads)) <= 16_384


async def test_messages_of_one_turn_leave_in_oneframe() -> None:
    stream, wire, _ = connected()
    for content in (b"one", b"two", b"three"):
        stream.send(content)
    await asyncio.sleep(0)
    assert [kind for kind, _, _ in wire.frames()].count(DATA) == 1


async def test_pings_and_settings_are_answered() -> None:
    stream, wire, _ = connected()
    await asyncio.sleep(0)
    before = len(wire.frames())
    stream.data_received(frame(PING, 0, 0, b"12345678") + frame(SETTINGS, 0, 0, b""))
    await asyncio.sleep(0)
    assert [(kind, payload) for kind, _, payload in wire.frames()[before:]] == [
        (PING, b"12345678"),
        (SETTINGS, b""),
    ]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (frame(GOAWAY, 0, 0, b"\x00" * 8), "going away"),
        (frame(GOAWAY, 0, 0, b"\x00" * 7), "a GOAWAY that is cut off"),
        (frame(HEADERS, 0x5, 1, b"\x88"), "ended the stream"),
        (frame(RST_STREAM, 0, 1, b"\x00" * 4), "reset the stream"),
        (frame(DATA, 0, 1, b"\x01\x00\x00\x00\x01x"), "compressed"),
        (frame(DATA, 0, 1, b"\x00\xff\xff\xff\xff"), "larger than max .4294967295"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100, "frame of"),
    ],
)
async def test_what_ends_the_stream_is_told(sent: bytes, why: str) -> None:
    stream, wire, _ = connected()
    stream.data_received(sent)
    assert re.search(why, await stream.ended)
    assert wire.closed


@settings(max_examples=200, deadline=None)
@given(chunks=st.lists(st.binary(max_size=80), max_size=20))
def test_no_bytes_from_the_server_raise(chunks: list[bytes]) -> None:
    async def run() -> None:
        stream, _, _ = connected()
        for chunk in chunks:
            stream.data_received(chunk)
        await asyncio.sleep(0)

    asyncio.run(run())


async def test_messages_of_every_size_go_both_ways_over_mutual_tls(tmp_path: Path) -> None:
    pem, key = make_certificate(tmp_path).decode(), (tmp_path / "server.key").read_text()
    server, address = server_of(Echo()), free_address()
    await server.start(address, tmp_path, lambda: [pem])
    bare = Connection(address=address, dial_timeout="10s", tls_required=True, root_cert=pem)
    both = bare.model_copy(update={"client_auth_required": True, "client_cert": pem, "client_key": key})
    contents = [bytes([size % 251]) * size for size in (0, 5, 70_000, 5 << 20, 1)]
    received: list[bytes] = []
    arrived = asyncio.Event()

    def receive(content: bytes) -> None:
        received.append(content)
        if len(received) == len(contents):
            arrived.set()

    try:
        stream = await open_stream(both, "/test.Echo/chat", receive)
        for content in contents:
            stream.send(content)
        await asyncio.wait_for(arrived.wait(), 10)
        assert received == contents
        await server.stop(0)
        assert "the server" in await asyncio.wait_for(stream.ended, 10)
    finally:
        await server.stop(0)


async def test_a_server_ends_a_client_without_a_certificate(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path).decode()
    server, address = server_of(Echo()), free_address()
    await server.start(address, tmp_path, lambda: [pem])
    bare = Connection(address=address, dial_timeout="10s", tls_required=True, root_cert=pem)
    try:
        stream = await open_stream(bare, "/test.Echo/chat", lambda content: None)
        assert await asyncio.wait_for(stream.ended, 10)  # TLS 1.3 tells the client after its handshake
    finally:
        await server.stop(0)


async def test_closing_waits_for_no_farewell(tmp_path: Path) -> None:
    """A server may never answer TLS's close_notify: the socket is gone all the same."""
    files = tls_files(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.server_cert, files.server_key)
    context.set_alpn_protocols(["h2"])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> ssl.SSLSocket:
            return context.wrap_socket(listener.accept()[0], server_side=True)

        accepted = asyncio.create_task(asyncio.to_thread(accept))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        root_cert = files.ca_cert.read_text()
        target = Connection(address=address, dial_timeout="10s", tls_required=True, root_cert=root_cert)
        stream = await open_stream(target, CONNECT, lambda message: None)
        with await accepted:
            assert stream._transport is not None
            kept = stream._transport.get_extra_info("socket")
            assert kept.fileno() >= 0
            stream.close()
            for _ in range(3):
                await asyncio.sleep(0)
            assert kept.fileno() == -1
            assert await stream.ended == "closed by the peer"


async def _dial_failure(connection: Connection) -> str:
    with pytest.raises(DialError) as failed:
        async with asyncio.timeout(5):
            await open_stream(connection, CONNECT, lambda message: None)
    return str(failed.value)


async def test_a_dial_that_fails_is_told_as_gos_library_tells_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it takes no connection's TLS
        port = listener.getsockname()[1]
        silent = Connection(address=f"127.0.0.1:{port}", dial_timeout="200ms", tls_required=True)
        assert await _dial_failure(silent) == "context deadline exceeded"
    refused = (
        'connection error: desc = "transport: error while dialing: dial tcp {}: connect: connection refused"'
    )
    dialled = Connection(address=f"127.0.0.1:{port}", dial_timeout="10s")
    assert await _dial_failure(dialled) == refused.format(f"127.0.0.1:{port}")
    named = await _dial_failure(Connection(address=f"localhost:{port}", dial_timeout="10s"))
    assert re.fullmatch(re.escape(refused).replace(r"\{\}", rf"(\[::1\]|127.0.0.1):{port}"), named)
    unknown = await _dial_failure(Connection(address="nowhere.invalid:7052", dial_timeout="10s"))
    assert unknown == (
        'connection error: desc = "transport: error while dialing: dial tcp: lookup nowhere.invalid: no such host"'
    )
    assert "transport: error while dialing: dial tcp" in await _dial_failure(Connection(address="nothing"))


async def test_one_dial_answers_all_who_wait_for_it_and_the_next_dials_anew() -> None:
    dials = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dials
        dials += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    link = ChaincodeLink(ChaincodePackage("kv", "kv:00", Connection(address=address, dial_timeout="10s")))
    message = chaincode_shim_pb2.ChaincodeMessage(channel_id="newtown", txid="1")
    for turn in (1, 2):
        calls = (link.execute(message, lambda request: None, 5) for _ in range(3))
        failures = await asyncio.gather(*calls, return_exceptions=True)
        assert dials == turn
        for failure in failures:
            assert isinstance(failure, ChaincodeError)
            assert str(failure).startswith(
                "could not launch chaincode kv:00: connection to kv:00 failed: error handling"
            )
    await link.close()
    server.close()
