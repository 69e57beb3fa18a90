# SPDX-License-Identifier: Apache-2.0
"""The stream between a peer and one chaincode server: many transactions at once, dialled anew after it ended.

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

from commonwatt_network.embedded.lifecycle.package_store import ChaincodePackage
from commonwatt_network.embedded.transport.client import DialError, GrpcStream, StreamError, open_stream

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
CONNECT = "/protos.Chaincode/Connect"
REGISTRATION_TIMEOUT_S = 10.0


class ChaincodeError(Exception):
    """A transaction could not be run by its chaincode; the message is Fabric's."""


class _Running:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class ChaincodeLink:
    """One peer's stream to the server of one package.

    A transaction dials where no stream is up, once, as on a real peer; transactions that come meanwhile share the dial.
    """

    def __init__(self, package: ChaincodePackage) -> None:
        self.package = package
        self._running: dict[tuple[str, str], _Running] = {}
        self._stream: GrpcStream | None = None
        self._registered: asyncio.Future[None] | None = None
        self._early: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def execute(self, message: Any, answer: Answer, timeout_s: float) -> Any:
        """Send a transaction and serve its requests; its COMPLETED or ERROR message. Raises ChaincodeError."""
        await self._launch()
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

    async def _launch(self) -> None:
        """Return once the chaincode has registered. Raises ChaincodeError as a real peer does: at once if refused."""
        if self._registered is None:
            self._registered = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._serve(self._registered))
        await asyncio.shield(self._registered)

    async def _serve(self, registered: asyncio.Future[None]) -> None:
        """One stream from its dial to its end."""
        package_id = self.package.package_id
        try:
            failure = await self._run_stream(registered)
        except Exception as error:  # whatever a chaincode server sends, those who wait for it are told
            log.exception("chaincode %s: the stream failed unexpectedly", package_id)
            failure = f"{type(error).__name__}: {error}"
        self._registered = self._stream = None
        if registered.done():
            log.warning("chaincode %s: stream ended: %s", package_id, failure)
        else:
            registered.set_exception(ChaincodeError(f"could not launch chaincode {package_id}: {failure}"))
            registered.exception()  # those who asked may be gone: asyncio is not to complain of that
        for running in self._running.values():
            if not running.outcome.done():
                running.outcome.set_exception(ChaincodeError("error sending: chaincode stream terminated"))

    async def _run_stream(self, registered: asyncio.Future[None]) -> str:
        """Dial, then receive until the stream ends; why it ended, in Fabric's words."""
        package_id, connection = self.package.package_id, self.package.connection
        self._early.clear()
        try:
            stream = await open_stream(connection, CONNECT, self._receive_bytes)
        except DialError as error:
            return (
                f"connection to {package_id} failed: error cannot create connection for {package_id}: error creating "
                f"grpc connection to {connection.address}: failed to create new connection: {error}"
            )
        self._stream = stream
        try:
            for encoded in self._early:
                self._receive_bytes(encoded)
            started: set[asyncio.Future[Any]] = {registered, stream.ended}
            await asyncio.wait(started, timeout=REGISTRATION_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if not registered.done() and not stream.ended.done():
                return f"timeout expired while starting chaincode {package_id} for transaction"
            failure = await stream.ended
        except StreamError as error:
            failure = str(error)
        finally:
            stream.close()
        return (
            f"connection to {package_id} failed: error handling chaincode stream for {package_id}: {failure}"
        )

    def _send(self, message: Any) -> None:
        if self._stream is None:
            raise ChaincodeError("error sending: chaincode stream terminated")
        self._stream.send(message.SerializeToString())

    def _receive_bytes(self, encoded: bytes) -> None:
        if self._stream is None:  # it may register before the dial has returned
            self._early.append(encoded)
            return
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
        if self._registered is not None and not self._registered.done():
            self._registered.set_result(None)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _error(request: Any, text: str) -> Any:
    return Message(
        type=Message.ERROR, payload=text.encode(), txid=request.txid, channel_id=request.channel_id
    )
