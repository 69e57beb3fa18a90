# SPDX-License-Identifier: Apache-2.0
"""Generators as processes of this machine, watched to the end: one that is lost fails the run."""

import asyncio
import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any

from commonwatt_client import ClientError
from commonwatt_client.exit_codes import NO_NETWORK, exit_code

from commonwatt_loadgen.errors import IncompleteRun, LostNetwork
from commonwatt_loadgen.throughput.generator import Share, generate
from commonwatt_loadgen.throughput.measure import Progress, Report

_READY_TIMEOUT_S = 60.0
_LEAD_S = 0.1
_GARBAGE_THRESHOLD = 50_000  # new objects between collections; Python's 700 costs a generator 5 % of its time

_FAILURES = {"failed": IncompleteRun, "lost": LostNetwork}

Started = Callable[[], None]
Told = Callable[[int, Progress], None]


@dataclass
class _Generator:
    place: int
    process: SpawnProcess
    pipe: Pipe
    report: Report | None = None


def run_in_processes(shares: Sequence[Share], longest_s: float, started: Started, told: Told) -> list[Report]:
    """Do the shares, one process each; all begin at the same moment, `started` is called just before it.

    `told(place, progress)` is called about once a second for each.

    Raises:
        IncompleteRun: a process ended without its report, failed, or took longer than `longest_s`.
    """
    context = multiprocessing.get_context("spawn")
    generators = []
    try:
        for place, share in enumerate(shares):
            ours, theirs = context.Pipe()
            process = context.Process(target=_process, args=(share, theirs), name=f"generator {place + 1}")
            process.start()
            theirs.close()  # so that the pipe ends with the process
            generators.append(_Generator(place, process, ours))
        _listen(generators, _READY_TIMEOUT_S, told, lambda one, kind: kind == "ready")
        started()
        start = time.monotonic() + _LEAD_S
        for one in generators:
            one.pipe.send(start)  # monotonic time is the same in every process of a machine
        _listen(generators, longest_s, told, lambda one, kind: kind == "report")
        return [one.report for one in generators if one.report]
    finally:
        for one in generators:
            one.process.kill()
            one.process.join()
            one.pipe.close()


def _listen(
    generators: Sequence[_Generator], longest_s: float, told: Told, ends: Callable[[_Generator, str], bool]
) -> None:
    """Take messages until each generator has sent the one that ends this phase."""
    deadline = time.monotonic() + longest_s
    waiting = {one.pipe: one for one in generators}
    while waiting:
        ready = wait(list(waiting), max(0.0, deadline - time.monotonic()))
        if not ready:
            late = ", ".join(one.process.name for one in waiting.values())
            raise IncompleteRun(f"{late} did not end within {longest_s:.0f} s; the run cannot be trusted")
        for pipe in ready:
            one = waiting[pipe]  # type: ignore[index]  # `wait` returns what it was given
            kind, content = _received(one)
            if kind == "progress":
                told(one.place, content)
            elif kind == "report":
                one.report = content
            if ends(one, kind):
                del waiting[one.pipe]


def _received(one: _Generator) -> tuple[str, Any]:
    try:
        kind, content = one.pipe.recv()
    except (EOFError, OSError) as error:
        one.process.join(5)
        code = one.process.exitcode
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with exit code {code}"
        raise IncompleteRun(
            f"{one.process.name} (process {one.process.pid}) {how} before it reported; "
            "its transactions are unaccounted for"
        ) from error
    if kind in _FAILURES:
        raise _FAILURES[kind](f"{one.process.name} failed: {content}")
    return kind, content


def _process(share: Share, pipe: Pipe) -> None:
    """What runs in a generator's process; messages are ready, progress, report, failed, lost."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us ends us
    gc.set_threshold(_GARBAGE_THRESHOLD)

    def wait_start() -> float:
        pipe.send(("ready", None))
        start: float = pipe.recv()
        return start

    try:
        report = asyncio.run(generate(share, wait_start, lambda progress: pipe.send(("progress", progress))))
        pipe.send(("report", report))
    except ClientError as error:
        pipe.send(("lost" if exit_code(error) == NO_NETWORK else "failed", str(error)))
    except (BrokenPipeError, EOFError):
        pass  # whoever started us is gone
