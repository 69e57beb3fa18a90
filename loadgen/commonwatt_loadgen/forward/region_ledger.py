# SPDX-License-Identifier: Apache-2.0
"""Communities on the ledger that trade on their exchange what each leaves over, beside the same ones on their own.

The rounds are the contract's: residuals that it reads across channels, a clearing that the grid and a majority endorse,
results that each community imports.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from commonwatt_chaincode.market.exchange.clearing import Link, Trade
from commonwatt_chaincode.market.tariff import MINUTE_S, day_start
from commonwatt_client import Gateway, connect_network_file
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import EXCHANGE, Community, NetworkFile
from commonwatt_community.market import calls
from commonwatt_community.market.exchange import ExchangeMarket, Round, exchange_of
from commonwatt_community.market.refused import Refused

from commonwatt_loadgen.forward.agreement import feed_in_by_hour, rules_of
from commonwatt_loadgen.forward.community import agents_of, community_in_process
from commonwatt_loadgen.forward.engine import live
from commonwatt_loadgen.forward.founding import first_day_on, found
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.parties import Parties, Told, grid_user, parties_of
from commonwatt_loadgen.forward.region import links_of, totals_of, with_exchange
from commonwatt_loadgen.simulate.run import homes_of, write_homes
from commonwatt_loadgen.traces import TraceSet

Json = dict[str, Any]
Progress = Callable[[str, int, int], None]
DUE_BEFORE_S, VOID_BEFORE_S = 180, 60


class OnLedgerExchange:
    """The rounds of all communities; the last one that comes to a round closes it as the grid.

    `operators` call for their communities. A community brings only what it left over. If one comes with nothing, the
    round waits until residuals are due, and the clock moves to that time.
    """

    def __init__(self, grid: ExchangeMarket, operators: Mapping[str, ExchangeMarket], now_s: int) -> None:
        self._grid = grid
        self._operators = operators
        self._now_s = now_s
        self._came: dict[int, dict[str, bool]] = {}
        self._closed: dict[int, asyncio.Future[None]] = {}
        self.flows: Counter[tuple[str, str, str]] = Counter()
        """``energy_wh``, ``seller_naud`` and ``fee_naud`` of all trades, by seller and buyer."""

    async def trade(self, channel: str, period: int, left_over: bool) -> None:
        """Bring a residual, if there is one, and wait until the round is closed."""
        came = self._came.setdefault(period, {})
        closed = self._closed.setdefault(period, asyncio.get_running_loop().create_future())
        if left_over:
            await self._operators[channel].bring_residual(channel, period)
        came[channel] = left_over
        if len(came) == len(self._operators):
            del self._came[period], self._closed[period]
            try:
                await self._close(period, came)
            except BaseException:
                closed.cancel()
                raise
            closed.set_result(None)
        await asyncio.shield(closed)

    async def _close(self, period: int, came: Mapping[str, bool]) -> None:
        if not any(came.values()):
            return
        due_s = period * MINUTE_S - DUE_BEFORE_S
        if not all(came.values()) and self._now_s < due_s:
            await self._grid.advance_clock(due_s)
            self._now_s = due_s
        for one in (await self._cleared(period)).trades:
            trade = Trade(one.seller, one.buyer, one.offered, one.limit, one.wh, one.price, one.fee)
            for name in ("energy_wh", "seller_naud", "fee_naud"):
                self.flows[one.seller, one.buyer, name] += getattr(trade, name)

    async def _cleared(self, period: int) -> Round:
        """The closed round. A peer that is a block behind knows an older time, or lacks a residual: ask again."""
        for tries in range(1, calls.PASSING_TRIES):
            try:
                return await self._grid.clear_round(period)
            except Refused as refused:
                if refused.code != "too_early":
                    raise
            await calls.pause(tries)
        return await self._grid.clear_round(period)


@dataclass(frozen=True)
class _Rounds:
    """The exchange as one community comes to it."""

    exchange: OnLedgerExchange
    channel: str

    async def trade(self, period_id: int, left_over: bool) -> None:
        await self.exchange.trade(self.channel, period_id, left_over)


@dataclass(frozen=True)
class TradedRegion:
    """What a region's days came to on the ledger; ``options`` name the first day."""

    options: ForwardOptions
    communities: Sequence[Community]
    totals: Sequence[Counter[str]]
    flows: Counter[tuple[str, str, str]]

    def described(self, traces: TraceSet) -> Json:
        """`exchange`, and `communities`: the same ones alone, in this process."""
        options = self.options
        alone = [
            {
                **community_in_process(
                    options,
                    traces,
                    place,
                    users=_chosen(options, one),
                    folder=options.run.out / one.channel,
                ),
                "channel": one.channel,
            }
            for place, one in enumerate(self.communities)
        ]
        names = [one.channel for one in self.communities]
        return {
            "communities": alone,
            "exchange": with_exchange(options, names, self.totals, self.flows, alone),
        }


