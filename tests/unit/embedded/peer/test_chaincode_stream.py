"""The HTTP/2 of the chaincode stream: flow control, fragments, and whatever else a server may send."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import Any

import pytest
from commonwatt_network.embedded.lifecycle.package_store import ChaincodePackage, Connection
from commonwatt_network.embedded.peer.chaincode.link import ChaincodeError, ChaincodeLink
from commonwatt_network.embedded.peer.chaincode.stream import (
    PREFACE,
    ChaincodeStream,
    DialError,
    _frame,
    open_stream,
)
from fabric_protos.peer import chaincode_shim_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 6, 7, 8


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

    def frames(self) -> list[tuple[int, int, bytes]]:
        """(kind, stream, payload) of everything after the preface."""
        content = bytes(self.written).removeprefix(PREFACE)
        found = []
        while content:
            length = int.from_bytes(content[:3], "big")
            found.append((content[3], int.from_bytes(content[5:9], "big"), content[9 : 9 + length]))
            content = content[9 + length :]
        return found


def connected() -> tuple[ChaincodeStream, Wire, list[bytes]]:
    received: list[bytes] = []
    stream = ChaincodeStream("127.0.0.1:1", True, received.append)
    wire = Wire()
    stream.connection_made(wire)
    return stream, wire, received


def message(content: bytes) -> bytes:
    return b"\x00" + struct.pack(">I", len(content)) + content


async def test_messages_in_pieces_arrive_whole_and_in_order() -> None:
    stream, _, received = connected()
    contents = [b"", b"a", b"b" * 70_000]
    data = b"".join(message(content) for content in contents)
    frames = b"".join(_frame(DATA, 0, 1, data[start : start + 9_999]) for start in range(0, len(data), 9_999))
    for start in range(0, len(frames), 777):
        stream.data_received(frames[start : start + 777])
    assert received == contents


async def test_sending_keeps_within_the_servers_windows() -> None:
    stream, wire, _ = connected()
    stream.send(b"x" * 100_000)
    await asyncio.sleep(0)
    sent = sum(len(payload) for kind, _, payload in wire.frames() if kind == DATA)
    assert sent == 65_535
    stream.data_received(_frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 50_000)))
    await asyncio.sleep(0)
    assert sum(len(payload) for kind, _, payload in wire.frames() if kind == DATA) == sent
    stream.data_received(_frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 50_000)))
    await asyncio.sleep(0)
    payloads = [payload for kind, _, payload in wire.frames() if kind == DATA]
    assert b"".join(payloads) == message(b"x" * 100_000)
    assert max(map(len, payloads)) <= 16_384


async def test_messages_of_one_turn_leave_in_one_frame() -> None:
    stream, wire, _ = connected()
    for content in (b"one", b"two", b"three"):
        stream.send(content)
    await asyncio.sleep(0)
    assert [kind for kind, _, _ in wire.frames()].count(DATA) == 1


async def test_pings_and_settings_are_answered() -> None:
    stream, wire, _ = connected()
    before = len(wire.frames())
    stream.data_received(_frame(PING, 0, 0, b"12345678") + _frame(SETTINGS, 0, 0, b""))
    assert [(kind, payload) for kind, _, payload in wire.frames()[before:]] == [
        (PING, b"12345678"),
        (SETTINGS, b""),
    ]


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (_frame(GOAWAY, 0, 0, b"\x00" * 8), "going away"),
        (_frame(HEADERS, 0x5, 1, b"\x88"), "ended the stream"),
        (_frame(3, 0, 1, b"\x00" * 4), "reset the stream"),
        (_frame(DATA, 0, 1, b"\x01\x00\x00\x00\x01x"), "compressed"),
        (_frame(DATA, 0, 1, b"\x00\xff\xff\xff\xff"), "message of 4294967295 bytes"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100, "frame of"),
    ],
)
async def test_what_ends_the_stream_is_told(frame: bytes, why: str) -> None:
    stream, wire, _ = connected()
    stream.data_received(frame)
    assert why in await stream.ended
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


async def _dial_failure(connection: Connection) -> str:
    with pytest.raises(DialError) as failed:
        async with asyncio.timeout(5):
            await open_stream(connection, lambda message: None)
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
