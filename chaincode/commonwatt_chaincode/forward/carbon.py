# SPDX-License-Identifier: Apache-2.0
"""Carbon quotas: what homes emitted on a local day, what those above their quota pay, and who gets it.

A day is settled once, part by part, by the lines as they stand. A later version of a line changes no carbon, because
others have got their shares of it by then. The part that finds all others there writes the level, from which each
home's line follows.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ..market.forward.bills import CarbonLine, Settled
from ..market.forward.carbon import Carbon, CarbonDay, carbon_day, carbon_line, g_per_kwh, level_of, paid_naud
from ..market.forward.periods import Period, period_at
from ..shim import Stub
from . import keys
from .access import require_any_role, require_grid, require_member, require_reader
from .arguments import CarbonOfDay, SetIntensity, SettleDay
from .day_lines import billable_line, ends_of, lines_of_days, periods_of, require_over
from .kept import digest_of, kept
from .lines import Standing
from .records import (
    CarbonDays,
    CarbonPart,
    CarbonSettled,
    Intensity,
    StoredCarbonDay,
    as_json,
    decode,
    decode_optional,
    encode,
)
from .refusals import Code, refuse
from .registry import registry_of
from .salts import salt, salt_of_all
from .settling import chosen_part
from .state import Situation, home_of, rows, situation, void_once_the_next_gate_closes

CARBON = "carbon"
"""The kind in a day's salt."""


