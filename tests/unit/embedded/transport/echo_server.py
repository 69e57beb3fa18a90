# SPDX-License-Identifier: Apache-2.0
"""A gRPC server with one method of each kind, for tests of the transport alone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import grpc
from commonwatt_network.embedded.transport.server import GrpcServer
from commonwatt_network.embedded.transport.standing import speaker, vouch
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def free_address() -> str:
    """One that no network of another test serves on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


ADDRESS = free_address()


class Echo:
    """One method of each kind that peers have."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.sent = 0
        self._speakers: set[object] = set()

    @property
    def connections(self) -> int:
        """How many there were on which a member has spoken."""
        return len(self._speakers)

    async def unary(self, request: bytes, context: Any) -> bytes:
        return request

    async def join(self, request: bytes, context: Any) -> bytes:
        vouch()
        self._speakers.add(speaker.get())
        return request

    async def fail(self, request: bytes, context: Any) -> bytes:
        await context.abort(
            grpc.StatusCode.ABORTED, "50 % übel\n", (("grpc-status-details-bin", b"\x00\xff"),)
        )
        raise AssertionError

    async def crash(self, request: bytes, context: Any) -> bytes:
        raise LookupError("no such thing")

    async def hang(self, request: bytes, context: Any) -> bytes:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return b""

    async def count(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        await context.send_initial_metadata(())
        number, size = map(int, request.split())
        for _ in range(number):
            self.sent += 1
            yield b"x" * size
        if not number:
            await asyncio.Event().wait()

    async def chat(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request


def server_of(echo: Echo) -> GrpcServer:
    server = GrpcServer()
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(getattr(echo, name), bytes, bytes)
        for name in ("unary", "join", "fail", "crash", "hang")
    }
    handlers["count"] = grpc.unary_stream_rpc_method_handler(echo.count, bytes, bytes)
    handlers["chat"] = grpc.stream_stream_rpc_method_handler(echo.chat, bytes, bytes)
    server.add_registered_method_handlers("test.Echo", handlers)
    return server


def make_certificate(directory: Path) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (directory / "server.crt").write_bytes(pem)
    (directory / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[Echo, GrpcServer, Any]]:
    pem = make_certificate(directory)
    echo = Echo()
    server = server_of(echo)
    await server.start(ADDRESS, directory)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    try:
        async with grpc.aio.secure_channel(ADDRESS, grpc.ssl_channel_credentials(pem), options) as channel:
            yield echo, server, channel
    finally:
        await server.stop(0)
