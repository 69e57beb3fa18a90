# SPDX-License-Identifier: Apache-2.0
"""Performing the core's effects with asyncio and grpc.aio."""

import asyncio
import contextlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from commonwatt_client._connection import (
    ClientCertificate,
    Peer,
    PeerRing,
    as_peers,
    details_of,
)
from commonwatt_client._effects import (
    DELIVER_METHODS,
    Call,
    CallFailed,
    CloseStream,
    Effect,
    Emit,
    Flow,
    OpenStream,
    Read,
    Sign,
    Sleep,
)
from commonwatt_client.errors import (
    ClientError,
    ConfigurationError,
    ConnectionClosedError,
    SigningError,
)

T = TypeVar("T")


class OwnLoop:
    """The event loop that gRPC channels belong to; once it has ended, those of another loop take their place."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def is_running_one(self) -> bool:
        """Whether the loop that runs here is the one that the channels belong to."""
        return asyncio.get_running_loop() is self._loop

    def has_changed(self) -> bool:
        """Whether another loop runs than at the last call, to which the channels belong from now on.

        Raises ConfigurationError while the former one runs, in another thread.
        """
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return False
        if self._loop is not None and self._loop.is_running():
            raise ConfigurationError(
                "this connection is in use in another event loop; open one in each loop, or use "
                "commonwatt_client.sync, which threads may share"
            )
        self._loop = loop
        return True


class Connection:
    """gRPC channels to one peer or several; many identities can share it.

    Used with `async with`, or closed with `close()`. It opens its channels on first use, in the event loop that uses
    it, and anew in another loop once that one has ended; two loops cannot share it. Raises ConfigurationError for an
    address or certificate it cannot use.

    ::

        async with Connection(peers) as connection:
            one = connect(connection, identity=identity, signer=signer)
            print(await one.get_network("newtown").get_contract("market").evaluate_transaction("get_parameters", "{}"))
    """

    def __init__(
        self,
        peers: Peer | Iterable[Peer],
        *,
        client_certificate: ClientCertificate | None = None,
        channel_options: Mapping[str, int | str] | None = None,
    ) -> None:
        self._ring = PeerRing(as_peers(peers), client_certificate, channel_options)
        self._channels: dict[int, grpc.aio.Channel] = {}
        self._methods: dict[tuple[int, str], Any] = {}
        self._loop = OwnLoop()
        self._closed = False

    async def close(self) -> None:
        """Close every channel; calls under way fail with ConnectionClosedError."""
        self._closed = True
        channels, self._channels = self._channels, {}
        self._methods.clear()
        if self._loop.is_running_one():  # with its loop, everything that a channel had under way has ended
            for channel in channels.values():
                await channel.close()

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        """A flow's result, its effects performed one after the other."""
        try:
            effect = next(flow)
            while True:
                try:
                    answer = await self._perform(effect)
                except (CallFailed, ClientError) as failure:
                    effect = flow.throw(failure)
                else:
                    effect = flow.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            flow.close()

    def _stream(self, flow: Flow[None]) -> "StreamedValues[Any]":
        """The values that a flow emits."""
        return StreamedValues(self, flow)

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Call(peer, method, request, timeout_s):
                return await self._call(peer, method, request, timeout_s)
            case Sign(signer, digest):
                return await made_signature(signer, digest)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case OpenStream(peer, method, request, timeout_s):
                return await self._open(peer, method, request, timeout_s)
            case Read(stream):
                return await self._read(stream)
            case CloseStream(stream):
                stream.cancel()
                return None
            case _:
                raise AssertionError(f"no such effect here: {effect}")

    async def _call(self, peer: int, method: str, request: bytes, timeout_s: float | None) -> bytes:
        try:
            answer: bytes = await self._method(peer, method)(request, timeout=timeout_s)
            return answer
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        except grpc.aio.UsageError as error:
            raise self._closed_error() from error
        except asyncio.CancelledError as error:
            # grpc cancels the calls of a channel that is closed; a task that is cancelled itself stays cancelled.
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise self._closed_error() from error
            raise

    async def _open(self, peer: int, method: str, request: bytes, timeout_s: float | None) -> Any:
        callable_ = self._method(peer, method)
        if method not in DELIVER_METHODS:
            return callable_(request, timeout=timeout_s)
        stream = callable_(timeout=timeout_s)
        try:
            await stream.write(request)
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        except asyncio.InvalidStateError as error:
            raise CallFailed(
                grpc.StatusCode.UNAVAILABLE, "the stream ended before the request was sent"
            ) from error
        return stream

    async def _read(self, stream: Any) -> bytes | None:
        try:
            message = await stream.read()
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise self._closed_error() from error
            raise
        return None if message is grpc.aio.EOF else message

    def _method(self, peer: int, method: str) -> Any:
        if self._loop.has_changed():
            self._channels.clear()
            self._methods.clear()
        known = self._methods.get((peer, method))
        if known is None:
            known = self._methods[peer, method] = self._new_method(self._channel(peer), method)
        return known

    def _new_method(self, channel: grpc.aio.Channel, method: str) -> Any:
        if method in DELIVER_METHODS:
            return channel.stream_stream(method)
        if method.endswith("Events"):
            return channel.unary_stream(method)
        return channel.unary_unary(method)

    def _channel(self, peer: int) -> grpc.aio.Channel:
        if self._closed:
            raise self._closed_error()
        if peer not in self._channels:
            endpoint = self._ring.endpoints[peer]
            self._channels[peer] = endpoint.open(grpc.aio.secure_channel, grpc.aio.insecure_channel)
        return self._channels[peer]

    def _failed(self, error: grpc.aio.AioRpcError) -> Exception:
        if self._closed:
            return self._closed_error()
        return CallFailed(error.code(), error.details() or "", details_of(error))

    def _closed_error(self) -> ConnectionClosedError:
        return ConnectionClosedError("the connection is closed; open another with connect")


