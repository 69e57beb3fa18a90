# SPDX-License-Identifier: Apache-2.0
"""Processes of `commonwatt`, forked from one that has everything imported: dozens start within a second.

Each line of standard input is a JSON object: `words` of the verb, the `log` that it writes to, optionally a `clock`
file that says by how many seconds its clock is off at each moment, and `lies` for a service that says `written` of
every tenth message and delivers nothing. The answer is the process's id.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
import traceback
from itertools import count
from pathlib import Path
from typing import Any

IMPORTED = (
    "commonwatt_community.home.run",
    "commonwatt_community.meters.modbus",
    "commonwatt_community.meters.mqtt",
    "commonwatt_community.operating.operate",
    "commonwatt_community.service.running",
)
_RIGHT, _RIGHT_NS = time.time, time.time_ns
_clock: list[Path] = []


def _off_s() -> float:
    """For everybody but gRPC, which hands deadlines made of this clock to a core that has the machine's."""
    if not _clock or str(sys._getframe(2).f_globals.get("__name__")).startswith("grpc"):
        return 0.0
    return float(_clock[0].read_text() or 0)


def lie() -> None:
    """Let this process's service drop every tenth message."""
    from commonwatt_community.service.outbox import WRITTEN, Outbox

    numbers, honest = count(1), Outbox._result

    async def lying(self: Outbox, waiting: Any) -> str:
        if next(numbers) % 10 == 0:
            print(f"dropped {waiting.spoken.message.digest}", flush=True)
            return WRITTEN
        return await honest(self, waiting)

    Outbox._result = lying  # type: ignore[method-assign]


def live(wanted: dict[str, Any], run: Any) -> None:
    """Become the process that is wanted."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, to in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(to, stream)
    if wanted.get("clock"):
        _clock.append(Path(wanted["clock"]))
    if wanted.get("lies"):
        lie()
    sys.argv = ["commonwatt", *wanted["words"]]
    run()


def main() -> None:
    # Whoever imports `time.time` from here on gets a clock that can be off.
    time.time = lambda: _RIGHT() + _off_s()  # type: ignore[assignment]
    time.time_ns = lambda: _RIGHT_NS() + int(_off_s() * 1e9)  # type: ignore[assignment]
    for name in IMPORTED:
        importlib.import_module(name)
    from commonwatt_network.cli.main import build_app
    from commonwatt_network.cli.main import main as run

    build_app()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ends is gone
    for line in sys.stdin:
        wanted = json.loads(line)
        process = os.fork()
        if process == 0:
            try:
                live(wanted, run)
            except SystemExit:
                pass
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(0)
        print(process, flush=True)


if __name__ == "__main__":
    main()
