# SPDX-License-Identifier: Apache-2.0
"""What transactions read of the ledger: configuration and market time, registrations, private messages, the rest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from ..market.forward.bids import Connection
from ..market.forward.envelopes import Envelope
from ..market.forward.gates import closed_from_s, counts_from, gate_s, window_opens_s
from ..market.forward.periods import Period, period_at
from ..market.forward.tariffs import PeriodTariff, tariff_of
from ..market.tariff import DAY_MIN, MINUTE_S, local_day
from ..messages.message import Message, read
from ..shim import KeyValue, PeerError, Stub
from . import keys
from .records import (
    SIMULATED,
    Configuration,
    Envelopes,
    Home,
    Rules,
    SharingKeys,
    SimulatedClock,
    decode,
)
from .refusals import Code, refuse

FEWEST_CUT = 1_000
"""The rows from which on a range may be cut: a peer ends it at its totalQueryLimit and does not say so.

Fabric's sample configuration sets 100,000, and a peer without the setting takes 10,000.
"""

KEPT = 16_384
"""Registrations, and as many authors' keys, that this process keeps as they were read."""

MOST_KEPT = 20_000
"""Messages of one period that a process keeps: a home may sign any number of bids, and most are never written."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The configuration, and the market time of this transaction in epoch seconds."""

    configuration: Configuration
    now_s: int

    def period(self, period_id: int) -> Period:
        """The period with this id; ``bad_period`` where none starts."""
        configuration = self.configuration
        period = period_at(period_id * MINUTE_S, configuration.lengths, configuration.offsets)
        if period.id != period_id:
            raise refuse(
                Code.BAD_PERIOD,
                f"no period starts at minute {period_id}; the one before starts at {period.id}",
            )
        return period

    def rules(self, period: Period) -> Rules:
        """The rules of a period."""
        return self.configuration.rules_of(period.id)

    def tariff(self, period: Period) -> PeriodTariff:
        """What a period costs, of what was published before its window opened: bids come in that very second."""
        configuration = self.configuration
        return tariff_of(
            period,
            configuration.tariffs,
            configuration.holidays,
            configuration.offsets,
            max(
                0, window_opens_s(period, self.rules(period).times) - 1
            ),  # no time is before the first tariff
        )

    def day(self, period: Period) -> int:
        """The local day of a period."""
        return local_day(period.start_s, self.configuration.offsets)

    def closed_s(self, period: Period) -> int:
        """From when a period's books are closed."""
        return closed_from_s(period, self.rules(period).keep_d)

    def require_open(self, period: Period) -> None:
        """``too_late`` once a period's books are closed: the values below a settlement may be erased by then."""
        if self.now_s >= self.closed_s(period):
            raise refuse(
                Code.TOO_LATE,
                f"the books of period {period.id} are closed since {self.closed_s(period)}; it is {self.now_s}",
            )

    def running(self) -> Period:
        """The period of this very moment."""
        return period_at(self.now_s, self.configuration.lengths, self.configuration.offsets)

    def next_gate(self) -> Period:
        """The first period whose gate is after market time."""
        configuration = self.configuration
        least_s = min(rules.times.closes_before_s for rules in configuration.rules)
        period = period_at(self.now_s + least_s, configuration.lengths, configuration.offsets)
        while gate_s(period, self.rules(period).times) <= self.now_s:
            period = period_at(period.end_s, configuration.lengths, configuration.offsets)
        return period

    def counts_from(self, opens_before_s: int = 0) -> int:
        """The id of the first period whose window is not open yet, by the rules now and later, and by this time."""
        configuration = self.configuration
        now = configuration.rules_of(self.running().id)
        coming = [rules for rules in configuration.rules if rules.from_period > now.from_period]
        widest_s = max(opens_before_s, *(rules.times.opens_before_s for rules in (now, *coming)))
        times = replace(now.times, opens_before_s=widest_s)
        return counts_from(self.now_s, times, configuration.lengths, configuration.offsets)


async def situation(stub: Stub) -> Situation:
    """The configuration and the market time; ``not_configured`` before the first ``configure``."""
    return situation_of(stub, *await stub.get_states([keys.CONFIGURATION, keys.CLOCK]))


def situation_of(stub: Stub, configuration: bytes | None, clock: bytes | None) -> Situation:
    """The situation, of the two values that stand at ``keys.CONFIGURATION`` and ``keys.CLOCK``."""
    if configuration is None:
        raise refuse(Code.NOT_CONFIGURED, "the operator has not configured this channel yet")
    known = _configuration(configuration)
    if known.clock == SIMULATED and clock is not None:
        return Situation(known, decode(SimulatedClock, clock).time_s)
    return Situation(known, stub.timestamp.seconds)


@lru_cache(maxsize=16)
def _configuration(value: bytes) -> Configuration:
    return decode(Configuration, value)


async def void_once_the_next_gate_closes(stub: Stub, now: Situation) -> None:
    """Read that no gate ahead is closed: a transaction that is held back is void once the next, or a later one, is.

    A period without bids may keep its gate open, so the next gate alone is not enough: a tariff of this hour would be
    ordered when later periods are cleared.
    """
    await stub.get_state_by_range(keys.gate_key(now.next_gate().id), keys.GATES_END).rows()


async def rows(stub: Stub, start: str, end: str) -> list[KeyValue]:
    """A range of public keys, whole: where the peer may have cut it, it is read on behind the last row."""
    found: list[KeyValue] = []
    while True:
        some = await stub.get_state_by_range(start, end).rows()
        found += some
        if len(some) < FEWEST_CUT:
            return found
        start = f"{some[-1].key}\0"  # the next key that there can be


