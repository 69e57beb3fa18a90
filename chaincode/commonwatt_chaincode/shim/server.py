# SPDX-License-Identifier: Apache-2.0
"""The server that peers dial: Fabric's Chaincode service over gRPC.

A peer holds one stream open for all its transactions. Each stream has a reader (the service's own task) and a
writer; a session between them runs the transactions, here or in worker processes.
"""

import asyncio
import codecs
import contextlib
import logging
import re
import signal
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from google.protobuf.message import DecodeError

from .clock import on_time
from .configuration import ServerConfig, config_from_environment, log_level_from_environment
from .contract import Contract, Handler
from .dispatch import as_handler
from .errors import ConfigurationError
from .exchange import MAX_MESSAGE_BYTES
from .session import LocalSession, Session, register
from .workers import WorkerPool

log = logging.getLogger(__name__)

Program = Handler | Contract | Sequence[Contract]
"""What a server runs: contracts, or one function of its own."""

SessionOpener = Callable[[Callable[[bytes], None]], Session]
"""Opens the session of a new stream, given how to send to its peer."""

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a second server on the port is a mistake to be told, not a silent half
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
]


async def serve(program: Program, config: ServerConfig, stop: asyncio.Event | None = None) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``, then finish what is in flight.

    With several workers the program is sent to each of them: contracts, or a function of a module.
    ConfigurationError if the server cannot start.
    """
    stop = stop or asyncio.Event()
    with _stopping_on_signals(stop):
        async with _sessions(program, config) as open_session:
            service = ChaincodeService(config.chaincode_id, open_session, _expected_clients(config))
            server = grpc.aio.server(options=_OPTIONS)
            server.add_generic_rpc_handlers((service.rpc_handler(),))
            _bind(server, config)
            await server.start()
            log.info("chaincode %s serves on %s", config.chaincode_id, config.address)
            await stop.wait()
            log.info("chaincode %s stops", config.chaincode_id)
            await service.drain(config.stop_timeout_s)
            await server.stop(grace=1.0)


def run_from_environment(*contracts: Contract) -> int:
    """Serve contracts as the environment says; an exit code: 0 stopped on request, 2 wrong configuration."""
    try:
        logging.basicConfig(
            level=log_level_from_environment(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )
        config = config_from_environment()
        asyncio.run(serve(contracts, config))
    except ConfigurationError as error:
        print(f"chaincode cannot start: {error}", file=sys.stderr)
        return 2
    return 0


class ChaincodeService:
    """The Connect method of Fabric's protos.Chaincode, and every stream that is open on it."""

    def __init__(
        self, chaincode_id: str, open_session: SessionOpener, clients: frozenset[bytes] | None = None
    ) -> None:
        """``clients``: SHA-256 of each certificate that a peer may show; None takes all that TLS lets in."""
        self._chaincode_id = chaincode_id
        self._open_session = open_session
        self._clients = clients
        self._streams: dict[asyncio.Task[Any], Session] = {}
        self._draining = False

    def rpc_handler(self) -> grpc.GenericRpcHandler:
        """For the server: messages come and go as bytes, and are parsed once, by who runs the transaction."""
        connect: Any = grpc.stream_stream_rpc_method_handler(self._connect)
        return grpc.method_handlers_generic_handler("protos.Chaincode", {"Connect": connect})

    async def drain(self, timeout_s: float) -> None:
        """Finish the transactions in flight, refuse new ones, then end every stream."""
        self._draining = True
        streams = dict(self._streams)
        if not streams:
            return
        _, late = await asyncio.wait(
            [asyncio.ensure_future(session.drain()) for session in streams.values()], timeout=timeout_s
        )
        if late:
            log.warning("stopped after %.0f s with transactions still in flight", timeout_s)
        for waiting in late:
            waiting.cancel()
        for stream in streams:
            stream.cancel()

    async def _connect(self, _: Any, context: Any) -> None:
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the chaincode server is stopping")
        peer = _peer_name(context)
        if self._clients is not None and _shown_certificate(context) not in self._clients:
            log.warning("%s shows a certificate that is not the peers'; its stream is refused", peer)
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                "this chaincode server serves the peers of its organisation alone",
            )
        log.info("%s connected", peer)
        outbox = Outbox()
        session = self._open_session(outbox.put)
        writer = asyncio.ensure_future(outbox.write_to(context))
        this = asyncio.current_task()
        assert this is not None
        self._streams[this] = session
        outbox.put(register(self._chaincode_id))
        try:
            while (message := await context.read()) is not grpc.aio.EOF:
                session.receive(message)
        except DecodeError:
            log.warning("%s sent something else than a chaincode message; its stream ends", peer)
        except asyncio.CancelledError:
            if not self._draining:  # the peer is gone
                raise
            await outbox.flushed()
        finally:
            del self._streams[this]
            session.close()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            log.info("%s disconnected", peer)


