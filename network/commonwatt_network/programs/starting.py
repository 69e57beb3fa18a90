# SPDX-License-Identifier: Apache-2.0
"""Processes that are started together: all of them serve in the end, or none is left."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from commonwatt_network.model.layout import Layout
from commonwatt_network.programs import processes
from commonwatt_network.programs.processes import Program
from commonwatt_network.programs.watchdog import DONE


@contextmanager
def started_or_ended(layout: Layout, missing: Sequence[Program], lock: int) -> Iterator[dict[str, int]]:
    """Start programs; end them again if the body fails, or if this process dies in it. Yields name -> process id.

    `lock` is what `exclusive` gave: when this process dies, the next command waits until they have ended.
    """
    start_id = uuid.uuid4().hex
    command = [sys.executable, "-m", "commonwatt_network.programs.watchdog", str(layout.directory), start_id]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, pass_fds=(lock,))
    assert guard.stdin is not None
    try:
        pids = {program.name: processes.start(program, layout, start_id) for program in missing}
        yield pids
        guard.stdin.write(DONE)
    except BaseException:
        found = processes.running(layout, start_id)
        processes.stop(process for group in found.values() for process in group)
        raise
    finally:
        guard.stdin.close()
        guard.wait()
