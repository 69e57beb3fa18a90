# SPDX-License-Identifier: Apache-2.0
"""Energy booked to the hours in which it flows: an interval's energy is spread evenly over its minutes."""

from collections.abc import Iterator

HOUR_MIN = 60


def by_hour(start_min: int, end_min: int, energy_wh: int) -> Iterator[tuple[int, int]]:
    """The hours that an interval touches, counted from minute 0, with the Wh of each; they sum to `energy_wh`."""
    length, booked = end_min - start_min, 0
    for hour in range(start_min // HOUR_MIN, -(-end_min // HOUR_MIN)):
        covered = min(end_min, (hour + 1) * HOUR_MIN) - start_min
        until = energy_wh * covered // length
        yield hour, until - booked
        booked = until
