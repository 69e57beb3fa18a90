# SPDX-License-Identifier: Apache-2.0
"""Several processes behind one address.

A peer opens one stream and keeps it, so sharing the address between processes would keep only one of them busy.
Instead the serving process keeps every stream and hands each transaction to the least busy worker.
"""

import asyncio
import logging
import multiprocessing
import pickle
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fabric_protos.peer import chaincode_shim_pb2

from .clock import on_time
from .contract import Contract, Handler
from .dispatch import as_handler
from .errors import ConfigurationError
from .frames import FrameProtocol
from .results import Response
from .session import STOPPING, LocalSession, completed

log = logging.getLogger(__name__)

_Message = chaincode_shim_pb2.ChaincodeMessage
_TRANSACTIONS = frozenset((_Message.TRANSACTION, _Message.INIT))
_ANSWERS = frozenset((_Message.RESPONSE, _Message.ERROR))
_CONTROL = 0  # no stream: the worker says that it has started. An empty frame of a stream says that it ended.
_DIED = "the worker process of this transaction died; send the transaction again"

Key = tuple[str, str]


class _Worker:
    """One worker process, seen from the serving process."""

    def __init__(self, process: Any, frames: FrameProtocol) -> None:
        self.process = process
        self.frames = frames
        self.transactions: set[tuple[WorkerSession, Key]] = set()


class WorkerPool:
    """The worker processes and the sessions whose transactions they run."""

    def __init__(
        self, program: Handler | Contract | Sequence[Contract], count: int, clock_error_s: Mapping[str, int]
    ) -> None:
        self._program = program
        self._count = count
        self._clock_error_s = dict(clock_error_s)
        self._workers: list[_Worker] = []
        self._sessions: dict[int, WorkerSession] = {}
        self._streams = 0
        self._stopping = False
        self._starts: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "WorkerPool":
        try:
            pickle.dumps(self._program)
        except Exception as error:
            raise ConfigurationError(
                f"workers cannot be sent this chaincode ({error}); define it at the top of a module"
            ) from error
        await asyncio.gather(*(self._start() for _ in range(self._count)))
        if len(self._workers) < self._count:
            await self.__aexit__()
            raise ConfigurationError("a worker process ended while it started; its own output says why")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        processes = [worker.process for worker in self._workers]
        for worker in self._workers:
            worker.frames.close()
        for process in processes:
            await asyncio.to_thread(process.join, 5.0)
            if process.is_alive():
                process.kill()
                await asyncio.to_thread(process.join)

    def open(self, send: Callable[[bytes], None]) -> "WorkerSession":
        """The session of a new stream."""
        self._streams += 1
        session = WorkerSession(self, self._streams, send)
        self._sessions[self._streams] = session
        return session

    def forget(self, session: "WorkerSession") -> None:
        """The stream has ended: tell the workers."""
        self._sessions.pop(session.stream, None)
        for worker in self._workers:
            worker.transactions = {entry for entry in worker.transactions if entry[0] is not session}
            worker.frames.send(session.stream, b"")

    def broadcast(self, stream: int, message: bytes) -> None:
        """Give every worker a message of a stream."""
        for worker in self._workers:
            worker.frames.send(stream, message)

    def least_busy(self) -> _Worker | None:
        """The worker with the fewest transactions, None if every one is gone."""
        return min(self._workers, key=lambda worker: len(worker.transactions), default=None)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        context = multiprocessing.get_context("spawn")
        arguments = (self._program, theirs, logging.getLogger().level, self._clock_error_s)
        process = context.Process(target=work, args=arguments, daemon=True, name="chaincode-worker")
        process.start()
        theirs.close()
        started: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def received(stream: int, message: bytes) -> None:
            if stream == _CONTROL:
                started.set_result(True)
            elif (session := self._sessions.get(stream)) is not None:
                session.sent_by(worker, message)

        def lost() -> None:
            if not started.done():
                started.set_result(False)
            elif worker in self._workers:
                self._workers.remove(worker)
                self._replace(worker)

        ours.setblocking(False)
        _, frames = await asyncio.get_running_loop().create_unix_connection(
            lambda: FrameProtocol(received, lost), sock=ours
        )
        worker = _Worker(process, frames)
        if await started:
            for session in self._sessions.values():
                if session.ready:
                    frames.send(session.stream, session.ready)
            self._workers.append(worker)
        elif not self._stopping:
            log.error("a chaincode worker ended while it started")

    def _replace(self, worker: _Worker) -> None:
        if self._stopping:
            return
        log.error(
            "chaincode worker %s died with %d transactions in flight; another takes its place",
            worker.process.pid,
            len(worker.transactions),
        )
        for session, key in worker.transactions:
            session.abandoned(key)
        start = asyncio.ensure_future(self._start())
        self._starts.add(start)
        start.add_done_callback(self._starts.discard)


