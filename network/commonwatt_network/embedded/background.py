# SPDX-License-Identifier: Apache-2.0
"""Tasks that a node needs for as long as it runs: one that ends is logged and makes the node unhealthy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class BackgroundTasks:
    """The tasks of one `owner`, named in what is said of them. `failures` has a text for each that ended by itself."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._ended: dict[str, str] = {}

    @property
    def failures(self) -> list[str]:
        return list(self._ended.values())

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work`, which is to end only when its task is cancelled."""
        task = asyncio.create_task(work, name=name)
        self._ended.pop(name, None)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelling():
            return
        error = None if task.cancelled() else task.exception()
        name = task.get_name()
        reason = f": {type(error).__name__}: {error}" if error is not None else ""
        self._ended[name] = f"{self._owner}: {name} has ended{reason}; restart the network"
        log.error("%s", self._ended[name], exc_info=error)
