# SPDX-License-Identifier: Apache-2.0
"""A home's state as it shows it on its page and in Home Assistant: prices, trades, today's cost, plan, lines."""

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from commonwatt_chaincode.market.tariff import MINUTE_S, day_start

from ..market.refused import Refused
from ..market.results import HomeLine
from .calendar import Calendar
from .living import LivingHome
from .routes import NoWay
from .trader import words

LOOKS_EVERY_S = 60.0
_MOST_PERIODS = 400
_SHOWN_TRADES = 24


@dataclass
class Today:
    """A local day as it is settled so far; money in nAUD, positive where the home pays."""

    day: int = -1
    settled: dict[int, HomeLine] = field(default_factory=dict)

    def sums(self) -> dict[str, int]:
        """Energy by where it came from and went to, and what it cost."""
        lines = self.settled.values()
        return {
            "bought_wh": sum(one.bought_wh for one in lines),
            "sold_wh": sum(one.sold_wh for one in lines),
            "shared_wh": sum(one.shared_in_wh + one.shared_out_wh for one in lines),
            "grid_in_wh": sum(one.grid_in_wh for one in lines),
            "grid_out_wh": sum(one.grid_out_wh for one in lines),
            "cost_naud": sum(one.amount_naud for one in lines),
        }


class State:
    """Looks at the ledger now and then; `shown` puts it together with what the home knows itself."""

    def __init__(self, living: LivingHome) -> None:
        self._living = living
        self._today = Today()

    async def watch(self) -> None:
        """Read today's settled lines, without end."""
        living = self._living
        while True:
            if living.calendar is not None:
                with suppress(Refused, NoWay):  # other parts say so
                    await self._look(living.calendar)
            await living.clock.sleep(LOOKS_EVERY_S)

    async def _look(self, calendar: Calendar) -> None:
        living = self._living
        now = calendar.at(living.clock.now())
        day = calendar.day(now)
        if day != self._today.day:
            self._today = Today(day)
        start = day_start(day, calendar.configuration.offsets) // MINUTE_S
        span = _MOST_PERIODS * now.length_min
        for begin in range(max([start, *self._today.settled]), now.id, span):
            lines = await living.routes.ask(
                lambda asks, begin=begin: asks.list_lines(  # type: ignore[misc]
                    begin, min(begin + span, now.id), living.home
                )
            )
            self._today.settled |= {one.period: one for one in lines if one.home == living.home}

    def shown(self) -> dict[str, Any]:
        """JSON for the page."""
        living, calendar = self._living, self._living.calendar
        shown: dict[str, Any] = {
            "home": living.home,
            "wishes": asdict(living.wishes),
            "own_wishes": asdict(living.wishes_of("household")),
            "waiting": living.outbox.waiting,
            "troubles": list(living.lines.troubles.values()),
            "lines": list(living.lines.kept)[-50:],
            "today": self._today.sums(),
        }
        count = living.book.last_count()
        if count is not None:
            shown["meter"] = {
                "at_s": count.at_s,
                "import_total_wh": int(count.import_total_wh),
                "export_total_wh": int(count.export_total_wh),
                "battery_wh": count.battery_wh,
            }
        if calendar is None:
            return shown
        now = calendar.at(living.clock.now())
        following = calendar.after(now)
        shown["prices"] = [
            {"period": one.id, "local": calendar.local(one), **calendar.prices(one)._asdict()}
            for one in (now, following)
        ]
        shown["plan"] = [
            {
                "period": period,
                "local": calendar.local(calendar.at(period * 60)),
                "does": words(choice.bid),
                "reason": choice.reason,
                "from_battery_wh": 0 if choice.decision is None else choice.decision.plan.from_battery_wh,
            }
            for period, choice in living.choices.items()
            if period >= now.id
        ]
        shown["trades"] = [
            {**one._asdict(), "local": calendar.local(calendar.at(one.period * 60))}
            for one in living.book.trades_since(now.id - _SHOWN_TRADES * now.length_min)
        ]
        return shown
