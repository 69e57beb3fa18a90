# SPDX-License-Identifier: Apache-2.0
"""One long gRPC call over a connection of its own: how a peer talks with a chaincode server.

The peer exchanges four messages per transaction with each chaincode; through a general gRPC library they cost more
than everything else of the transaction together.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
from collections.abc import Callable
from typing import Protocol

from commonwatt_network.embedded.transport.connection import Connection
from commonwatt_network.embedded.transport.ends import ClientProtocol
from commonwatt_network.embedded.transport.frames import ProtocolViolation
from commonwatt_network.embedded.transport.protocol import (
    Cancelled,
    Event,
    GoingAway,
    Received,
)
from commonwatt_network.embedded.transport.stream import Stream, StreamFailure


class StreamError(Exception):
    """The connection failed or broke HTTP/2's rules; the message says how."""


class DialError(Exception):
    """No connection to a server; the message is that of a real peer's gRPC library."""


class Target(Protocol):
    """A server to dial: `address` is host:port; certificates and keys are PEM, empty where there are none."""

    @property
    def address(self) -> str: ...

    @property
    def dial_timeout_s(self) -> float: ...

    @property
    def tls_required(self) -> bool: ...

    @property
    def client_auth_required(self) -> bool: ...

    @property
    def root_cert(self) -> str: ...

    @property
    def client_key(self) -> str: ...

    @property
    def client_cert(self) -> str: ...


class GrpcStream(Connection):
    """A connection with one call. `receive` is called with each message; `ended` resolves to why it ended."""

    def __init__(self, address: str, path: str, tls: bool, receive: Callable[[bytes], None]) -> None:
        """`receive` may raise StreamError, which ends the stream."""
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._receive = receive
        http2 = ClientProtocol(asyncio.get_running_loop().time, address, tls=tls)
        self._call = http2.call(path)
        super().__init__(http2)

    def send(self, message: bytes) -> None:
        """Queue a message; it leaves at the end of this turn of the event loop, as far as flow control lets it."""
        self._call.send(message)
        self.flush_soon()

    def close(self) -> None:
        """End the connection at once: a server that does not answer TLS's farewell would hold its socket."""
        self._end("closed by the peer")
        self.abort()

    def handle(self, event: Event) -> None:
        try:
            if isinstance(event, Received):
                self._take_messages()
            elif isinstance(event, GoingAway):
                # Java's chaincode library says so every five seconds, and serves the calls that it has.
                if self._call.id > event.last_stream_id:
                    raise StreamError("the server is going away")
            elif isinstance(event, Cancelled):
                raise StreamError("the server reset the stream")
        except StreamError as error:
            self._end(str(error))
        except StreamFailure as failure:
            self._end(f"the server sent what cannot be read: {failure}")

    def _take_messages(self) -> None:
        call = self._call
        while call.messages and (message := call.next_message()) is not None:
            self._receive(message)
        if call.failure is not None:
            raise call.failure
        if call.half_closed:
            raise StreamError("the server ended the stream")

    def fail(self, violation: ProtocolViolation) -> None:
        super().fail(violation)
        self._end(f"the server broke the rules of HTTP/2: {violation}")

    def dropped(self, stream: Stream) -> None:
        """`ended` says why."""

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._end(str(error) if error else "the server closed the connection")

    def _end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)
        if self._transport is not None:
            self._transport.close()


async def open_stream(target: Target, path: str, receive: Callable[[bytes], None]) -> GrpcStream:
    """Dial a server and begin a call. Raises DialError."""
    try:
        tls = _tls_context(target) if target.tls_required else None
        async with asyncio.timeout(target.dial_timeout_s):
            return await _dial(target.address, path, tls, receive)
    except TimeoutError:
        raise DialError("context deadline exceeded") from None
    except ssl.SSLError as error:
        raise DialError(_described(f"authentication handshake failed: {error}")) from error
    except (OSError, ValueError) as error:
        reason = (
            os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        )
        raise DialError(_described(f"error while dialing: dial tcp {target.address}: {reason}")) from error


async def _dial(
    address: str, path: str, tls: ssl.SSLContext | None, receive: Callable[[bytes], None]
) -> GrpcStream:
    """Try each of the host's addresses; the first one's failure counts, as in Go."""
    loop = asyncio.get_running_loop()
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise DialError(_described(f"error while dialing: dial tcp: lookup {host}: no such host")) from error
    failures: list[DialError] = []
    for _, _, _, _, (numeric, *_) in found:
        try:
            _, stream = await loop.create_connection(
                lambda: GrpcStream(address, path, tls is not None, receive),
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


def _tls_context(target: Target) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=target.root_cert or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if target.client_auth_required:
        with tempfile.TemporaryDirectory() as directory:  # the ssl module reads keys from files only
            path = os.path.join(directory, "pair.pem")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{target.client_key}\n{target.client_cert}\n")
            context.load_cert_chain(path)
    return context
