# SPDX-License-Identifier: Apache-2.0
"""Settling: the lines of a part of the homes from frozen readings, and the sums once all parts are there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..market.forward.bills import Adjustment
from ..market.forward.day_bills import adjusted
from ..market.forward.estimates import alike
from ..market.forward.gaps import Spread
from ..market.forward.outside import NOTHING
from ..market.forward.period_settlement import (
    FrozenPeriod,
    SettledLine,
    Sums,
    added,
    estimate_wh,
    settle_homes,
    sums_of,
    unknown_homes,
)
from ..market.forward.periods import Period
from ..market.forward.settlement import Terms
from ..market.tariff import MINUTE_S, day_start
from ..shim import Stub
from . import keys
from .access import require_member
from .arguments import OnePart
from .basis import Traded, by_plan, planned
from .importing import outside_of, require_imported
from .kept import digest_of
from .lines import Wanted, encode_lines, gaps_of, lines_of, lines_of_part, settled_versions, with_gaps
from .planning import first_nonces, nonces_of
from .records import (
    Cleared,
    Imported,
    Lines,
    Meter,
    Part,
    Plan,
    Settled,
    SettledPeriod,
    StoredAdjustment,
    decode,
    decode_optional,
    encode,
)
from .refusals import Code, refuse
from .registry import Registrations, Registry
from .salts import salt
from .state import Indexed, Situation, situation


async def settle_period(stub: Stub, arguments: OnePart) -> dict[str, Any]:
    """Settle one part of a period's frozen version; the transaction that finds all others there ends the version.

    The first transaction of a version of several parts writes the plan by which all of them settle.
    """
    require_member(stub)
    now = await situation(stub)
    period = now.period(arguments.period)
    now.require_open(period)
    meter_value, settled_value, cleared_value, imported_value = await stub.get_states(
        [key(period.id) for key in (keys.meter_key, keys.settled_key, keys.cleared_key, keys.imported_key)]
    )
    meter = decode_optional(Meter, meter_value)
    if meter is None:
        raise refuse(Code.NOT_FROZEN, f"the readings of period {period.id} are not frozen")
    plan = decode_optional(Plan, await stub.get_state(keys.plan_key(period.id, meter.version)))
    registrations = Registrations(stub)
    parts = len(plan.first_homes) if plan else len((await registrations()).parts(period.id))
    part = chosen_part(arguments.part, parts, f"period {period.id}")
    part_key = keys.part_key(period.id, meter.version, part)
    settled = decode_optional(Settled, settled_value)
    if (known := await stub.get_state(part_key)) is not None:
        complete = settled is not None and settled.version == meter.version
        return _answer(decode(Part, known), parts, complete)
    cleared = decode_optional(Cleared, cleared_value)
    imported = decode_optional(Imported, imported_value)
    require_imported(period, cleared, imported)
    traded = Traded(cleared, await outside_of(stub, period, imported))
    if plan is None:
        basis = await planned(stub, now, period, meter, traded, await registrations(), part)
    else:
        basis = await by_plan(stub, now, period, meter, traded, plan, part)
    homes, frozen, said, sharing = basis
    spreads = await _spreads(stub, frozen, homes)
    before = await _before(stub, frozen, part, homes)
    silent = unknown_homes(frozen, homes, before)
    estimates_wh = await _estimates_wh(stub, now, registrations, frozen, silent)
    bare = settle_homes(frozen, homes, before, spreads, estimates_wh, sharing)
    settled_lines = await _salted(stub, bare, said, period)
    terms = frozen.terms
    lines = Lines(
        period.id,
        meter.version,
        part,
        now.tariff(period).band.name,
        terms.prices,
        terms.price_uaud_per_kwh,
        terms.sharing,
        terms.sharing_price,
        settled_lines,
    )
    value = encode_lines(lines)
    await stub.put_private_data(keys.COLLECTION, keys.lines_key(period.id, meter.version, part), value)
    await _adjust(stub, now, registrations, frozen, before, settled_lines)
    sums = sums_of(settled_lines, meter.version, meter.final_version is not None)
    record = Part(
        period.id,
        meter.version,
        part,
        digest=digest_of(value),
        transaction=stub.transaction_id,
        **sums._asdict(),
    )
    await stub.put_state(part_key, encode(record))
    complete = await _end(stub, meter, terms, record, sums, parts, imported)
    return _answer(record, parts, complete)


def chosen_part(named: int | None, parts: int, what: str) -> int:
    """The part that a caller means; it may be left out where there is one alone."""
    if named is None and parts > 1:
        raise refuse(Code.BAD_ARGUMENT, f"{what} has {parts} parts: name one, from 0 to {parts - 1}")
    part = named or 0
    if part >= parts:
        raise refuse(Code.BAD_ARGUMENT, f"{what} has {parts} parts, from 0 to {parts - 1}")
    return part


async def billed_homes(
    stub: Stub, now: Situation, registry: Registry, day: int, homes: Iterable[str]
) -> set[str]:
    """Which of the homes have a bill for a local day."""
    ends = day_start(day + 1, now.configuration.offsets) // MINUTE_S
    wanted = set(homes)
    parts = [(number, wanted & set(part)) for number, part in enumerate(registry.day_parts(ends))]
    parts = [(number, some) for number, some in parts if some]
    marks = await stub.get_states([keys.billed_key(day, number) for number, _ in parts])
    return {home for (_, some), mark in zip(parts, marks, strict=True) if mark is not None for home in some}


async def put_adjustment(
    stub: Stub, home: str, version: int, adjustment: Adjustment, adjustment_salt: str
) -> None:
    """Leave an adjustment for the home's next bill."""
    period_id = adjustment.period_id
    value = encode(StoredAdjustment(adjustment, adjustment_salt))
    await stub.put_private_data(keys.COLLECTION, keys.adjustment_key(home, period_id, version), value)
    await stub.put_state(keys.pending_key(home, period_id, version), digest_of(value).encode())


