# SPDX-License-Identifier: Apache-2.0
"""A peer's servers: Gateway, Endorser, Deliver and Discovery over TLS gRPC, operations over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from fabric_protos.discovery import protocol_pb2_grpc
from fabric_protos.gateway import gateway_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, peer_pb2_grpc, snapshot_pb2_grpc

from commonwatt_network.embedded.channels.proposals import ProposalError, ProposalFiltered, unpack_proposal
from commonwatt_network.embedded.config import PeerConfig
from commonwatt_network.embedded.faults import PeerFaults
from commonwatt_network.embedded.peer.deliver import (
    Shape,
    block_with_private_data,
    filtered_block,
    plain_block,
    stream,
)
from commonwatt_network.embedded.peer.discovery import DiscoveryServicer
from commonwatt_network.embedded.peer.gateway.errors import GatewayError, trailing_metadata
from commonwatt_network.embedded.peer.gateway.service import Gateway
from commonwatt_network.embedded.peer.metrics import render_peer_metrics
from commonwatt_network.embedded.peer.peer import Peer
from commonwatt_network.embedded.peer.snapshot_requests import SnapshotServicer
from commonwatt_network.embedded.transport.http_server import HttpServer, serve_http
from commonwatt_network.embedded.transport.listener import ListenError
from commonwatt_network.embedded.transport.operations import operations_application
from commonwatt_network.embedded.transport.server import GrpcServer


class TooManyRequests(Exception):
    """The service's concurrency limit is reached."""


class Limit:
    """How many calls of one service may run at once; 0 is no limit."""

    def __init__(self, service: str, limit: int) -> None:
        self._service = service
        self._limit = limit
        self._running = 0

    def __enter__(self) -> None:
        if self._limit and self._running >= self._limit:
            raise TooManyRequests(
                f"too many requests for {self._service}, exceeding concurrency limit ({self._limit})"
            )
        self._running += 1

    def __exit__(self, *_: object) -> None:
        self._running -= 1


class GatewayServicer(gateway_pb2_grpc.GatewayServicer):  # type: ignore[misc]
    """The Gateway over gRPC: errors become statuses with details, calls over the limit are refused."""

    def __init__(self, gateway: Gateway, concurrency_limit: int, faults: PeerFaults) -> None:
        self._gateway = gateway
        self._faults = faults
        self._limit = Limit("/gateway.Gateway", concurrency_limit)

    async def Evaluate(self, request: Any, context: Any) -> Any:
        return await self._answer(self._gateway.evaluate, request, context)

    async def Endorse(self, request: Any, context: Any) -> Any:
        return await self._answer(self._gateway.endorse, request, context)

    async def Submit(self, request: Any, context: Any) -> Any:
        return await self._answer(self._gateway.submit, request, context)

    async def CommitStatus(self, request: Any, context: Any) -> Any:
        return await self._answer(self._gateway.commit_status, request, context)

    async def _answer(self, method: Callable[[Any], Awaitable[Any]], request: Any, context: Any) -> Any:
        try:
            with self._limit:
                return await method(request)
        except GatewayError as error:
            await context.abort(error.code, str(error), trailing_metadata(error))
        except TooManyRequests as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))

    async def ChaincodeEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            with self._limit:
                events = self._gateway.chaincode_events(request)
                await context.send_initial_metadata(())  # lets the client see that the stream is open
                async for response in _until(self._faults.streams_dropped, events):
                    yield response
        except GatewayError as error:
            await context.abort(error.code, str(error), trailing_metadata(error))
        except TooManyRequests as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))


async def _until(dropped: asyncio.Event, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The events until `dropped` is set; then the stream fails as if the peer had gone."""
    ended = asyncio.create_task(dropped.wait())
    coming: asyncio.Future[Any] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(events))
            await asyncio.wait({coming, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise GatewayError(grpc.StatusCode.UNAVAILABLE, "the event stream was dropped")
            yield coming.result()
    finally:
        ended.cancel()
        if coming is not None:
            coming.cancel()


class EndorserServicer(peer_pb2_grpc.EndorserServicer):  # type: ignore[misc]
    """ProcessProposal: proposals that are refused outright become gRPC errors, as on a real peer."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def ProcessProposal(self, request: Any, context: Any) -> Any:
        try:
            return await self._peer.endorser.process(unpack_proposal(request))
        except (ProposalError, ProposalFiltered) as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))


class DeliverServicer(events_pb2_grpc.DeliverServicer):  # type: ignore[misc]
    """The three block streams of a peer."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def Deliver(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for response in self._stream(requests, context, "event/Block", plain_block):
            yield response

    async def DeliverFiltered(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for response in self._stream(requests, context, "event/FilteredBlock", filtered_block):
            yield response

    async def DeliverWithPrivateData(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for response in self._stream(requests, context, "event/Block", block_with_private_data):
            yield response

    def _stream(
        self, requests: AsyncIterator[Any], context: Any, resource: str, shape: Shape
    ) -> AsyncIterator[Any]:
        shown = context.client_certificate_hash() if self._peer.config.client_authentication else None
        return stream(self._peer.channels, requests, shown, resource, shape)


class PeerServer:
    """All listeners of one peer. `start` raises ListenError, and then nothing is left listening."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._server: GrpcServer | None = None
        self._operations: HttpServer | None = None

    async def start(self) -> None:
        config: PeerConfig = self._peer.config
        try:
            self._server = GrpcServer()
            gateway = GatewayServicer(
                Gateway(self._peer), config.gateway_concurrency_limit, self._peer.faults
            )
            gateway_pb2_grpc.add_GatewayServicer_to_server(gateway, self._server)
            peer_pb2_grpc.add_EndorserServicer_to_server(EndorserServicer(self._peer), self._server)
            events_pb2_grpc.add_DeliverServicer_to_server(DeliverServicer(self._peer), self._server)
            protocol_pb2_grpc.add_DiscoveryServicer_to_server(DiscoveryServicer(self._peer), self._server)
            snapshot_pb2_grpc.add_SnapshotServicer_to_server(SnapshotServicer(self._peer), self._server)
            await self._listen(self._server, config)
            if config.operations_address:
                self._operations = await self._serve_operations(config.operations_address)
        except BaseException:
            await self.stop(0)
            raise

    async def _listen(self, server: GrpcServer, config: PeerConfig) -> None:
        try:
            authorities = self._peer.client_authorities if config.client_authentication else None
            await server.start(config.address, config.tls_directory, authorities)
        except OSError as error:
            raise ListenError(config.name, config.address, error) from error

    async def _serve_operations(self, address: str) -> HttpServer:
        peer = self._peer
        application = operations_application(
            lambda: render_peer_metrics(peer.metrics, peer.channels), self._failures
        )
        return await serve_http(peer.name, application, address)

    def _failures(self) -> list[str]:
        return [*self._peer.failures, *(self._server.failures if self._server is not None else ())]

    async def stop(self, grace_s: float = 0.5) -> None:
        if self._operations is not None:
            await self._operations.stop()
            self._operations = None
        if self._server is not None:
            await asyncio.shield(self._server.stop(grace_s))
            self._server = None