async def private(stub: Stub, names: Sequence[str]) -> list[bytes | None]:
    """Private values by key, None for those that this peer does not hold.

    Where a peer reads keys one by one, it answers for a value that it should have and has not with an error.
    """
    try:
        return await stub.get_private_data_states(keys.COLLECTION, names)
    except PeerError as error:
        raise refuse(
            Code.DATA_NOT_HERE, f"retry: this peer does not hold a private value ({error.message[:300]})"
        ) from error


@lru_cache(maxsize=KEPT)
def registration(value: bytes) -> Home:
    """The registration that stands at a home's key."""
    return decode(Home, value)


async def home_of(stub: Stub, home: str) -> Home:
    """A registration; ``unknown_home`` where there is none."""
    value = await stub.get_state(keys.registration_key(home))
    if value is None:
        raise refuse(Code.UNKNOWN_HOME, f"home {home} is not registered")
    return registration(value)


async def all_homes(stub: Stub) -> list[Home]:
    """Every registration, by home."""
    return [registration(row.value) for row in await rows(stub, *keys.HOMES)]


async def registered_homes(stub: Stub, period: Period) -> dict[str, Home]:
    """The homes that take part in a period, by id, in order."""
    return {home.home: home for home in await all_homes(stub) if home.connection_at(period.id) is not None}


def connections(homes: dict[str, Home], period: Period) -> dict[str, Connection]:
    """The connections of a period's homes."""
    found = {home: record.connection_at(period.id) for home, record in homes.items()}
    return {home: connection for home, connection in found.items() if connection is not None}


class Place(NamedTuple):
    """What an index key says: who said something about a period. ``version`` is None for bids."""

    kind: str
    period: int
    version: int | None
    home: str
    author: str
    seq: int

    @property
    def key(self) -> str:
        """The index key."""
        return keys.index_key(*self)


class Indexed(NamedTuple):
    """A message that stands on the ledger, and where; its compact bytes are those whose digest the index holds."""

    place: Place
    message: Message
    compact: bytes


def place_of(key: str) -> Place | None:
    """The place of an index key; None for any other key."""
    parts = key.split("/")
    try:
        if len(parts) == 6 and parts[1] == "bid":
            place = Place("bid", int(parts[2]), None, parts[3], parts[4], int(parts[5]))
        elif len(parts) == 7 and parts[1] == "reading":
            place = Place("reading", int(parts[2]), int(parts[3]), parts[4], parts[5], int(parts[6]))
        else:
            return None
    except ValueError:
        return None
    return place if place.key == key else None


async def index(
    stub: Stub, kind: str, period: Period, *, version: int | None = None, up_to: int | None = None
) -> dict[Place, str]:
    """The public index of a period: digests by place.

    Of readings all that came under one version, or under versions ``up_to`` one: the rest may still be growing.
    """
    start, end = keys.range_of(keys.index_prefix(kind, period.id, version))
    if up_to is not None:
        end = keys.index_prefix(kind, period.id, up_to + 1)
    found = {}
    for row in await rows(stub, start, end):
        place = place_of(row.key)
        if place is not None:
            found[place] = row.value.decode()
    return found


async def messages_at(stub: Stub, digests: dict[Place, str]) -> list[Indexed]:
    """The private messages at these places; ``data_not_here`` unless each is there and is the one of the index."""
    places = list(digests)
    values = await private(stub, [place.key for place in places])
    found = []
    for place, value in zip(places, values, strict=True):
        digest = digests[place]
        if value is None or hashlib.sha256(value).hexdigest() != digest:
            raise refuse(
                Code.DATA_NOT_HERE,
                f"retry: this peer does not hold the message of {place.key}, or another one",
            )
        message = _read_before(place.kind, place.period).get(digest)
        if message is None:
            message = read(value)
            keep_read(place.kind, place.period, digest, message)
        found.append(Indexed(place, message, value))
    return found


def keep_read(kind: str, period: int, digest: str, message: Message) -> None:
    """Spare this process the reading of a message once more; ``digest`` is what the index says of it."""
    known = _read_before(kind, period)
    if len(known) < MOST_KEPT:
        known[digest] = message


@lru_cache(maxsize=4)
def _read_before(kind: str, period: int) -> dict[str, Message]:
    """Messages of a period that this process has read, by digest.

    A batch brings them, clearing and the plan of a settlement read all of them, and each part its own.
    """
    return {}


async def indexed(
    stub: Stub, kind: str, period: Period, version: int | None = None, up_to: int | None = None
) -> list[Indexed]:
    """Every message of a period that stands on the ledger (see ``index``), in the order of the index."""
    return await messages_at(stub, await index(stub, kind, period, version=version, up_to=up_to))


async def envelopes_of(stub: Stub, period: Period, homes: Sequence[str] | None = None) -> list[Envelope]:
    """The envelopes of a period's day in UTC; ``market.forward.envelopes.caps_of`` picks what holds.

    Of all homes, or those for everybody and for the homes from the first to the last of some that are in order.
    """
    day = period.id // DAY_MIN
    ranges = [keys.envelopes_range(day)]
    if homes is not None:
        spans = [(None, None), *([(homes[0], homes[-1])] if homes else [])]
        ranges = [(keys.envelopes_key(day, one), f"{keys.envelopes_key(day, last)}\0") for one, last in spans]
    found: list[Envelope] = []
    for start, end in ranges:
        for row in await rows(stub, start, end):
            found += decode(Envelopes, row.value).envelopes
    return found


async def sharing_keys_of(stub: Stub, period: Period) -> dict[str, int]:
    """The static sharing keys of a period in ppm, by home; other homes have no key."""
    latest: dict[str, int] = {}
    for row in await rows(stub, keys.SHARING[0], keys.sharing_key(period.id + 1)):
        latest = decode(SharingKeys, row.value).keys
    return latest
