# SPDX-License-Identifier: Apache-2.0
"""A community's flows of one day by the hour in which they flowed: the innermost loop of long runs."""

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
        self.by_hour = [[0] * len(FLOWS) for _ in range(_HOURS)]

    def add(
        self,
        settled: Settlement,
        midnight_min: int,
        p2p_wh: int,
        without_grid_wh: int,
        without_fed_in_wh: int,
    ) -> None:
        """Count an interval of the day that begins at `midnight_min`; `p2p_wh` of its need neighbours delivered."""
        use_wh, generation_wh = settled.use_wh, settled.generation_wh
        grid_wh = settled.need_wh - p2p_wh
        flows = (
            use_wh,
            generation_wh,
            settled.own_wh,
            settled.charged_wh,
            settled.spill_wh,
            settled.grid_charge_wh,
            use_wh if use_wh < generation_wh else generation_wh,
            p2p_wh,
            grid_wh,
            without_grid_wh,
            without_fed_in_wh,
            grid_wh + settled.grid_charge_wh,
        )
        start_min, end_min = settled.start_min - midnight_min, settled.end_min - midnight_min
        first, last = start_min // HOUR_MIN, (end_min - 1) // HOUR_MIN
        length = end_min - start_min
        booked = (0,) * len(flows)
        for hour in range(first, last):
            covered = (hour + 1) * HOUR_MIN - start_min
            until = tuple([energy_wh * covered // length for energy_wh in flows])
            sums = self.by_hour[hour]
            self.by_hour[hour] = [
                one + now - before for one, now, before in zip(sums, until, booked, strict=True)
            ]
            booked = until
        sums = self.by_hour[last]
        self.by_hour[last] = [
            one + now - before for one, now, before in zip(sums, flows, booked, strict=True)
        ]

    def column(self, name: str) -> list[int]:
        """One flow through the day's hours."""
        place = FLOWS.index(name)
        return [hour[place] for hour in self.by_hour]
