# SPDX-License-Identifier: Apache-2.0
"""Freezing: a period's readings so far become a version that nobody can add to, and settlement rests on it."""

from typing import Any

from ..market.forward.gates import Times, final_from_s, freezes_from_s
from ..market.forward.periods import Period
from ..market.forward.readings import Reading, all_measured, counting
from ..shim import Stub
from . import keys
from .access import require_member
from .arguments import FreezePeriod
from .readings import reading_of, standing_readings
from .records import FROZEN, Gate, Meter, Settled, as_json, decode_optional, encode
from .refusals import Code, refuse
from .state import (
    Situation,
    place_of,
    registered_homes,
    situation,
    void_once_the_next_gate_closes,
)


async def freeze_period(stub: Stub, arguments: FreezePeriod) -> dict[str, Any]:
    """Freeze the version that is open; ends a clearing that is held back, too."""
    require_member(stub)
    now = await situation(stub)
    await void_once_the_next_gate_closes(stub, now)
    period = now.period(arguments.period)
    now.require_open(period)
    meter_key, gate_key = keys.meter_key(period.id), keys.gate_key(period.id)
    meter_value, gate_value, settled_value = await stub.get_states(
        [meter_key, gate_key, keys.settled_key(period.id)]
    )
    before = decode_optional(Meter, meter_value)
    gate = decode_optional(Gate, gate_value)
    times = now.rules(period).times
    if before is None:
        await _check_first(stub, now, period, times)
    else:
        _check_due(now, freezes_from_s(period, times, False, before.at_s), "frozen again")
        settled = decode_optional(Settled, settled_value)
        # A version that can't be settled any more, for a message is lost between two parts, must not stand for ever.
        if settled is not None and settled.version == before.version:
            await _check_news(stub, period, before.version + 1, arguments.reading)
    version = before.version + 1 if before else 1
    frozen = Meter(
        period.id, version, now.now_s, _final_version(now, period, times, before), stub.transaction_id
    )
    await stub.put_state(meter_key, encode(frozen))
    if gate is None or gate.state != FROZEN:
        await stub.put_state(gate_key, encode(Gate(period.id, FROZEN, now.now_s, stub.transaction_id)))
    stub.set_event("frozen", encode({"period": period.id, "version": version}))
    return dict(as_json(frozen))


async def _check_first(stub: Stub, now: Situation, period: Period, times: Times) -> None:
    """Readings are due, or every home has a measured one; before they are due nobody's silence ends the wait."""
    _check_due(now, period.end_s, "frozen")
    due_s = freezes_from_s(period, times, False)
    if now.now_s >= due_s:
        return
    homes = await registered_homes(stub, period)
    readings: dict[str, list[Reading]] = {}
    for said in await standing_readings(stub, period, homes, 1, None):
        readings.setdefault(said.place.home, []).append(reading_of(said))
    chosen = {home: counting(some, 1) for home, some in readings.items()}
    if not all_measured(homes, {home: one for home, one in chosen.items() if one is not None}):
        raise refuse(
            Code.TOO_EARLY,
            f"period {period.id} lacks measured readings: it is frozen from {due_s}, the market time is {now.now_s}",
        )


async def _check_news(stub: Stub, period: Period, version: int, named: str | None) -> None:
    """There is a reading of the open version.

    The caller may name one by its index key: that reads this key alone, so a home that keeps sending readings makes no
    freezing invalid.
    """
    if named is None:
        bounds = keys.range_of(keys.index_prefix("reading", period.id, version))
        found = bool(await stub.get_state_by_range(*bounds).rows())  # a range that the peer cuts is not empty
    else:
        place = place_of(named)
        fits = place is not None and place[:3] == ("reading", period.id, version)
        found = fits and await stub.get_state(named) is not None
    if not found:
        raise refuse(Code.NOTHING_NEW, f"no reading of period {period.id} came since version {version - 1}")


def _check_due(now: Situation, from_s: int, what: str) -> None:
    if now.now_s < from_s:
        raise refuse(Code.TOO_EARLY, f"the period is {what} from {from_s} on, the market time is {now.now_s}")


def _final_version(now: Situation, period: Period, times: Times, before: Meter | None) -> int | None:
    """The last version that was frozen before the period was final; the first one counts in any case."""
    if now.now_s < final_from_s(period, times):
        return None
    if before is None:
        return 1
    return before.version if before.final_version is None else before.final_version
