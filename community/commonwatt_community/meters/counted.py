# SPDX-License-Identifier: Apache-2.0
"""The counts that every meter gives: running totals of import and export at instants, in order."""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol, runtime_checkable

from commonwatt_client.exit_codes import CommandError

Tell = Callable[[str], None]
"""Takes one clear line for the household."""


class MeterFailed(CommandError):
    """A meter cannot be read now; the message says which one, where, and what to do. The home tries again."""


class Raw(NamedTuple):
    """The registers as the meter itself shows them, in Wh; from these a restart goes on."""

    import_wh: float
    export_wh: float


class Counted(NamedTuple):
    """Totals that never go back, at an instant in epoch seconds, and what the battery holds where the meter knows it.

    `raw` is what the meter itself showed. `follows` is False where energy between the last count and this one is in
    neither total: of that time there is no reading, and the totals say nothing about it.
    """

    at_s: float
    import_total_wh: float
    export_total_wh: float
    battery_wh: int | None = None
    raw: Raw | None = None
    follows: bool = True


class Meter(Protocol):
    """A meter, or what stands for one."""

    def readings(self, after: Counted | None) -> AsyncIterator[Counted]:
        """Counts from `after` on, the last that the home has on its disk: in the order of their instants, without end.

        A file that holds the past gives that first. MeterFailed where the meter cannot be read.
        """
        ...


@runtime_checkable
class Steered(Protocol):
    """A meter beside a battery that takes orders."""

    async def hold_export(self, power_w: int | None) -> None:
        """Have the battery keep the export at this power at least; None: it serves the home alone.

        MeterFailed where the battery does not take it.
        """
        ...
