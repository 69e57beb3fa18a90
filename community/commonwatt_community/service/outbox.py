# SPDX-License-Identifier: Apache-2.0
"""Admitted messages: on disk before their receipt leaves the house, and carried until the ledger has answered.

A restart, also after kill -9, carries what waits: a message is the same however often it is written.
"""

import asyncio
import hashlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from commonwatt_chaincode.messages.message import Message, read
from commonwatt_client import GatewayError
from commonwatt_client.errors import MalformedMessageError

from ..market.carrier import ADMITTED, CARRIER_BUSY, FATE_UNKNOWN, WRITTEN, Admitted, Carrier, CarrierFailed
from ..market.forward import ForwardMarket
from ..market.receipts import Service
from ..market.refused import Refused
from .clock import now_s
from .store import Store, StoreFailed

NOT_DELIVERED = "not_delivered"
"""The network failed the message for a day: its receipt convicts the service."""

PENDING = "pending"
KEEP_S = 3 * 86_400
"""How long the service answers for a message that is done."""

_GIVE_UP_S = 86_400
_LONGEST_PAUSE_S = 15.0

_log = logging.getLogger("commonwatt_community")

Told = Callable[[str, str, str, float], None]
"""Of a message that is done: home, digest, result, and seconds since this process took it."""


@dataclass(frozen=True)
class Limits:
    """How many messages wait at most, of all homes and of one."""

    most_waiting: int = 50_000
    most_of_a_home: int = 2_000


@dataclass(frozen=True)
class Spoken:
    """A message that was read, its bytes, and who signed it."""

    message: Message
    compact: bytes
    author: str

    @property
    def whole(self) -> bytes:
        """SHA-256 of all bytes: another signature of the same words is carried for itself."""
        return hashlib.sha256(self.compact).digest()


@dataclass(frozen=True)
class Entry:
    """The service's record of a message; ``result`` None while it waits."""

    digest: str
    home: str
    author: str
    kind: str
    period: int
    seq: int
    result: str | None


@dataclass(eq=False)
class _Waiting:
    spoken: Spoken
    receipt: bytes
    received_s: int
    done: asyncio.Future[str]
    since: float = field(default_factory=time.monotonic)


