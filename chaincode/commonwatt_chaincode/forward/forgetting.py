# SPDX-License-Identifier: Apache-2.0
"""Erasure: every peer purges the private values of a home, once the books of its periods are closed.

Messages, gaps and adjustments are the home's alone: their keys are purged. Lines, awards, bills and carbon are records
of many homes. Such a record is purged, and written anew without the home. It gets another key: a purge and a new value
of
one key in one transaction are no purge on Fabric. A plan is about all homes of a period, and once the books are closed
nothing needs it: it is purged whole. The public index, sums and digests stay: they hold no quantity of a home.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..market.forward.periods import Period, period_at, periods_of_day
from ..market.tariff import MINUTE_S
from ..messages.message import BID
from ..shim import Stub
from . import keys
from .access import require_operator_or_grid
from .arguments import ForgetHome, ForgetHomes
from .kept import digest_of, kept
from .lines import decode_lines, encode_lines
from .records import (
    Awards,
    Bills,
    CarbonDays,
    Forgotten,
    Home,
    Imported,
    Meter,
    OutsideAwards,
    Rewritten,
    StoredKeys,
    decode,
    decode_optional,
    encode,
)
from .refusals import Code, refuse
from .registry import Registry
from .state import Place, Situation, all_homes, place_of, rows, situation, void_once_the_next_gate_closes

MOST_STEPS = 300
"""Periods of one transaction; days on which none of the homes takes part count as one."""
MOST_PURGED = 1_000
"""Keys after which a transaction ends with the period that it is at."""
MOST_BYTES = 1_000_000
"""Bytes of others' records after which it ends likewise."""


