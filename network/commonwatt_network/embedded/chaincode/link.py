"""The stream between a peer and one chaincode server: many transactions at once, kept up across restarts.

The peer dials (chaincode as a service), the chaincode registers, and from then on either side's messages belong
to the transaction that their channel and transaction ids name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.chaincode.package import ChaincodePackage
from commonwatt_network.embedded.chaincode.stream import ChaincodeStream, StreamError, open_stream

log = logging.getLogger(__name__)

Message = chaincode_shim_pb2.ChaincodeMessage
Answer = Callable[[Any], "Any | Awaitable[Any]"]
"""Answers one request of the chaincode, at once or later."""

READY_PAYLOAD = chaincode_pb2.ChaincodeAdditionalParams(
    use_write_batch=True,
    max_size_write_batch=1000,
    use_get_multiple_keys=True,
    max_size_get_multiple_keys=1000,
).SerializeToString()
SHORTEST_RETRY_S, LONGEST_RETRY_S = 0.02, 1.0


class ChaincodeError(Exception):
    """A transaction could not be run by its chaincode; the message is Fabric's."""


class _Running:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class ChaincodeLink:
    """One peer's stream to the server of one package. It dials when first used, and from then on stays up."""

    def __init__(self, package: ChaincodePackage) -> None:
        self.package = package
        self._running: dict[tuple[str, str], _Running] = {}
        self._stream: ChaincodeStream | None = None
        self._ready = asyncio.Event()
        self._failure = "not connected yet"
        self._task: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def execute(self, message: Any, answer: Answer, timeout_s: float) -> Any:
        """Send a transaction and serve its requests; its COMPLETED or ERROR message. Raises ChaincodeError."""
        await self._wait_ready()
        key = (message.channel_id, message.txid)
        if key in self._running:
            raise ChaincodeError(f"error sending: txid: {message.txid}({message.channel_id}) exists")
        running = self._running[key] = _Running(answer)
        try:
            self._send(message)
            async with asyncio.timeout(timeout_s):
                return await running.outcome
        except TimeoutError:
            raise ChaincodeError("error sending: timeout expired while executing transaction") from None
        finally:
            del self._running[key]

    async def _wait_ready(self) -> None:
        if self._ready.is_set():
            return
        if self._task is None:
            self._task = asyncio.create_task(self._keep_connected())
        package_id, connection = self.package.package_id, self.package.connection
        try:
            async with asyncio.timeout(connection.dial_timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise ChaincodeError(
                f"could not launch chaincode {package_id}: connection to {package_id} failed: error cannot create "
                f"connection for {package_id}: error creating grpc connection to {connection.address}: "
                f"{self._failure}"
            ) from None

    async def _keep_connected(self) -> None:
        retry_s = SHORTEST_RETRY_S
        while True:
            try:
                await self._run_stream()
            except (ChaincodeError, StreamError, OSError, ValueError) as error:
                self._failure = str(error)
            if self._ready.is_set():
                log.warning("chaincode %s: stream ended: %s", self.package.package_id, self._failure)
                retry_s = SHORTEST_RETRY_S
            self._ready.clear()
            self._stream = None
            for running in self._running.values():
                if not running.outcome.done():
                    running.outcome.set_exception(
                        ChaincodeError("error sending: chaincode stream terminated")
                    )
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    async def _run_stream(self) -> None:
        stream = await open_stream(self.package.connection, self._receive_bytes)
        self._stream = stream
        try:
            raise ChaincodeError(await stream.ended)
        finally:
            stream.close()

    def _send(self, message: Any) -> None:
        if self._stream is None:
            raise ChaincodeError("error sending: chaincode stream terminated")
        self._stream.send(message.SerializeToString())

    def _receive_bytes(self, encoded: bytes) -> None:
        try:
            self._receive(Message.FromString(encoded))
        except (ChaincodeError, DecodeError) as error:
            raise StreamError(str(error)) from error

    def _receive(self, message: Any) -> None:
        kind = message.type
        if kind == Message.REGISTER:
            self._register(message)
            return
        running = self._running.get((message.channel_id, message.txid))
        if kind in (Message.COMPLETED, Message.ERROR):
            if running is not None and not running.outcome.done():
                running.outcome.set_result(message)
        elif kind == Message.KEEPALIVE:
            pass
        elif running is None:
            name = Message.Type.Name(kind)
            self._send(_error(message, f"{name} failed: transaction ID: {message.txid}: no ledger context"))
        else:
            reply = running.answer(message)
            if isinstance(reply, Message):
                self._send(reply)
            else:
                task = asyncio.create_task(self._answer_later(reply))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    async def _answer_later(self, reply: Awaitable[Any]) -> None:
        message = await reply
        if self._stream is not None:
            self._send(message)

    def _register(self, message: Any) -> None:
        name = chaincode_pb2.ChaincodeID.FromString(message.payload).name
        if name != self.package.package_id:
            raise ChaincodeError(
                f"the chaincode server at {self.package.connection.address} registers as '{name}', not as "
                f"'{self.package.package_id}': set its CHAINCODE_ID to the package id"
            )
        self._send(Message(type=Message.REGISTERED))
        self._send(Message(type=Message.READY, payload=READY_PAYLOAD))
        self._ready.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _error(request: Any, text: str) -> Any:
    return Message(
        type=Message.ERROR, payload=text.encode(), txid=request.txid, channel_id=request.channel_id
    )
