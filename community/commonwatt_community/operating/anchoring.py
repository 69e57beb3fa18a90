# SPDX-License-Identifier: Apache-2.0
"""The operator's chore that anchors settlements on the exchange: every two hours what is new, oldest first.

Anchored periods stay in memory. After a start the last week is anchored anew: earlier anchors are on all members'
ledgers, and a resettled period is among what is new.
"""

from collections.abc import Awaitable, Callable

from commonwatt_chaincode.market.tariff import DAY_S, MINUTE_S
from commonwatt_client.errors import ClientError

from commonwatt_community.market.exchange import Block, ExchangeMarket
from commonwatt_community.market.refused import Refused

from .due import is_settled
from .reading import Ledger
from .telling import Alarm, Telling

EVERY_S = 7_200
AGAIN_S = 60
RECENT_D = 7
MOST_PERIODS = 300
"""Settlements of one anchor."""

LONGEST_SPAN_MIN = 7 * 1_440
PASSING = frozenset({"not_settled", "unknown_community", "not_founded"})

NewestBlock = Callable[[], Awaitable[Block]]


class Anchoring:
    """`newest_block` answers the newest block of the community's channel."""

    def __init__(
        self,
        ledger: Ledger,
        exchange: ExchangeMarket,
        channel: str,
        newest_block: NewestBlock,
        telling: Telling,
    ) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._channel = channel
        self._newest_block = newest_block
        self._telling = telling
        self._anchored: dict[int, int] = {}
        self._next_s = 0

    async def run(self) -> int | None:
        """Anchor what is new; the market time at which to look again.

        Raises:
            Refused, GatewayError: the community's own channel refused, or does not answer.
        """
        _, now_s = await self._ledger.community()
        if now_s < self._next_s:
            return self._next_s
        earliest = now_s // MINUTE_S - RECENT_D * DAY_S // MINUTE_S
        listed = await self._ledger.listed(max(0, earliest), now_s // MINUTE_S + 1)
        settled = {
            one.period: one.settled.version
            for one in listed.values()
            if one.settled is not None and is_settled(one)
        }
        self._anchored = {one: version for one, version in self._anchored.items() if one in listed}
        new = sorted(one for one, version in settled.items() if self._anchored.get(one) != version)
        if not new:
            return now_s + AGAIN_S
        block = await self._newest_block()
        try:
            for first, last in spans(new, sorted(settled)):
                anchor = await self._exchange.anchor(self._channel, first, last + 1, block)
                self._anchored |= {one.period: one.version for one in anchor.periods}
                self._telling.did(
                    "anchor", f"anchored {len(anchor.periods)} settlements as number {anchor.number}"
                )
        except Refused as refused:
            if refused.code not in PASSING:
                self._telling.alarm(_refused(refused, now_s))
            return now_s + AGAIN_S
        except (ClientError, ConnectionError):
            return now_s + AGAIN_S  # the chore of the rounds tells that the exchange is away
        self._telling.over("ledger_differs")
        self._telling.over("not_anchored")
        self._next_s = now_s + EVERY_S
        return self._next_s


def _refused(refused: Refused, now_s: int) -> Alarm:
    if refused.code == "ledger_differs":
        sentence = (
            f"this community's ledger contradicts its last anchor: {refused}; compare the peers of the community and "
            "the grid by `commonwatt verify --anchors`"
        )
        return Alarm("ledger_differs", sentence, now_s)
    return Alarm("not_anchored", f"the exchange takes no anchor: {refused}", now_s)


def spans(new: list[int], settled: list[int]) -> list[tuple[int, int]]:
    """First and last periods of anchors that hold all that is new; those settled between are among them."""
    found: list[tuple[int, int]] = []
    for period in new:
        if found and period <= found[-1][1]:
            continue
        within = [one for one in settled if period <= one < period + LONGEST_SPAN_MIN][:MOST_PERIODS]
        last = max(one for one in new if one <= within[-1])
        found.append((period, last))
    return found
