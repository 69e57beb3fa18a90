# SPDX-License-Identifier: Apache-2.0
"""Channel participation against an orderer of this test's own, for the answers that real ones give rarely."""

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from commonwatt_client import ClientCertificate, Peer, Timeouts
from commonwatt_client.admin import (
    Block,
    ChannelInfo,
    ConnectionFailedError,
    InvalidInputError,
    NotAConsenterError,
    OrdererAdmin,
    RefusedError,
    TimedOutError,
    UnexpectedAnswerError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CONSENTER = {"name": "newtown", "url": "", "consensusRelation": "consenter", "status": "active", "height": 1}


def tls_pair() -> tuple[bytes, bytes]:
    """A self-signed certificate of 127.0.0.1 with its key, serving both sides."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orderer0.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM), key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


class Orderer:
    """Answers with what `answers` holds, in turn; None drops the connection."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes] | None] = []
        self.requests: list[tuple[str, str, bytes]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.Response(status=answer[0], body=answer[1])


@pytest.fixture
async def orderer(tmp_path: Path) -> AsyncIterator[tuple[Orderer, OrdererAdmin]]:
    certificate, key = tls_pair()
    (tmp_path / "tls.pem").write_bytes(certificate + key)
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=certificate.decode())
    context.load_cert_chain(tmp_path / "tls.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    served = Orderer()
    runner = web.AppRunner(_application(served.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    admin = OrdererAdmin(
        Peer(f"127.0.0.1:{port}", certificate, client_certificate=ClientCertificate(certificate, key)),
        timeouts=Timeouts(evaluate_s=3),
    )
    async with admin:
        yield served, admin
    await runner.cleanup()


def _application(handler: Handler) -> web.Application:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    return application


def answer(status: int, body: object) -> tuple[int, bytes]:
    return status, json.dumps(body).encode()


async def test_certificates_with_marks_are_read(
    orderer: tuple[Orderer, OrdererAdmin], tmp_path: Path
) -> None:
    served, admin = orderer
    served.answers = [answer(200, {"channels": None})]
    pems = {name: (tmp_path / f"{name}.pem").read_bytes() for name in ("certificate", "key")}
    marked = {
        name: b"\xef\xbb\xbf" + pem.replace(b"-----BEGIN", b"  -----BEGIN") for name, pem in pems.items()
    }
    for written in (pems, marked):
        given = OrdererAdmin(
            Peer(
                admin.address,
                written["certificate"],
                client_certificate=ClientCertificate(written["certificate"], written["key"]),
            )
        )
        assert await given.list_channels() == ()


async def test_the_block_goes_as_a_named_part(
    orderer: tuple[Orderer, OrdererAdmin], ledger: list[Block]
) -> None:
    served, admin = orderer
    served.answers = [answer(201, CONSENTER)]
    assert await admin.join_channel(ledger[0].serialized) == ChannelInfo("newtown", "consenter", "active", 1)
    ((method, path, body),) = served.requests
    assert (method, path) == ("POST", "/participation/v1/channels")
    assert b'name="config-block"; filename=' in body
    assert ledger[0].serialized in body


async def test_a_follower_is_taken_off_the_channel_again(
    orderer: tuple[Orderer, OrdererAdmin], ledger: list[Block]
) -> None:
    served, admin = orderer
    follower = answer(201, {**CONSENTER, "consensusRelation": "follower"})
    served.answers = [follower, (204, b""), answer(200, {"systemChannel": None, "channels": None})]
    with pytest.raises(NotAConsenterError, match="as_follower"):
        await admin.join_channel(ledger[0].serialized)
    assert [method for method, _, _ in served.requests] == ["POST", "DELETE", "GET"]
    served.answers = [follower]
    assert (await admin.join_channel(ledger[0].serialized, as_follower=True)).consensus_relation == "follower"


async def test_a_dropped_join_is_looked_into_and_tried_again(
    orderer: tuple[Orderer, OrdererAdmin], ledger: list[Block]
) -> None:
    served, admin = orderer
    nothing = answer(200, {"channels": None})
    joined = answer(200, {"channels": [{"name": "newtown", "url": ""}]})
    served.answers = [None, nothing, answer(201, CONSENTER)]
    assert (await admin.join_channel(ledger[0].serialized)).status == "active"
    served.answers = [None, joined, answer(200, CONSENTER)]
    assert (await admin.join_channel(ledger[0].serialized)).status == "active"


async def test_removal_is_waited_for(orderer: tuple[Orderer, OrdererAdmin]) -> None:
    served, admin = orderer
    listed = answer(200, {"channels": [{"name": "newtown", "url": ""}]})
    served.answers = [(204, b""), listed, listed, answer(200, {"channels": []})]
    await admin.remove_channel("newtown")
    assert len(served.requests) == 4
    served.answers = [(204, b""), listed]
    admin.timeout_s = 0.3
    with pytest.raises(TimedOutError, match="still lists"):
        await admin.remove_channel("newtown")


async def test_nothing_is_sent_for_a_block_without_a_configuration(
    orderer: tuple[Orderer, OrdererAdmin], ledger: list[Block]
) -> None:
    served, admin = orderer
    for block in (ledger[1].serialized, b"", b"junk"):
        with pytest.raises(InvalidInputError):
            await admin.join_channel(block)
    assert served.requests == []


async def test_refusals_carry_the_orderers_own_words(orderer: tuple[Orderer, OrdererAdmin]) -> None:
    served, admin = orderer
    served.answers = [answer(400, {"error": "invalid join block: it is wrong"})]
    with pytest.raises(RefusedError, match="it is wrong") as refused:
        await admin.update_channel(b"envelope")
    assert (refused.value.status, refused.value.party) == (400, admin.address)


async def test_old_orderers_are_told_apart(orderer: tuple[Orderer, OrdererAdmin]) -> None:
    served, admin = orderer
    served.answers = [(404, b"404 page not found\n")]
    with pytest.raises(RefusedError, match="OrderingClient"):
        await admin.get_block("newtown", 1)


async def test_nobody_listening_is_said(orderer: tuple[Orderer, OrdererAdmin]) -> None:
    certificate, key = tls_pair()
    async with OrdererAdmin(
        Peer("127.0.0.1:9", certificate, client_certificate=ClientCertificate(certificate, key))
    ) as admin:
        with pytest.raises(ConnectionFailedError, match="127.0.0.1:9"):
            await admin.list_channels()
    # The orderer's certificate is of another authority.
    async with OrdererAdmin(
        Peer(orderer[1].address, certificate, client_certificate=ClientCertificate(certificate, key))
    ) as stranger:
        with pytest.raises(ConnectionFailedError, match="certificate"):
            await stranger.list_channels()


def test_certificates_that_cannot_be_used_are_refused() -> None:
    certificate, key = tls_pair()
    for fields in ({"tls_ca": b"junk"}, {"client_certificate": b"junk"}, {"client_key": tls_pair()[1]}):
        with pytest.raises(InvalidInputError):
            given = {"tls_ca": certificate, "client_certificate": certificate, "client_key": key, **fields}
            shown = ClientCertificate(given["client_certificate"], given["client_key"])
            OrdererAdmin(Peer("127.0.0.1:9", given["tls_ca"], client_certificate=shown))
    with pytest.raises(InvalidInputError, match="demands a client certificate"):
        OrdererAdmin(Peer("127.0.0.1:9", certificate))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["channels", "name", "error", "height", "status"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([200, 201, 400, 404, 500]),
    st.binary(max_size=30) | json_values.map(json.dumps).map(str.encode),
)
async def test_any_answer_is_read_or_fails_with_a_typed_error(
    orderer: tuple[Orderer, OrdererAdmin], status: int, body: bytes
) -> None:
    served, admin = orderer
    served.answers = [(status, body)]
    for ask in (admin.list_channels(), admin.get_channel("newtown"), admin.get_block("newtown", 0)):
        try:
            async with asyncio.timeout(5):
                await ask
        except (RefusedError, UnexpectedAnswerError):
            continue
