# SPDX-License-Identifier: Apache-2.0
"""What a simulated community emits by energy from the grid, with the market and without, and who pays and gets."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.market.forward.carbon import g_per_kwh
from commonwatt_chaincode.market.forward.periods import Period

from commonwatt_loadgen.forward.flows import Flows
from commonwatt_loadgen.forward.rules import ForwardRules

Json = dict[str, Any]


class CarbonTally:
    """Sums of a community's days under a quota. ``names`` are the homes' names by id."""

    def __init__(self, rules: ForwardRules, names: Mapping[str, str]) -> None:
        self._rules = rules
        self._names = names
        self._without_mg = dict.fromkeys(names, 0)
        self._with_mg = dict.fromkeys(names, 0)
        self._paid_naud = dict.fromkeys(names, 0)
        self._got_naud = dict.fromkeys(names, 0)

    def add_period(self, period: Period, flows: Mapping[str, Flows]) -> None:
        """Count what homes would have emitted without a market."""
        rule = self._rules.carbon
        if rule is None:
            return
        grams = g_per_kwh(period, rule, self._rules.offsets, {})
        for home, one in flows.items():
            self._without_mg[home] += one.without_import_wh * grams

    def add_bill(self, bill: Bill) -> None:
        """Count a home's line of a day."""
        if bill.carbon is None:
            return
        self._with_mg[bill.home] += bill.carbon.emitted_mg
        self._paid_naud[bill.home] += max(0, bill.carbon.amount_naud)
        self._got_naud[bill.home] += max(0, -bill.carbon.amount_naud)

    def summary(self) -> Json | None:
        """All homes and each; None without a quota."""
        if self._rules.carbon is None:
            return None
        paid_naud, shared_naud = sum(self._paid_naud.values()), sum(self._got_naud.values())
        return {
            **asdict(self._rules.carbon),
            "emitted_mg": {
                "with": sum(self._with_mg.values()),
                "without": sum(self._without_mg.values()),
            },
            "paid_naud": paid_naud,
            "shared_naud": shared_naud,
            "fund_naud": paid_naud - shared_naud,
            "homes": [
                {
                    "home": name,
                    "emitted_mg": self._with_mg[home],
                    "without_mg": self._without_mg[home],
                    "paid_naud": self._paid_naud[home],
                    "got_naud": self._got_naud[home],
                }
                for home, name in self._names.items()
            ],
        }
