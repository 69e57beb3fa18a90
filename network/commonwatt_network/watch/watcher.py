# SPDX-License-Identifier: Apache-2.0
"""Keeps a running network's figures current: one task per stream of events, one that asks the nodes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from commonwatt_client import ClientError, FilteredBlock, InMemoryCheckpointer, ValidationCode

from commonwatt_network.errors import UsageError
from commonwatt_network.status import NetworkStatus
from commonwatt_network.watch.market import MarketFigures
from commonwatt_network.watch.nodes import Reading, orderer_names, read_nodes
from commonwatt_network.watch.refusals import RefusalLog
from commonwatt_network.watch.subject import Subject

NODES_EVERY_S = 1.0
STATUS_EVERY_S = 3.0
RETRY_S = 1.0
UNREADABLE = (
    ClientError,
    OSError,
    ValueError,
    KeyError,
)  # the network is away, or its files are being replaced
RATE_WINDOW_S = 5.0
HISTORY_S = 180


@dataclass
class ChannelFigures:
    """A channel: its transactions by validation code since it began, its leaders since the watch began, its market."""

    transactions: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    leader: str | None = None
    leader_changes: int = 0
    market: MarketFigures = field(default_factory=MarketFigures)
    arrivals: deque[tuple[float, int]] = field(default_factory=deque)
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY_S))
    began_at: int | None = None  # the channel's blocks when the watch first connected; None before that
    live_from: int = 0  # the same of the latest connection
    past_events: int = 0  # the market's events in the blocks before `began_at`
    events: int = 0  # the market's events that were read

    def connected(self, height: int) -> None:
        """The watch reads on from a peer that has so many blocks."""
        self.live_from = height
        if self.began_at is None:
            self.began_at = height

    def take(self, block: FilteredBlock, markets: Collection[str], now: float) -> None:
        """Count a block's transactions; those of a block committed since the watch connected count for the rate."""
        codes = Counter(entry.validation_code.name for entry in block.transactions)
        self.transactions += codes
        self.blocks = block.number + 1
        if block.number >= self.live_from and codes["VALID"]:
            self.arrivals.append((now, codes["VALID"]))
        if self.began_at is not None and block.number < self.began_at:
            valid = (entry for entry in block.transactions if entry.validation_code is ValidationCode.VALID)
            self.past_events += sum(
                event.chaincode_name in markets for entry in valid for event in entry.events
            )

    @property
    def complete(self) -> bool:
        """Whether everything from before the watch has been read; until then its counters are too low."""
        began_at = self.began_at
        return began_at is not None and self.blocks >= began_at and self.events >= self.past_events

    def transactions_per_s(self, now: float) -> float:
        """Valid transactions per second over the last five seconds."""
        while self.arrivals and self.arrivals[0][0] < now - RATE_WINDOW_S:
            self.arrivals.popleft()
        return sum(count for _, count in self.arrivals) / RATE_WINDOW_S


