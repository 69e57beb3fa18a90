# SPDX-License-Identifier: Apache-2.0
"""The operator's chore on the exchange: bring what a clearing left over, see that its round is closed, import it.

The grid closes rounds first. The communities' operators follow in turn, so that a round is closed even if the grid is
away.
"""

import asyncio
from collections.abc import Mapping

from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.tariff import MINUTE_S
from commonwatt_client.errors import ClientError

from commonwatt_community.market.exchange import ExchangeMarket, Standing
from commonwatt_community.market.refused import Refused

from .cut_off import CutOff
from .due import Community, gates_due
from .reading import Ledger, local_time
from .telling import Alarm, Telling

LONGEST_PASS_S = 60.0
AGAIN_S = 5
TURN_S, TURNS = 2, 10
"""Operators close a round so many seconds after one another."""

PASSING = frozenset(
    {
        "already_brought",
        "not_cleared",
        "not_settled",
        "round_closed",
        "round_open",
        "too_early",
        "too_late",
    }
)
"""Another party was faster, or a peer is a block behind: the next pass reads anew."""


class Exchanging:
    """What is imported, and since when a round could be closed, stay in memory; all else is read of both ledgers."""

    def __init__(
        self, ledger: Ledger, exchange: ExchangeMarket, channel: str, cut_off: CutOff, telling: Telling
    ) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._channel = channel
        self._cut_off = cut_off
        self._telling = telling
        self._wanted: set[int] = set()
        self._imported: set[int] = set()
        self._ready_s: dict[int, int] = {}

    def want(self, period: int) -> None:
        """Close a round of the past, for a settlement waits for it."""
        self._wanted.add(period)

    async def run(self) -> int | None:
        """Do what is due; the market time at which there is more.

        Raises:
            Refused, GatewayError: the community's own channel does not answer. A failure of the exchange is told, and
            asked again.
        """
        community, now_s = await self._ledger.community()
        running = community.period_at(now_s)
        last_s = now_s + max(one.times.closes_before_s for one in community.configuration.rules)
        listed = await self._ledger.listed(running.id, last_s // MINUTE_S + 1)
        left = {one for one, state in listed.items() if state.cleared is not None and state.cleared.left_over}
        self._imported.intersection_update(left)
        if self._cut_off.open_round is not None:
            self._wanted.add(self._cut_off.open_round)
        times = [gates_due(community, listed, now_s).next_s or now_s]
        periods = sorted((left | self._wanted) - self._imported)
        if not periods:
            return times[0] + 1
        try:
            async with asyncio.timeout(LONGEST_PASS_S):
                standing = await self._exchange.get_rules()
                for period_id in periods:
                    next_s = await self._period(
                        community, standing, community.period_at(period_id * MINUTE_S)
                    )
                    times += [] if next_s is None else [next_s]
        except TimeoutError:
            self._cut_off.lost(f"a pass took longer than {LONGEST_PASS_S:.0f} s", now_s)
            return now_s + AGAIN_S
        except (Refused, ClientError, ConnectionError) as error:
            self._cut_off.lost(str(error), now_s)
            return now_s + AGAIN_S
        return min(times)

    async def _period(self, community: Community, standing: Standing, period: Period) -> int | None:
        """Go on with a period; when to look again, None: it is done."""
        try:
            if await self._is_closed(period):
                if not await self._import(community, period):
                    return standing.now_s + 1
                self._wanted.discard(period.id)
                self._imported.add(period.id)
                self._ready_s.pop(period.id, None)
                return None
            return await self._towards_a_result(community, standing, period)
        except Refused as refused:
            if refused.code not in PASSING:
                raise
            return standing.now_s + 1

    async def _is_closed(self, period: Period) -> bool:
        try:
            await self._exchange.get_round(self._channel, period.id)
        except Refused as refused:
            if refused.code != "round_open":
                raise
            return False
        return True

    async def _towards_a_result(self, community: Community, standing: Standing, period: Period) -> int:
        now_s, due_s = standing.now_s, standing.due_s(period.id)
        brought = {one.channel: one.residual_of for one in await self._exchange.list_communities()}
        if brought.get(self._channel, -1) < period.id:
            if now_s < due_s:
                await self._exchange.bring_residual(self._channel, period.id)
                self._telling.did(
                    "bring_residual",
                    f"{local_time(community, period)}: brought to the exchange what was left over",
                )
                return now_s + 1
            if period.id not in self._wanted:
                when = local_time(community, period)
                sentence = (
                    f"what period {when} left over was not brought to the exchange in time: nobody trades it"
                )
                self._telling.alarm(Alarm("residual_late", sentence, now_s, period.id))
        if now_s < due_s and any(one != period.id for one in brought.values()):
            return due_s
        turn_s = self._turn_s(standing, period.id, brought)
        if now_s < turn_s:
            return turn_s
        closed = await self._exchange.clear_round(period.id)
        self._telling.did(
            "clear_round",
            f"{local_time(community, period)}: the exchange's round is closed as {closed.state}, "
            f"{sum(one.wh for one in closed.trades):,} Wh between communities",
        )
        return now_s + 1

    def _turn_s(self, standing: Standing, period: int, brought: Mapping[str, int]) -> int:
        """When this operator closes a round, so long before its void time that it can still be cleared."""
        place = sorted(brought).index(self._channel) if self._channel in brought else 0
        turn_s = self._ready_s.setdefault(period, standing.now_s) + TURN_S * (1 + place % TURNS)
        void_s = standing.void_s(period)
        return min(turn_s, void_s - TURN_S) if standing.now_s < void_s else turn_s

    async def _import(self, community: Community, period: Period) -> bool:
        """Whether the round's result is on the community's ledger now."""
        state = await self._ledger.market.get_period(period.id)
        return state.imported is not None or await import_round(
            self._ledger, community, period, self._telling
        )


async def import_round(ledger: Ledger, community: Community, period: Period, telling: Telling) -> bool:
    """Take over what the community traded with others; False while a peer knows no result."""
    try:
        imported = await ledger.market.import_residual(period.id)
    except Refused as refused:
        if refused.code != "round_open":
            raise
        return False
    sums = imported.sums
    telling.did(
        "import_residual",
        f"{local_time(community, period)}: the exchange's round is {imported.state}, {sums.imported_wh:,} Wh bought"
        f" and {sums.exported_wh:,} Wh sold",
    )
    return True