async def set_intensity(stub: Stub, arguments: SetIntensity) -> dict[str, Any]:
    """Publish what a kWh of the grid emits in periods whose windows are not open yet."""
    now = await situation(stub)
    require_grid(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    period = now.period(arguments.from_period)
    if period.id < (earliest := now.counts_from()):
        raise refuse(
            Code.TOO_LATE, f"windows before period {earliest} are open: name that period or a later one"
        )
    configuration = now.configuration
    for grams in arguments.g_per_kwh:
        record = Intensity(period.id, grams, stub.transaction_id)
        await stub.put_state(keys.intensity_key(period.id), encode(record))
        period = period_at(period.end_s, configuration.lengths, configuration.offsets)
    return {"from_period": arguments.from_period, "to_period": period.id}


async def settle_carbon(stub: Stub, arguments: SettleDay) -> dict[str, Any]:
    """Settle one part of a local day whose periods are all settled; a part that stands is answered."""
    caller = require_member(stub)
    now = await situation(stub)
    periods = require_over(now, caller, arguments.day)
    carbon = _carbon(now, periods[0], arguments.day)
    registry = await registry_of(stub)
    parts = registry.day_parts(ends_of(now, arguments.day))
    part = chosen_part(arguments.part, len(parts), f"day {arguments.day}")
    name = keys.carbon_key(arguments.day, part)
    known, whole = await stub.get_states([name, keys.carbon_key(arguments.day)])
    if known is not None:
        return _answer(decode(CarbonPart, known), decode_optional(CarbonSettled, whole))
    lines: dict[str, list[Standing]] = {}
    async for one in lines_of_days(stub, now, registry, periods, parts[part]):
        lines.setdefault(one.line.home, []).append(one)
    grams = await _grams(stub, now, carbon, periods)
    days = CarbonDays(
        arguments.day,
        part,
        tuple(
            StoredCarbonDay(
                carbon_day(home, periods, _billable(now, lines[home]), grams),
                salt(salt_of_all([one.line.salt for one in lines[home]]), CARBON, arguments.day),
            )
            for home in parts[part]
            if home in lines
        ),
    )
    value = encode(days)
    await stub.put_private_data(keys.COLLECTION, name, value)
    record = CarbonPart(
        arguments.day,
        part,
        len(parts),
        len(days.days),
        sum(one.carbon.emitted_mg for one in days.days),
        sum(paid_naud(one.carbon, carbon) for one in days.days),
        digest_of(value),
        stub.transaction_id,
    )
    await stub.put_state(name, encode(record))
    return _answer(record, await _end(stub, carbon, record, days))


async def get_carbon(stub: Stub, arguments: CarbonOfDay) -> dict[str, Any]:
    """What the carbon of a local day came to, and a home's own line; ``no_carbon`` where there is none."""
    require_any_role(stub)
    now = await situation(stub)
    day, home = arguments.day, arguments.home
    if home is not None:
        require_reader(stub, now.configuration, await home_of(stub, home))
    settled = decode_optional(CarbonSettled, await stub.get_state(keys.carbon_key(day)))
    if settled is None:
        raise refuse(Code.NO_CARBON, f"no carbon of day {day} is settled")
    first = periods_of(now, [day])[0]
    answer = dict(as_json(settled)) | {"quota": as_json(_carbon(now, first, day))}
    if home is not None:
        parts = (await registry_of(stub)).day_parts(ends_of(now, day))
        part = next((number for number, homes in enumerate(parts) if home in homes), None)
        lines = {} if part is None else await carbon_lines(stub, now, first, day, part)
        if home not in lines:
            raise refuse(Code.NO_CARBON, f"home {home} has no carbon of day {day}")
        answer["line"] = as_json(lines[home])
    return answer


async def carbon_lines(
    stub: Stub, now: Situation, first: Period, day: int, part: int
) -> Mapping[str, CarbonLine]:
    """The lines of a part's homes; empty where the day has no quota, ``not_settled`` before all its parts are
    settled."""
    carbon = now.rules(first).carbon
    if carbon is None:
        return {}
    whole, value = await stub.get_states([keys.carbon_key(day), keys.carbon_key(day, part)])
    if whole is None or value is None:
        raise refuse(Code.NOT_SETTLED, f"settle the carbon of day {day} first")
    level = decode(CarbonSettled, whole).level
    (one,) = await kept(stub, [keys.carbon_key(day, part)])
    days = decode(CarbonDays, one.checked(decode(CarbonPart, value).digest)).days
    return {each.carbon.home: carbon_line(each.carbon, carbon, level) for each in days}


def _carbon(now: Situation, first: Period, day: int) -> Carbon:
    """The rule of a local day: the one of its first period, for a quota is of a whole day."""
    carbon = now.rules(first).carbon
    if carbon is None:
        raise refuse(Code.NO_CARBON, f"day {day} has no carbon quota")
    return carbon


def _billable(now: Situation, lines: Sequence[Standing]) -> list[Settled]:
    return [billable_line(now, one) for one in lines]


async def _grams(stub: Stub, now: Situation, carbon: Carbon, periods: Sequence[Period]) -> dict[int, int]:
    """g per kWh of a day's periods, by id."""
    last = periods[-1]
    bounds = keys.intensity_key(periods[0].id), keys.intensity_key(last.id + last.length_min)
    records = [decode(Intensity, row.value) for row in await rows(stub, *bounds)]
    published = {one.period: one.g_per_kwh for one in records}
    return {one.id: g_per_kwh(one, carbon, now.configuration.offsets, published) for one in periods}


async def _end(stub: Stub, carbon: Carbon, record: CarbonPart, own: CarbonDays) -> CarbonSettled | None:
    """End the day if all other parts are there. They are read one by one, as those of a period."""
    others = []
    for step in range(1, record.parts):
        value = await stub.get_state(keys.carbon_key(record.day, (record.part + step) % record.parts))
        if value is None:
            return None
        others.append(decode(CarbonPart, value))
    days = [one.carbon for one in own.days]
    async for one in _days_of(stub, others):
        days.append(one)
    level = level_of(days, carbon)
    paid = sum(one.paid_naud for one in (record, *others))
    fund = sum(carbon_line(one, carbon, level).amount_naud for one in days)
    settled = CarbonSettled(
        record.day,
        record.parts,
        len(days),
        sum(one.emitted_mg for one in (record, *others)),
        paid,
        paid - fund,
        fund,
        level,
        stub.transaction_id,
    )
    await stub.put_state(keys.carbon_key(record.day), encode(settled))
    stub.set_event("carbon_settled", encode(settled))
    return settled


async def _days_of(stub: Stub, parts: Sequence[CarbonPart]) -> AsyncIterator[CarbonDay]:
    found = await kept(stub, [keys.carbon_key(one.day, one.part) for one in parts])
    for part, one in zip(parts, found, strict=True):
        for stored in decode(CarbonDays, one.checked(part.digest)).days:
            yield stored.carbon


def _answer(part: CarbonPart, whole: CarbonSettled | None) -> dict[str, Any]:
    """A part's sums, and those of the day once all its parts stand."""
    return {
        **{name: value for name, value in as_json(part).items() if name != "digest"},
        "settled": whole is not None,
        "fund_naud": None if whole is None else whole.fund_naud,
    }