async def _spreads(stub: Stub, frozen: FrozenPeriod, homes: Sequence[str]) -> dict[str, Spread]:
    silent = {(frozen.period.id, home): frozen.period for home in homes if frozen.counting(home) is None}
    return {home: gap for (_, home), gap in (await gaps_of(stub, silent)).items()}


async def _before(
    stub: Stub, frozen: FrozenPeriod, part: int, homes: Sequence[str]
) -> dict[str, SettledLine]:
    """The lines that stand: of the last version that settled this part, with what gaps made of them since."""
    earlier = range(frozen.version - 1, 0, -1)
    marks = await stub.get_states([keys.part_key(frozen.period.id, version, part) for version in earlier])
    version = next((version for version, mark in zip(earlier, marks, strict=True) if mark is not None), None)
    if version is None:
        return {}
    lines = await lines_of_part(stub, Wanted(frozen.period, version, homes), part)
    return {one.line.home: one.line for one in await with_gaps(stub, lines)}


async def _estimates_wh(
    stub: Stub, now: Situation, registrations: Registrations, frozen: FrozenPeriod, homes: Sequence[str]
) -> dict[str, int]:
    """The imports of homes that no version has settled yet and nobody has metered."""
    if not homes:
        return {}
    configuration = now.configuration
    earlier = alike(frozen.period, configuration.lengths, configuration.offsets)
    versions = await settled_versions(stub, earlier)
    wanted = [Wanted(period, versions[period.id], homes) for period in earlier if period.id in versions]
    past: dict[str, list[tuple[Period, int]]] = {}
    if wanted:
        async for one in lines_of(stub, await registrations(), wanted):
            if one.line.seq:
                past.setdefault(one.line.home, []).append((one.period, one.line.import_wh))
    return {home: estimate_wh(frozen, home, past.get(home, ())) for home in homes}


