# SPDX-License-Identifier: Apache-2.0
"""The determinism guard: every proposal run twice, in processes that share only the ledger.

Peers must compute equal read-write sets. The guard runs each proposal here and in a second process with another
hash seed, clock, time zone and random state, and fails with a diff where the two differ.
"""

import asyncio
import contextlib
import difflib
import os
import pickle
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..contract import Contract, Handler
from .ledger import Invocation, MemoryLedger
from .proposals import caller

_LENGTH = struct.Struct("<I")
_OTHERWISE = {"PYTHONHASHSEED": "20261", "TZ": "Pacific/Chatham", "LC_ALL": "C"}


class NonDeterministic(AssertionError):
    """The two runs of a proposal differ; the message is their diff."""


class GuardedLedger(MemoryLedger):
    """A MemoryLedger that checks every proposal for determinism. Use it with ``async with``.

    The chaincode is loaded anew in the second process: give a contract, or a function, of a module or file.
    """

    def __init__(
        self,
        chaincode: Contract | Handler,
        channel_id: str = "channel",
        *,
        name: str = "chaincode",
        collections: Iterable[str] = (),
        others: Mapping[str, Contract | Handler] | None = None,
    ) -> None:
        collections = tuple(collections)
        super().__init__(chaincode, channel_id, name=name, collections=collections, others=others)
        self._recipe: dict[str, Any] = {
            "chaincode": _origin(chaincode),
            "channel_id": channel_id,
            "name": name,
            "collections": collections,
            "others": {called: _origin(program) for called, program in (others or {}).items()},
            "path": [entry for entry in sys.path if entry],
        }
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "GuardedLedger":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            f"from {__name__} import second_run; second_run()",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **_OTHERWISE, "PYTHONPATH": os.pathsep.join(self._recipe["path"])},
        )
        await self._ask(self._recipe)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await self._process.stdin.wait_closed()
        await self._process.wait()

    async def evaluate(self, name: str, *arguments: Any, **options: Any) -> Invocation:
        """Run a transaction twice and commit nothing; NonDeterministic if the runs differ."""
        options["creator"] = options.get("creator") or caller()
        ours = await super().evaluate(name, *arguments, **options)
        options["transaction_id"] = ours.transaction_id
        theirs = await self._ask(("evaluate", (name, *arguments), options))
        if ours != theirs:
            raise NonDeterministic(_difference(name, ours, theirs))
        return ours

    async def submit(self, name: str, *arguments: Any, **options: Any) -> Invocation:
        """Run a transaction twice and commit its writes; NonDeterministic if the runs differ."""
        done = await self.evaluate(name, *arguments, **options)
        if done.status < 400:
            self.commit(done)
            await self._ask(("commit", (done,), {}))
        return done

    async def _ask(self, request: Any) -> Any:
        assert self._process is not None, "use the guarded ledger with 'async with'"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        data = pickle.dumps(request)
        self._process.stdin.write(_LENGTH.pack(len(data)) + data)
        try:
            (length,) = _LENGTH.unpack(await self._process.stdout.readexactly(_LENGTH.size))
            return pickle.loads(await self._process.stdout.readexactly(length))  # noqa: S301 - our own process
        except asyncio.IncompleteReadError:
            raise RuntimeError("the guard's second process ended; its own output says why") from None


def _origin(program: Contract | Handler) -> tuple[str, str, str, bytes]:
    """Where a program comes from: its module, file and name, and a contract's own state."""
    kind = type(program) if isinstance(program, Contract) else program
    module = sys.modules[kind.__module__]
    name = getattr(kind, "__qualname__", "")
    if "<locals>" in name or not name:
        raise ValueError(f"{name} is defined inside a function, so a second process cannot load it")
    state = pickle.dumps(vars(program)) if isinstance(program, Contract) else b""
    return kind.__module__, str(Path(module.__file__ or "").resolve()), name, state


def _difference(name: str, ours: Invocation, theirs: Invocation) -> str:
    lines = difflib.unified_diff(_lines(ours), _lines(theirs), "one run", "another run", lineterm="", n=1)
    return f"two runs of {name} differ:\n" + "\n".join(lines)


def _lines(done: Invocation) -> list[str]:
    lines = [f"status: {done.status}", f"message: {done.message}", f"payload: {done.payload!r}"]
    lines.append(f"event: {done.event!r}")
    lines += [f"read {key!r}: {version}" for key, version in done.reads.items()]
    lines += [f"range {read!r}" for read in done.ranges]
    lines += [f"write {key!r}: {value!r}" for key, value in done.writes.items()]
    lines += [f"metadata {key!r}: {entry!r}" for key, entry in done.metadata_writes.items()]
    return lines


def second_run() -> None:
    """The second process: another clock, then the same proposals as the first, over pipes."""
    from .otherwise import move_clock, serve_requests

    move_clock()
    serve_requests(sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
