# SPDX-License-Identifier: Apache-2.0
"""Late readings of periods that are settled, and totals that fill gaps. The operator looks for both again
and again, the last week often, all that is not final once in a while, and never at much of it at once."""

from collections.abc import Iterator, Sequence

from commonwatt_chaincode.market.forward.gates import final_from_s
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.readings import ESTIMATED
from commonwatt_chaincode.market.tariff import DAY_S, MINUTE_S

from commonwatt_community.market.refused import DATA_NOT_HERE, Refused
from commonwatt_community.market.results import HomeLine

from .books import NOT_YET, Books
from .due import Community
from .gaps import MOST_PERIODS, Gap, gaps_of
from .reading import Ledger, local_time
from .telling import Telling

PERIODS_A_PASS = 20
RECENT_D = 7
SHORTEST_ROUND_S, LONGEST_ROUND_S = 60, 3_600


class LookingBack:
    """A round over settled periods, newest first, some of them a pass; which gap has no totals stays in memory."""

    def __init__(self, ledger: Ledger, books: Books, telling: Telling) -> None:
        self._ledger = ledger
        self._books = books
        self._telling = telling
        self._round: Iterator[Period] | None = None
        self._next_round_s = 0
        self._next_whole_s = 0
        self._silent: dict[str, set[int]] = {}
        self._hopeless: set[tuple[str, Gap]] = set()

    async def run(self) -> int | None:
        """Look at some periods; the market time at which to go on.

        Raises:
            Refused, GatewayError: the contract or the network refused what should have been taken.
        """
        community, now_s = await self._ledger.community()
        if self._round is None:
            if now_s < self._next_round_s:
                return self._next_round_s
            self._round = self._begun(community, now_s)
        for _ in range(PERIODS_A_PASS):
            period = next(self._round, None)
            if period is None:
                self._round = None
                await self._fill(community)
                return self._next_round_s
            await self._look(community, period)
        return now_s + 1

    def _begun(self, community: Community, now_s: int) -> Iterator[Period]:
        resettle_s = community.configuration.rules_of(community.period_at(now_s).id).times.resettle_every_s
        self._next_round_s = now_s + min(LONGEST_ROUND_S, max(SHORTEST_ROUND_S, resettle_s // 24))
        whole = now_s >= self._next_whole_s
        if whole:
            self._next_whole_s = now_s + resettle_s
        return _settled(community, now_s, whole)

    async def _look(self, community: Community, period: Period) -> None:
        """Settle a period anew if readings came, and note who has none in it."""
        market = self._ledger.market
        state = await market.get_period(period.id)
        if state.meter is None or state.sums is None or state.sums.version != state.meter.version:
            return  # the books' chore is at it
        try:
            await market.would_freeze(period.id)
        except Refused as refused:
            if refused.code not in NOT_YET | {"too_late", DATA_NOT_HERE}:
                raise
        else:
            self._telling.say(f"{local_time(community, period)}: readings came late")
            self._books.reopen(community.day_of(period), period.id)
            return
        if state.sums.estimated or state.sums.substituted:
            for line in await market.list_lines(period.id, period.id + period.length_min):
                if not line.seq and line.quality == ESTIMATED:
                    self._silent.setdefault(line.home, set()).add(period.id)

    async def _fill(self, community: Community) -> None:
        """Spread the gaps of homes that were silent."""
        silent, self._silent = self._silent, {}
        for home, periods in sorted(silent.items()):
            known: dict[int, bool] = {}
            lines = await self._lines(community, home, periods)
            for gap in await gaps_of(self._ledger.market, home, lines, known):
                if (home, gap) not in self._hopeless:
                    await self._spread(home, gap)

    async def _lines(self, community: Community, home: str, periods: set[int]) -> Sequence[HomeLine]:
        """A home's settled lines around the periods in which it was silent, a day on either side."""
        first, last = min(periods) - DAY_S // MINUTE_S, max(periods) + DAY_S // MINUTE_S
        length_min = community.period_at(min(periods) * MINUTE_S).length_min
        start = max(0, first)
        lines: list[HomeLine] = []
        while start < last:
            end = min(last, start + MOST_PERIODS * length_min)
            lines += await self._ledger.market.list_lines(start, end, home)
            start = end
        return lines

    async def _spread(self, home: str, gap: Gap) -> None:
        from_period: int | None = None
        changed = 0
        try:
            while True:
                settled = await self._ledger.market.settle_gap(home, gap.before, gap.after, from_period)
                changed += settled.changed
                from_period = settled.next
                if from_period is None:
                    break
        except Refused as refused:
            if refused.code not in NOT_YET | {"no_gap", "too_late"}:
                raise
            if refused.code == "no_gap":
                self._hopeless.add((home, gap))
                self._telling.say(
                    f"home {home}: no totals fill the gap from {gap.before} to {gap.after}: {refused}"
                )
            return
        if changed:
            self._telling.did("settle_gap", f"home {home}: its meter's totals fill {changed} periods")


def _settled(community: Community, now_s: int, whole: bool) -> Iterator[Period]:
    """The periods that are over and can still change, newest first; of the last week, or all."""
    first_day = community.first_day()
    if first_day is None:
        return
    today = community.day_at(now_s)
    oldest = first_day if whole else max(first_day, today - RECENT_D)
    for day in range(today, oldest - 1, -1):
        for period in reversed(community.periods(day)):
            if period.end_s > now_s or not community.members(period.id):
                continue
            if now_s >= final_from_s(period, community.configuration.rules_of(period.id).times):
                return
            yield period