async def _salted(
    stub: Stub, lines: Sequence[SettledLine], said: Sequence[Indexed], period: Period
) -> tuple[SettledLine, ...]:
    """The lines, those that are new with a salt of the reading they rest on, or of the home's first key."""
    nonces = nonces_of(said)

    def place(line: SettledLine) -> tuple[int, str, str, int]:
        return line.reading_version, line.home, line.author, line.seq

    bare = [line for line in lines if not line.salt]
    first = await first_nonces(stub, [line.home for line in bare if place(line) not in nonces])
    return tuple(
        line
        if line.salt
        else line._replace(salt=salt(nonces.get(place(line)) or first[line.home], "line", period.id))
        for line in lines
    )


async def _adjust(
    stub: Stub,
    now: Situation,
    registrations: Registrations,
    frozen: FrozenPeriod,
    before: Mapping[str, SettledLine],
    lines: Sequence[SettledLine],
) -> None:
    """Leave what changes on a day that is billed for the homes' next bills."""
    changes = {}
    for line in lines:
        if line.home in before and line is not before[line.home]:
            change = adjusted(frozen.period, frozen.terms.prices, before[line.home], line)
            if change is not None:
                changes[line.home] = (change, line.salt)
    if not changes:
        return
    registry = await registrations()
    for home in sorted(await billed_homes(stub, now, registry, now.day(frozen.period), changes)):
        change, line_salt = changes[home]
        await put_adjustment(
            stub, home, frozen.version, change, salt(line_salt, "adjustment", frozen.period.id)
        )


async def _end(
    stub: Stub,
    meter: Meter,
    terms: Terms,
    record: Part,
    sums: Sums,
    parts: int,
    imported: Imported | None,
) -> bool:
    """End the version if all other parts are there.

    They are read one by one from the next one on, until one is missing: so of parts that are settled at once only
    the last one to come reads what another one writes, and is invalid, and comes again.
    """
    others = []
    for step in range(1, parts):
        other = await stub.get_state(keys.part_key(meter.period, meter.version, (record.part + step) % parts))
        if other is None:
            stub.set_event(
                "part_settled",
                encode({"period": meter.period, "version": meter.version, "part": record.part}),
            )
            return False
        others.append(_sums_of(decode(Part, other)))
    try:
        whole = added([sums, *others])
        if (whole.exchange or NOTHING) != (imported.sums if imported else NOTHING):
            raise ValueError("the homes' trades with other communities differ from the community's")
    except ValueError:
        raise refuse(
            Code.NOT_SETTLED,
            f"the parts of period {meter.period} do not join, for a message was lost between two of them: freeze it"
            " again",
        ) from None
    settled = SettledPeriod(
        meter.period,
        meter.version,
        parts,
        whole.homes,
        terms.price_uaud_per_kwh,
        terms.sharing,
        meter.final_version is not None,
        whole.import_wh,
        whole.export_wh,
        whole.bought_wh,
        whole.sold_wh,
        whole.shared_in_wh,
        whole.grid_in_wh,
        whole.grid_out_wh,
        whole.breach_wh,
        whole.grid_naud,
        whole.measured,
        whole.substituted,
        whole.estimated,
        whole.changed,
        stub.transaction_id,
        whole.exchange,
    )
    await stub.put_state(keys.period_key(meter.period, meter.version), encode(settled))
    stands = Settled(meter.period, meter.version, parts, stub.transaction_id)
    await stub.put_state(keys.settled_key(meter.period), encode(stands))
    stub.set_event("settled", encode(settled))
    return True


def _sums_of(part: Part) -> Sums:
    return Sums(*(getattr(part, name) for name in Sums._fields))


def _answer(part: Part, parts: int, complete: bool) -> dict[str, Any]:
    names = [field.name for field in fields(Part) if field.name != "digest"]
    return {name: getattr(part, name) for name in names} | {"parts": parts, "settled": complete}
