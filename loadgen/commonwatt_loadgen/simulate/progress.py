# SPDX-License-Identifier: Apache-2.0
"""How far a simulation is, and what time it still needs: one bar per community."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn


class ProgressBars:
    """Bars on the terminal, drawn from the first word of any community on.

    The first word of a community, such as where a resumed simulation goes on, is of earlier work. It does not count
    for the speed that the time left is estimated from.
    """

    def __init__(self, console: Console, unit: str, get_time: Callable[[], float] = time.monotonic) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeftColumn(),
        )
        self._bars = Progress(*columns, console=console, get_time=get_time)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "ProgressBars":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tasks:
            self._bars.stop()

    def told(self, community: str, done: int, total: int) -> None:
        """Take note that a community has done so much."""
        if not self._tasks:
            self._bars.start()  # not before the first day begins: a refused option is one line
        if community in self._tasks:
            self._bars.update(self._tasks[community], completed=done)
        else:
            self._tasks[community] = self._bars.add_task(community, total=total, completed=done)

    def left_s(self, community: str) -> float | None:
        """The seconds that a community will still need, once that can be told."""
        task = next((one for one in self._bars.tasks if one.id == self._tasks.get(community)), None)
        return None if task is None else task.time_remaining
