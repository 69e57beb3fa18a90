# SPDX-License-Identifier: Apache-2.0
"""A stranger's script against a running network: what it is told, and what it may cost.

Time is the network's own processor time, so that other work on the machine does not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import aiohttp
import grpc
import hpack
import pytest
from commonwatt_network.embedded.transport import frames as h2
from commonwatt_network.embedded.trust.msp import MEMBER, role_principal
from commonwatt_network.embedded.trust.signing import SigningIdentity
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import policies_pb2
from fabric_protos.discovery import protocol_pb2

from .conftest import Attacked
from .places import (
    CALLS,
    ORDERER_CALLS,
    PEER_CALLS,
    STREAMING,
    no_signature,
    now_s,
    serialized,
)

MOST_CPU_S = 3.0  # for some hundred kilobytes; the attacks took 10 s and more
WAITING = {
    "/gateway.Gateway/CommitStatus": 1,
    "/gateway.Gateway/ChaincodeEvents": 1,
}  # s, for what never comes
MOST_LOGGED = 4_000  # bytes that all attacks of a test may add to the log
ABSURD_TIMES = (1 << 62, -(1 << 62), (1 << 63) - 1, 253_402_300_800, -62_135_596_801, 0)


def address_of(attacked: Attacked, path: str) -> str:
    node = attacked.nodes.orderers[0] if path in ORDERER_CALLS else attacked.nodes.peers[0]
    return node.address


@contextlib.asynccontextmanager
async def channel_to(attacked: Attacked, path: str) -> AsyncIterator[grpc.aio.Channel]:
    node = attacked.nodes.orderers[0] if path in ORDERER_CALLS else attacked.nodes.peers[0]
    authority = (node.directory / "tls" / "ca.crt").read_bytes()
    options = [("grpc.max_send_message_length", -1)]
    credentials = grpc.ssl_channel_credentials(authority)
    async with grpc.aio.secure_channel(node.address, credentials, options) as channel:
        yield channel


async def answer_to(channel: grpc.aio.Channel, path: str, request: bytes) -> tuple[grpc.StatusCode, str]:
    """The status, and the details or the first answer's text."""
    streaming = path in STREAMING
    try:
        if streaming or path.endswith("ChaincodeEvents"):
            call = (
                channel.stream_stream(path)(iter([request]), timeout=WAITING.get(path, 20))
                if streaming
                else channel.unary_stream(path)(request, timeout=WAITING.get(path, 20))
            )
            answer = await call.read()
            call.cancel()
        else:
            answer = await channel.unary_unary(path)(request, timeout=WAITING.get(path, 20))
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    return grpc.StatusCode.OK, bytes(answer).decode(errors="replace") if answer else ""


def home_of(attacked: Attacked, user: str = "home001") -> SigningIdentity:
    return SigningIdentity.from_directory(attacked.nodes.layout.user("newtown", user) / "msp", "NewtownMSP")


def bombs() -> list[bytes]:
    """Serialized identities that are costly to whoever reads them carelessly."""
    begin = b"-----BEGIN CERTIFICATE-----\n"
    pems = (
        (begin + b"\n" * 2_000)[:20_000],
        begin + b"\n" * 20_000,
        begin + b"A\n" * 60_000,
        begin * 8_000,
        b"-----BEGIN " + b"A " * 60_000,
        b"-----BEGIN A-----\n" * 10_000 + b"-----END A-----",
    )
    return [
        *map(serialized, pems),
        bytes(200_000),
        b"\x0a" * 200_000,
        b"\x0b" * 100_000,
        serialized(b"", "M" * 200_000),
    ]


