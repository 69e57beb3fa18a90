# SPDX-License-Identifier: Apache-2.0
"""The grid's chores on an exchange: register communities, set links as the file has them, close rounds in time."""

from commonwatt_client.exit_codes import CommandError

from commonwatt_community.market.exchange import ExchangeMarket
from commonwatt_community.market.refused import Refused
from commonwatt_community.operating.telling import Telling

from .exchange_file import ExchangeFile, WantedLink

LOOK_AGAIN_S = 60
OTHERS_WERE_FASTER = frozenset({"already_founded", "community_known"})
NOT_YET = frozenset({"too_early", "too_late", "round_closed"})


async def found(exchange: ExchangeMarket, file: ExchangeFile, telling: Telling) -> None:
    """Found the exchange, unless it stands by these rules.

    Raises:
        CommandError: it stands by other rules.
        Refused: the identity is not the grid's.
    """
    try:
        standing = await exchange.get_rules()
    except Refused as refused:
        if refused.code != "not_founded":
            raise
        try:
            await exchange.found(file.clock, file.at_s, file.due_before_s, file.void_before_s)
        except Refused as faster:
            if faster.code not in OTHERS_WERE_FASTER:
                raise
        else:
            telling.did("found", f"founded the exchange on channel {file.channel}")
        standing = await exchange.get_rules()
    rules = standing.rules
    stands = rules.clock, rules.due_before_s, rules.void_before_s
    wanted = file.clock, file.due_before_s, file.void_before_s
    if stands != wanted:
        raise CommandError(
            f"the exchange on channel {file.channel} was founded with clock, due_before_s and void_before_s "
            f"{', '.join(map(str, stands))}, and the file says {', '.join(map(str, wanted))}; correct the file, "
            "because an exchange's rules stand for good"
        )


class Members:
    """Registrations and links, looked at again and again: entries of the file that the ledger lacks are written."""

    def __init__(self, exchange: ExchangeMarket, file: ExchangeFile, telling: Telling) -> None:
        self._exchange = exchange
        self._file = file
        self._telling = telling

    async def run(self) -> int | None:
        """Write what is missing.

        Raises:
            Refused, GatewayError: the contract or the network refused what should have been taken.
        """
        known = {one.channel: one.residual_of for one in await self._exchange.list_communities()}
        for channel in self._file.communities:
            if channel not in known:
                await self._register(channel)
                known[channel] = -1
        standing = await self._exchange.get_rules()
        links = {(one.seller, one.buyer): one.versions[-1] for one in await self._exchange.list_links()}
        from_period = max(standing.now_s // 60 + 1, *(period + 1 for period in known.values()))
        for link in self._file.wanted():
            newest = links.get(link[:2])
            if newest is None or (newest.limit_wh, newest.fee) != link[2:]:
                await self._link(link, from_period)
        return standing.now_s + LOOK_AGAIN_S

    async def _register(self, channel: str) -> None:
        try:
            await self._exchange.register_community(channel)
        except Refused as refused:
            if refused.code not in OTHERS_WERE_FASTER:
                raise
            return
        self._telling.did("register_community", f"registered the community of channel {channel}")

    async def _link(self, link: WantedLink, from_period: int) -> None:
        try:
            await self._exchange.set_link(link.seller, link.buyer, from_period, link.limit_wh, link.fee)
        except Refused as refused:
            if refused.code not in NOT_YET:
                raise
            return  # a community was faster with a residual: the next pass names a later period
        self._telling.did(
            "set_link",
            f"from {link.seller} to {link.buyer} {link.limit_wh:,} Wh may flow in each period, for "
            f"{link.fee / 10_000:g} c/kWh",
        )


class Rounds:
    """Closes each round that a community brought something to; which ones are closed stays in memory."""

    def __init__(self, exchange: ExchangeMarket, telling: Telling) -> None:
        self._exchange = exchange
        self._telling = telling
        self._closed: set[int] = set()

    async def run(self) -> int | None:
        """Close what is due; the exchange's time at which there is more.

        Raises:
            Refused, GatewayError: the contract or the network refused what should have been taken.
        """
        standing = await self._exchange.get_rules()
        known = await self._exchange.list_communities()
        brought = [one.residual_of for one in known]
        self._closed.intersection_update(brought)
        times = []
        for period in sorted(set(brought) - self._closed - {-1}):
            due_s = standing.due_s(period)
            if standing.now_s < due_s and set(brought) != {period}:
                times.append(due_s)
            elif await self._close(known[brought.index(period)].channel, period):
                self._closed.add(period)
            else:
                times.append(standing.now_s + 1)
        return min(times, default=standing.now_s + 2)

    async def _close(self, channel: str, period: int) -> bool:
        """Whether the round is closed now; `channel` is of a community that brought something to it."""
        try:
            await self._exchange.get_round(channel, period)
        except Refused as refused:
            if refused.code != "round_open":
                raise
        else:
            return True
        try:
            closed = await self._exchange.clear_round(period)
        except Refused as refused:
            if refused.code not in NOT_YET:
                raise
            return False
        self._telling.did(
            "clear_round",
            f"the round of period {period} is closed as {closed.state}: {sum(one.wh for one in closed.trades):,} Wh "
            f"between communities, {closed.fee_naud / 10**9:,.2f} AUD of fees",
        )
        return True