async def region_on_ledger(
    options: ForwardOptions, network: NetworkFile, traces: TraceSet, told: Told, progress: Progress
) -> TradedRegion:
    """Trade the days of all communities with their exchange.

    Raises:
        UsageError: the options, the traces, the network file or a channel cannot be used.
        Refused, NotTaken, GatewayError: the contracts or the network failed a transaction or a message.
    """
    exchange_channel = channel_of_exchange(network)
    communities = network.communities
    names = [one.channel for one in communities]
    async with AsyncExitStack() as stack:
        parties = [await stack.enter_async_context(parties_of(network, one, told)) for one in communities]
        wanted = options.first_day or traces.first_day
        asked_for = options.first_day is not None
        first_day = max([await first_day_on(one, wanted, asked_for=asked_for) for one in parties])
        options = replace(options, first_day=first_day)
        rules = rules_of(options, [], first_day)
        midnight_s = day_start(rules.first_day, rules.offsets)
        exchange = await stack.enter_async_context(_exchange(network, exchange_channel, told))
        now_s = await _founded(exchange.grid, midnight_s, links_of(options, names), names)
        rounds = OnLedgerExchange(exchange.grid, exchange.operators, now_s)
        running = [
            asyncio.create_task(
                _community(
                    options, network, place, exchange_channel, rounds, parties[place], traces, progress
                )
            )
            for place in range(len(names))
        ]
        try:
            totals = await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    return TradedRegion(options, communities, totals, rounds.flows)


def channel_of_exchange(network: NetworkFile) -> str:
    """The channel on which all communities meet; UsageError where there is none, or more than one."""
    channels = network.content["channels"]
    found = [str(name) for name, one in channels.items() if one.get("market") == EXCHANGE]
    if len(found) != 1:
        raise UsageError(
            f"--link-fee: {network.path} has {len(found)} channels with `market: exchange`, not one; start a region: "
            "`commonwatt network up --topology region`"
        )
    without = [
        one.channel
        for one in network.communities
        if one.organization not in channels[found[0]]["organizations"]
    ]
    if without:
        raise UsageError(
            f"--link-fee: the community of channel {without[0]} is no member of channel {found[0]}"
        )
    return found[0]


@dataclass(frozen=True)
class _Exchange:
    """The exchange as the grid and as each community's operator call it."""

    grid: ExchangeMarket
    operators: dict[str, ExchangeMarket]


@asynccontextmanager
async def _exchange(network: NetworkFile, channel: str, told: Told) -> AsyncIterator[_Exchange]:
    async with AsyncExitStack() as stack:

        async def gateway(organization: str, user: str) -> Gateway:
            return await stack.enter_async_context(connect_network_file(network.path, organization, user))

        grid = await gateway(*grid_user(network, network.communities[0]))
        operators = {
            one.channel: exchange_of(await gateway(one.organization, one.operator), network, channel, told)
            for one in network.communities
        }
        yield _Exchange(exchange_of(grid, network, channel, told), operators)


async def _founded(grid: ExchangeMarket, midnight_s: int, links: Sequence[Link], names: Sequence[str]) -> int:
    """Found a new exchange, register communities, set links; the exchange's time."""
    begins_s = midnight_s - 86_400
    try:
        standing = await grid.get_rules()
    except Refused as refused:
        if refused.code != "not_founded":
            raise
        await grid.found("simulated", begins_s, DUE_BEFORE_S, VOID_BEFORE_S)
        standing = await grid.get_rules()
    rules = standing.rules
    if (rules.clock, rules.due_before_s, rules.void_before_s) != ("simulated", DUE_BEFORE_S, VOID_BEFORE_S):
        raise UsageError(
            "the exchange has a live clock, or other times; begin with a new ledger: `make network-reset network-up`"
        )
    known = {one.channel for one in await grid.list_communities()}
    for channel in names:
        if channel not in known:
            await grid.register_community(channel)
    stand = {(one.seller, one.buyer): one.versions[-1] for one in await grid.list_links()}
    for link in links:
        newest = stand.get((link.seller, link.buyer))
        if newest is None or (newest.limit_wh, newest.fee) != (link.limit_wh, link.fee_uaud_per_kwh):
            await grid.set_link(
                link.seller, link.buyer, midnight_s // MINUTE_S, link.limit_wh, link.fee_uaud_per_kwh
            )
    return standing.now_s


def _chosen(options: ForwardOptions, community: Community) -> dict[str, str]:
    """The homes that take part, by id, with their names."""
    homes = list(community.homes.items())
    return dict(homes[: options.run.homes or len(homes)])


async def _community(
    options: ForwardOptions,
    network: NetworkFile,
    place: int,
    exchange_channel: str,
    rounds: OnLedgerExchange,
    parties: Parties,
    traces: TraceSet,
    progress: Progress,
) -> Counter[str]:
    """A community's days with the exchange."""
    run, community = options.run, network.communities[place]
    homes = homes_of(run, community, traces, run.seed + place, feed_in_by_hour(options.feed_in))
    write_homes(run, community, homes)
    first_day: date = options.first_day or traces.first_day
    rules = rules_of(options, [home.home for home in homes], first_day)
    agents = agents_of(options, homes, rules)
    connections = {agent.home: agent.connection for agent in agents}
    on = exchange_channel, _Rounds(rounds, community.channel)
    market = await found(parties, network, community, homes, connections, rules, on)

    def advance(days: int) -> None:
        progress(community.channel, days, run.days)

    return await totals_of(live(market, rules, agents, run.days), advance)
