# SPDX-License-Identifier: Apache-2.0
"""The sequence of one channel: envelopes in, blocks out.

A block is cut as on Fabric:

- when it has `BatchSize.max_message_count` envelopes;
- before an envelope that would lift it above `preferred_max_bytes`;
- before and after an envelope that is larger than that, or a configuration update: these stand alone;
- at the latest `BatchTimeout` after its first envelope came in.

Besides, because this orderer serves one machine, a block is cut as soon as every subscriber of the process has finished
the block before. If that block was cut less than 100 ms ago and the two carry ten transactions or more, the channel is
under load. The cut then lingers 10 ms longer, so that the block carries more of them. A few clients that each wait for
their commits never see that: their blocks are small. `cut_when_idle=False` turns this rule off.

A block is written before any subscriber sees it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2

from commonwatt_network.embedded.background import BackgroundTasks
from commonwatt_network.embedded.channels.blocks import (
    build_block,
    header_hash,
    headers_of,
    last_config_number,
)
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.orderer.admission import (
    Rejection,
    Status,
    check_config_update,
    check_envelope,
)
from commonwatt_network.embedded.orderer.consenters import consenter_metadata
from commonwatt_network.embedded.orderer.store import BlockStore
from commonwatt_network.embedded.trust.signing import SignatureChecks, SigningIdentity

BUSY_WINDOW_S = 0.1
LINGER_S = 0.010
LOADED_COUNT = 10
MOST_QUEUED_BYTES = 256 << 20

logger = logging.getLogger(__name__)


@dataclass
class OrderingFaults:
    """Faults that a test may switch on while the network runs."""

    no_leader: bool = False
    delivery_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """An accepted envelope; `config_sequence` is the configuration that it was checked under."""

    envelope: Any
    size: int
    config_sequence: int
    is_config: bool
    accepted_s: float


@dataclass
class OrderingCounters:
    """What the metrics endpoint tells of a channel."""

    blocks: int = 0
    envelopes: int = 0
    rejected: int = 0


@dataclass(eq=False)
class Subscription:
    """A reader of the channel's blocks within the process; `next_number` is the block that it waits for."""

    next_number: int
    waiting: bool = False


