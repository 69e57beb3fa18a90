# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from commonwatt_network.embedded.config import NodeConfig
from commonwatt_network.embedded.orderer.admission import Rejection
from commonwatt_network.embedded.orderer.server import OrdererServer
from commonwatt_network.embedded.orderer.service import OrderingService
from commonwatt_network.embedded.transport.listener import ListenError
from commonwatt_network.programs.ports import choose_first_port
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc

CHANNELS = "/participation/v1/channels"


@pytest.fixture
def config(orderer_configs: list[NodeConfig], tmp_path: Path) -> NodeConfig:
    """The first orderer, on ports that are free now."""
    first = choose_first_port(3, tmp_path)
    addresses = [f"127.0.0.1:{first + offset}" for offset in range(3)]
    names = ("address", "admin_address", "operations_address")
    return orderer_configs[0].model_copy(update=dict(zip(names, addresses, strict=True)))


@pytest.fixture
async def service(config: NodeConfig) -> AsyncIterator[OrderingService]:
    service = OrderingService([config])
    await service.start()
    server = OrdererServer(service.orderers[0])
    await server.start()
    yield service
    await server.stop(0)
    await service.close()


@pytest.fixture
async def rest(service: OrderingService, config: NodeConfig) -> AsyncIterator[aiohttp.ClientSession]:
    """An administrator's HTTPS session: the orderer's own TLS certificate serves as its client certificate."""
    tls = ssl.create_default_context(cafile=config.tls_directory / "ca.crt")
    tls.load_cert_chain(config.tls_directory / "server.crt", config.tls_directory / "server.key")
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(f"https://{config.admin_address}", connector=connector) as session:
        yield session


def form(content: bytes, name: str = "config-block", filename: str | None = "x.block") -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    if filename is None:
        data.add_field(name, content.decode())
    else:
        data.add_field(name, BytesIO(content), filename=filename, content_type="application/octet-stream")
    return data


async def test_a_channel_is_joined_read_and_removed(rest: aiohttp.ClientSession, genesis: Any) -> None:
    async with rest.get(CHANNELS) as answer:
        assert await answer.text() == '{"systemChannel":null,"channels":null}\n'
    async with rest.post(CHANNELS, data=form(genesis.SerializeToString())) as answer:
        assert (answer.status, answer.headers["Location"]) == (201, f"{CHANNELS}/newtown")
        assert await answer.json() == {
            "name": "newtown",
            "url": f"{CHANNELS}/newtown",
            "consensusRelation": "consenter",
            "status": "active",
            "height": 1,
        }
    for which in ("oldest", "newest", "config", "0"):
        async with rest.get(f"{CHANNELS}/newtown/blocks/{which}") as answer:
            assert await answer.read() == genesis.SerializeToString()
    async with rest.delete(f"{CHANNELS}/newtown") as answer:
        assert answer.status == 204
    async with rest.get(f"{CHANNELS}/newtown") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "channel does not exist"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (form(b"junk"), "cannot unmarshal file part config-block into a block"),
        (form(b""), "invalid join block: block is not a config block"),
        (form(b"x", filename=None), "form does not contains part key: config-block"),
        (form(b"x", name="other"), "form does not contains part key: config-block"),
        (form(bytes(2 << 20)), "cannot read form from request body: http: request body too large"),
        (b"{}", "unsupported Content-Type: [application/octet-stream]"),
    ],
)
async def test_a_bad_join_is_refused_in_fabrics_words(
    rest: aiohttp.ClientSession, data: Any, message: str
) -> None:
    async with rest.post(CHANNELS, data=data) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"].startswith(message)


@pytest.mark.parametrize(
    ("which", "status"), [("9" * 5_000, 400), ("9" * 19, 400), ("9" * 18, 404), ("٣", 400), ("-2", 404)]
)
async def test_a_block_number_of_any_length_is_answered(
    rest: aiohttp.ClientSession, genesis: Any, which: str, status: int
) -> None:
    await (await rest.post(CHANNELS, data=form(genesis.SerializeToString()))).read()
    async with rest.get(f"{CHANNELS}/newtown/blocks/{which}") as answer:
        assert answer.status == status