class Watcher:
    """The figures of a network. Use `running`; `snapshot` and `status` are current then."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.nodes = subject.nodes
        self.channels = {name: ChannelFigures() for name in subject.channels}
        self.reading = Reading()
        self.status: NetworkStatus | None = None
        self._not_endorsed: dict[
            str, float
        ] = {}  # by peer: proposals that it had not endorsed when the watch began
        self._logs = [RefusalLog(log) for log in subject.logs]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch while the body runs. The network itself may stop and start meanwhile."""
        async with aiohttp.ClientSession() as session:
            tasks = [asyncio.create_task(self._ask_nodes(session)), asyncio.create_task(self._ask_status())]
            for channel in self.channels:
                tasks.append(asyncio.create_task(self._follow_blocks(channel)))
                tasks += [
                    asyncio.create_task(self._follow_market(channel, chaincode))
                    for chaincode in self.subject.channels[channel].markets
                ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def refusals(self, channel: str) -> Counter[str]:
        """The contract's refusals by code. Each organisation's server is asked: the most that one of them counted."""
        most: Counter[str] = Counter()
        for log in self._logs:
            for (where, code), count in log.counts.items():
                if where == channel:
                    most[code] = max(most[code], count)
        return most

    def snapshot(self) -> dict[str, Any]:
        """Everything, as the page reads it."""
        now = time.monotonic()
        peers = {name: channel.peers for name, channel in self.subject.channels.items()}
        return {
            "name": self.subject.name,
            "backend": self.subject.backend,
            "state": self.status.state if self.status else "unknown",
            "memory_bytes": self.status.memory_bytes if self.status else 0,
            "nodes": [
                {
                    "name": node.name,
                    "kind": node.kind,
                    "organization": node.organization,
                    "state": node.state,
                    "pid": node.pid,
                    "memory_bytes": node.memory_bytes,
                    "certificate_days_left": node.certificate_days_left,
                }
                for node in (self.status.processes if self.status else ())
            ],
            "channels": {
                name: {
                    "organizations": list(self.subject.channels[name].organizations),
                    "heights": self._heights(name, peers[name]),
                    "peers": {peer: self._work(peer) for peer in peers[name]},
                    "complete": figures.complete,
                    "leader": figures.leader,
                    "leader_changes": figures.leader_changes,
                    "transactions": dict(figures.transactions),
                    "transactions_per_s": round(figures.transactions_per_s(now), 1),
                    "history": [round(value, 1) for value in figures.history],
                    "refusals": dict(self.refusals(name).most_common()),
                    "market": figures.market.to_json(),
                }
                for name, figures in self.channels.items()
            },
        }

    def _heights(self, channel: str, peers: Iterable[str]) -> dict[str, int | None]:
        """By the peers' metrics, else by their answer to the latest question for the status."""
        asked = self.status.channels.get(channel, {}) if self.status else {}
        told = self.reading.heights(channel, peers)
        return {peer: asked.get(peer) if height is None else height for peer, height in told.items()}

    def _work(self, peer: str) -> dict[str, float]:
        """A peer's work; proposals that it did not endorse count since the watch began, or the peer started."""
        work = self.reading.work(peer)
        return {**work, "not_endorsed": max(0.0, work["not_endorsed"] - self._not_endorsed.get(peer, 0.0))}

    async def _ask_nodes(self, session: aiohttp.ClientSession) -> None:
        orderers = orderer_names(self.nodes)
        while True:
            self.reading = await read_nodes(session, self.nodes)
            for peer in self.reading.metrics:
                so_far = self.reading.work(peer)["not_endorsed"]
                before = self._not_endorsed.setdefault(peer, so_far)
                self._not_endorsed[peer] = (
                    before if so_far >= before else 0.0
                )  # less: the peer was started again
            now = time.monotonic()
            for name, figures in self.channels.items():
                leader = self.reading.leader(name, orderers)
                if leader and figures.leader and leader != figures.leader:
                    figures.leader_changes += 1
                figures.leader = leader or figures.leader
                figures.history.append(figures.transactions_per_s(now))
            for log in self._logs:
                log.read()
            await asyncio.sleep(NODES_EVERY_S)

    async def _ask_status(self) -> None:
        while True:
            try:
                self.status = await self.subject.status()
            except UsageError:
                self.status = None  # deleted under our eyes
            await asyncio.sleep(STATUS_EVERY_S)

    async def _follow_blocks(self, channel: str) -> None:
        """Count transactions by validation code, from the channel's first block on."""
        figures, markets = self.channels[channel], self.subject.channels[channel].markets
        checkpoint = InMemoryCheckpointer()
        while True:
            height = await self.subject.height(channel)
            if height is None:
                await asyncio.sleep(RETRY_S)
                continue
            figures.connected(height)
            try:
                async with self.subject.connect(channel) as gateway:
                    network = gateway.get_network(channel)
                    async for block in network.filtered_block_events(start_block=0, checkpoint=checkpoint):
                        figures.take(block, markets, time.monotonic())
                        checkpoint.checkpoint_block(block.number)
            except UNREADABLE:
                await asyncio.sleep(RETRY_S)

    async def _follow_market(self, channel: str, chaincode: str) -> None:
        figures = self.channels[channel]
        checkpoint = InMemoryCheckpointer()
        while True:
            try:
                async with self.subject.connect(channel) as gateway:
                    network = gateway.get_network(channel)
                    async for event in network.chaincode_events(
                        chaincode, start_block=0, checkpoint=checkpoint
                    ):
                        figures.market.fold(event.event_name, event.payload)
                        figures.events += 1
                        checkpoint.checkpoint_chaincode_event(event)
            except UNREADABLE:
                await asyncio.sleep(RETRY_S)
