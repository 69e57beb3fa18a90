# SPDX-License-Identifier: Apache-2.0
"""A peer of one chaincode over the wire: dials a server as Fabric's peers do and answers it from memory.

For tests and measurements of the server itself; contracts are tested faster on a MemoryLedger.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2

from ..exchange import MAX_MESSAGE_BYTES
from ..results import EPOCH
from .messages import answer, argument_bytes, ready, start
from .proposals import caller, signed_proposal
from .simulation import Simulation
from .state import WorldState

_Message = chaincode_shim_pb2.ChaincodeMessage


class WirePeer:
    """One peer's stream to a chaincode server.

    ``requests`` collects what the chaincode asked; ``dropped`` what a real peer would not have answered, because
    another request of that transaction was pending. ``intercept`` may answer a request in the peer's place.
    """

    def __init__(
        self,
        address: str,
        credentials: grpc.ChannelCredentials | None = None,
        *,
        write_batch: int = 1000,
        get_multiple: int = 1000,
        collections: Iterable[str] = (),
        intercept: Callable[[Any], bytes | None] | None = None,
        register_timeout_s: float = 10.0,
    ) -> None:
        self.state = WorldState()
        self.chaincode_id = ""
        self.requests: list[Any] = []
        self.dropped: list[Any] = []
        self.keepalives = 0
        self._address = address
        self._credentials = credentials
        self._ready = ready(write_batch, get_multiple)
        self._collections = frozenset(collections)
        self._intercept = intercept
        self._register_timeout_s = register_timeout_s
        self._simulations: dict[str, Simulation] = {}
        self._ended: dict[str, asyncio.Future[Any]] = {}
        self._pending: set[str] = set()
        self._started = 0

    async def __aenter__(self) -> "WirePeer":
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.initial_reconnect_backoff_ms", 100),
        ]
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=options)
        else:
            self._channel = grpc.aio.secure_channel(self._address, self._credentials, options=options)
        connect: Any = self._channel.stream_stream("/protos.Chaincode/Connect")
        self._call = connect(wait_for_ready=True)
        self._writing = asyncio.Lock()
        try:
            first = await asyncio.wait_for(self._call.read(), self._register_timeout_s)
        except BaseException:
            await self._channel.close()
            raise
        register = _Message.FromString(first)
        assert register.type == _Message.REGISTER
        self.chaincode_id = chaincode_pb2.ChaincodeID.FromString(register.payload).name
        await self._write(_Message(type=_Message.REGISTERED).SerializeToString())
        await self._write(self._ready)
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        await self._channel.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def invoke(
        self,
        name: str,
        *arguments: Any,
        creator: bytes | None = None,
        transient: Mapping[str, bytes] | None = None,
        transaction_id: str | None = None,
    ) -> Any:
        """Run a transaction: the chaincode's COMPLETED message. EOFError if the stream ends first."""
        self._started += 1
        number = f"{id(self)} {self._started}".encode()
        transaction_id = transaction_id or hashlib.sha256(number).hexdigest()
        self._simulations[transaction_id] = Simulation(self.state, transaction_id, self._collections)
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        proposal = signed_proposal("channel", creator or caller(), EPOCH, transient or {})
        values = [argument_bytes(argument) for argument in (name, *arguments)]
        self._ended[transaction_id] = ended
        try:
            await self._write(start("channel", transaction_id, values, proposal))
        except EOFError:
            self._ended.pop(transaction_id, None)
            ended.cancel()
            raise
        return await ended

    def simulation(self, transaction_id: str) -> Simulation:
        """What a transaction has read and written so far."""
        return self._simulations[transaction_id]

    async def keepalive(self) -> None:
        """Send KEEPALIVE, as peers do when they are so configured."""
        await self._write(_Message(type=_Message.KEEPALIVE).SerializeToString())

    async def _write(self, message: bytes) -> None:
        async with self._writing:
            try:
                await self._call.write(message)
            except (grpc.RpcError, asyncio.InvalidStateError):
                raise EOFError("the chaincode's stream ended") from None

    async def _read(self) -> None:
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                await self._take(_Message.FromString(message))
        except (grpc.RpcError, asyncio.CancelledError):
            pass
        for ended in self._ended.values():
            if not ended.done():
                ended.set_exception(EOFError("the chaincode's stream ended"))

    async def _take(self, message: Any) -> None:
        if message.type == _Message.KEEPALIVE:
            self.keepalives += 1
        elif message.type in (_Message.COMPLETED, _Message.ERROR):
            self._ended.pop(message.txid).set_result(message)
        elif message.txid in self._pending:
            self.dropped.append(message)
        else:
            self.requests.append(message)
            self._pending.add(message.txid)
            # A real peer answers from another goroutine; meanwhile a second request would be dropped.
            task = asyncio.ensure_future(self._answer(message))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _answer(self, request: Any) -> None:
        response = self._intercept(request) if self._intercept else None
        if response is None:
            response = answer(self._simulations[request.txid], "chaincode", request)
        await asyncio.sleep(0)
        self._pending.discard(request.txid)
        if response:
            await self._write(response)
