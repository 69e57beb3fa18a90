# SPDX-License-Identifier: Apache-2.0
"""Programs of one network, running in the background.

The operating system is the record of what runs: every program carries the network's folder and its own name in its
environment. So a program that was started is always found, and the kit never believes a stale process id.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import OTHERS, PRIVATE_FILE, Layout, make_private

FOLDER_VARIABLE = "COMMONWATT_FOLDER"
NAME_VARIABLE = "COMMONWATT_PROCESS"
START_VARIABLE = "COMMONWATT_START"
LOG_LIMIT_BYTES = 50 << 20

# A Popen object that is dropped while its program runs warns; these are meant to outlive us.
_started: dict[int, subprocess.Popen[bytes]] = {}
# Where in its log a program's present run begins: what an earlier run said explains no failure of this one.
_log_begins: dict[Path, int] = {}


@dataclass(frozen=True)
class Program:
    """What to run. `serves` names the nodes behind it: itself, or all nodes of an embedded process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    serves: tuple[str, ...] = field(default=())


def start(program: Program, layout: Layout, start_id: str) -> int:
    """Start `program` in a session of its own, its output appended to its log; the process id.

    Its files are its owner's alone.
    """
    make_private(program.directory)
    marks = {
        FOLDER_VARIABLE: str(layout.directory),
        NAME_VARIABLE: program.name,
        START_VARIABLE: start_id,
    }
    with begin_log(layout, program.name) as output:
        process = subprocess.Popen(
            program.command,
            env={**_inherited(), **program.environment, **marks},
            cwd=program.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=OTHERS,
        )
    remember(process)
    return process.pid


def remember(process: subprocess.Popen[bytes]) -> None:
    """Keep a program of ours, so that `how_ended` knows of it."""
    _started[process.pid] = process


def begin_log(layout: Layout, name: str) -> BinaryIO:
    """The program's log, opened for a new run's output after that of earlier runs.

    A log of more than LOG_LIMIT_BYTES is first moved to `.log.old`.
    """
    log = log_file(layout, name)
    make_private(log.parent)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.old"))
    output = os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE), "ab")
    _log_begins[log] = output.tell()
    return output


def running(layout: Layout, start_id: str | None = None) -> dict[str, list[psutil.Process]]:
    """The network's programs that run now, by name, each first with its oldest process, then its workers."""
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        if environment.get(FOLDER_VARIABLE) != str(layout.directory) or NAME_VARIABLE not in environment:
            continue
        if start_id is None or environment.get(START_VARIABLE) == start_id:
            found.setdefault(environment[NAME_VARIABLE], []).append(process)
    for processes in found.values():
        processes.sort(key=_age)
    return found


def stop(processes: Iterable[psutil.Process], grace_s: float = 10.0) -> None:
    """Ask every process to end, and end those that have not after `grace_s`."""
    remaining = list(processes)
    _signal(remaining, signal.SIGTERM)
    _, remaining = psutil.wait_procs(remaining, timeout=grace_s)
    _signal(remaining, signal.SIGKILL)
    psutil.wait_procs(remaining, timeout=grace_s)
    reap()


def reap() -> None:
    """Let go of programs of ours that have ended."""
    for pid in [pid for pid, process in _started.items() if process.poll() is not None]:
        del _started[pid]


def how_ended(pid: int) -> str:
    """How a program of ours ended: `with exit code 1`, `by SIGKILL`; empty where nobody knows, or it runs."""
    process = _started.get(pid)
    code = process.poll() if process is not None else None
    if code is None:
        return ""
    return f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"


def suspended(process: psutil.Process) -> bool:
    """Whether the process stands still (SIGSTOP): the kernel accepts connections for it, and it answers nobody."""
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def state_of(processes: Sequence[psutil.Process]) -> str:
    """running, suspended or stopped: of a program whose processes that are, the oldest first."""
    if not processes:
        return "stopped"
    return "suspended" if suspended(processes[0]) else "running"


def refuse_suspended(alive: Mapping[str, Sequence[psutil.Process]]) -> None:
    """Raise UsageError when one of the programs stands still: it would be waited for in vain."""
    for name, group in alive.items():
        if suspended(group[0]):
            raise UsageError(f"{name} is suspended; let it go on with `kill -CONT {group[0].pid}`")


def log_file(layout: Layout, name: str) -> Path:
    """Where the program's output goes."""
    return layout.logs / f"{name}.log"


def last_lines(layout: Layout, name: str, count: int = 8) -> str:
    """The end of what the program said since it was started, for a message about its failure; without Go's stacks."""
    log = log_file(layout, name)
    try:
        with log.open("rb") as file:
            file.seek(max(_log_begins.get(log, 0), file.seek(0, os.SEEK_END) - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return readable_end(text, count)


def readable_end(text: str, count: int = 8) -> str:
    """The last lines of what a program said, indented for a message; without Go's stacks."""
    said = text.split("\ngoroutine ")[0] if "\ngoroutine " in text else text
    return "\n".join(f"    {line[:400]}" for line in said.strip().splitlines()[-count:])


def last_words(layout: Layout, name: str) -> str:
    """The line that says best why the program ended: Go's panic, or else its last one; empty when there is none."""
    try:
        with log_file(layout, name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 65_536))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    after = text.rpartition("\npanic: ")[2]
    spoke_again = re.search(r"^\d{4}-\d\d-\d\d ", after, re.MULTILINE)
    if len(after) < len(text) and not spoke_again:
        return f"panic: {after.splitlines()[0][:400]}"
    return next((line[:400] for line in reversed(text.splitlines()) if line.strip()), "")


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


def _age(process: psutil.Process) -> tuple[float, int]:
    try:
        return process.create_time(), process.pid
    except psutil.Error:
        return float("inf"), process.pid


def _inherited() -> dict[str, str]:
    """What programs may see of our environment: enough to run, none of Fabric's own settings."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT", "JAVA_HOME")
    return {name: os.environ[name] for name in names if name in os.environ}
