# SPDX-License-Identifier: Apache-2.0
"""A battery that takes orders keeps what its home sold, period after period."""

from ..meters.clock import Clock
from ..meters.counted import Steered
from .participation import Participation
from .trading import Trading


async def hold_what_is_sold(
    battery: Steered, participation: Participation, trading: Trading, clock: Clock
) -> None:
    """Give the battery its order at the start of each period, without end. MeterFailed where it does not take it."""
    calendar = await participation.known()
    period = calendar.after(calendar.at(clock.now()))
    while True:
        await clock.sleep_until(period.start_s)
        sold_wh = trading.sold_wh.get(period.id, 0)
        await battery.hold_export(period.mean_w(sold_wh) if sold_wh else None)
        calendar = await participation.known()
        period = calendar.after(period)