def bad_certificates(pem: bytes) -> list[bytes]:
    """A member's certificate with one byte changed, at places all over it."""
    encoded = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    found = []
    for position in range(0, len(encoded), max(1, len(encoded) // 30)):
        for change in (0x01, 0x80):
            changed = bytearray(encoded)
            changed[position] ^= change
            body = b"\n".join(_lines(bytes(changed)))
            found.append(b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n")
    return found


def _lines(content: bytes) -> list[bytes]:
    from base64 import b64encode

    text = b64encode(content)
    return [text[start : start + 64] for start in range(0, len(text), 64)]


def made_certificates() -> list[bytes]:
    """Certificates that a stranger has made himself, of every kind of key and of times as far off as can be."""
    keys: list[Any] = [
        ec.generate_private_key(curve())
        for curve in (ec.SECP256R1, ec.SECP256K1, ec.SECP192R1, ec.BrainpoolP256R1, ec.SECP521R1)
    ]
    keys += [ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()]
    keys.append(rsa.generate_private_key(65537, 1024))
    last = datetime(9999, 12, 31, 23, 59, 59)
    moments = ((datetime(1950, 1, 1), last), (last, last), (datetime(2020, 1, 1), datetime(2021, 1, 1)))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    signer = ec.generate_private_key(ec.SECP256R1())
    return [
        x509.CertificateBuilder(name, name, key.public_key(), 1, *moment)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x"), critical=True)
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        for key in keys
        for moment in (moments if key is keys[0] else moments[:1])
    ]


@contextlib.contextmanager
def costs(attacked: Attacked, cpu_s: float = MOST_CPU_S) -> Any:
    """The block costs the network no more time and log than this, and nothing fails within the network."""
    before_s, before = attacked.cpu_s(), attacked.log.stat().st_size
    yield
    assert attacked.cpu_s() - before_s < cpu_s
    with attacked.log.open("rb") as log:
        log.seek(before)
        added = log.read().decode()
    assert "Traceback" not in added
    assert len(added) < MOST_LOGGED


@pytest.mark.parametrize("path", CALLS)
async def test_bytes_without_identity_are_refused_in_little_time(attacked: Attacked, path: str) -> None:
    async with channel_to(attacked, path) as channel:
        with costs(attacked):
            for creator in bombs():
                request = CALLS[path](creator, now_s(), no_signature).SerializeToString()
                _, said = await answer_to(channel, path, request)
                assert "Unexpected <class" not in said


@pytest.mark.parametrize("path", CALLS)
async def test_bad_certificates_are_refused_with_a_status(attacked: Attacked, path: str) -> None:
    home = home_of(attacked)
    async with channel_to(attacked, path) as channel:
        with costs(attacked):
            for pem in [*bad_certificates(home.certificate_pem), *made_certificates()]:
                request = CALLS[path](serialized(pem), now_s(), home.sign).SerializeToString()
                _, said = await answer_to(channel, path, request)
                assert "Unexpected <class" not in said


@pytest.mark.parametrize("path", sorted(CALLS.keys() - WAITING.keys()))  # those have no time in them
async def test_times_of_absurd_size_are_refused_with_a_status(attacked: Attacked, path: str) -> None:
    home = home_of(attacked)
    async with channel_to(attacked, path) as channel:
        with costs(attacked):
            for seconds in ABSURD_TIMES:
                for creator, sign in ((home.creator, home.sign), (b"nobody", no_signature)):
                    request = CALLS[path](creator, seconds, sign).SerializeToString()
                    _, said = await answer_to(channel, path, request)
                    assert "Unexpected <class" not in said
    assert await attacked.serves_a_member()


async def fuzz(attacked: Attacked, path: str, count: int) -> None:
    source = random.Random(path)
    home = home_of(attacked)
    async with channel_to(attacked, path) as channel:
        with costs(attacked, MOST_CPU_S + count / 100):
            for _ in range(count):
                request = bytearray(CALLS[path](home.creator, now_s(), home.sign).SerializeToString())
                for _ in range(source.randint(1, 4)):
                    kind, position = source.randrange(3), source.randrange(len(request))
                    if kind == 0:
                        request[position] = source.randrange(256)
                    elif kind == 1:
                        del request[position : position + source.randrange(1, 200)]
                        request = request or bytearray(b"x")
                    else:
                        request[position:position] = source.randbytes(source.randrange(1, 40))
                _, said = await answer_to(channel, path, bytes(request))
                assert "Unexpected <class" not in said


@pytest.mark.parametrize("path", CALLS)
async def test_changed_requests_are_answered(attacked: Attacked, path: str) -> None:
    await fuzz(attacked, path, 25)


@pytest.mark.long
@pytest.mark.parametrize("path", CALLS)
async def test_many_changed_requests_are_answered(attacked: Attacked, path: str) -> None:
    await fuzz(attacked, path, 1_500)


class RawClient:
    """HTTP/2 frames over TLS, without any rule."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.encoder = hpack.Encoder()

    def call(self, stream: int, path: str) -> bytes:
        fields = (
            (":method", "POST"),
            (":scheme", "https"),
            (":path", path),
            ("content-type", "application/grpc"),
        )
        return h2.frame(h2.HEADERS, h2.END_HEADERS, stream, self.encoder.encode(fields))

    async def answered(self) -> None:
        """The server has read all that was sent before: it answers this PING."""
        self.writer.write(h2.frame(h2.PING, 0, 0, b"are-here"))
        async with asyncio.timeout(60):
            received = b""
            while b"are-here" not in received:
                chunk = await self.reader.read(1 << 16)
                assert chunk, "the connection was closed"
                received = received[-8:] + chunk


@contextlib.asynccontextmanager
async def raw_client(address: str) -> AsyncIterator[RawClient]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(*address.split(":"), ssl=context)
    writer.write(h2.PREFACE + h2.settings({}))
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("path", ["/gateway.Gateway/Evaluate", "/orderer.AtomicBroadcast/Broadcast"])
async def test_settings_of_many_windows_cost_little_however_many_calls_are_open(
    attacked: Attacked, path: str
) -> None:
    async with raw_client(address_of(attacked, path)) as client:
        with costs(attacked):
            client.writer.write(b"".join(client.call(stream, path) for stream in range(1, 4_801, 2)))
            await client.answered()
            windows = b"".join(b"\x00\x04" + number.to_bytes(4, "big") for number in range(2_730))
            client.writer.write(h2.frame(h2.SETTINGS, 0, 0, windows) * 12)
            await client.answered()


async def test_large_requests_of_strangers_leave_no_memory_behind(attacked: Attacked) -> None:
    home = home_of(attacked)
    before = attacked.memory_bytes()
    path = "/gateway.Gateway/Evaluate"
    async with channel_to(attacked, path) as channel:
        for number in range(4):
            padding = bytes([number]) * (6 << 20)
            creator = home.creator + b"\xa2\x06" + _varint(len(padding)) + padding  # an unknown field
            for identity in (creator, serialized(home.certificate_pem + padding)):
                request = CALLS[path](identity, now_s(), no_signature).SerializeToString()
                await answer_to(channel, path, request)
    assert attacked.memory_bytes() - before < 30 << 20


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 128:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


async def flood(address: str, count: int, source: str) -> list[asyncio.StreamWriter]:
    writers = []
    for start in range(0, count, 100):
        opened = (
            asyncio.open_connection(*address.split(":"), local_addr=(source, 0))
            for _ in range(min(100, count - start))
        )
        writers += [writer for _, writer in await asyncio.gather(*opened)]
    return writers


async def test_idle_strangers_keep_nobody_out(attacked: Attacked) -> None:
    peer, orderer = attacked.nodes.peers[0], attacked.nodes.orderers[0]
    writers = []
    try:
        for address, count in (
            (peer.address, 1_200),
            (orderer.address, 1_050),
            (peer.operations_address, 150),
        ):
            for number in range(1, 4):
                writers += await flood(address, count // 3, f"127.0.0.{number}")
        assert await attacked.serves_a_member()
        home = home_of(attacked)
        async with channel_to(attacked, "/orderer.AtomicBroadcast/Deliver") as channel:
            path = "/orderer.AtomicBroadcast/Deliver"
            request = CALLS[path](home.creator, now_s(), home.sign).SerializeToString()
            code, block = await answer_to(channel, path, request)
            assert code == grpc.StatusCode.OK
            assert len(block) > 1_000
        url = f"http://{peer.operations_address}/healthz"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
    finally:
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


@pytest.mark.parametrize(
    "said",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 2_000 + b"\r\n",
        b"\x16\x03\x01" + bytes(1_000),
        b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%00/../metrics?" + b"&a" * 3_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_http_are_answered_and_not_logged(attacked: Attacked, said: bytes) -> None:
    node = attacked.nodes.peers[0]
    with costs(attacked):
        for _ in range(20):
            reader, writer = await asyncio.open_connection(*node.operations_address.split(":"))
            writer.write(said)
            with contextlib.suppress(OSError):
                assert (await asyncio.wait_for(reader.read(12), 20)).startswith(b"HTTP/1.")
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def test_a_member_finds_the_peers_that_its_peer_knows_and_others_do_not(attacked: Attacked) -> None:
    path = "/discovery.Discovery/Discover"
    peer = attacked.nodes.peers[0]
    other = next(o for o in ("newtown", "grid") if o != peer.organization)
    layout = attacked.nodes.layout
    async with channel_to(attacked, path) as channel:
        for organization, found in ((peer.organization, True), (other, False)):
            mspid = next(each.mspid for each in attacked.nodes.peers if each.organization == organization)
            member = SigningIdentity.from_directory(layout.user(organization, "operator") / "msp", mspid)
            request = PEER_CALLS[path](member.creator, now_s(), member.sign).SerializeToString()
            (result,) = protocol_pb2.Response.FromString(await channel.unary_unary(path)(request)).results
            if found:
                assert set(result.members.peers_by_org) == {"NewtownMSP", "GridMSP"}
            else:
                assert result.error.content == "access denied"


def policy_of(needed: int, principals: int, *, index: int = 0) -> Any:
    policy = policies_pb2.SignaturePolicyEnvelope()
    for number in range(principals):
        policy.identities.append(role_principal(f"Org{number}MSP", MEMBER))
        policy.rule.n_out_of.rules.add(signed_by=number + index)
    policy.rule.n_out_of.n = needed
    return policy


@pytest.mark.parametrize(
    "policies",
    [
        [policy_of(1, 1, index=7)],
        [policy_of(1, 1, index=-7)],
        [policies_pb2.SignaturePolicyEnvelope()],
        [policy_of(8, 16)],
        [policy_of(8, 16), policy_of(7, 16)],
        [policy_of(40, 80)],
        [policy_of(2, 60)] * 40,
    ],
)
async def test_a_query_about_any_policy_is_answered_in_little_time(attacked: Attacked, policies: Any) -> None:
    path = "/discovery.Discovery/Discover"
    home = home_of(attacked)
    wanted = protocol_pb2.Request()
    wanted.authentication.client_identity = home.creator
    interest = wanted.queries.add(channel="newtown").cc_query.interests.add()
    interest.chaincodes.add(name="_lifecycle", key_policies=policies, disregard_namespace_policy=True)
    encoded = wanted.SerializeToString()
    request = protocol_pb2.SignedRequest(payload=encoded, signature=home.sign(encoded))
    async with channel_to(attacked, path) as channel:
        with costs(attacked):
            answer = await channel.unary_unary(path)(request.SerializeToString())
    (result,) = protocol_pb2.Response.FromString(answer).results
    assert result.error.content.startswith("failed constructing descriptor for ")
