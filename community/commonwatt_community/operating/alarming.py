# SPDX-License-Identifier: Apache-2.0
"""Alarms on their way to the operators' page of the community's service."""

from collections import deque
from typing import Any, Protocol

from .telling import Telling

SHOWN = 200

Json = dict[str, Any]


class TakesAlarms(Protocol):
    """The service, which shows what it is given in place of what it was given before."""

    async def report_alarms(self, alarms: list[Json]) -> None:
        """Show these alarms."""
        ...


class Alarming:
    """Hands on the newest alarms whenever there is a new one."""

    def __init__(self, service: TakesAlarms, telling: Telling) -> None:
        self._service = service
        self._telling = telling
        self._shown: deque[Json] = deque(maxlen=SHOWN)

    async def run(self) -> int | None:
        """Report the alarms that are new with those before; what cannot be reported waits."""
        waiting = list(self._telling.waiting)
        if waiting:
            await self._service.report_alarms([*self._shown, *(one.as_json() for one in waiting)][-SHOWN:])
            for one in waiting:
                self._telling.waiting.remove(one)
                self._shown.append(one.as_json())
        return None
