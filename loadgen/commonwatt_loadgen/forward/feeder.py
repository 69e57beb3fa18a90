# SPDX-License-Identifier: Apache-2.0
"""The community seen from the grid: imports by the hour, the power at its feeder, and envelopes."""

from collections.abc import Mapping
from typing import Any

from commonwatt_chaincode.market.forward.envelopes import Caps, exceeded
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_community.hems.forward.agent import PeriodRead

from commonwatt_loadgen.forward.flows import Flows

Json = dict[str, Any]


class Feeder:
    """Power where all homes meet, with and without the market: the net of their imports and exports in each period."""

    def __init__(self) -> None:
        self.hours_wh: dict[str, list[int]] = {"with": [], "without": []}
        self._highest: dict[str, tuple[int, int]] = {}
        self._lowest: dict[str, tuple[int, int]] = {}
        self._first_id: int | None = None

    def add(self, period: Period, minute: int, flows: Flows) -> None:
        """Count a period of all homes."""
        if self._first_id is None:
            self._first_id = period.id
        hour = (period.id - self._first_id) // 60
        nets = {
            "with": (flows.grid_in_wh, flows.import_wh - flows.export_wh),
            "without": (flows.without_import_wh, flows.without_import_wh - flows.without_export_wh),
        }
        for which, (from_grid_wh, net_wh) in nets.items():
            hours = self.hours_wh[which]
            hours += [0] * (hour + 1 - len(hours))
            hours[hour] += from_grid_wh
            power_w = net_wh * 60 // period.length_min
            self._highest[which] = max(self._highest.get(which, (power_w, -minute)), (power_w, -minute))
            self._lowest[which] = min(self._lowest.get(which, (power_w, minute)), (power_w, minute))

    def summary(self) -> Json:
        """The highest net import and export, and when."""
        return {
            which: {
                "highest_import_w": max(0, self._highest[which][0]),
                "import_at_min": -self._highest[which][1],
                "highest_export_w": max(0, -self._lowest[which][0]),
                "export_at_min": self._lowest[which][1],
            }
            for which in self._highest
        }


class Envelopes:
    """Who keeps to the envelopes, by home and by hour of the day."""

    def __init__(self) -> None:
        self._home_periods = 0
        self._beyond = {"import": 0, "export": 0}
        self._by_home: dict[str, list[int]] = {}  # periods beyond, Wh of breach
        self._hours: list[Json] = [
            {"hour": hour, "highest_export_w": 0, "export_limit_w": None, "breach_wh": 0}
            for hour in range(24)
        ]

    def add(
        self, period: Period, hour: int, caps: Mapping[str, Caps], reads: Mapping[str, PeriodRead]
    ) -> None:
        """Count a period that has envelopes."""
        row = self._hours[hour]
        for home, read in reads.items():
            row["highest_export_w"] = max(row["highest_export_w"], period.mean_w(read.export_wh))
            bounds = caps[home]
            if bounds.import_wh is None and bounds.export_wh is None:
                continue
            self._home_periods += 1
            if bounds.export_wh is not None:
                limit_w = period.mean_w(bounds.export_wh)
                known_w = row["export_limit_w"]
                row["export_limit_w"] = limit_w if known_w is None else min(known_w, limit_w)
            beyond = exceeded(bounds, read.import_wh, read.export_wh)
            if beyond:
                breach_wh = max(0, read.export_wh - bounds.export_wh) if bounds.export_wh is not None else 0
                sums = self._by_home.setdefault(home, [0, 0])
                sums[0] += 1
                sums[1] += breach_wh
                row["breach_wh"] += breach_wh
                for which in beyond:
                    self._beyond[which] += 1

    def summary(self, names: Mapping[str, str]) -> Json | None:
        """Who exceeded what; None where no envelope was in force."""
        if not self._home_periods:
            return None
        return {
            "home_periods": self._home_periods,
            "beyond_import": self._beyond["import"],
            "beyond_export": self._beyond["export"],
            "breach_wh": sum(wh for _, wh in self._by_home.values()),
            "homes": [
                {"home": names[home], "periods": count, "breach_wh": wh}
                for home, (count, wh) in sorted(self._by_home.items(), key=lambda one: (-one[1][1], one[0]))
            ],
            "hours": self._hours,
        }
