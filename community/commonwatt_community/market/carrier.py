# SPDX-License-Identifier: Apache-2.0
"""A carrier: it takes signed messages from many homes, and has them written on the ledger in batches.

A carrier can delay and drop, never alter or invent. A home that gets no answer in time turns to another one, with the
very same message: a message is the same however often it is written.
"""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from commonwatt_chaincode.messages.fields import HIGHEST_SEQ
from commonwatt_chaincode.messages.message import Message, read
from commonwatt_chaincode.messages.refusals import MessageCode, MessageRefused
from commonwatt_client import ClientError, CommitError, CommitStatusError, GatewayError, SubmitError
from commonwatt_client.errors import MalformedMessageError
from commonwatt_client.retry import LOST_RACES, can_endorse_again, fate_is_unknown

from .refused import Refused
from .results import Written

WRITTEN = "written"
ADMITTED = "admitted"
CARRIER_BUSY = "carrier_busy"
"""The carrier holds as much as it takes, in all or of this home: nothing was sent, a pause helps."""

FATE_UNKNOWN = "fate_unknown"
"""An earlier try may have written the message before the contract refused a later one: ask `message_status`."""

LARGEST_BATCH = 1_000
"""What the contract takes in one transaction."""

_FIRST_PAUSE_S = 0.1

_log = logging.getLogger("commonwatt_community")


class Place(NamedTuple):
    """What a batch's messages have in common: bids or readings of one period."""

    kind: str
    period: int


class Writes(Protocol):
    """Has batches committed, as a `ForwardMarket` does as one identity."""

    async def submit_messages(self, kind: str, period: int, messages: Sequence[bytes], /) -> Written:
        """What became of each message, in their order.

        Raises:
            Refused: the contract refused the whole batch.
            GatewayError: the network failed it.
        """
        ...


class GivesReceipts(Protocol):
    """Signs what a carrier promises: a `Service`."""

    def receipt(self, compact: bytes, digest: str, /) -> bytes:
        """An admission receipt for a message."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How a carrier fills its batches, and how much it holds.

    Attributes:
        most_messages: a batch of so many goes at once.
        longest_wait_s: a batch goes when its first message has waited so long.
        in_flight: batches under way at once; while so many are, the next ones grow.
        most_waiting: messages that wait or are under way, of all homes.
        most_of_a_home: the same of one home and one place, so that none fills the carrier: what has an answer
            makes room. All that an author may say of a period fits.
        most_of_a_home_in_all: the same of one home and all its places. Each place has a batch of its own: a home that
            names periods by the thousand would keep its neighbours' batches waiting behind them.
        patience_s: how long a batch that the network fails is tried again.
    """

    most_messages: int = 500
    longest_wait_s: float = 0.2
    in_flight: int = 4
    most_waiting: int = 100_000
    most_of_a_home: int = 2 * HIGHEST_SEQ
    most_of_a_home_in_all: int = 300
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.most_messages <= LARGEST_BATCH or self.in_flight < 1:
            raise ValueError(f"a batch has 1 to {LARGEST_BATCH} messages, and one batch or more is under way")


class Admitted(NamedTuple):
    """Whether a carrier took a message: ``admitted``, with a receipt where it signs some, or the code of a refusal."""

    digest: str
    result: str
    receipt: bytes | None = None


class Carried(NamedTuple):
    """What became of a message: ``written``, or the code by which carrier or contract refuses it."""

    digest: str
    result: str

    @property
    def written(self) -> bool:
        """Whether the ledger has it."""
        return self.result == WRITTEN


class CarrierFailed(ClientError):
    """A carrier failed in a way that nobody foresaw, which its log tells: the message may be on the ledger or not.

    Send the same message again, or ask for its status.
    """


@dataclass(eq=False, slots=True)
class _Waiting:
    home: str
    compact: bytes
    answer: asyncio.Future[str]


@dataclass(eq=False, slots=True)
class _Queue:
    messages: deque[_Waiting] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None


