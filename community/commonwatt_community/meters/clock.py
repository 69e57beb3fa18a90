# SPDX-License-Identifier: Apache-2.0
"""The time that a home goes by: that of its machine, or a faster one in tests."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Epoch seconds from `now`, of which `rate` pass in a second of the machine."""

    now: Callable[[], float] = time.time
    rate: float = 1.0

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of this clock."""
        await asyncio.sleep(max(0.0, seconds) / self.rate)

    async def sleep_until(self, time_s: float) -> None:
        """Wait until this clock shows a time, also where it is set meanwhile."""
        while (left_s := time_s - self.now()) > 0:
            await self.sleep(min(left_s, 60.0))
