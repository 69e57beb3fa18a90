# SPDX-License-Identifier: Apache-2.0
"""What a meter can have counted: bounds by the connection, the panels and the sun."""

from .parameters import Parameters
from .tariff import DAY_S, MINUTE_S

HOUR_S = 3_600
SUN_H = 10
"""Hours of rated power that no day exceeds."""


def most_use_wh(connection_w: int, start_s: int, end_s: int) -> int:
    """What a connection can carry from ``start_s`` to ``end_s``."""
    return connection_w * (end_s - start_s) // HOUR_S


def most_generation_wh(parameters: Parameters, pv_w: int, start_s: int, end_s: int) -> int:
    """What panels can generate: 125 % of their rated power by day, a fiftieth and 1 Wh at night (meters creep)."""
    if pv_w == 0:
        return 0
    day_s = _daylight_s(parameters, start_s, end_s)
    night_s = end_s - start_s - day_s
    by_night_wh = pv_w * night_s // HOUR_S // 50 + 1 if night_s else 0
    return pv_w * day_s * 5 // (4 * HOUR_S) + by_night_wh


def most_daily_generation_wh(pv_w: int) -> int:
    """What panels can generate in a local day."""
    return pv_w * SUN_H


def _daylight_s(parameters: Parameters, start_s: int, end_s: int) -> int:
    """Seconds of an interval between ``sun_from_min`` and ``sun_to_min``, by the offset in force at its start."""
    offset_s = parameters.utc_offset_min * MINUTE_S
    start, end = start_s + offset_s, end_s + offset_s
    total = 0
    for day in range(start // DAY_S, end // DAY_S + 1):
        rise, down = (
            day * DAY_S + minute * MINUTE_S for minute in (parameters.sun_from_min, parameters.sun_to_min)
        )
        total += max(0, min(end, down) - max(start, rise))
    return total