class StreamedValues(Generic[T]):
    """The values that a flow emits; closing it, from any task, ends a read under way and cancels the open stream."""

    def __init__(self, connection: Connection, flow: Flow[None]) -> None:
        self._connection = connection
        self._flow = flow
        self._opened: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()

    def __aiter__(self) -> "StreamedValues[T]":
        return self

    async def __anext__(self) -> T:
        if self._closing.is_set():
            raise StopAsyncIteration
        try:
            effect = self._flow.send(None)
            while not isinstance(effect, Emit):
                try:
                    answer = await self._perform(effect)
                except (CallFailed, ClientError) as failure:
                    effect = self._flow.throw(failure)
                else:
                    effect = self._flow.send(answer)
            value: T = effect.value
            return value
        except (StopIteration, _Closing):
            raise StopAsyncIteration from None
        except asyncio.CancelledError:
            # grpc cancels the read under way when the stream is cancelled; a task cancelled itself stays cancelled.
            task = asyncio.current_task()
            if self._closing.is_set() and not (task and task.cancelling()):
                raise StopAsyncIteration from None
            raise

    async def close(self) -> None:
        """End the stream."""
        self._closing.set()
        if self._opened is not None and self._loop is asyncio.get_running_loop():
            self._opened.cancel()

    async def _perform(self, effect: Effect) -> Any:
        if self._closing.is_set():
            raise _Closing
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            was_open = self._opened is not None
            self._loop, self._opened, self._closing = loop, None, asyncio.Event()
            if was_open:
                raise CallFailed(grpc.StatusCode.UNAVAILABLE, "the stream ended with its event loop")
        if isinstance(effect, Sleep):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), effect.seconds)
            return None
        answer = await self._connection._perform(effect)
        if isinstance(effect, OpenStream):
            self._opened = answer
        return answer


class _Closing(Exception):
    """The stream is being closed."""


async def made_signature(signer: Any, digest: bytes) -> bytes:
    """What the signer makes of a digest. Raises SigningError."""
    try:
        signature = signer.sign(digest)
        if inspect.isawaitable(signature):
            signature = await signature
    except ClientError:
        raise
    except Exception as error:
        raise SigningError(f"the signer failed: {type(error).__name__}: {error}") from error
    if not isinstance(signature, bytes):
        raise SigningError(f"the signer gave {type(signature).__name__} and not bytes")
    return signature
