# SPDX-License-Identifier: Apache-2.0
"""The operator's second chore: freeze and settle what is over, and bill each day. After days away it begins with the
oldest day that is not done."""

import asyncio
from collections.abc import Callable

from commonwatt_chaincode.market.forward.period_settlement import parts_of
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.tariff import MINUTE_S

from commonwatt_community.market.refused import DATA_NOT_HERE, Refused

from .due import Community, DayBook, books_due, is_closed, is_done, next_try_s
from .exchanging import import_round
from .losses import declare_losses
from .reading import Ledger, date_of, local_time
from .steps import Bill, Freeze, Settle
from .telling import Alarm, Telling

DAYS_A_PASS = 31
"""Days that one pass reads to find those that are not done."""

PERIODS_A_PASS = 64
AT_ONCE = 8
"""Periods that one pass freezes and settles, and how many of them side by side."""

NOT_YET = frozenset(
    {"too_early", "nothing_new", "already_frozen", "not_frozen", "not_settled", "day_not_over"}
)
"""The ledger is not where it was when it was read: read it again."""


class Books:
    """Which days are not done stays in memory and is found anew after a start."""

    def __init__(
        self, ledger: Ledger, telling: Telling, want_round: Callable[[int], None] = lambda _: None
    ) -> None:
        """`want_round` hears of periods that cannot be settled before the exchange's round is closed."""
        self._ledger = ledger
        self._telling = telling
        self._want_round = want_round
        self._waits_s: dict[int, int] = {}
        self._open: dict[int, DayBook] = {}
        self._next_day: int | None = None
        self._tried_s: dict[int, int] = {}
        self._again: set[int] = set()

    async def run(self) -> int | None:
        """Do some of what is due, the oldest first; the market time at which there is more.

        Raises:
            Refused, GatewayError: the contract or the network refused what should have been taken.
        """
        community, now_s = await self._ledger.community()
        if not await self._find_days(community, now_s):
            return now_s  # there are more days to look at
        times: list[int] = []
        problems: list[Refused] = []
        left = PERIODS_A_PASS
        for day in sorted(self._open):
            try:
                done, next_s = await self._day(community, day, now_s, left)
            except Refused as refused:
                problems.append(refused)  # of one day: the others do not wait for it
                continue
            left -= done
            if next_s is not None:
                times.append(next_s)
            if left <= 0:
                break
        self._telling.gauges["open_days"] = len(self._open)
        if problems:
            raise problems[0]
        if left <= 0:
            return now_s
        return min(times, default=community.ends_s(community.day_at(now_s)))

    async def _day(self, community: Community, day: int, now_s: int, most: int) -> tuple[int, int | None]:
        """Do what is due of a day: how many periods were worked at, and when there is more to do."""
        again = [one for one in sorted(self._again) if community.day_at(one * MINUTE_S) == day]
        if again:
            await self._settle(community, now_s, [Freeze(one, True) for one in again])
            self._again.difference_update(again)
        book = await self._ledger.day(community, day, now_s)
        if is_closed(community, day, now_s) or (is_done(community, book) and now_s >= community.ends_s(day)):
            del self._open[day]
            return len(again), None
        due = books_due(community, book, now_s, self._tried_s)
        periods = [
            step
            for step in due.steps
            if isinstance(step, (Freeze, Settle)) and self._waits_s.get(step.period, 0) <= now_s
        ][:most]
        bills = [step for step in due.steps if isinstance(step, Bill)]
        await self._settle(community, now_s, periods)
        for bill in bills:
            await self._bill(community, bill)
        # What was just tried comes again in its time, which the next pass knows.
        times = [now_s + 2] if periods or bills else []
        times += [due.next_s] if due.next_s is not None else []
        return len(again) + len(periods), min(times, default=None)

    def reopen(self, day: int, period: int) -> None:
        """Freeze and settle a period of a day anew: readings came late."""
        self._again.add(period)
        self._open.setdefault(day, DayBook(day, {}))

    async def _find_days(self, community: Community, now_s: int) -> bool:
        """Look at the days that were not looked at yet; whether none is left."""
        first, today = community.first_day(), community.day_at(now_s)
        if first is None:
            return True
        if self._next_day is None:
            self._next_day = first
            if first < today:
                self._telling.say(f"reads the days since {date_of(first)}")
        for _ in range(DAYS_A_PASS):
            if self._next_day > today:
                return True
            if is_closed(community, self._next_day, now_s):
                self._next_day += 1
                continue
            book = await self._ledger.day(community, self._next_day, now_s)
            if self._next_day == today or not is_done(community, book):
                self._open[self._next_day] = book
            self._next_day += 1
        return self._next_day > today

    async def _settle(self, community: Community, now_s: int, steps: list[Freeze | Settle]) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(step: Freeze | Settle) -> None:
            async with slots:
                if isinstance(step, Settle) or await self._freeze(community, now_s, step):
                    await self._settle_period(community, now_s, step.period)

        for ended in await asyncio.gather(*map(one, steps), return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _freeze(self, community: Community, now_s: int, step: Freeze) -> bool:
        """Whether the period is frozen now."""
        market = self._ledger.market
        try:
            if not step.due:
                await market.would_freeze(step.period)
            await market.freeze_period(step.period)
        except Refused as refused:
            await self._not_yet(community, now_s, step.period, refused)
            self._tried_s[step.period] = now_s
            return False
        self._tried_s.pop(step.period, None)
        return True

    async def _settle_period(self, community: Community, now_s: int, period_id: int) -> None:
        market = self._ledger.market
        period = community.period_at(period_id * MINUTE_S)
        several = len(parts_of(community.members(period_id))) > 1
        part, parts, homes, import_wh, local_wh, breach_wh, unread = 0, 1, 0, 0, 0, 0, 0
        try:
            while part < parts:
                named = part if several else None
                settled = await market.settle_period(period_id, named)
                parts, part = settled.parts, part + 1
                homes += settled.homes
                import_wh += settled.import_wh
                local_wh += settled.bought_wh + settled.shared_in_wh
                breach_wh += settled.breach_wh
                unread += settled.estimated + settled.substituted
        except Refused as refused:
            if refused.code == "not_imported":
                await self._import(community, now_s, period)
            else:
                await self._not_yet(community, now_s, period_id, refused)
            return
        when = local_time(community, period)
        self._telling.did(
            "settle_period",
            f"{when}: settled, {homes} homes imported {import_wh:,} Wh, {local_wh:,} Wh of it from neighbours"
            + (f"; {unread} without a measured reading" if unread else ""),
        )
        if breach_wh:
            sentence = (
                f"in period {when} homes exported {breach_wh:,} Wh beyond their envelopes; see `list_lines`"
            )
            self._telling.alarm(Alarm("breach", sentence, now_s, period_id))
        if unread:
            self._telling.alarm(
                Alarm(
                    "missing_readings",
                    f"period {when} was settled without measured readings of {unread} of {homes} homes",
                    now_s,
                    period_id,
                )
            )

    async def _import(self, community: Community, now_s: int, period: Period) -> None:
        """Take over what the community traded with others; the next pass settles. An open round is waited for."""
        if await import_round(self._ledger, community, period, self._telling):
            self._waits_s.pop(period.id, None)
            return
        self._waits_s[period.id] = next_try_s(period, now_s)
        self._want_round(period.id)

    async def _bill(self, community: Community, step: Bill) -> None:
        homes = amount_naud = adjustments = 0
        try:
            await self._settle_carbon(community, step)
            for part in range(step.parts):
                billed = await self._ledger.market.settle_day(step.day, part if step.parts > 1 else None)
                homes += billed.homes
                amount_naud += billed.amount_naud
                adjustments += billed.adjustments
        except Refused as refused:
            if refused.code not in NOT_YET:
                raise
            return
        self._telling.did(
            "settle_day",
            f"{date_of(step.day)}: billed, {homes} bills come to {amount_naud / 10**9:,.2f} AUD"
            + (f" with {adjustments} adjustments" if adjustments else ""),
        )

    async def _settle_carbon(self, community: Community, step: Bill) -> None:
        """Settle the day's carbon, which its bills hold, where the day has a quota."""
        first = community.periods(step.day)[0]
        if community.configuration.rules_of(first.id).carbon is None:
            return
        paid_naud = 0
        for part in range(step.parts):
            settled = await self._ledger.market.settle_carbon(step.day, part if step.parts > 1 else None)
            paid_naud += settled.paid_naud
        self._telling.did(
            "settle_carbon",
            f"{date_of(step.day)}: carbon settled, homes above the quota pay {paid_naud / 10**9:,.2f} AUD",
        )

    async def _not_yet(self, community: Community, now_s: int, period_id: int, refused: Refused) -> None:
        """Take a refusal that passes: once it may be, a missing message is declared lost. Raise every other one."""
        if refused.code in NOT_YET:
            return
        if refused.code != DATA_NOT_HERE:
            raise refused
        period = community.period_at(period_id * MINUTE_S)
        when = local_time(community, period)
        self._telling.alarm(
            Alarm("message_missing", f"period {when} cannot be settled yet: {refused}", now_s, period_id)
        )
        if now_s < period.end_s + community.configuration.rules_of(period_id).heal_s:
            return
        for key in await declare_losses(self._ledger.market, period_id, community.members(period_id)):
            self._telling.did("declare_lost", f"{when}: no peer holds the message {key}: declared lost")
