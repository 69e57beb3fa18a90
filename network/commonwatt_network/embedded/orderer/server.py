# SPDX-License-Identifier: Apache-2.0
"""An orderer's servers: AtomicBroadcast over TLS gRPC, channel participation over mutual TLS, operations over HTTP."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fabric_protos.orderer import ab_pb2, ab_pb2_grpc

from commonwatt_network.embedded.channels.deliver import BlockSource, DeliverRules, deliver, orderer_policy
from commonwatt_network.embedded.config import NodeConfig
from commonwatt_network.embedded.orderer.admission import Rejection, Status
from commonwatt_network.embedded.orderer.metrics import render_orderer_metrics
from commonwatt_network.embedded.orderer.participation import Participation
from commonwatt_network.embedded.orderer.service import Orderer, UnknownChannel
from commonwatt_network.embedded.transport.http_server import HttpServer, serve_http
from commonwatt_network.embedded.transport.listener import ListenError
from commonwatt_network.embedded.transport.operations import operations_application
from commonwatt_network.embedded.transport.server import GrpcServer


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
        self._server: GrpcServer | None = None
        self._http_servers: list[HttpServer] = []

    async def start(self) -> None:
        config = self._orderer.config
        try:
            self._server = GrpcServer()
            ab_pb2_grpc.add_AtomicBroadcastServicer_to_server(AtomicBroadcast(self._orderer), self._server)
            try:
                await self._server.start(config.address, config.tls_directory)
            except OSError as error:
                raise ListenError(config.name, config.address, error) from error
            if config.admin_address:
                application = Participation(self._orderer).application()
                self._http_servers.append(
                    await serve_http(
                        config.name, application, config.admin_address, admin_tls_context(config)
                    )
                )
            if config.operations_address:
                application = operations_application(self._render_metrics, self._failures)
                self._http_servers.append(
                    await serve_http(config.name, application, config.operations_address)
                )
        except BaseException:
            await self.stop(0)
            raise

    def _render_metrics(self) -> str:
        return render_orderer_metrics(self._orderer)

    def _failures(self) -> list[str]:
        return [*self._orderer.failures, *(self._server.failures if self._server is not None else ())]

    async def stop(self, grace_s: float = 1.0) -> None:
        for server in self._http_servers:
            await server.stop()
        self._http_servers.clear()
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None


def admin_tls_context(config: NodeConfig) -> ssl.SSLContext:
    """Mutual TLS for the participation interface: clients need a certificate of `admin_client_ca_certs`."""
    directory: Path = config.tls_directory
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    for authority in config.admin_client_ca_certs or (directory / "ca.crt",):
        context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
