"""How a peer is asked: its gRPC services, called as one identity, and what their failures mean."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from fabric_protos.discovery import protocol_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, peer_pb2_grpc, snapshot_pb2_grpc

from commonwatt_client._connection import ClientCertificate, Peer
from commonwatt_client.admin import discovery
from commonwatt_client.admin.blocks import Block
from commonwatt_client.admin.deliver import deliver_blocks
from commonwatt_client.admin.errors import NotReadyError
from commonwatt_client.admin.participation import Position
from commonwatt_client.admin.refusals import refusal
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.admin.transport import NodeChannel, gateway_failure, rpc_failure
from commonwatt_client.errors import GatewayError
from commonwatt_client.gateway import connect
from commonwatt_client.identity import certificate_hash
from commonwatt_client.retry import RetryPolicy

_POLL_S = 0.2


class PeerConnection:
    """One peer and one identity. `timeout_s` bounds every call; the rest as of `PeerAdmin`."""

    def __init__(
        self,
        address: str,
        signatory: Signatory,
        *,
        tls_ca: bytes,
        server_name: str | None,
        client_certificate: bytes | None,
        client_key: bytes | None,
        timeout_s: float,
    ) -> None:
        self.address = address
        self.signatory = signatory
        self.timeout_s = timeout_s
        self._channel = NodeChannel(address, tls_ca, server_name, client_certificate, client_key)
        self._tls_hash = certificate_hash(client_certificate) if client_certificate else b""
        pair = (
            ClientCertificate(client_certificate, client_key) if client_certificate and client_key else None
        )
        self._gateway = connect(
            Peer(address, tls_ca_cert=tls_ca, tls_server_name=server_name),
            identity=signatory.identity,
            signer=signatory.signer,
            client_certificate=pair,
        )

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
        request = await discovery.signed_request(self.signatory, query, self._tls_hash)
        service = protocol_pb2_grpc.DiscoveryStub(self._channel.open())
        answer = await self.call("discover", service.Discover, request)
        return discovery.read_result(self.address, answer, wanted)

    async def call(self, action: str, method: Any, request: Any) -> Any:
        """What a method of one of the peer's services answers; `action` says what for, in an error."""
        try:
            return await method(request, timeout=self.timeout_s)
        except grpc.aio.AioRpcError as error:
            raise rpc_failure(action, self.address, error) from error

    def blocks(self, channel: str, start: Position, stop: Position | None) -> AsyncIterator[Block]:
        """Blocks of a channel, both ends included; without `stop`, for ever."""
        return deliver_blocks(
            lambda: events_pb2_grpc.DeliverStub(self._channel.open()).Deliver(),
            self.address,
            self.signatory,
            channel,
            start,
            stop,
            tls_certificate_hash=self._tls_hash,
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
            except NotReadyError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
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
                endorse_timeout_s=self.timeout_s,
                submit_timeout_s=self.timeout_s,
                commit_timeout_s=self.timeout_s,
                retry=RetryPolicy(max_tries=1),  # a commit that does not come is asked for, not endorsed anew
            )
        except GatewayError as error:
            raise gateway_failure(function, self.address, error) from error
        return outcome.transaction_id
