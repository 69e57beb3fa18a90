"""An orderer's servers: AtomicBroadcast over TLS gRPC, channel participation over mutual TLS, operations over HTTP."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc

from commonwatt_network.embedded.admission import Rejection, Status
from commonwatt_network.embedded.config import NodeConfig
from commonwatt_network.embedded.deliver import BlockSource, DeliverRules, deliver, orderer_policy
from commonwatt_network.embedded.operations import OrdererMetrics, operations_application
from commonwatt_network.embedded.orderer import Orderer, UnknownChannel
from commonwatt_network.embedded.participation import Participation

MAXIMUM_MESSAGE_BYTES = 100 << 20  # Fabric's own limit for both directions
GRPC_OPTIONS = (
    ("grpc.max_receive_message_length", MAXIMUM_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAXIMUM_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a port in use must be an error
)

logger = logging.getLogger(__name__)


class ListenError(Exception):
    """An address cannot be listened on; the message names the node, the address and the reason."""


class AtomicBroadcast(ab_pb2_grpc.AtomicBroadcastServicer):  # type: ignore[misc]
    """Broadcast and Deliver of one orderer."""

    def __init__(self, orderer: Orderer) -> None:
        self._orderer = orderer
        self._rules = DeliverRules(self._source, orderer_policy, self._is_unavailable)

    async def Broadcast(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for envelope in requests:
            try:
                self._orderer.broadcast(envelope)
            except Rejection as error:
                yield ab_pb2.BroadcastResponse(status=error.status, info=error.info)
                return
            yield ab_pb2.BroadcastResponse(status=Status.SUCCESS)

    async def Deliver(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for envelope in requests:
            async for item in deliver(self._rules, envelope):
                if isinstance(item, int):
                    yield ab_pb2.DeliverResponse(status=item)
                    if item != Status.SUCCESS:
                        return
                else:
                    yield ab_pb2.DeliverResponse(block=item)

    def _source(self, channel_id: str) -> BlockSource | None:
        try:
            return self._orderer.channel(channel_id)
        except UnknownChannel:
            return None

    def _is_unavailable(self, channel_id: str) -> bool:
        return self._orderer.channel(channel_id).faults.no_leader


class OrdererServer:
    """All listeners of one orderer. `start` raises ListenError, and then nothing is left listening."""

    def __init__(self, orderer: Orderer) -> None:
        self._orderer = orderer
        self._server: Any = None
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        config = self._orderer.config
        try:
            self._server = grpc.aio.server(options=GRPC_OPTIONS)
            ab_pb2_grpc.add_AtomicBroadcastServicer_to_server(AtomicBroadcast(self._orderer), self._server)
            listen_tls(self._server, config)
            await self._server.start()
            if config.admin_address:
                application = Participation(self._orderer).application()
                await self._serve(application, config.admin_address, admin_tls_context(config))
            if config.operations_address:
                metrics = OrdererMetrics(self._orderer)
                await self._serve(operations_application(metrics.render), config.operations_address, None)
        except BaseException:
            await self.stop(0)
            raise

    async def stop(self, grace_s: float = 1.0) -> None:
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None

    async def _serve(self, application: web.Application, address: str, tls: ssl.SSLContext | None) -> None:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        host, port = address.rsplit(":", 1)
        try:
            await web.TCPSite(runner, host, int(port), ssl_context=tls).start()
        except OSError as error:
            raise ListenError(
                f"{self._orderer.name} cannot listen on {address}: {error.strerror or error}; "
                "stop what uses the port or choose another"
            ) from error


def listen_tls(server: Any, config: NodeConfig) -> None:
    """Let a gRPC server listen on the node's TLS address. Raises ListenError."""
    directory = config.tls_directory
    pair = ((directory / "server.key").read_bytes(), (directory / "server.crt").read_bytes())
    try:
        bound = server.add_secure_port(config.address, grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise ListenError(
            f"{config.name} cannot listen on {config.address}: {error}; stop what uses the port or choose another"
        ) from error
    if not bound:
        raise ListenError(f"{config.name} cannot listen on {config.address}: it is in use")


def admin_tls_context(config: NodeConfig) -> ssl.SSLContext:
    """Mutual TLS for the participation interface: clients need a certificate of `admin_client_ca_certs`."""
    directory: Path = config.tls_directory
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    for authority in config.admin_client_ca_certs or (directory / "ca.crt",):
        context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