@dataclass(eq=False)
class OrderedChannel:
    """One channel's sequence, shared by the orderers of the process that joined it."""

    channel_id: str
    store: BlockStore
    signer: SigningIdentity
    checks: SignatureChecks
    faults: OrderingFaults = field(default_factory=OrderingFaults)
    cut_when_idle: bool = True
    counters: OrderingCounters = field(default_factory=OrderingCounters)

    def __post_init__(self) -> None:
        newest = self.store.block(self.store.height - 1)
        self._last_hash = header_hash(newest.header)
        self._last_config = last_config_number(newest)
        self.config = ChannelConfig.from_block(self.store.block(self._last_config), self.checks)
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0
        self._changed = asyncio.Event()
        self._new_block = asyncio.Condition()
        self._subscriptions: set[Subscription] = set()
        self._last_cut_s = 0.0
        self._last_batch_count = 0
        self._failure: str | None = None
        self._background = BackgroundTasks(f"channel {self.channel_id}")
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def height(self) -> int:
        return self.store.height

    @property
    def last_config_number(self) -> int:
        return self._last_config

    @property
    def failures(self) -> list[str]:
        """What keeps the channel from growing, in words; empty while it is healthy."""
        return [*([self._failure] if self._failure is not None else []), *self._background.failures]

    def start(self) -> None:
        self._task = self._background.start(self._order(), "ordering")

    async def close(self) -> None:
        """Orders nothing more. Envelopes that are in no block yet are dropped, as by a Raft leader that stops."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        async with self._new_block:
            self._new_block.notify_all()
        self.store.close()

    def submit(self, envelope: Any) -> None:
        """Accept an envelope for ordering. Raises Rejection with the status that Broadcast answers."""
        try:
            message = self._admit(envelope)
        except Rejection:
            self.counters.rejected += 1
            raise
        self._queue.append(message)
        self._queued_bytes += message.size
        self._changed.set()

    def _admit(self, envelope: Any) -> Message:
        sequence = self.config.sequence
        _, channel_header, _ = headers_of(envelope)
        if channel_header.type == common_pb2.CONFIG:
            raise Rejection(Status.BAD_REQUEST, "message is of type that cannot be processed directly")
        if channel_header.type == common_pb2.ORDERER_TRANSACTION:
            raise Rejection(Status.BAD_REQUEST, "message is of type that is no longer supported")
        is_config = channel_header.type == common_pb2.CONFIG_UPDATE
        if is_config:
            envelope = check_config_update(self.config, envelope, self.signer)
        else:
            check_envelope(self.config, envelope)
        if self.faults.no_leader:
            raise Rejection(Status.SERVICE_UNAVAILABLE, "no Raft leader")
        if self.failures:
            raise Rejection(Status.SERVICE_UNAVAILABLE, self.failures[0])
        if self._closed:
            raise Rejection(Status.SERVICE_UNAVAILABLE, "chain is stopped")
        size = len(envelope.payload) + len(envelope.signature)
        if self._queued_bytes + size > MOST_QUEUED_BYTES:
            raise Rejection(Status.SERVICE_UNAVAILABLE, "too many transactions wait to be ordered")
        return Message(envelope, size, sequence, is_config, time.monotonic())

    async def blocks(self, start: int) -> AsyncIterator[Any]:
        """Blocks from number `start` on, forever, for a peer of this process.

        Asking for the next block tells that the one before is dealt with: the orderer then cuts the next at once.
        The blocks are shared: copy one before changing it. Ends when the channel is closed.
        """
        subscription = Subscription(start)
        self._subscriptions.add(subscription)
        try:
            while True:
                if subscription.next_number >= self.height:
                    subscription.waiting = True
                    self._changed.set()
                    await self.wait_for_height(subscription.next_number + 1)
                    subscription.waiting = False
                if self._closed:
                    return
                if self.faults.delivery_delay_s:
                    await asyncio.sleep(self.faults.delivery_delay_s)
                yield self.store.block(subscription.next_number)
                subscription.next_number += 1
        finally:
            self._subscriptions.discard(subscription)
            self._changed.set()

    def block(self, number: int) -> Any:
        """A `common.Block`, shared with other readers. Raises IndexError."""
        return self.store.block(number)

    async def wait_for_height(self, height: int) -> None:
        """Returns when the channel has `height` blocks or is closed."""
        async with self._new_block:
            await self._new_block.wait_for(lambda: self.height >= height or self._closed)

    def _all_idle(self) -> bool:
        return all(
            subscription.waiting and subscription.next_number >= self.height
            for subscription in self._subscriptions
        )

    async def _order(self) -> None:
        while True:
            batch = await self._collect()
            batch = self._revalidate(batch)
            if batch:
                try:
                    await self._write(batch)
                except OSError as error:
                    self._failure = f"cannot write block {self.height} to {self.store.path}: {error.strerror}"
                    logger.error("%s", self._failure)
                    self._queue.extendleft(reversed(batch))
                    self._queued_bytes += sum(message.size for message in batch)
                    await asyncio.sleep(1)  # a full disk: try again until there is room

    async def _collect(self) -> list[Message]:
        """The next block's messages, by the rules at the head of this module."""
        await self._wait_until(lambda: bool(self._queue), None)
        limits = self.config.batch_size
        deadline_s = self._queue[0].accepted_s + self.config.batch_timeout_s
        batch: list[Message] = []
        size = 0
        lingered = False
        while True:
            while self._queue:
                message = self._queue[0]
                alone = message.is_config or message.size > limits.preferred_max_bytes
                if batch and (alone or size + message.size > limits.preferred_max_bytes):
                    return batch
                batch.append(self._queue.popleft())
                self._queued_bytes -= message.size
                size += message.size
                if alone or len(batch) >= limits.max_message_count:
                    return batch
            now_s = time.monotonic()
            if now_s >= deadline_s:
                return batch
            if self.cut_when_idle and self._all_idle():
                loaded = len(batch) + self._last_batch_count >= LOADED_COUNT
                if lingered or not loaded or now_s - self._last_cut_s > BUSY_WINDOW_S:
                    return batch
                await asyncio.sleep(min(LINGER_S, deadline_s - now_s))
                lingered = True
                continue
            await self._wait_until(
                lambda: bool(self._queue) or (self.cut_when_idle and self._all_idle()), deadline_s - now_s
            )

    async def _wait_until(self, condition: Callable[[], bool], timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def _revalidate(self, batch: list[Message]) -> list[Message]:
        """Messages that were accepted under an earlier configuration must hold under the present one."""
        kept = []
        for message in batch:
            if message.config_sequence < self.config.sequence:
                try:
                    message = self._recheck(message)
                except Rejection as error:
                    logger.warning("channel %s: dropped an envelope: %s", self.channel_id, error.info)
                    self.counters.rejected += 1
                    continue
            kept.append(message)
        return kept

    def _recheck(self, message: Message) -> Message:
        if not message.is_config:
            check_envelope(self.config, message.envelope)
            return message
        payload, _, _ = headers_of(message.envelope)
        update = configtx_pb2.ConfigEnvelope.FromString(payload.data).last_update
        envelope = check_config_update(self.config, update, self.signer)
        return Message(envelope, message.size, self.config.sequence, True, message.accepted_s)

    async def _write(self, batch: list[Message]) -> None:
        number = self.height
        is_config = batch[0].is_config
        block = build_block(
            number,
            self._last_hash,
            [message.envelope.SerializeToString() for message in batch],
            number if is_config else self._last_config,
            self.signer,
            consenter_metadata(self.config, number),
        )
        await asyncio.to_thread(self.store.append, block)
        self._failure = None
        self._last_cut_s = time.monotonic()
        self._last_batch_count = len(batch)
        self._last_hash = header_hash(block.header)
        if is_config:
            self._last_config = number
            self.config = ChannelConfig.from_block(block, self.checks)
        self.counters.blocks += 1
        self.counters.envelopes += len(batch)
        async with self._new_block:
            self._new_block.notify_all()
