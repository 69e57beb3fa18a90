# SPDX-License-Identifier: Apache-2.0
"""Settling a gap: a meter that comes back says by its running totals what the periods without a reading came to."""

from collections.abc import Sequence
from typing import Any

from ..market.forward.day_bills import adjusted, merged
from ..market.forward.gaps import Spread, spread
from ..market.forward.period_settlement import with_gap
from ..market.forward.periods import Period, period_at
from ..market.forward.readings import Reading, counting, possible
from ..shim import Stub
from . import keys, records
from .access import require_member
from .arguments import SettleGap
from .kept import checked, digest_of
from .lines import (
    Standing,
    Wanted,
    gaps_of,
    lines_of,
    settled_up_to_date,
    terms_of,
)
from .readings import reading_of
from .records import Home, StoredAdjustment, decode, encode
from .refusals import Code, refuse
from .registry import Registry, registry_of
from .salts import salt
from .settling import billed_homes, put_adjustment
from .state import Indexed, Place, Situation, messages_at, place_of, private, rows, situation

MOST_PERIODS = 300
"""Periods of a gap that one transaction settles; the next one goes on behind them."""


async def settle_gap(stub: Stub, arguments: SettleGap) -> dict[str, Any]:
    """Spread a gap's energy over its periods, each with the grid alone. Periods that stand already are left as they
    are."""
    require_member(stub)
    now = await situation(stub)
    registry = await registry_of(stub)
    home = registry.homes.get(arguments.home)
    if home is None:
        raise refuse(Code.UNKNOWN_HOME, f"home {arguments.home} is not registered")
    periods = _periods(now, home, arguments)
    now.require_open(periods[0])
    versions = await settled_up_to_date(stub, periods)
    said = await _said(stub, home.home, periods, versions)
    missing = [period for period in periods if period.id not in said]
    spreads, nonce = _spread(periods, missing, said)
    rest = [one for one in spreads if one.period.id >= arguments.from_period]
    some = rest[:MOST_PERIODS]
    done = spreads[: len(spreads) - len(rest)][-1:]
    _check_possible(home, some)
    known = await gaps_of(stub, {(one.period.id, home.home): one.period for one in [*done, *some]})
    if done and known.get((done[0].period.id, home.home)) != done[0]:
        raise refuse(
            Code.NO_GAP, f"the gap is not settled up to period {arguments.from_period}: begin where it begins"
        )
    fresh = [one for one in some if known.get((one.period.id, home.home)) != one]
    await _adjust(stub, now, registry, home, versions, fresh, {place[0]: one for place, one in known.items()})
    for one in fresh:
        stored = records.Spread(
            one.period.id, home.home, one.import_wh, one.export_wh, salt(nonce, "gap", one.period.id)
        )
        value, name = encode(stored), keys.gap_key(one.period.id, home.home)
        await stub.put_private_data(keys.COLLECTION, name, value)
        await stub.put_state(name, digest_of(value).encode())
    if fresh:
        stub.set_event("gap_settled", encode({"periods": len(fresh)}))
    following = rest[MOST_PERIODS].period.id if len(rest) > MOST_PERIODS else None
    return {
        "periods": len(some),
        "changed": len(fresh),
        "next": following,
        "transaction": stub.transaction_id,
    }


def _periods(now: Situation, home: Home, arguments: SettleGap) -> list[Period]:
    """The periods from the one before the gap to the one after it, in all of which the home takes part."""
    periods = [now.period(arguments.before)]
    last = now.period(arguments.after)
    while periods[-1].id < last.id:
        configuration = now.configuration
        periods.append(period_at(periods[-1].end_s, configuration.lengths, configuration.offsets))
    for period in (periods[0], last):
        if home.connection_at(period.id) is None:
            raise refuse(Code.NO_GAP, f"home {home.home} takes no part in period {period.id}")
    return periods


