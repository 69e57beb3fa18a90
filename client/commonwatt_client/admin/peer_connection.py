# SPDX-License-Identifier: Apache-2.0
"""How a peer is asked: its gRPC services, called as one identity, and what their failures mean."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
from fabric_protos.discovery import protocol_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, peer_pb2_grpc, snapshot_pb2_grpc

from commonwatt_client._connection import Peer
from commonwatt_client.admin import discovery
from commonwatt_client.admin.deliver import deliver_blocks, deliver_blocks_with_private_data
from commonwatt_client.admin.participation import Position
from commonwatt_client.admin.refusals import refusal
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.admin.transport import NodeChannel, gateway_failure, rpc_failure
from commonwatt_client.errors import GatewayError, NotReadyError
from commonwatt_client.gateway import connect
from commonwatt_client.ledger.block import Block
from commonwatt_client.ledger.delivered import PrivateValues
from commonwatt_client.retry import RetryPolicy
from commonwatt_client.timeouts import Timeouts

_log = logging.getLogger("commonwatt_client")

_POLL_S = 0.2


class PeerConnection:
    """One peer, and the identity as which it is asked."""

    def __init__(self, peer: Peer, signatory: Signatory, timeouts: Timeouts) -> None:
        self.address = peer.address
        self.signatory = signatory
        self._timeouts = timeouts
        self._channel = NodeChannel(peer)
        self._gateway = connect(peer, identity=signatory.identity, signer=signatory.signer, timeouts=timeouts)

    async def close(self) -> None:
        """Close the connection."""
        await self._gateway.close()
        await self._channel.close()

    @property
    def snapshots(self) -> Any:
        """The peer's snapshot service."""
        return snapshot_pb2_grpc.SnapshotStub(self._channel.open())

    async def invoke(self, channel: str, chaincode: str, function: str, *arguments: bytes) -> bytes:
        """What a system chaincode of this peer answers; `channel` is empty for the peer's own affairs."""
        _, proposal = await self.signatory.signed_proposal(channel, chaincode, function, arguments)
        endorser = peer_pb2_grpc.EndorserStub(self._channel.open())
        answer = await self.call(function, endorser.ProcessProposal, proposal)
        if answer.response.status == 200:
            return bytes(answer.response.payload)
        raise refusal(function, self.address, answer.response.status, answer.response.message)

    async def discover(self, query: Any, wanted: str) -> Any:
        """The result of a ``discovery.Query``, of the kind wanted."""
        request = await discovery.signed_request(self.signatory, query, self._channel.tls_certificate_hash)
        service = protocol_pb2_grpc.DiscoveryStub(self._channel.open())
        answer = await self.call("discover", service.Discover, request)
        return discovery.read_result(self.address, answer, wanted)

    async def call(self, action: str, method: Any, request: Any) -> Any:
        """What a method of one of the peer's services answers; `action` says what for, in an error."""
        timeout_s, began = self._timeouts.evaluate_s, time.monotonic()
        try:
            return await method(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            elapsed_s = time.monotonic() - began
            raise rpc_failure(action, self.address, error, elapsed_s, timeout_s) from error

    def blocks(self, channel: str, start: Position, stop: Position | None) -> AsyncIterator[Block]:
        """Blocks of a channel, both ends included; without `stop`, for ever."""
        return deliver_blocks(
            lambda: events_pb2_grpc.DeliverStub(self._channel.open()).Deliver(),
            self.address,
            self.signatory,
            channel,
            start,
            stop,
            tls_certificate_hash=self._channel.tls_certificate_hash,
        )

    def blocks_with_private_data(
        self, channel: str, start: Position, stop: Position | None
    ) -> AsyncIterator[tuple[Block, PrivateValues]]:
        """As `blocks`, each with the private values that the caller may see."""
        return deliver_blocks_with_private_data(
            lambda: events_pb2_grpc.DeliverStub(self._channel.open()).DeliverWithPrivateData(),
            self.address,
            self.signatory,
            channel,
            start,
            stop,
            tls_certificate_hash=self._channel.tls_certificate_hash,
        )

    async def submit_lifecycle(
        self, channel: str, function: str, argument: bytes, endorsers: tuple[str, ...], patience_s: float
    ) -> str:
        """Endorse, order and commit a call to ``_lifecycle``; the transaction's id.

        Goes on asking for `patience_s` while the network is not ready (NotReadyError).
        """
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                return await self._submit_once(channel, function, argument, endorsers)
            except NotReadyError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                _log.info("%s at %s: not ready yet; again in %.1f s", function, error.party, _POLL_S)
            await asyncio.sleep(_POLL_S)

    async def _submit_once(
        self, channel: str, function: str, argument: bytes, endorsers: tuple[str, ...]
    ) -> str:
        contract = self._gateway.get_network(channel).get_contract("_lifecycle")
        try:
            outcome = await contract.submit(
                function,
                arguments=[argument],
                endorsing_organizations=endorsers,
                retry=RetryPolicy(max_tries=1),  # a commit that does not come is asked for, not endorsed anew
            )
        except GatewayError as error:
            raise gateway_failure(function, self.address, error) from error
        return outcome.transaction_id
