# SPDX-License-Identifier: Apache-2.0
"""Which homes a period settles, which a day bills, and in which part each of them stands."""

from bisect import bisect_right
from collections.abc import Iterable

from ..market.forward.bids import Connection
from ..market.forward.day_bills import day_parts
from ..market.forward.period_settlement import parts_of
from ..market.forward.periods import Registration
from ..shim import Stub
from .records import Home
from .state import all_homes

Parts = list[tuple[str, ...]]


class Registry:
    """All registrations that the grid has confirmed. Between two changes all periods have the same parts."""

    def __init__(self, homes: Iterable[Home]) -> None:
        self.homes = {home.home: home for home in homes if home.versions}
        bounds = {one.from_period for home in self.homes.values() for one in home.versions}
        bounds |= {home.to_period for home in self.homes.values() if home.to_period is not None}
        self._bounds = sorted(bounds)
        self._parts: dict[int, Parts] = {}
        self._part_of: dict[int, dict[str, int]] = {}

    def parts(self, period_id: int) -> Parts:
        """The homes of each part of a period's settlement."""
        since = bisect_right(self._bounds, period_id)
        if since not in self._parts:
            self._parts[since] = parts_of(
                home for home, record in self.homes.items() if record.connection_at(period_id) is not None
            )
        return self._parts[since]

    def part_of(self, period_id: int, home: str) -> int | None:
        """The part of a period's settlement in which a home stands; None where it takes no part."""
        since = bisect_right(self._bounds, period_id)
        if since not in self._part_of:
            parts = enumerate(self.parts(period_id))
            self._part_of[since] = {one: number for number, part in parts for one in part}
        return self._part_of[since].get(home)

    def connections(self, period_id: int) -> dict[str, Connection]:
        """The connections of a period's homes, in their order."""
        found = {
            home: self.homes[home].connection_at(period_id) for part in self.parts(period_id) for home in part
        }
        return {home: connection for home, connection in found.items() if connection is not None}

    def registration(self, home: str) -> Registration:
        """From when to when a home takes part."""
        record = self.homes[home]
        return Registration(home, min(one.from_period for one in record.versions), record.to_period)

    def day_parts(self, ends: int) -> Parts:
        """The homes of each part of the bills of a day that ends before a period."""
        return day_parts(map(self.registration, self.homes), ends)


async def registry_of(stub: Stub) -> Registry:
    """The registrations as they stand."""
    return Registry(await all_homes(stub))


class Registrations:
    """The registrations, which are read once somebody asks for them."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._read: Registry | None = None

    async def __call__(self) -> Registry:
        if self._read is None:
            self._read = await registry_of(self._stub)
        return self._read
