"""One gRPC stream to a chaincode server over a plain HTTP/2 connection of its own.

The peer exchanges four messages per transaction with each chaincode; through a general gRPC library they cost more
than everything else of the transaction together. This is the little of HTTP/2 (RFC 9113) that one long bidirectional
stream needs. Messages that are sent in one turn of the event loop leave in one write.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable
from typing import cast

from commonwatt_network.embedded.lifecycle.package_store import Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATH = b"/protos.Chaincode/Connect"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 2, 4, 5
DEFAULT_WINDOW, DEFAULT_FRAME = 65_535, 16_384
OUR_WINDOW, OUR_FRAME = 1 << 30, 1 << 20
LONGEST_WINDOW = (1 << 31) - 1
LONGEST_MESSAGE = 100 << 20
STREAM_ID = 1


class StreamError(Exception):
    """The connection failed or broke HTTP/2's rules; the message says how."""


class DialError(Exception):
    """No connection to a chaincode server; the message is that of a real peer's gRPC library."""


def _frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream_id) + payload


def _settings(values: dict[int, int]) -> bytes:
    return b"".join(struct.pack(">HI", name, value) for name, value in values.items())


def _text(value: bytes) -> bytes:
    """An HPACK string literal without Huffman coding."""
    if len(value) >= 127:
        raise StreamError(f"the address is too long: {value[:40]!r}...")
    return bytes([len(value)]) + value


def _request_headers(address: str, tls: bool) -> bytes:
    """HPACK: fields of the static table by number, everything else as literals that are never indexed."""
    post, scheme = b"\x83", b"\x87" if tls else b"\x86"
    path, authority = b"\x04" + _text(PATH), b"\x01" + _text(address.encode())
    content_type = b"\x0f\x10" + _text(b"application/grpc")
    return post + scheme + path + authority + content_type + b"\x00" + _text(b"te") + _text(b"trailers")


