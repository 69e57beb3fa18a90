# SPDX-License-Identifier: Apache-2.0
"""gRPC calls on HTTP/2 streams: finding the method, deadlines, statuses; and the listener."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import grpc

from commonwatt_network.embedded.rare_log import RareLog
from commonwatt_network.embedded.transport.calls import Call, ServerConnection
from commonwatt_network.embedded.transport.listener import Listener
from commonwatt_network.embedded.transport.metadata import NOT_GRPC, CallHeaders, Metadata, encode_status
from commonwatt_network.embedded.transport.standing import speaker
from commonwatt_network.embedded.transport.stream import LONGEST_MESSAGE, StreamFailure

faults = RareLog(logging.getLogger(__name__))

REQUEST_TIMEOUT_S = 60.0
LONGEST_STATUS_MESSAGE = 8_000  # clients refuse headers that are too long


class _Aborted(Exception):
    """The servicer has ended the call with a status."""

    def __init__(self, code: int, message: str, metadata: Metadata) -> None:
        self.code, self.message, self.metadata = code, message, metadata


class CallContext:
    """What servicers use of the generated code's ServicerContext."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def abort(self, code: grpc.StatusCode, details: str = "", metadata: Metadata = ()) -> NoReturn:
        raise _Aborted(code.value[0], details, metadata)

    def client_certificate_hash(self) -> bytes:
        """SHA-256 of the TLS certificate (DER) that the client has shown; empty where it has not."""
        return self._call.connection.client_certificate_hash()

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        self._call.open()