async def test_a_caller_without_a_client_certificate_is_not_served(
    service: OrderingService, config: NodeConfig
) -> None:
    tls = ssl.create_default_context(cafile=config.tls_directory / "ca.crt")
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(f"https://{config.admin_address}", connector=connector) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(CHANNELS)


async def test_broadcast_and_deliver_over_tls(
    service: OrderingService, config: NodeConfig, genesis: Any, envelope: Any
) -> None:
    await service.orderers[0].join(genesis)
    authority = (config.tls_directory / "ca.crt").read_bytes()
    async with grpc.aio.secure_channel(config.address, grpc.ssl_channel_credentials(authority)) as channel:
        stub = ab_pb2_grpc.AtomicBroadcastStub(channel)
        stream = stub.Broadcast(iter([envelope(b"one"), envelope(b"two"), envelope(channel_id="elsewhere")]))
        statuses = [(answer.status, answer.info) async for answer in stream]
        assert statuses == [
            (common_pb2.SUCCESS, ""),
            (common_pb2.SUCCESS, ""),
            (common_pb2.BAD_REQUEST, "channel does not exist"),
        ]
        seek = ab_pb2.SeekInfo()
        seek.start.specified.number = seek.stop.specified.number = 1
        request = envelope(seek.SerializeToString(), type=common_pb2.DELIVER_SEEK_INFO)
        async with asyncio.timeout(10):
            answers = [answer async for answer in stub.Deliver(iter([request]))]
        assert answers[0].block.header.number == 1
        assert answers[1].status == common_pb2.SUCCESS


async def test_health_and_metrics(service: OrderingService, config: NodeConfig, genesis: Any) -> None:
    await service.orderers[0].join(genesis)
    async with aiohttp.ClientSession(f"http://{config.operations_address}") as session:
        async with session.get("/healthz") as answer:
            assert (await answer.json())["status"] == "OK"
        async with session.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
    assert 'consensus_etcdraft_is_leader{channel="newtown"} 1' in lines
    assert 'ledger_blockchain_height{channel="newtown"} 1' in lines


async def test_ordering_that_ends_is_logged_and_makes_the_orderer_unhealthy(
    service: OrderingService,
    config: NodeConfig,
    genesis: Any,
    envelope: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(batch: Any) -> Any:
        raise RuntimeError("nobody foresaw this")

    await service.orderers[0].join(genesis)
    monkeypatch.setattr(service.channels["newtown"], "_revalidate", fail)
    service.broadcast(envelope())
    async with aiohttp.ClientSession(f"http://{config.operations_address}") as session, asyncio.timeout(10):
        while True:
            async with session.get("/healthz") as answer:
                if answer.status == 503:
                    said = (await answer.json())["failed_checks"][0]["reason"]
                    break
            await asyncio.sleep(0.02)
    assert (
        said == "channel newtown: ordering has ended: RuntimeError: nobody foresaw this; restart the network"
    )
    assert said in caplog.text
    with pytest.raises(Rejection) as refused:
        service.broadcast(envelope())
    assert refused.value.status == common_pb2.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("taken", ["address", "admin_address", "operations_address"])
async def test_an_address_in_use_is_named_and_nothing_is_left_listening(
    config: NodeConfig, taken: str
) -> None:
    host, port = getattr(config, taken).split(":")
    holder = await asyncio.start_server(lambda reader, writer: writer.close(), host, int(port))
    service = OrderingService([config])
    try:
        with pytest.raises(ListenError, match=f"orderer0 cannot listen on {host}:{port}"):
            await OrdererServer(service.orderers[0]).start()
    finally:
        holder.close()
        await holder.wait_closed()
    server = OrdererServer(service.orderers[0])
    await server.start()
    await server.stop(0)