class Outbox:
    """Messages on their way to one peer, in order; gRPC takes one at a time."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, message: bytes) -> None:
        """Queue a message."""
        self._messages.append(message)
        self._filled.set()
        self._empty.clear()

    async def write_to(self, context: Any) -> None:
        """Write until cancelled or until the stream ends."""
        with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
            while True:
                while self._messages:
                    await context.write(self._messages.popleft())
                self._empty.set()
                self._filled.clear()
                await self._filled.wait()

    async def flushed(self) -> None:
        """Wait, though not for long, until the last message is written."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), 1.0)


@contextlib.asynccontextmanager
async def _sessions(program: Program, config: ServerConfig) -> AsyncIterator[SessionOpener]:
    if config.workers == 1:
        handler = on_time(as_handler(program), config.clock_error_s)
        yield lambda send: LocalSession(handler, send)
    else:
        async with WorkerPool(program, config.workers, config.clock_error_s) as pool:
            yield pool.open


@contextlib.contextmanager
def _stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _bind(server: grpc.aio.Server, config: ServerConfig) -> None:
    try:
        if config.tls_cert is None or config.tls_key is None:
            log.warning("serving in plaintext: anybody who reaches %s sees every proposal", config.address)
            port = server.add_insecure_port(config.address)
        else:
            port = server.add_secure_port(
                config.address, _credentials(config.tls_cert, config.tls_key, config.client_ca_cert)
            )
    except RuntimeError as error:
        raise ConfigurationError(f"cannot listen on {config.address}: is it in use? ({error})") from error
    if port == 0:
        raise ConfigurationError(f"cannot listen on {config.address}; is it in use?")


def _credentials(
    certificate_path: Path, key_path: Path, client_ca_path: Path | None
) -> grpc.ServerCredentials:
    certificate, key = _pem(certificate_path), _pem(key_path)
    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
        private = serialization.load_pem_private_key(key, None)
    except ValueError as error:
        raise ConfigurationError(f"{certificate_path} or {key_path} is not PEM: {error}") from error
    if private.public_key() != public:
        raise ConfigurationError(f"the key {key_path} does not belong to {certificate_path}")
    client_ca = _pem(client_ca_path) if client_ca_path else None
    return grpc.ssl_server_credentials([(key, certificate)], client_ca, client_ca is not None)


def _expected_clients(config: ServerConfig) -> frozenset[bytes] | None:
    if config.client_certs is None:
        return None
    try:
        certificates = x509.load_pem_x509_certificates(_pem(config.client_certs))
    except ValueError as error:
        raise ConfigurationError(f"{config.client_certs} holds no PEM certificate: {error}") from error
    return frozenset(certificate.fingerprint(hashes.SHA256()) for certificate in certificates)


def _shown_certificate(context: Any) -> bytes | None:
    """SHA-256 of the certificate that TLS has verified, None where there is none."""
    shown = context.auth_context().get("x509_pem_cert", ())
    return x509.load_pem_x509_certificate(shown[0]).fingerprint(hashes.SHA256()) if shown else None


def _pem(path: Path) -> bytes:
    """A PEM file without byte order mark and indentation, behind which gRPC would find nothing."""
    try:
        return re.sub(rb"(?m)^(?:" + codecs.BOM_UTF8 + rb"|[ \t])+", b"", path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error


def _peer_name(context: Any) -> str:
    names = context.auth_context().get("x509_common_name", ())
    return f"peer {names[0].decode('utf-8', 'replace')}" if names else f"peer at {context.peer()}"