class GrpcServer:
    """Serves what the generated `add_..._to_server` functions register with it, over TLS."""

    def __init__(self) -> None:
        self._methods: dict[str, Any] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._listener: Listener | None = None
        self._trust: Callable[[], None] = lambda: None

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Part of what the generated functions call; the registered methods below are all that is needed."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        for name, handler in handlers.items():
            self._methods[f"/{service}/{name}"] = handler

    async def start(
        self, address: str, tls_directory: Path, client_authorities: Callable[[], Iterable[str]] | None = None
    ) -> None:
        """Listen on `host:port` with `server.crt` and `server.key`. Raises OSError.

        With `client_authorities` every client needs a certificate of one of these (PEM), which may become more.
        """
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(tls_directory / "server.crt", tls_directory / "server.key")
        tls.set_alpn_protocols(["h2"])
        if client_authorities is not None:
            tls.verify_mode = ssl.CERT_REQUIRED
            self._trust = partial(_trust, tls, client_authorities, set())
        self._listener = Listener(address, tls, self.connection)

    def connection(self) -> ServerConnection:
        """The protocol of a new connection."""
        self._trust()  # before the handshake
        return ServerConnection(self._start_call, self._closed)

    def _closed(self, connection: ServerConnection) -> None:
        if self._listener is not None:
            self._listener.left(connection)

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._listener.connections) if self._listener is not None else 0

    @property
    def failures(self) -> list[str]:
        """What the server no longer does, in words; empty while it is healthy."""
        return self._listener.failures if self._listener is not None else []

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let the present ones finish for `grace_s`, then end them."""
        if self._listener is not None:
            await self._listener.close()
        connections = self._listener.connections if self._listener is not None else []
        for connection in connections:
            connection.go_away()
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=grace_s)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        for connection in connections:
            connection.abort()
        await asyncio.sleep(0)  # lets the transports close

    # Calls

    def _start_call(self, call: Call, headers: CallHeaders) -> None:
        if not headers.is_grpc or headers.problem:
            call.close(encode_status(3, headers.problem) if headers.is_grpc else NOT_GRPC)
            return
        if headers.encoding != b"identity":
            text = f"requests in encoding '{headers.encoding.decode('latin-1')}' are not supported"
            call.close(encode_status(12, text, [("grpc-accept-encoding", "identity")]))
            return
        method = self._methods.get(headers.path)
        if method is None:
            call.close(encode_status(12, f"unknown method {headers.path[:200]}"))
        elif method.request_streaming or call.is_complete:
            self._run(call, headers, method)
        else:
            self._await_request(call, headers, method)

    def _await_request(self, call: Call, headers: CallHeaders, method: Any) -> None:
        """Run the call once its one message has come, which must not take for ever."""
        late = encode_status(4, f"the request was not complete after {REQUEST_TIMEOUT_S:g} s")
        timer = asyncio.get_running_loop().call_later(REQUEST_TIMEOUT_S, call.close, late)

        def run() -> None:
            timer.cancel()
            self._run(call, headers, method)

        call.await_one(run, timer.cancel)

    def _run(self, call: Call, headers: CallHeaders, method: Any) -> None:
        call.on_request = None
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._answer(call, method))
        self._calls.add(task)
        call.on_cancel = lambda: _cancel(task)
        timer = None
        if headers.timeout_s is not None:
            timer = loop.call_later(min(headers.timeout_s, 1e8), _expire, call, task)

        def done(task: asyncio.Task[None]) -> None:
            self._calls.discard(task)
            if timer is not None:
                timer.cancel()
            if task.cancelled():
                call.close(encode_status(14, "the server is stopping"))

        task.add_done_callback(done)

    async def _answer(self, call: Call, method: Any) -> None:
        """Run a call's servicer and send what it says; the status in the end is never missing."""
        speaker.set(call.connection)
        try:
            await self._call(call, method)
        except _Aborted as aborted:
            status = encode_status(aborted.code, aborted.message[:LONGEST_STATUS_MESSAGE], aborted.metadata)
        except StreamFailure as failure:
            status = encode_status(failure.code, str(failure))
        except Exception as error:
            faults.report("a call failed unexpectedly", error)
            status = encode_status(2, f"Unexpected {type(error)}: {error}"[:LONGEST_STATUS_MESSAGE])
        else:
            status = encode_status(0, "")
        call.close(status)

    async def _call(self, call: Call, method: Any) -> None:
        context = CallContext(call)
        if method.request_streaming:
            answers = method.stream_stream(_requests(call, method), context)
        else:
            request = _decoded(method, call.only_message())
            if not method.response_streaming:
                call.send(_encoded(method, await method.unary_unary(request, context)))
                return
            answers = method.unary_stream(request, context)
        try:
            async for answer in answers:
                call.send(_encoded(method, answer))
                await call.drained()
        finally:
            await answers.aclose()


def _trust(tls: ssl.SSLContext, authorities: Callable[[], Iterable[str]], trusted: set[str]) -> None:
    for pem in authorities():
        if pem not in trusted:
            trusted.add(pem)
            try:
                tls.load_verify_locations(cadata=pem)
            except (OSError, ValueError) as error:  # a member's authority that OpenSSL does not take
                logging.getLogger(__name__).error(
                    "clients of an authority are refused, for its certificate cannot be read: %s", error
                )


async def _requests(call: Call, method: Any) -> AsyncIterator[Any]:
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            message = await call.next_message()
    except TimeoutError:
        raise StreamFailure(4, f"no request has come within {REQUEST_TIMEOUT_S:g} s") from None
    while message is not None:
        yield _decoded(method, message)
        message = await call.next_message()


def _decoded(method: Any, message: bytes) -> Any:
    try:
        return method.request_deserializer(message)
    except Exception as error:
        raise StreamFailure(13, f"the request cannot be parsed: {error}") from error


def _encoded(method: Any, answer: Any) -> bytes:
    encoded: bytes = method.response_serializer(answer)
    if len(encoded) > LONGEST_MESSAGE:
        raise _Aborted(8, f"Sent message larger than max ({len(encoded)} vs. {LONGEST_MESSAGE})", ())
    return encoded


def _expire(call: Call, task: asyncio.Task[None]) -> None:
    call.close(encode_status(4, "Deadline Exceeded"))
    task.cancel()


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