async def forget_home(stub: Stub, arguments: ForgetHome | ForgetHomes) -> dict[str, Any]:
    """Purge what is private of homes before a period, as far as one transaction goes; ``next`` is what is left."""
    now = await situation(stub)
    require_operator_or_grid(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    before = now.period(arguments.before)
    _require_closed(now, _last_before(now, before))
    names = arguments.homes if isinstance(arguments, ForgetHomes) else (arguments.home,)
    known = {home.home: home for home in await all_homes(stub)}
    for name in names:
        if name not in known:
            raise refuse(Code.UNKNOWN_HOME, f"home {name} is not registered")
    homes = [known[name] for name in sorted(names)]
    registry = Registry(known.values())
    cursors = await _cursors(stub, registry, homes)
    walk = _Walk(stub, now, registry, cursors, await _lost(stub, cursors))
    reached = await _walk_days(walk, before)
    for home, cursor in cursors.items():
        if cursor < reached:
            record = Forgotten(home, reached, stub.transaction_id)
            await stub.put_state(keys.forgotten_key(home), encode(record))
    if reached == before.id:
        for one in homes:
            await _forget_keys(walk, one, before)
    if walk.purged:
        stub.set_event("forgotten", encode({"homes": len(homes), "purged": walk.purged}))
    return {
        "purged": walk.purged,
        "rewritten": walk.rewritten,
        "next": None if reached == before.id else reached,
    }


def _last_before(now: Situation, before: Period) -> Period:
    configuration = now.configuration
    return period_at(before.start_s - MINUTE_S, configuration.lengths, configuration.offsets)


def _require_closed(now: Situation, period: Period) -> None:
    """``too_early`` unless a period's books are closed."""
    from_s = now.closed_s(period)
    if now.now_s < from_s:
        raise refuse(
            Code.TOO_EARLY,
            f"the private values of period {period.id} are kept until {from_s}; it is {now.now_s}",
        )


async def _cursors(stub: Stub, registry: Registry, homes: Sequence[Home]) -> dict[str, int]:
    """From which period on something of each home may be left. A home that never took part has nothing."""
    taking_part = [home.home for home in homes if home.versions]
    records = await stub.get_states([keys.forgotten_key(home) for home in taking_part])
    cursors = {}
    for home, value in zip(taking_part, records, strict=True):
        known = decode_optional(Forgotten, value)
        cursors[home] = known.to_period if known else registry.registration(home).from_period
    return cursors


async def _lost(stub: Stub, homes: dict[str, int]) -> list[Place]:
    """The messages of these homes that were declared lost: a peer that did not endorse it may hold one."""
    prefix = keys.lost_key("")
    places = [place_of(row.key.removeprefix(prefix)) for row in await rows(stub, *keys.LOST)]
    return [place for place in places if place is not None and place.home in homes]


@dataclass(slots=True)
class _Walk:
    """One transaction's way through the periods, and how much it has purged on it."""

    stub: Stub
    now: Situation
    registry: Registry
    cursors: dict[str, int]
    lost: list[Place]
    steps: int = 0
    purged: int = 0
    rewritten: int = 0
    bytes: int = 0

    def ended(self) -> bool:
        """Whether the transaction carries as much as it may."""
        return self.steps >= MOST_STEPS or self.purged >= MOST_PURGED or self.bytes >= MOST_BYTES

    async def purge(self, names: Sequence[str]) -> None:
        """Purge private keys; those under which nothing stands are no error."""
        for name in names:
            await self.stub.purge_private_data(keys.COLLECTION, name)
        self.purged += len(names)


async def _walk_days(walk: _Walk, before: Period) -> int:
    """Forget period by period and, at its end, each day's bills and carbon; the first period that is left."""
    if not walk.cursors:
        return before.id
    configuration = walk.now.configuration
    at = min(*walk.cursors.values(), before.id)
    while at < before.id and not walk.ended():
        day = walk.now.day(walk.now.period(at))
        periods = list(periods_of_day(day, configuration.lengths, configuration.offsets))
        taken = [one for one in periods if at <= one.id < before.id and _homes_of(walk, one)]
        states = await _states(walk.stub, taken)
        for period, state in zip(taken, states, strict=True):
            if walk.ended():
                return period.id
            _require_closed(walk.now, period)
            await _forget_period(walk, state, _homes_of(walk, period))
            walk.steps += 1
            at = period.id + period.length_min
        following = periods[-1].id + periods[-1].length_min
        if following > before.id:
            return before.id
        homes = [home for home, cursor in walk.cursors.items() if cursor < following]
        await _forget_bills(walk, day, following, homes)
        walk.steps += not taken
        at = following
    return at


def _homes_of(walk: _Walk, period: Period) -> list[str]:
    """The homes that take part in a period and are not forgotten there yet."""
    return [
        home
        for home, cursor in walk.cursors.items()
        if cursor <= period.id and walk.registry.part_of(period.id, home) is not None
    ]


class _State(NamedTuple):
    """How far a period came."""

    period: Period
    version: int
    cleared: bool
    traded_outside: bool


async def _states(stub: Stub, periods: Sequence[Period]) -> list[_State]:
    kinds = (keys.meter_key, keys.cleared_key, keys.imported_key)
    values = await stub.get_states([key(one.id) for one in periods for key in kinds])
    found = []
    for period, meter, cleared, imported in zip(
        periods, values[::3], values[1::3], values[2::3], strict=True
    ):
        frozen = decode_optional(Meter, meter)
        known = decode_optional(Imported, imported)
        found.append(
            _State(period, frozen.version if frozen else 0, cleared is not None, bool(known and known.trades))
        )
    return found


async def _forget_period(walk: _Walk, state: _State, homes: Sequence[str]) -> None:
    """Purge what homes said of a period, and what came of it."""
    period, stub = state.period, walk.stub
    names = [place.key for place in walk.lost if place.period == period.id and place.home in homes]
    for home in homes:
        prefixes = [keys.index_prefix(BID, period.id)]
        prefixes += [keys.index_prefix("reading", period.id, one) for one in range(1, state.version + 2)]
        for prefix in prefixes:
            names += [row.key for row in await rows(stub, *keys.range_of(f"{prefix}{home}/"))]
        names += await _gaps_and_adjustments(walk, state, home)
    plans = [keys.plan_key(period.id, version) for version in range(1, state.version + 1)]
    planned = await stub.get_states(plans)
    names += [name for name, mark in zip(plans, planned, strict=True) if mark is not None]
    await walk.purge(names)
    places = sorted(
        {
            (version, part)
            for home in homes
            if (part := walk.registry.part_of(period.id, home)) is not None
            for version in range(1, state.version + 1)
        }
    )
    settled = await stub.get_states([keys.part_key(period.id, *place) for place in places])
    for place, mark in zip(places, settled, strict=True):
        if mark is not None:
            await _rewrite(walk, keys.lines_key(period.id, *place), _lines_without(homes))
    if state.cleared:
        await _rewrite(walk, keys.awards_key(period.id), _awards_without(homes))
    if state.traded_outside:
        await _rewrite(walk, keys.outside_key(period.id), _outside_without(homes))


async def _gaps_and_adjustments(walk: _Walk, state: _State, home: str) -> list[str]:
    """The keys of what a gap's period came to, and of what its changes booked; no bill waits for them any more."""
    stub, period_id = walk.stub, state.period.id
    versions = range(1, state.version + 1)
    pending = [keys.pending_key(home, period_id, version) for version in versions]
    gap, *marks = await stub.get_states([keys.gap_key(period_id, home), *pending])
    for name, mark in zip(pending, marks, strict=True):
        if mark is not None:
            await stub.delete_state(name)
    names = [keys.gap_key(period_id, home)] if gap is not None else []
    first = 1 if gap is not None else 2  # the first version alone changes nothing
    return names + [keys.adjustment_key(home, period_id, version) for version in versions if version >= first]


async def _forget_bills(walk: _Walk, day: int, ends: int, homes: Sequence[str]) -> None:
    parts = [
        number for number, part in enumerate(walk.registry.day_parts(ends)) if not {*homes}.isdisjoint(part)
    ]
    billed = await walk.stub.get_states([keys.billed_key(day, part) for part in parts])
    carbon = await walk.stub.get_states([keys.carbon_key(day, part) for part in parts])
    for part, bills, days in zip(parts, billed, carbon, strict=True):
        if bills is not None:
            await _rewrite(walk, keys.bills_key(day, part), _bills_without(homes))
        if days is not None:
            await _rewrite(walk, keys.carbon_key(day, part), _carbon_without(homes))


Without = Callable[[bytes], bytes | None]
"""A record without some homes; None where it holds none of them."""


def _lines_without(homes: Sequence[str]) -> Without:
    def without(value: bytes) -> bytes | None:
        lines = decode_lines(value)
        left = tuple(one for one in lines.lines if one.home not in homes)
        return None if len(left) == len(lines.lines) else encode_lines(replace(lines, lines=left))

    return without


def _awards_without(homes: Sequence[str]) -> Without:
    def without(value: bytes) -> bytes | None:
        awards = decode(Awards, value)
        left = tuple(one for one in awards.awards if one.home not in homes)
        if len(left) == len(awards.awards):
            return None
        return encode(
            replace(awards, awards=left, exchange=None)
        )  # the pools are of use until the import alone

    return without


def _outside_without(homes: Sequence[str]) -> Without:
    def without(value: bytes) -> bytes | None:
        traded = decode(OutsideAwards, value)
        left = tuple(one for one in traded.awards if one.home not in homes)
        return None if len(left) == len(traded.awards) else encode(replace(traded, awards=left))

    return without


def _bills_without(homes: Sequence[str]) -> Without:
    def without(value: bytes) -> bytes | None:
        bills = decode(Bills, value)
        left = tuple(one for one in bills.bills if one.bill.home not in homes)
        return None if len(left) == len(bills.bills) else encode(replace(bills, bills=left))

    return without


def _carbon_without(homes: Sequence[str]) -> Without:
    def without(value: bytes) -> bytes | None:
        days = decode(CarbonDays, value)
        left = tuple(one for one in days.days if one.carbon.home not in homes)
        return None if len(left) == len(days.days) else encode(replace(days, days=left))

    return without


async def _rewrite(walk: _Walk, name: str, without: Without) -> None:
    """Purge a record of several homes, and put what is left of it under the key of the next generation."""
    (one,) = await kept(walk.stub, [name])
    left = without(one.checked())
    if left is None:
        return
    generation = one.generation + 1
    await walk.purge([keys.generation_key(name, one.generation)])
    await walk.stub.put_private_data(keys.COLLECTION, keys.generation_key(name, generation), left)
    record = Rewritten(name, generation, digest_of(left), walk.stub.transaction_id)
    await walk.stub.put_state(keys.rewritten_key(name), encode(record))
    walk.rewritten += 1
    walk.bytes += len(left)


async def _forget_keys(walk: _Walk, home: Home, before: Period) -> None:
    """Purge the messages that brought keys, once the home has ended and nothing private of it is left."""
    if home.to_period is None or home.to_period > before.id:
        return
    authors = ("home", "meter")
    records = await walk.stub.get_states([keys.author_key(author, home.home) for author in authors])
    for author, value in zip(authors, records, strict=True):
        stored = decode_optional(StoredKeys, value)
        if stored is not None:
            versions = range(1, len(stored.versions) + 2)  # a proposal that was dropped stands one further
            names = [keys.possession_key(author, home.home, version) for version in versions]
            await walk.purge(
                names + [keys.consent_key(author, home.home, version) for version in versions[1:]]
            )
