# SPDX-License-Identifier: Apache-2.0
"""Whether a community reaches its exchange. While it does not, it clears alone, and waits for nobody's round."""

import asyncio

from commonwatt_client.errors import ClientError

from commonwatt_community.market.exchange import ExchangeMarket
from commonwatt_community.market.refused import Refused

from .telling import Alarm, Telling

ANSWER_S = 3.0
"""An exchange that does not answer within this time is away: a clearing waits no longer."""

PATIENCE_S = 15
"""A round that is open so long after its void time is one that nobody can close."""

AWAY = "exchange_away"


class CutOff:
    """What this operator knows of the exchange; it asks anew before each clearing."""

    def __init__(self, exchange: ExchangeMarket, channel: str, telling: Telling) -> None:
        self._exchange = exchange
        self._channel = channel
        self._telling = telling
        self.open_round: int | None = None
        """The period of a round that should be closed and is not; the next residual waits for it."""

    async def clears_alone(self, now_s: int) -> bool:
        """Whether to keep a period off the exchange; `now_s` is the community's market time."""
        try:
            async with asyncio.timeout(ANSWER_S):
                why = await self._why(now_s)
        except TimeoutError:
            why = f"it did not answer within {ANSWER_S:.0f} s"
        except (Refused, ClientError, ConnectionError) as error:
            why = str(error)
        if why:
            self.lost(why, now_s)
        else:
            self.found()
        return bool(why)

    def lost(self, why: str, now_s: int) -> None:
        """Tell once that the exchange is away."""
        self._telling.alarm(
            Alarm(AWAY, f"the exchange is away, so the community trades on alone: {why}", now_s)
        )

    def found(self) -> None:
        """Tell that the exchange is back, if it was away."""
        if self._telling.over(AWAY):
            self._telling.say("the exchange is back: the community trades with others again")

    async def _why(self, now_s: int) -> str:
        """Why nothing can be brought, or an empty string."""
        standing = await self._exchange.get_rules()
        known = {one.channel: one.residual_of for one in await self._exchange.list_communities()}
        if self._channel not in known:
            return "the grid has not registered the community there"
        last, self.open_round = known[self._channel], None
        if last < 0 or now_s < standing.void_s(last) + PATIENCE_S:
            return ""
        try:
            await self._exchange.get_round(self._channel, last)
        except Refused as refused:
            if refused.code != "round_open":
                raise
            self.open_round = last
            return f"the round of period {last} should be closed, and is still open"
        return ""
