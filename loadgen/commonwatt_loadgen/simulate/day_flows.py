# SPDX-License-Identifier: Apache-2.0
"""A community's flows of one day by the hour in which they flowed: the innermost loop of long runs.

Intervals are noted as they come; numpy sums a whole day of them at once.
"""

from functools import cached_property

import numpy as np
from commonwatt_community.hems.agent import Settlement

from commonwatt_loadgen.simulate.hours import HOUR_MIN

FLOWS = (
    "use_wh",
    "generation_wh",
    "own_wh",
    "charged_wh",
    "spill_wh",
    "grid_charge_wh",
    "direct_wh",
    "p2p_wh",
    "grid_wh",
    "without_grid_wh",
    "without_fed_in_wh",
    "import_wh",
)
"""What is summed, in the order of the columns; `import_wh` is all that comes from the grid."""

_HOURS = 24


class DayFlows:
    """Sums by hour and flow; each interval's energy is booked as `hours.by_hour` does, to the Wh."""

    def __init__(self) -> None:
        self._noted: list[int] = []  # start and end within the day, then the flows, interval after interval

    def add(
        self,
        settled: Settlement,
        midnight_min: int,
        p2p_wh: int,
        without_grid_wh: int,
        without_fed_in_wh: int,
    ) -> None:
        """Note an interval of the day that begins at `midnight_min`; `p2p_wh` of its need neighbours delivered."""
        _, start_min, end_min, use_wh, generation_wh, own_wh, need_wh, charged_wh, spill_wh, _, charge_wh = (
            settled
        )
        grid_wh = need_wh - p2p_wh
        self._noted += (
            start_min - midnight_min,
            end_min - midnight_min,
            use_wh,
            generation_wh,
            own_wh,
            charged_wh,
            spill_wh,
            charge_wh,
            use_wh if use_wh < generation_wh else generation_wh,
            p2p_wh,
            grid_wh,
            without_grid_wh,
            without_fed_in_wh,
            grid_wh + charge_wh,
        )

    @cached_property
    def by_hour(self) -> list[list[int]]:
        """The day's sums, a row for each hour; ask once all intervals are noted."""
        if not self._noted:
            return [[0] * len(FLOWS) for _ in range(_HOURS)]
        sums = np.zeros((_HOURS, len(FLOWS)), dtype=np.int64)
        noted = np.array(self._noted, dtype=np.int64).reshape(-1, 2 + len(FLOWS))
        start_min, end_min, flows_wh = noted[:, 0], noted[:, 1], noted[:, 2:]
        length_min = end_min - start_min
        first = start_min // HOUR_MIN
        booked_wh = np.zeros_like(flows_wh)
        for step in range(int(((end_min - 1) // HOUR_MIN - first).max()) + 1):
            hour = first + step
            covered_min = np.minimum((hour + 1) * HOUR_MIN - start_min, length_min)
            until_wh = flows_wh * covered_min[:, None] // length_min[:, None]
            place = np.minimum(hour, _HOURS - 1)  # past an interval's end nothing is left to book
            for column, part_wh in enumerate((until_wh - booked_wh).T):
                # A float holds each of these sums exactly: a day's Wh are far below 2^53.
                sums[:, column] += np.bincount(place, part_wh, _HOURS).astype(np.int64)
            booked_wh = until_wh
        rows: list[list[int]] = sums.tolist()
        return rows

    def column(self, name: str) -> list[int]:
        """One flow through the day's hours."""
        place = FLOWS.index(name)
        return [hour[place] for hour in self.by_hour]
