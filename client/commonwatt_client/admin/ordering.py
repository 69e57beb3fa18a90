"""One orderer's gRPC service, Broadcast and Deliver, on every version of Fabric."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2_grpc

from commonwatt_client.admin.blocks import Block
from commonwatt_client.admin.configuration import ChannelConfig, read_channel_config
from commonwatt_client.admin.deliver import deliver_block, deliver_blocks
from commonwatt_client.admin.errors import NotReadyError
from commonwatt_client.admin.participation import Position
from commonwatt_client.admin.refusals import refusal
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.admin.transport import NodeChannel, rpc_failure
from commonwatt_client.admin.wire import parse
from commonwatt_client.identity import Identity, certificate_hash
from commonwatt_client.signers import Signer


class OrderingClient:
    """One orderer, asked as one identity (a member of the channels concerned).

    Arguments as of `PeerAdmin`.

    ::

        folder = Path(".commonwatt/organizations/orderers")
        async with OrderingClient(
            orderer_address,
            identity=load_identity("OrdererMSP", folder / "users/admin/certificate.pem"),
            signer=private_key_signer(folder / "users/admin/private_key.pem"),
            tls_ca=(folder / "tlsca/ca.crt").read_bytes(),
            server_name="orderer0",
        ) as ordering:
            print((await ordering.get_block("newtown", "newest")).number)
    """

    def __init__(
        self,
        address: str,
        *,
        identity: Identity,
        signer: Signer,
        tls_ca: bytes,
        server_name: str | None = None,
        client_certificate: bytes | None = None,
        client_key: bytes | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.signatory = Signatory(identity, signer)
        self._channel = NodeChannel(address, tls_ca, server_name, client_certificate, client_key)
        self._tls_hash = certificate_hash(client_certificate) if client_certificate else b""

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
        stream = ab_pb2_grpc.AtomicBroadcastStub(self._channel.open()).Broadcast(timeout=self.timeout_s)
        try:
            await stream.write(message)
            answer = await stream.read()
        except grpc.aio.AioRpcError as error:
            raise rpc_failure("broadcast", self.address, error) from error
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
        return await deliver_block(blocks, self.address, self.timeout_s)

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
            self.signatory,
            channel,
            start,
            stop,
            wait=wait,
            tls_certificate_hash=self._tls_hash,
        )
