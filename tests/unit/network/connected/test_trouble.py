# SPDX-License-Identifier: Apache-2.0
"""Why a node does not answer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from commonwatt_client import Peer
from commonwatt_network.connected import trouble
from commonwatt_network.connected.trouble import why_silent
from commonwatt_network.trust.certificates import KeyPair, create_authority, issue_tls

AUTHORITY = create_authority("tlsca.org1.example.com", "org1.example.com")


@asynccontextmanager
async def listening(folder: Path, pair: KeyPair | None, *, demanding: bool = False) -> AsyncIterator[str]:
    """The address of a server that takes TLS connections; without a pair, one that speaks without TLS."""
    context = None
    if pair is not None:
        (folder / "server.pem").write_bytes(pair.certificate_pem + pair.key_pem)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "server.pem")
        if demanding:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=AUTHORITY.certificate_pem.decode())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" if context is None else b"settings")
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def peer(address: str, authority: bytes = AUTHORITY.certificate_pem) -> Peer:
    return Peer(address, authority, tls_server_name="peer0.org1.example.com")


async def test_nothing_to_say_of_a_node_that_takes_connections(tmp_path: Path) -> None:
    async with listening(tmp_path, issue_tls(AUTHORITY, "peer0", ["peer0.org1.example.com"], 30)) as address:
        assert await why_silent(peer(address)) == ""


async def test_another_networks_certificates(tmp_path: Path) -> None:
    other = create_authority("tlsca.org1.example.com", "org1.example.com")
    async with listening(tmp_path, issue_tls(AUTHORITY, "peer0", ["peer0.org1.example.com"], 30)) as address:
        said = await why_silent(peer(address, other.certificate_pem))
    assert "not of the authority in the profile" in said


async def test_another_name(tmp_path: Path) -> None:
    async with listening(tmp_path, issue_tls(AUTHORITY, "peer0", ["peer0.org2.example.com"], 30)) as address:
        assert "peer0.org1.example.com" in await why_silent(peer(address))


async def test_a_node_without_tls(tmp_path: Path) -> None:
    async with listening(tmp_path, None) as address:
        assert "may speak without TLS" in await why_silent(peer(address))


async def test_nothing_listens_and_no_such_name() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and not listening
        assert "nothing listens there" in await why_silent(peer(f"127.0.0.1:{held.getsockname()[1]}"))
    assert "does not resolve" in await why_silent(peer("peer0.org1.invalid:7051"))


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "DIAL_S", 0.2)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(1)  # the kernel takes the connection, and nobody reads it
        assert "does not answer within" in await why_silent(peer(f"127.0.0.1:{held.getsockname()[1]}"))


async def test_an_authority_that_is_none() -> None:
    said = await why_silent(
        peer("127.0.0.1:1", b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    )
    assert said
    assert "\n" not in said


async def test_a_client_certificate_is_demanded(tmp_path: Path) -> None:
    pair = issue_tls(AUTHORITY, "peer0", ["peer0.org1.example.com"], 30)
    async with listening(tmp_path, pair, demanding=True) as address:
        assert "may demand a TLS client certificate" in await why_silent(peer(address))
