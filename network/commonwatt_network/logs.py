# SPDX-License-Identifier: Apache-2.0
"""What a network's programs said last, and what they say from now on: nodes, chaincode servers, wherever they run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_network.backends.backend import LogCommand
from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.errors import NetworkError, NoNetworkError, UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import read_state
from commonwatt_network.programs import processes

POLL_S = 0.2
BLOCK_BYTES = 1 << 16
LONGEST_LINE_BYTES = 1 << 20  # what a container's program may say in one line


@dataclass(frozen=True)
class LogFile:
    """The log of a program of this machine."""

    path: Path


Log = LogFile | LogCommand


def find_logs(directory: Path, node: str | None, lines: int, *, follow: bool) -> dict[str, Log]:
    """The network's logs by their programs' names: all, or the one of `node`. The network need not run.

    Nodes of an embedded network share a log. Raises NoNetworkError; UsageError for a node that is not the network's.
    """
    layout = Layout(directory)
    state = read_state(layout)
    if state is None:
        raise NoNetworkError(layout.directory)
    nodes, backend = nodes_of(layout, state), backend_called(state.backend)
    logs: dict[str, Log] = {}
    programs: dict[str, str] = {}
    for each in (*nodes.authorities, *nodes.fabric_nodes, *nodes.chaincode_servers):
        program = programs[each.name] = backend.program_of(each)
        command = backend.log_command(nodes, each, lines, follow=follow)
        logs[program] = command or LogFile(processes.log_file(layout, program))
    for path in sorted(layout.logs.glob("*.log")):  # second servers, and what other topologies had
        logs.setdefault(path.name.removesuffix(".log"), LogFile(path))
    if node is None:
        return logs
    program = programs.get(node, node)
    if program not in logs:
        raise UsageError(f"the network has no {node}; it has {', '.join(dict.fromkeys([*programs, *logs]))}")
    return {program: logs[program]}


async def read(log: Log, lines: int, *, follow: bool) -> AsyncGenerator[str]:
    """The last `lines` lines of a log and, with `follow`, each line that comes, forever."""
    if isinstance(log, LogCommand):
        async with aclosing(_printed(log)) as printed:
            async for line in printed:
                yield line
        return
    at = 0
    with suppress(FileNotFoundError):  # it has not started yet
        kept, at = last_lines(log.path, lines)
        for line in kept:
            yield line
    if follow:
        async with aclosing(_coming(log.path, at)) as coming:
            async for line in coming:
                yield line


async def merged(logs: Mapping[str, Log], lines: int, *, follow: bool) -> AsyncGenerator[tuple[str, str]]:
    """(program's name, line) of several logs: one after the other what was said; with `follow`, then as it comes."""
    if not follow:
        for name, log in logs.items():
            async with aclosing(read(log, lines, follow=False)) as said:
                async for line in said:
                    yield name, line
        return
    queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(maxsize=1000)

    async def pass_on(name: str, log: Log) -> None:
        async with aclosing(read(log, lines, follow=True)) as said:
            async for line in said:
                await queue.put((name, line))

    readers = asyncio.gather(*(pass_on(name, log) for name, log in logs.items()))
    try:
        while True:
            coming = asyncio.ensure_future(queue.get())
            either: list[asyncio.Future[Any]] = [coming, readers]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                readers.result()  # raises what ended them
                return
            yield coming.result()
    finally:
        readers.cancel()
        with suppress(asyncio.CancelledError):
            await readers


def last_lines(path: Path, count: int) -> tuple[list[str], int]:
    """The last `count` lines of a file, and where in it the next one begins. Raises FileNotFoundError."""
    with path.open("rb") as file:
        begin = size = file.seek(0, os.SEEK_END)
        end = b""
        while begin > 0 and end.count(b"\n") <= count:
            step = min(BLOCK_BYTES, begin)
            begin -= step
            file.seek(begin)
            end = file.read(step) + end
    whole, _, begun = end.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    return [_text(line) for line in lines[-count:] if count], size - len(begun)


async def _coming(path: Path, at: int) -> AsyncGenerator[str]:
    """Each line that a program writes from byte `at` on; a log that begins anew is read from its start."""
    known, begun = _identity(path), b""
    while True:
        found = _identity(path)
        if found is not None:
            if known is not None and (found[0] != known[0] or found[1] < at):
                at, begun = 0, b""
            known = found
            with suppress(FileNotFoundError), path.open("rb") as file:
                file.seek(at)
                while chunk := file.read(BLOCK_BYTES):
                    at += len(chunk)
                    *lines, begun = (begun + chunk).split(b"\n")
                    for line in lines:
                        yield _text(line)
        await asyncio.sleep(POLL_S)


async def _printed(log: LogCommand) -> AsyncGenerator[str]:
    try:
        process = await asyncio.create_subprocess_exec(
            *log.words,
            env=dict(log.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LONGEST_LINE_BYTES,
        )
    except OSError as error:
        raise NetworkError(f"{log.words[0]}: {error.strerror}; see `commonwatt doctor`") from error
    assert process.stdout is not None
    line = ""
    try:
        async for printed in process.stdout:
            line = _text(printed.removesuffix(b"\n"))
            yield line
        if await process.wait():
            raise NetworkError(f"{' '.join(log.words[:4])} failed: {line or 'it said nothing'}")
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _identity(path: Path) -> tuple[int, int] | None:
    """Inode and size of a file that is there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size


def _text(line: bytes) -> str:
    return line.decode(errors="replace").removesuffix("\r")