class Outbox:
    """Keeps, carries and answers for messages; `start` carries what an earlier process left."""

    def __init__(
        self, store: Store, carrier: Carrier, market: ForwardMarket, told: Told, limits: Limits | None = None
    ) -> None:
        self._store = store
        self._carrier = carrier
        self._market = market
        self._told = told
        self._limits = limits or Limits()
        self._waiting: dict[bytes, _Waiting] = {}
        self._keeping: dict[bytes, asyncio.Task[None]] = {}
        self._of_a_home: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self) -> int:
        """Carry what waits on disk; how many messages that are."""
        rows = self._store.all("SELECT * FROM messages WHERE result IS NULL ORDER BY received_s")
        for row in rows:
            spoken = Spoken(read(row["compact"]), row["compact"], row["author"])
            self._take(spoken, row["receipt"], row["received_s"])
            self._deliver(spoken.whole)
        return len(rows)

    async def close(self, within_s: float) -> None:
        """Let messages under way end for so long; the rest stays on disk for the next start."""
        try:
            async with asyncio.timeout(within_s):
                await self._carrier.close()
                while self._tasks:
                    await asyncio.wait(set(self._tasks))
        except TimeoutError:
            pass
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def admit(self, spoken: Spoken, receipts: Service) -> Admitted:
        """Keep a message and promise to deliver it. The same one again gets the same receipt. StoreFailed."""
        digest, whole = spoken.message.digest, spoken.whole
        waiting = self._waiting.get(whole)
        if waiting is not None:
            if whole in self._keeping:
                await asyncio.shield(self._keeping[whole])
            return Admitted(digest, ADMITTED, waiting.receipt)
        row = self._store.one("SELECT receipt FROM messages WHERE whole = ? AND result = ?", whole, WRITTEN)
        if row is not None:
            return Admitted(digest, ADMITTED, row["receipt"])
        home = spoken.message.home
        full = len(self._waiting) >= self._limits.most_waiting
        if full or self._of_a_home[home] >= self._limits.most_of_a_home:
            return Admitted(digest, CARRIER_BUSY)
        receipt, received_s = receipts.receipt(spoken.compact, digest), now_s()
        self._take(spoken, receipt, received_s)
        keeping = asyncio.create_task(self._keep(spoken, receipt, received_s))
        self._keeping[whole] = keeping
        self._tasks.add(keeping)
        keeping.add_done_callback(self._tasks.discard)
        await asyncio.shield(keeping)  # a caller that goes away takes nothing back
        return Admitted(digest, ADMITTED, receipt)

    async def _keep(self, spoken: Spoken, receipt: bytes, received_s: int) -> None:
        try:
            await self._store.write(_kept(spoken, receipt, received_s))
        except BaseException:
            self._drop(spoken.whole)
            raise
        finally:
            del self._keeping[spoken.whole]
        self._deliver(spoken.whole)

    def entries(self, digest: str) -> list[Entry]:
        """The entries of this digest: one for each signature that came."""
        rows = self._store.all("SELECT * FROM messages WHERE digest = ?", digest)
        return [
            Entry(
                row["digest"],
                row["home"],
                row["author"],
                row["kind"],
                row["period"],
                row["seq"],
                row["result"],
            )
            for row in rows
        ]

    async def wait(self, digest: str, seconds: float) -> None:
        """Return when a message of this digest is done, or after so long."""
        rows = self._store.all("SELECT whole FROM messages WHERE digest = ? AND result IS NULL", digest)
        waiting = [self._waiting[row["whole"]].done for row in rows if row["whole"] in self._waiting]
        if waiting:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def drop_old(self) -> None:
        """Drop what has been done for three days."""
        old = "DELETE FROM messages WHERE result IS NOT NULL AND received_s < ?"
        await self._store.write((old, (now_s() - KEEP_S,)))

    def _take(self, spoken: Spoken, receipt: bytes, received_s: int) -> None:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[spoken.whole] = _Waiting(spoken, receipt, received_s, done)
        self._of_a_home[spoken.message.home] += 1

    def _drop(self, whole: bytes) -> _Waiting:
        waiting = self._waiting.pop(whole)
        home = waiting.spoken.message.home
        self._of_a_home[home] -= 1
        if not self._of_a_home[home]:
            del self._of_a_home[home]
        return waiting

    def _deliver(self, whole: bytes) -> None:
        task = asyncio.create_task(self._delivered(whole))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _delivered(self, whole: bytes) -> None:
        waiting = self._waiting[whole]
        result = await self._result(waiting)
        await self._note(whole, result)
        self._drop(whole)
        waiting.done.set_result(result)
        message = waiting.spoken.message
        self._told(message.home, message.digest, result, time.monotonic() - waiting.since)

    async def _note(self, whole: bytes, result: str) -> None:
        done = "UPDATE messages SET result = ?, compact = NULL WHERE whole = ?"
        while True:
            try:
                await self._store.write((done, (result, whole)))
            except StoreFailed as error:
                _log.error("%s; the service tries again", error)
                await asyncio.sleep(_LONGEST_PAUSE_S)
            else:
                return

    async def _result(self, waiting: _Waiting) -> str:
        failures = 0
        while now_s() - waiting.received_s < _GIVE_UP_S:
            try:
                carried = await self._carrier.carry(waiting.spoken.compact)
                if carried.result == FATE_UNKNOWN and await self._stands(waiting.spoken):
                    return WRITTEN
                if carried.result not in (CARRIER_BUSY, FATE_UNKNOWN):
                    return carried.result
            except (GatewayError, MalformedMessageError, CarrierFailed, Refused) as error:
                _log.info("a message of kind %s waits: %s", waiting.spoken.message.kind, type(error).__name__)
            failures += 1
            pause_s = min(_LONGEST_PAUSE_S, 0.2 * 2.0 ** min(failures, 10))
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        return NOT_DELIVERED

    async def _stands(self, spoken: Spoken) -> bool:
        message = spoken.message
        status = await self._market.message_status(
            str(message.kind), message.period, message.home, message.seq, message.digest, spoken.author
        )
        return status.status == WRITTEN


def _kept(spoken: Spoken, receipt: bytes, received_s: int) -> tuple[str, tuple[object, ...]]:
    message = spoken.message
    return (
        "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            spoken.whole,
            message.digest,
            message.home,
            spoken.author,
            message.kind,
            message.period,
            message.seq,
            received_s,
            receipt,
            spoken.compact,
        ),
    )
