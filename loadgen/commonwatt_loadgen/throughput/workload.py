# SPDX-License-Identifier: Apache-2.0
"""What a throughput test sends: readings that homes report late, transactions that never conflict."""

import json
from dataclasses import dataclass

from commonwatt_chaincode.market.tariff import DAY_S

TRANSACTION = "report_reading"
ENERGY_WH = 500
INTERVAL_S = 1800
DAYS_APART = 2  # a late reading reads what its home reported on its day and on the day before


@dataclass(frozen=True)
class Workload:
    """One reading per transaction: homes in turn, each for the first half hour of every second day.

    After so many `days` a home goes on with the second half hour of each of them, which is long reported by then.
    """

    channel: str
    organization: str
    users: tuple[tuple[str, str], ...]  # home id, user name
    first_start_s: int
    days: int

    def request(self, number: int) -> tuple[str, str]:
        """The user and the argument of the `number`-th transaction."""
        home, user = self.users[number % len(self.users)]
        half_hour, day = divmod(number // len(self.users), self.days)
        start = self.first_start_s + day * DAYS_APART * DAY_S + half_hour * INTERVAL_S
        argument = {
            "home": home,
            "interval_start": start,
            "interval_end": start + INTERVAL_S,
            "use_wh": ENERGY_WH,
            "generation_wh": 0,
        }
        return user, json.dumps(argument)
