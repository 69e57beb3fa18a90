# SPDX-License-Identifier: Apache-2.0
"""What a home's residents wish at the services of their community."""

from collections.abc import Callable

from commonwatt_client.errors import ClientError

from ..market.refused import Refused
from ..meters.clock import Clock
from .routes import Routes
from .wishes import Wishes

LOOKS_EVERY_S = 15.0


async def follow_residents(routes: Routes, home: str, clock: Clock, take: Callable[[Wishes], None]) -> None:
    """Read the wishes from the first service that answers, again and again, without end."""
    while True:
        for service in routes.services:
            try:
                found = await service.wishes(home)
            except (Refused, ClientError, OSError):
                continue
            limits = found.limits
            take(
                Wishes(
                    found.paused,
                    limits.buy_at_most_uaud_per_kwh,
                    limits.sell_at_least_uaud_per_kwh,
                    limits.keep_storage_wh,
                )
            )
            break
        await clock.sleep(LOOKS_EVERY_S)