async def _said(
    stub: Stub, home: str, periods: Sequence[Period], versions: dict[int, int]
) -> dict[int, tuple[Reading, Indexed]]:
    """The reading by which each period is settled, by id, and the message that says it."""
    places: dict[Place, str] = {}
    for period in periods:
        for version in range(1, versions[period.id] + 1):
            prefix = keys.index_prefix("reading", period.id, version) + f"{home}/"
            for row in await rows(stub, *keys.range_of(prefix)):
                place = place_of(row.key)
                if place is not None:
                    places[place] = row.value.decode()
    by_period: dict[int, list[tuple[Reading, Indexed]]] = {}
    for said in await messages_at(stub, places):
        by_period.setdefault(said.place.period, []).append((reading_of(said), said))
    found = {}
    for period_id, some in by_period.items():
        reading = counting([one for one, _ in some], versions[period_id])
        if reading is not None:
            found[period_id] = reading, next(said for one, said in some if one == reading)
    return found


def _spread(
    periods: Sequence[Period], missing: Sequence[Period], said: dict[int, tuple[Reading, Indexed]]
) -> tuple[tuple[Spread, ...], str]:
    """The gap's energy by period, and the nonce of the reading that ends it."""
    first, last = periods[0].id, periods[-1].id
    if first not in said or last not in said or not missing:
        raise refuse(
            Code.NO_GAP, "a gap lies between two readings: there is none before it, after it, or no gap"
        )
    between = [said[period.id][0] for period in periods[1:-1] if period.id in said]
    if any(one.import_total_wh is not None and one.export_total_wh is not None for one in between):
        raise refuse(
            Code.NO_GAP, "a reading with totals stands between the two: settle the gaps on its sides"
        )
    reading, message = said[last]
    try:
        spreads = spread(missing, said[first][0], reading, between)
    except ValueError as error:
        raise refuse(Code.NO_GAP, str(error)) from None
    return spreads, str(message.message.payload["nonce"])


def _check_possible(home: Home, spreads: Sequence[Spread]) -> None:
    for one in spreads:
        connection = home.connection_at(one.period.id)
        if connection is None or not possible(one.period, connection, one.import_wh, one.export_wh):
            raise refuse(
                Code.NO_GAP,
                f"the totals ask for more in period {one.period.id} than the connection carries:"
                " the operator substitutes readings",
            )


async def _adjust(
    stub: Stub,
    now: Situation,
    registry: Registry,
    home: Home,
    versions: dict[int, int],
    fresh: Sequence[Spread],
    known: dict[int, Spread],
) -> None:
    """Leave what changes on days that are billed for the home's next bill."""
    days: dict[int, list[Spread]] = {}
    for one in fresh:
        days.setdefault(now.day(one.period), []).append(one)
    billed = [
        one
        for day, some in sorted(days.items())
        if await billed_homes(stub, now, registry, day, [home.home])
        for one in some
    ]
    wanted = [Wanted(one.period, versions[one.period.id], [home.home]) for one in billed]
    lines = {one.period.id: one async for one in lines_of(stub, registry, wanted)}
    marks = await stub.get_states(
        [keys.pending_key(home.home, one.period.id, versions[one.period.id]) for one in billed]
    )
    for one, mark in zip(billed, marks, strict=True):
        standing, version = lines[one.period.id], versions[one.period.id]
        before = _by_gap(standing, known.get(one.period.id))
        change = adjusted(
            one.period, standing.lines.prices, before, with_gap(standing.line, one, terms_of(standing.lines))
        )
        waiting = await _waiting(stub, home.home, one.period.id, version, mark)
        both = merged(waiting.adjustment if waiting else None, change)
        if both is not None:
            await put_adjustment(
                stub, home.home, version, both, salt(standing.line.salt, "adjustment", one.period.id)
            )
        elif waiting is not None:
            await stub.delete_state(keys.pending_key(home.home, one.period.id, version))
            await stub.delete_private_data(
                keys.COLLECTION, keys.adjustment_key(home.home, one.period.id, version)
            )


def _by_gap(standing: Standing, gap: Spread | None) -> Any:
    return standing.line if gap is None else with_gap(standing.line, gap, terms_of(standing.lines))


async def _waiting(
    stub: Stub, home: str, period_id: int, version: int, mark: bytes | None
) -> StoredAdjustment | None:
    """The adjustment of this version that no bill has taken yet."""
    if mark is None:
        return None
    name = keys.adjustment_key(home, period_id, version)
    (value,) = await private(stub, [name])
    return decode(StoredAdjustment, checked(value, mark.decode(), name))
