# SPDX-License-Identifier: Apache-2.0
"""One orderer's gRPC service, Broadcast and Deliver, on every version of Fabric."""

import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2_grpc

from commonwatt_client._connection import Peer
from commonwatt_client.admin.deliver import deliver_block, deliver_blocks
from commonwatt_client.admin.participation import HALF_A_MINUTE_EACH, Position
from commonwatt_client.admin.refusals import refusal
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.admin.transport import NodeChannel, rpc_failure
from commonwatt_client.errors import NotReadyError
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.block import Block
from commonwatt_client.ledger.configuration import ChannelConfig, read_channel_config
from commonwatt_client.ledger.wire import parse
from commonwatt_client.signers import Signer
from commonwatt_client.timeouts import Timeouts


class OrderingClient:
    """One orderer, asked as one identity (a member of the channels concerned).

    orderer: its address and TLS, described as a peer's. timeouts: of reading (`evaluate_s`) and of `broadcast`
    (`submit_s`); half a minute each where None.

    ::

        folder = Path(".commonwatt/organizations/orderers")
        async with OrderingClient(
            Peer(orderer_address, folder / "tlsca/ca.crt", tls_server_name="orderer0"),
            identity=load_identity("OrdererMSP", folder / "users/admin/certificate.pem"),
            signer=private_key_signer(folder / "users/admin/private_key.pem"),
        ) as ordering:
            print((await ordering.get_block("newtown", "newest")).number)
    """

    def __init__(
        self, orderer: Peer, *, identity: Identity, signer: Signer, timeouts: Timeouts | None = None
    ) -> None:
        self.address = orderer.address
        self._signatory = Signatory(identity, signer)
        self._timeouts = timeouts or HALF_A_MINUTE_EACH
        self._channel = NodeChannel(orderer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def broadcast(self, envelope: bytes) -> None:
        """Hand over a signed ``common.Envelope`` for ordering.

        Success means accepted, not committed; for a configuration update, wait for its sequence. Raises
        NotReadyError while there is no leader, RefusedError with the orderer's reason.
        """
        message = parse(common_pb2.Envelope, envelope)
        timeout_s, began = self._timeouts.submit_s, time.monotonic()
        stream = ab_pb2_grpc.AtomicBroadcastStub(self._channel.open()).Broadcast(timeout=timeout_s)
        try:
            await stream.write(message)
            answer = await stream.read()
        except grpc.aio.AioRpcError as error:
            elapsed_s = time.monotonic() - began
            raise rpc_failure("broadcast", self.address, error, elapsed_s, timeout_s) from error
        finally:
            stream.cancel()
        if answer is grpc.aio.EOF:
            raise NotReadyError("the orderer ended the stream without an answer", party=self.address)
        if answer.status == common_pb2.SUCCESS:
            return
        failure = refusal("broadcast", self.address, answer.status, answer.info)
        if answer.status == common_pb2.SERVICE_UNAVAILABLE and not isinstance(failure, NotReadyError):
            raise NotReadyError(
                failure.message, party=self.address, answer=failure.answer, status=failure.status
            )
        raise failure

    async def get_block(self, channel: str, position: Position) -> Block:
        """A block of the channel: "newest", "oldest", the current "config", or by number."""
        if position == "config":
            return await self.fetch_config_block(channel)
        blocks = self._blocks(channel, position, position, wait=False)
        return await deliver_block(blocks, self.address, self._timeouts.evaluate_s)

    async def fetch_config_block(self, channel: str) -> Block:
        """The block that holds the channel configuration in force."""
        newest = await self.get_block(channel, "newest")
        if newest.number == newest.last_config_number:
            return newest
        return await self.get_block(channel, newest.last_config_number)

    async def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this orderer has it."""
        return read_channel_config(await self.fetch_config_block(channel))

    def blocks(self, channel: str, start: Position = 0, stop: Position | None = None) -> AsyncIterator[Block]:
        """The channel's blocks from `start` to `stop`, both included; without `stop`, as they come, for ever."""
        return self._blocks(channel, start, stop, wait=True)

    def _blocks(
        self, channel: str, start: Position, stop: Position | None, *, wait: bool
    ) -> AsyncIterator[Block]:
        return deliver_blocks(
            lambda: ab_pb2_grpc.AtomicBroadcastStub(self._channel.open()).Deliver(),
            self.address,
            self._signatory,
            channel,
            start,
            stop,
            wait=wait,
            tls_certificate_hash=self._channel.tls_certificate_hash,
        )