class ChaincodeStream(asyncio.Protocol):
    """The protocol of one connection. `receive` is called with each message; `ended` resolves to why it ended."""

    def __init__(self, address: str, tls: bool, receive: Callable[[bytes], None]) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._opening = PREFACE + _frame(
            SETTINGS,
            0,
            0,
            _settings({ENABLE_PUSH: 0, INITIAL_WINDOW_SIZE: OUR_WINDOW, MAX_FRAME_SIZE: OUR_FRAME}),
        )
        self._opening += _frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", OUR_WINDOW - DEFAULT_WINDOW))
        self._opening += _frame(HEADERS, END_HEADERS, STREAM_ID, _request_headers(address, tls))
        self._receive = receive
        self._transport: asyncio.Transport | None = None
        self._input = bytearray()
        self._message = bytearray()
        self._unacknowledged = 0
        self._output = bytearray()
        self._flushing = False
        self._connection_window = self._stream_window = self._initial_window = DEFAULT_WINDOW
        self._frame_size = DEFAULT_FRAME

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._opening)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(str(error) if error else "the chaincode server closed the connection")

    def close(self) -> None:
        self._end("closed by the peer")

    def _end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)
        if self._transport is not None:
            self._transport.close()

    # Sending

    def send(self, message: bytes) -> None:
        """Queue a message; it leaves at the end of this turn of the event loop, as far as flow control lets it."""
        self._output += b"\x00" + struct.pack(">I", len(message)) + message
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._output and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is None or self.ended.done():
            return
        frames = []
        start = 0
        while start < len(self._output):
            window = min(self._connection_window, self._stream_window, self._frame_size)
            if window <= 0:
                break
            chunk = bytes(self._output[start : start + window])
            frames.append(_frame(DATA, 0, STREAM_ID, chunk))
            start += len(chunk)
            self._connection_window -= len(chunk)
            self._stream_window -= len(chunk)
        if frames:
            del self._output[:start]
            self._transport.write(b"".join(frames))

    # Receiving

    def data_received(self, data: bytes) -> None:
        self._input += data
        try:
            self._take_frames()
        except StreamError as error:
            self._end(str(error))

    def _take_frames(self) -> None:
        buffer, position = self._input, 0
        while len(buffer) - position >= 9:
            length = int.from_bytes(buffer[position : position + 3], "big")
            if length > OUR_FRAME:
                raise StreamError(f"the chaincode server sent a frame of {length} bytes")
            end = position + 9 + length
            if len(buffer) < end:
                break
            kind, flags = buffer[position + 3], buffer[position + 4]
            stream_id = int.from_bytes(buffer[position + 5 : position + 9], "big") & LONGEST_WINDOW
            self._take(kind, flags, stream_id, bytes(buffer[position + 9 : end]))
            position = end
        del buffer[:position]

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == DATA:
            self._take_data(flags, payload)
        elif kind == SETTINGS and not flags & ACK:
            self._take_settings(payload)
        elif kind == WINDOW_UPDATE:
            self._widen(stream_id, payload)
        elif kind == PING and not flags & ACK:
            self._write(_frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM:
            raise StreamError("the chaincode server reset the stream")
        elif kind == GOAWAY:
            raise StreamError("the chaincode server is going away")
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            raise StreamError("the chaincode server ended the stream")

    def _take_data(self, flags: int, payload: bytes) -> None:
        self._unacknowledged += len(payload)
        if flags & PADDED:
            if not payload or payload[0] >= len(payload):
                raise StreamError("the chaincode server sent a malformed frame")
            payload = payload[1 : len(payload) - payload[0]]
        if self._unacknowledged > OUR_WINDOW // 2:
            increment = struct.pack(">I", self._unacknowledged)
            self._write(
                _frame(WINDOW_UPDATE, 0, 0, increment) + _frame(WINDOW_UPDATE, 0, STREAM_ID, increment)
            )
            self._unacknowledged = 0
        message = self._message
        message += payload
        position = 0
        while len(message) - position >= 5:
            if message[position]:
                raise StreamError("the chaincode server sent a compressed message")
            length = int.from_bytes(message[position + 1 : position + 5], "big")
            if length > LONGEST_MESSAGE:
                raise StreamError(f"the chaincode server sent a message of {length} bytes")
            end = position + 5 + length
            if len(message) < end:
                break
            content = bytes(message[position + 5 : end])
            position = end
            self._receive(content)
        del message[:position]

    def _take_settings(self, payload: bytes) -> None:
        if len(payload) % 6:
            raise StreamError("the chaincode server sent malformed settings")
        for name, value in struct.iter_unpack(">HI", payload):
            if name == INITIAL_WINDOW_SIZE:
                self._stream_window += value - self._initial_window
                self._initial_window = value
            elif name == MAX_FRAME_SIZE:
                self._frame_size = value
        self._write(_frame(SETTINGS, ACK, 0))
        self._flush_soon()

    def _widen(self, stream_id: int, payload: bytes) -> None:
        increment = int.from_bytes(payload, "big") & LONGEST_WINDOW
        if stream_id == 0:
            self._connection_window += increment
        else:
            self._stream_window += increment
        self._flush_soon()

    def _write(self, content: bytes) -> None:
        if self._transport is not None:
            self._transport.write(content)


async def open_stream(connection: Connection, receive: Callable[[bytes], None]) -> ChaincodeStream:
    """Dial a chaincode server. Raises DialError."""
    try:
        tls = _tls_context(connection) if connection.tls_required else None
        async with asyncio.timeout(connection.dial_timeout_s):
            return await _dial(connection.address, tls, receive)
    except TimeoutError:
        raise DialError("context deadline exceeded") from None
    except ssl.SSLError as error:
        raise DialError(_described(f"authentication handshake failed: {error}")) from error
    except (OSError, ValueError, StreamError) as error:
        reason = (
            os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        )
        raise DialError(
            _described(f"error while dialing: dial tcp {connection.address}: {reason}")
        ) from error


async def _dial(
    address: str, tls: ssl.SSLContext | None, receive: Callable[[bytes], None]
) -> ChaincodeStream:
    """Try each of the host's addresses; the first one's failure counts, as in Go."""
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    try:
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise DialError(_described(f"error while dialing: dial tcp: lookup {host}: no such host")) from error
    failures: list[DialError] = []
    for _, _, _, _, (numeric, *_) in found:
        try:
            _, stream = await loop.create_connection(
                lambda: ChaincodeStream(address, tls is not None, receive),
                str(numeric),
                int(port),
                ssl=tls,
                server_hostname=host if tls is not None else None,
            )
            return stream
        except ssl.SSLError:
            raise
        except OSError as error:
            shown = f"[{numeric}]" if ":" in str(numeric) else numeric
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            text = f"error while dialing: dial tcp {shown}:{port}: connect: {reason}"
            failures.append(DialError(_described(text)))
    raise failures[0]


def _described(reason: str) -> str:
    return f'connection error: desc = "transport: {reason}"'


def _tls_context(connection: Connection) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=connection.root_cert or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if connection.client_auth_required:
        with tempfile.TemporaryDirectory() as directory:  # the ssl module reads keys from files only
            path = os.path.join(directory, "pair.pem")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{connection.client_key}\n{connection.client_cert}\n")
            context.load_cert_chain(path)
    return context
