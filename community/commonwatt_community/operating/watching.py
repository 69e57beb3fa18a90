# SPDX-License-Identifier: Apache-2.0
"""Homes that say nothing, and meters that cannot be right: the operator looks at the readings that have come."""

from collections.abc import Iterable

from commonwatt_chaincode.messages.message import read

from commonwatt_community.market.results import StandingMessage

from .reading import Ledger, local_time
from .telling import Alarm, Telling

PATIENCE_S = 60
"""Readings that have not come so long after their period are missing; a period of one minute is given another one."""

PERIODS = 2
"""Silent periods after which a home is told of."""


class Watching:
    """The silent homes and each meter's last totals stay in memory, so a restart may raise an alarm again."""

    def __init__(self, ledger: Ledger, telling: Telling) -> None:
        self._ledger = ledger
        self._telling = telling
        self._looked: int | None = None
        self._silent: dict[str, int] = {}
        self._totals: dict[str, tuple[int, int, int]] = {}

    async def run(self) -> int | None:
        """Look at the newest period whose readings should have come."""
        community, now_s = await self._ledger.community()
        running = community.period_at(now_s - PATIENCE_S)
        period = community.period_at(running.start_s - 1)
        next_s = running.end_s + PATIENCE_S
        members = community.members(period.id)
        if self._looked == period.id or not members:
            return next_s
        said = await self._ledger.market.list_messages("reading", period.id)
        spoke = {_home(one) for one in said}
        when = local_time(community, period)
        for home in members:
            if home in spoke:
                if self._silent.pop(home, 0) >= PERIODS and self._telling.over("no_reading", None, home):
                    self._telling.say(f"home {home} sends readings again")
                continue
            self._silent[home] = self._silent.get(home, 0) + 1
            if self._silent[home] == PERIODS:
                sentence = f"home {home} has sent no reading for {PERIODS} periods, up to {when}"
                self._telling.alarm(Alarm("no_reading", sentence, now_s, None, home))
        self._check_totals(said, period.id, now_s)
        self._telling.gauges["homes"] = len(members)
        self._telling.gauges["homes_silent"] = sum(1 for home in members if home not in spoke)
        self._looked = period.id
        return next_s

    def _check_totals(self, said: Iterable[StandingMessage], period: int, now_s: int) -> None:
        """A meter's running totals never run backwards, and never by less than it counted meanwhile."""
        for one in said:
            payload = read(one.message.encode("ascii")).payload
            totals = payload.get("import_total_wh"), payload.get("export_total_wh")
            if totals[0] is None or totals[1] is None:
                continue
            home = _home(one)
            before = self._totals.get(home)
            self._totals[home] = (period, int(totals[0]), int(totals[1]))
            if before is None or before[0] >= period:
                continue
            counted = int(totals[0]) - before[1], int(totals[1]) - before[2]
            if counted[0] < int(payload["import_wh"]) or counted[1] < int(payload["export_wh"]):
                self._telling.alarm(
                    Alarm(
                        "meter_differs",
                        f"home {home}: its meter's totals moved by {counted[0]} and {counted[1]} Wh since period "
                        f"{before[0]}, less than its reading of period {period} says; look at the meter",
                        now_s,
                        period,
                        home,
                    )
                )


def _home(one: StandingMessage) -> str:
    """The home of a message, from its index key."""
    return one.key.split("/")[-3]
