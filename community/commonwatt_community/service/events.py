# SPDX-License-Identifier: Apache-2.0
"""The ledger's events, heard once by the service and told to every subscriber, each of what concerns it."""

import asyncio
import json
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from commonwatt_client import ChaincodeEvent, GatewayError, InMemoryCheckpointer, Network, ReconnectPolicy
from commonwatt_client.errors import MalformedMessageError
from commonwatt_client.network_file import MARKET

from ..market.refused import Refused
from .caller import Caller, Role
from .heard import CLEARED, Heard, Json, Place, audience_of, sse
from .ledger import Ledger
from .store import Store, StoreFailed

_FOREVER = ReconnectPolicy(longest_pause_s=2.0, max_outage_s=math.inf)
_PAUSE_S = 2.0
_SILENCE_S = 2.0  # a ledger that says nothing for so long has said all
_KEPT = 500
_MOST_BEHIND = 500
_MOST_CATCHING_UP = 16

_log = logging.getLogger("commonwatt_community")

Reacts = Callable[[Heard], Awaitable[None]]


@dataclass(eq=False)
class Subscriber:
    """A caller that listens; one that falls too far behind is let go, and goes on after the last id that it has."""

    caller: Caller
    waiting: asyncio.Queue[Heard | bytes | None] = field(
        default_factory=lambda: asyncio.Queue(maxsize=_MOST_BEHIND)
    )

    def tell(self, what: Heard | bytes) -> None:
        """Put something into its queue."""
        if self.waiting.full():
            self.end()
        else:
            self.waiting.put_nowait(what)

    def end(self) -> None:
        """End its stream."""
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


class Hub:
    """Hears the channel's events from one stream, and tells them."""

    def __init__(self, network: Network, ledger: Ledger, store: Store, reacts: Reacts) -> None:
        """`reacts` is called with each event before anybody is told of it."""
        self._network = network
        self._ledger = ledger
        self._store = store
        self._reacts = reacts
        self._ring: deque[Heard] = deque(maxlen=_KEPT)
        self._subscribers: set[Subscriber] = set()
        self._at: tuple[int, str] | None = None
        self._catching_up = asyncio.Semaphore(_MOST_CATCHING_UP)

    def __len__(self) -> int:
        return len(self._subscribers)

    def streams_of(self, caller: Caller) -> int:
        """How many streams a caller listens to."""
        return sum(one.caller.called == caller.called for one in self._subscribers)

    async def run(self) -> None:
        """Hear without end, from where an earlier process stopped."""
        while True:
            try:
                await self._hear()
            except (GatewayError, MalformedMessageError, Refused, StoreFailed) as error:
                _log.warning(
                    "the events of the ledger stopped: %s; again in %.0f s", type(error).__name__, _PAUSE_S
                )
            await asyncio.sleep(_PAUSE_S)

    def tell_home(self, home: str, name: str, data: Json) -> None:
        """Tell a home, and those who live there, what the service itself knows."""
        line = sse(name, data)
        for subscriber in self._subscribers:
            if subscriber.caller.role is not Role.OPERATOR and subscriber.caller.home == home:
                subscriber.tell(line)

    def end_all(self) -> None:
        """End every stream."""
        for subscriber in self._subscribers:
            subscriber.end()

    async def lines(
        self, caller: Caller, after: Place | None, heartbeat_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The lines for a caller, without end; empty bytes after each `heartbeat_s` of silence."""
        subscriber = Subscriber(caller)
        try:
            if after is None:
                self._subscribers.add(subscriber)
            else:
                async for heard in self._since(after, subscriber):
                    known = after.line if heard.is_of(after.block, after.transaction_id) else -1
                    for line in heard.lines(caller, known):
                        yield line
            while True:
                try:
                    one = await asyncio.wait_for(subscriber.waiting.get(), heartbeat_s)
                except TimeoutError:
                    yield b""
                    continue
                if one is None:
                    return
                for line in [one] if isinstance(one, bytes) else one.lines(caller):
                    yield line
        finally:
            self._subscribers.discard(subscriber)

    async def _since(self, after: Place, subscriber: Subscriber) -> AsyncIterator[Heard]:
        """Events from a place on, until those that `subscriber`, which joins then, hears by itself."""
        place = (after.block, after.transaction_id)
        kept = self._ring_from(*place)
        if kept is not None or self._at == place:
            self._subscribers.add(subscriber)
            for heard in kept or ():
                yield heard
            return
        block = after.block - 1
        async with self._catching_up, aclosing(self._from_ledger(after)) as stream:
            while True:
                try:
                    heard = await asyncio.wait_for(anext(stream), _SILENCE_S)
                except (TimeoutError, StopAsyncIteration):
                    kept = [one for one in self._ring if one.block > block]
                    break
                yield heard
                block, place = heard.block, (heard.block, heard.transaction_id)
                kept = self._ring_from(*place)
                if kept is not None or self._at == place:
                    kept = (kept or [])[1:]
                    break
            self._subscribers.add(subscriber)
        for heard in kept:
            yield heard

    def _ring_from(self, block: int, transaction_id: str) -> list[Heard] | None:
        """The events that are kept from this one on; None where it is not among them."""
        start = next((n for n, one in enumerate(self._ring) if one.is_of(block, transaction_id)), None)
        return None if start is None else list(self._ring)[start:]

    async def _from_ledger(self, after: Place) -> AsyncGenerator[Heard, None]:
        async with self._network.chaincode_events(
            MARKET, start_block=after.block, reconnect=_FOREVER
        ) as events:
            passed = False
            async for event in events:
                own = event.transaction_id == after.transaction_id
                passed = passed or own or event.block_number > after.block
                if passed:
                    yield await self._heard(event)

    async def _hear(self) -> None:
        net = (await self._ledger.standing()).configuration.net
        row = self._store.one("SELECT block, transaction_id FROM heard WHERE net = ?", net)
        checkpoint = InMemoryCheckpointer()
        if row is not None and self._at is None:
            self._at = (row["block"], row["transaction_id"])
        if self._at is not None:  # what was told is not told again, also where it could not be noted
            checkpoint.checkpoint_transaction(*self._at)
        async with self._network.chaincode_events(
            MARKET, checkpoint=checkpoint, reconnect=_FOREVER
        ) as events:
            async for event in events:
                heard = await self._heard(event)
                await self._reacts(heard)
                self._at = (heard.block, heard.transaction_id)
                self._ring.append(heard)
                for subscriber in list(self._subscribers):
                    subscriber.tell(heard)
                await self._store.write(
                    ("INSERT OR REPLACE INTO heard VALUES (1, ?, ?, ?)", (net, *self._at))
                )

    async def _heard(self, event: ChaincodeEvent) -> Heard:
        data = _object(event.payload)
        name = event.event_name
        own = await self._awards(data) if name == CLEARED else {}
        audience = audience_of(name, data)
        return Heard(event.block_number, event.transaction_id, name, data, audience, own)

    async def _awards(self, data: Json) -> dict[str, Json]:
        period = data.get("period")
        if not isinstance(period, int):
            return {}
        try:
            periods = await self._ledger.market.list_awards(period, period + 1)
        except (GatewayError, MalformedMessageError, Refused) as error:
            _log.warning("the awards of a period were not told: %s", type(error).__name__)
            return {}
        return {
            award.home: {
                "period": one.period,
                "price_uaud_per_kwh": one.price_uaud_per_kwh,
                "bought_wh": award.bought_wh,
                "sold_wh": award.sold_wh,
                "code": award.code,
            }
            for one in periods
            for award in one.awards
        }


def _object(payload: bytes) -> Json:
    try:
        value = json.loads(payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