class WorkerSession:
    """One peer's stream, its transactions spread over the workers."""

    def __init__(self, pool: WorkerPool, stream: int, send: Callable[[bytes], None]) -> None:
        self.stream = stream
        self.ready = b""
        self._pool = pool
        self._send = send
        self._owners: dict[Key, _Worker] = {}
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def receive(self, message: bytes) -> None:
        """Take a serialized ChaincodeMessage from the peer to the worker concerned."""
        received = _Message.FromString(message)
        kind = received.type
        key = (received.channel_id, received.txid)
        if kind in _ANSWERS:
            if (owner := self._owners.get(key)) is not None:
                owner.frames.send(self.stream, message)
        elif kind in _TRANSACTIONS:
            worker = self._owners.get(key) or self._pool.least_busy()
            if self._draining or worker is None:
                self._send(completed(*key, Response(503, STOPPING if self._draining else _DIED)))
                return
            self._owners[key] = worker
            self._idle.clear()
            worker.transactions.add((self, key))
            worker.frames.send(self.stream, message)
        elif kind == _Message.READY:
            self.ready = message
            self._pool.broadcast(self.stream, message)
        elif kind == _Message.KEEPALIVE:
            self._send(message)

    async def drain(self) -> None:
        """Refuse new transactions and return when none is running."""
        self._draining = True
        await self._idle.wait()

    def close(self) -> None:
        """The stream has ended: cancel what runs."""
        self._pool.forget(self)

    def sent_by(self, worker: _Worker, message: bytes) -> None:
        """Pass a worker's message on to the peer."""
        sent = _Message.FromString(message)
        if sent.type == _Message.COMPLETED:
            self._finish(worker, (sent.channel_id, sent.txid))
        self._send(message)

    def abandoned(self, key: Key) -> None:
        """The worker died: answer in its place."""
        self._finish(None, key)
        self._send(completed(*key, Response(500, _DIED)))

    def _finish(self, worker: _Worker | None, key: Key) -> None:
        self._owners.pop(key, None)
        if worker is not None:
            worker.transactions.discard((self, key))
        if not self._owners:
            self._idle.set()


def work(
    program: Handler | Contract | Sequence[Contract],
    connection: socket.socket,
    log_level: int,
    clock_error_s: Mapping[str, int],
) -> None:
    """A worker process: run transactions until the serving process closes the connection or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the serving process decides when in-flight work is done
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_work(on_time(as_handler(program), clock_error_s), connection))


async def _work(handler: Handler, connection: socket.socket) -> None:
    sessions: dict[int, LocalSession] = {}
    ended = asyncio.Event()

    def received(stream: int, message: bytes) -> None:
        if not message:
            if (session := sessions.pop(stream, None)) is not None:
                session.close()
            return
        if (open_session := sessions.get(stream)) is None:
            open_session = LocalSession(handler, lambda answer: frames.send(stream, answer))
            sessions[stream] = open_session
        open_session.receive(message)

    connection.setblocking(False)
    _, frames = await asyncio.get_running_loop().create_unix_connection(
        lambda: FrameProtocol(received, ended.set), sock=connection
    )
    frames.send(_CONTROL, b"started")
    await ended.wait()
