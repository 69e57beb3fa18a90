"""Performing the core's effects with asyncio and grpc.aio."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, TypeVar

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
from commonwatt_client.errors import ClientError, ConnectionClosedError, SigningError

T = TypeVar("T")


class Connection:
    """gRPC channels to one peer or several; many identities can share it.

    Used with `async with`, or closed with `close()`. It opens its channels on first use, in the event loop that uses
    it, and belongs to that loop from then on. Raises ConfigurationError for an address or certificate it cannot use.
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
        self._closed = False

    async def close(self) -> None:
        """Close every channel; calls under way fail with ConnectionClosedError."""
        self._closed = True
        channels, self._channels = self._channels, {}
        self._methods.clear()
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

    async def _stream(self, flow: Flow[None]) -> AsyncGenerator[Any, None]:
        """The values a flow emits; the stream it has open is cancelled when the reader leaves."""
        opened = None
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Emit):
                    yield effect.value
                    effect = next(flow)
                    continue
                try:
                    answer = await self._perform(effect)
                except (CallFailed, ClientError) as failure:
                    effect = flow.throw(failure)
                else:
                    if isinstance(effect, OpenStream):
                        opened = answer
                    effect = flow.send(answer)
        except StopIteration:
            return
        finally:
            flow.close()
            if opened is not None:
                opened.cancel()

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Call(peer, method, request, timeout_s):
                return await self._call(peer, method, request, timeout_s)
            case Sign(signer, digest):
                return await _sign(signer, digest)
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
            raise self._failed(error) from None
        except grpc.aio.UsageError:
            raise self._closed_error() from None
        except asyncio.CancelledError:
            # grpc cancels the calls of a channel that is closed; a task that is cancelled itself stays cancelled.
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise self._closed_error() from None
            raise

    async def _open(self, peer: int, method: str, request: bytes, timeout_s: float | None) -> Any:
        callable_ = self._method(peer, method)
        if method not in DELIVER_METHODS:
            return callable_(request, timeout=timeout_s)
        stream = callable_(timeout=timeout_s)
        try:
            await stream.write(request)
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from None
        except asyncio.InvalidStateError:
            raise CallFailed(
                grpc.StatusCode.UNAVAILABLE, "the stream ended before the request was sent"
            ) from None
        return stream

    async def _read(self, stream: Any) -> bytes | None:
        try:
            message = await stream.read()
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise self._closed_error() from None
            raise
        return None if message is grpc.aio.EOF else message

    def _method(self, peer: int, method: str) -> Any:
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


async def _sign(signer: Any, digest: bytes) -> bytes:
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
