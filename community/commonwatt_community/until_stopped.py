# SPDX-License-Identifier: Apache-2.0
"""Programs that run without end: a signal ends them as their end would."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """End on SIGINT and SIGTERM, also where SIGINT was ignored from the start, as a script's shell does for `... &`."""
    task = asyncio.ensure_future(work)
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
