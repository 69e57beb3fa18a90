# SPDX-License-Identifier: Apache-2.0
"""Performing the core's effects in the calling thread, with grpc's blocking calls."""

import inspect
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import grpc

from commonwatt_client._connection import ClientCertificate, Peer, PeerRing, as_peers, details_of
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
    """gRPC channels to one peer or several; many identities and threads can share it.

    Used with `with`, or closed with `close()`. It opens its channels on first use. Raises ConfigurationError for an
    address or certificate it cannot use.

    ::

        with Connection(peers) as connection:
            one = connect(connection, identity=identity, signer=signer)
            print(one.get_network("newtown").get_contract("market").evaluate_transaction("get_parameters", "{}"))
    """

    def __init__(
        self,
        peers: Peer | Iterable[Peer],
        *,
        client_certificate: ClientCertificate | None = None,
        channel_options: Mapping[str, int | str] | None = None,
    ) -> None:
        self._ring = PeerRing(as_peers(peers), client_certificate, channel_options)
        self._channels: dict[int, grpc.Channel] = {}
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Close every channel; calls under way fail with ConnectionClosedError."""
        with self._lock:
            self._closed = True
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        """A flow's result, its effects performed one after the other."""
        try:
            effect = next(flow)
            while True:
                try:
                    answer = self._perform(effect)
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

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Call(peer, method, request, timeout_s):
                return self._call(peer, method, request, timeout_s)
            case Sign(signer, digest):
                return _sign(signer, digest)
            case Sleep(seconds):
                return time.sleep(seconds)
            case OpenStream(peer, method, request, timeout_s):
                return _Stream(self._channel(peer), method, request, timeout_s)
            case Read(stream):
                return self._read(stream)
            case CloseStream(stream):
                stream.cancel()
                return None
            case _:
                raise AssertionError(f"no such effect here: {effect}")

    def _call(self, peer: int, method: str, request: bytes, timeout_s: float | None) -> bytes:
        try:
            answer: bytes = self._channel(peer).unary_unary(method)(request, timeout=timeout_s)
            return answer
        except grpc.RpcError as error:
            raise self._failed(error) from error
        except ValueError as error:  # grpc's answer to a call on a closed channel
            raise self._closed_error() from error

    def _read(self, stream: "_Stream") -> bytes | None:
        try:
            return stream.read()
        except grpc.RpcError as error:
            raise self._failed(error) from error

    def _channel(self, peer: int) -> Any:
        with self._lock:
            if self._closed:
                raise self._closed_error()
            if peer not in self._channels:
                endpoint = self._ring.endpoints[peer]
                self._channels[peer] = endpoint.open(grpc.secure_channel, grpc.insecure_channel)
            return self._channels[peer]

    def _failed(self, error: Any) -> Exception:
        if self._closed:
            return self._closed_error()
        return CallFailed(error.code(), error.details() or "", details_of(error))

    def _closed_error(self) -> ConnectionClosedError:
        return ConnectionClosedError("the connection is closed; open another with connect")


class _Stream:
    """One open event stream. A Deliver stream lives as long as its requests don't end, so they are held open."""

    def __init__(self, channel: Any, method: str, request: bytes, timeout_s: float | None) -> None:
        self._ended = threading.Event()
        if method in DELIVER_METHODS:
            self._call = channel.stream_stream(method)(self._requests(request), timeout=timeout_s)
        else:
            self._call = channel.unary_stream(method)(request, timeout=timeout_s)
        if not self._call.add_callback(self._ended.set):
            self._ended.set()

    def read(self) -> bytes | None:
        message: bytes | None = next(self._call, None)
        return message

    def cancel(self) -> None:
        self._ended.set()
        self._call.cancel()

    def _requests(self, request: bytes) -> Iterator[bytes]:
        yield request
        self._ended.wait()


class StreamedValues(Generic[T]):
    """The values that a flow emits; closing it, from any thread, ends a read under way and cancels the open stream."""

    def __init__(self, connection: Connection, flow: Flow[None]) -> None:
        self._connection = connection
        self._flow = flow
        self._opened: _Stream | None = None
        self._closing = threading.Event()

    def __iter__(self) -> "StreamedValues[T]":
        return self

    def __next__(self) -> T:
        if self._closing.is_set():
            raise StopIteration
        try:
            effect = self._flow.send(None)
            while not isinstance(effect, Emit):
                try:
                    answer = self._perform(effect)
                except (CallFailed, ClientError) as failure:
                    effect = self._flow.throw(failure)
                else:
                    effect = self._flow.send(answer)
            value: T = effect.value
            return value
        except (_Closing, ClientError):
            if self._closing.is_set():
                raise StopIteration from None
            raise

    def close(self) -> None:
        """End the stream."""
        self._closing.set()
        if self._opened is not None:
            self._opened.cancel()

    def _perform(self, effect: Effect) -> Any:
        if self._closing.is_set():
            raise _Closing
        if isinstance(effect, Sleep):
            self._closing.wait(effect.seconds)
            return None
        answer = self._connection._perform(effect)
        if isinstance(effect, OpenStream):
            self._opened = answer
        return answer


class _Closing(Exception):
    """The stream is being closed."""


def _sign(signer: Any, digest: bytes) -> bytes:
    try:
        signature = signer.sign(digest)
    except ClientError:
        raise
    except Exception as error:
        raise SigningError(f"the signer failed: {type(error).__name__}: {error}") from error
    if inspect.isawaitable(signature):
        if inspect.iscoroutine(signature):
            signature.close()
        raise SigningError(
            "this signer is asynchronous; use it with the async client, or give one that answers at once"
        )
    if not isinstance(signature, bytes):
        raise SigningError(f"the signer gave {type(signature).__name__} and not bytes")
    return signature