class Carrier:
    """Takes messages one by one, sends them in batches; `async with` ends when all have their answers.

    A carrier verifies no signature: the contract does. So one that strangers reach asks them for a login first, or they
    use up what it takes of a home. Batches of one place go side by side; of one author's messages the highest ``seq``
    counts, in whatever order they arrive.

    ::

        async with Carrier(market) as carrier:
            carried = await carrier.carry(home.request(29_400_000, 1_200, 310_000))
            print(carried.result)
    """

    def __init__(
        self,
        market: Writes | Sequence[Writes],
        limits: Limits | None = None,
        receipts: GivesReceipts | None = None,
    ) -> None:
        """`market`: one, or several, each over a connection of its own: a batch goes over the one with the fewest.

        A batch that fails is tried again over another one, where there is any. `receipts` signs a promise for each
        message that `admit` takes; without it none is given.

        Raises:
            ValueError: no market.
        """
        markets = tuple(market) if isinstance(market, Sequence) else (market,)
        if not markets:
            raise ValueError("a carrier needs a market to write to")
        self._markets = deque(markets)  # whose turn it is stands first
        self._under_way: Counter[int] = Counter()
        self._receipts = receipts
        self._limits = limits or Limits()
        self._queues: dict[Place, _Queue] = {}
        self._held: dict[bytes, asyncio.Future[str]] = {}
        self._of_a_home: Counter[tuple[Place, str]] = Counter()
        self._of_a_home_in_all: Counter[str] = Counter()
        self._senders: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(self._limits.in_flight)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Take no more, send what waits, and return when everything has its answer."""
        self._closed = True
        for place in list(self._queues):
            self._send(place)
        while self._senders:
            await asyncio.wait(self._senders)

    async def admit(self, compact: bytes) -> Admitted:
        """Take a message and promise, by a receipt, when it is on the ledger; `carry` of the same one waits for it."""
        try:
            message = read(compact)
            place = _place(message)
        except MessageRefused as refused:
            return Admitted("", refused.code.value)
        if compact not in self._held:
            if self._is_full(place, message.home):
                return Admitted(message.digest, CARRIER_BUSY)
            self._take(place, message.home, compact)
        receipt = None if self._receipts is None else self._receipts.receipt(compact, message.digest)
        return Admitted(message.digest, ADMITTED, receipt)

    async def carry(self, compact: bytes) -> Carried:
        """Have a message written; returns when it is committed, or refused.

        The same message twice is carried once. A caller that gives up waiting does not take it back.

        Raises:
            GatewayError: the network failed it for `patience_s`; send it again, here or by another carrier.
            MalformedMessageError: the contract's answer cannot be read.
            CarrierFailed: nobody foresaw this failure; it is logged.
        """
        try:
            message = read(compact)
            place = _place(message)
        except MessageRefused as refused:
            return Carried("", refused.code.value)
        answer = self._held.get(compact)
        if answer is None:
            if self._is_full(place, message.home):
                return Carried(message.digest, CARRIER_BUSY)
            answer = self._take(place, message.home, compact)
        return Carried(message.digest, await asyncio.shield(answer))

    def _is_full(self, place: Place, home: str) -> bool:
        return (
            self._closed
            or len(self._held) >= self._limits.most_waiting
            or self._of_a_home[place, home] >= self._limits.most_of_a_home
            or self._of_a_home_in_all[home] >= self._limits.most_of_a_home_in_all
        )

    def _take(self, place: Place, home: str, compact: bytes) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(home, compact, loop.create_future())
        self._held[compact] = waiting.answer
        self._of_a_home[place, home] += 1
        self._of_a_home_in_all[home] += 1
        queue = self._queues.setdefault(place, _Queue())
        queue.messages.append(waiting)
        if len(queue.messages) % self._limits.most_messages == 0:
            self._send(place)
        elif queue.timer is None:
            queue.timer = loop.call_later(self._limits.longest_wait_s, self._send, place)
        return waiting.answer

    def _send(self, place: Place) -> None:
        sender = asyncio.create_task(self._sent(place))
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)

    async def _sent(self, place: Place) -> None:
        async with self._slots:
            batch = self._next_batch(place)
            if not batch:
                return
            answers: Sequence[str | Exception | None] = [None] * len(batch)
            try:
                answers = await self._written(place, [one.compact for one in batch])
            except (GatewayError, MalformedMessageError) as error:
                answers = [error] * len(batch)
            except Exception as error:
                _log.exception("a batch of %d messages of kind %s failed unforeseen", len(batch), place.kind)
                failure = CarrierFailed(
                    f"the carrier failed with {type(error).__name__}", advice="send the message again"
                )
                failure.__cause__ = error
                answers = [failure] * len(batch)
            finally:  # a message without an answer would keep its home waiting, and its place taken, for ever
                for one, answer in zip(batch, answers, strict=True):
                    self._answered(place, one, answer)

    def _next_batch(self, place: Place) -> list[_Waiting]:
        """As many as a batch takes; those that are left get a batch of their own in time."""
        queue = self._queues.get(place)
        if queue is None:
            return []
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        batch = [
            queue.messages.popleft() for _ in range(min(len(queue.messages), self._limits.most_messages))
        ]
        if not queue.messages:
            del self._queues[place]
        elif self._closed:
            self._send(place)
        else:
            loop = asyncio.get_running_loop()
            queue.timer = loop.call_later(self._limits.longest_wait_s, self._send, place)
        return batch

    def _answered(self, place: Place, one: _Waiting, answer: str | Exception | None) -> None:
        del self._held[one.compact]
        self._of_a_home[place, one.home] -= 1
        if not self._of_a_home[place, one.home]:
            del self._of_a_home[place, one.home]
        self._of_a_home_in_all[one.home] -= 1
        if not self._of_a_home_in_all[one.home]:
            del self._of_a_home_in_all[one.home]
        if answer is None:
            one.answer.cancel()
        elif isinstance(answer, str):
            one.answer.set_result(answer)
        else:
            one.answer.set_exception(answer)
            one.answer.exception()  # its sender may have given up waiting

    async def _submitted(self, place: Place, batch: list[bytes]) -> Written:
        """Over the market with the fewest batches under way; among equals, the one that waited longest."""
        market = min(self._markets, key=lambda one: self._under_way[id(one)])
        self._markets.remove(market)
        self._markets.append(market)
        self._under_way[id(market)] += 1
        try:
            return await market.submit_messages(place.kind, place.period, batch)
        finally:
            self._under_way[id(market)] -= 1

    async def _written(self, place: Place, batch: list[bytes]) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.patience_s
        failures, may_be_written = 0, False
        while True:
            try:
                results = (await self._submitted(place, batch)).results
            except Refused as refused:
                return [FATE_UNKNOWN if may_be_written else refused.code] * len(batch)
            except GatewayError as error:
                failures += 1
                pause_s = _FIRST_PAUSE_S * 2 ** min(failures - 1, 6) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                if not _may_be_tried_again(error) or loop.time() + pause_s > until:
                    raise
                may_be_written = may_be_written or isinstance(error, (SubmitError, CommitStatusError))
                _log.info(
                    "a batch of %d messages of kind %s for period %d failed with %s; again in %.2f s",
                    len(batch),
                    place.kind,
                    place.period,
                    error.code.name,
                    pause_s,
                )
                await asyncio.sleep(pause_s)
                continue
            if len(results) != len(batch):
                raise MalformedMessageError(
                    f"the contract answered for {len(results)} messages of a batch of {len(batch)}"
                )
            return results


def _place(message: Message) -> Place:
    if message.kind is None:
        raise MessageRefused(MessageCode.WRONG_TYP, f"a message of type {message.typ} is carried in no batch")
    return Place(message.kind, message.period)


def _may_be_tried_again(error: GatewayError) -> bool:
    """Whether the same batch may succeed later; messages that an earlier try wrote are written once more, unchanged."""
    if isinstance(error, CommitError):
        return error.code in LOST_RACES
    if isinstance(error, (SubmitError, CommitStatusError)):
        return fate_is_unknown(error)
    return can_endorse_again(error)
