# SPDX-License-Identifier: Apache-2.0
"""What a throughput test sends: homes buying from the grid at once, transactions that never conflict."""

import json
from dataclasses import dataclass

TRANSACTION = "submit_request"
ENERGY_WH = 500


@dataclass(frozen=True)
class Workload:
    """One request without bidding per transaction: homes in turn, each for an interval of its own."""

    channel: str
    organization: str
    users: tuple[tuple[str, str], ...]  # home id, user name
    first_start_s: int

    def request(self, number: int) -> tuple[str, str]:
        """The user and the argument of the `number`-th transaction."""
        home, user = self.users[number % len(self.users)]
        argument = {
            "home": home,
            "energy_wh": ENERGY_WH,
            "bid": False,
            "interval_start": self.first_start_s + number // len(self.users),
        }
        return user, json.dumps(argument)
