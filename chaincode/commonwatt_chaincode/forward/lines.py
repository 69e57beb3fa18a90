# SPDX-License-Identifier: Apache-2.0
"""Settled lines as they stand: read part by part, checked against their public digests, with gaps that were spread.

A line is stored as an array of its values in order: a day of 200 homes is 10,000 lines.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..market.forward import gaps
from ..market.forward.outside import Outside
from ..market.forward.period_settlement import SettledLine, with_gap
from ..market.forward.periods import Period
from ..market.forward.prices import Prices
from ..market.forward.settlement import Line, Terms
from ..shim import Stub
from . import keys
from .kept import checked, kept
from .records import Lines, Meter, Part, Settled, Spread, as_json, decode, decode_optional, encode
from .refusals import Code, refuse
from .registry import Registry
from .state import private

_WITHOUT_EXCHANGE = len(SettledLine._fields) - 1

AT_ONCE = 64
"""Parts of lines that are in memory at one time."""


class Standing(NamedTuple):
    """A home's line of a period, and what all lines of its part were settled at (``lines`` without the lines)."""

    period: Period
    lines: Lines
    line: SettledLine


class Wanted(NamedTuple):
    """The lines of some homes in one version of a period."""

    period: Period
    version: int
    homes: Collection[str]


def encode_lines(lines: Lines) -> bytes:
    """The stored form of a part's lines."""
    arrays = [_array(one) for one in lines.lines]
    return encode({**as_json(replace(lines, lines=())), "lines": arrays})


def decode_lines(value: bytes) -> Lines:
    """What ``encode_lines`` wrote."""
    stored: dict[str, Any] = json.loads(value)
    return Lines(
        **{
            **stored,
            "prices": Prices(**stored["prices"]),
            "lines": tuple(map(_line, stored["lines"])),
        }
    )


def _array(one: SettledLine) -> list[Any]:
    """Its values in order, with those of the exchange at the end if the home traded there."""
    *values, line, salt, exchange = one
    return [*values, list(line), salt, *([list(exchange)] if exchange else [])]


def _line(values: list[Any]) -> SettledLine:
    *said, exceeded, line, salt = values[:_WITHOUT_EXCHANGE]
    exchange = Outside(*values[_WITHOUT_EXCHANGE]) if len(values) > _WITHOUT_EXCHANGE else None
    return SettledLine._make([*said, tuple(exceeded), Line(*line), salt, exchange])


def terms_of(lines: Lines) -> Terms:
    """What a part was settled at."""
    return Terms(lines.prices, lines.price_uaud_per_kwh, lines.sharing, lines.sharing_price_uaud_per_kwh)


async def settled_versions(stub: Stub, periods: Sequence[Period]) -> dict[int, int]:
    """The version in which each period is settled as a whole, by id; periods that never were are left out."""
    values = await stub.get_states([keys.settled_key(period.id) for period in periods])
    records = [decode(Settled, value) for value in values if value is not None]
    return {record.period: record.version for record in records}


async def settled_up_to_date(stub: Stub, periods: Sequence[Period]) -> dict[int, int]:
    """The version in which each period is settled; ``not_settled`` where one is not, or is frozen anew since."""
    settled = await settled_versions(stub, periods)
    values = await stub.get_states([keys.meter_key(period.id) for period in periods])
    for period, value in zip(periods, values, strict=True):
        meter = decode_optional(Meter, value)
        if meter is None:
            raise refuse(Code.NOT_SETTLED, f"freeze and settle period {period.id} first")
        if settled.get(period.id) != meter.version:
            raise refuse(
                Code.NOT_SETTLED, f"settle period {period.id} first: version {meter.version} is frozen"
            )
    return settled


async def lines_of(stub: Stub, registry: Registry, wanted: Iterable[Wanted]) -> AsyncIterator[Standing]:
    """The lines that are wanted, as they were settled, in order; ``data_not_here`` unless each part fits its digest."""
    places: list[tuple[Wanted, int, set[str]]] = []
    for one in wanted:
        homes: dict[int, set[str]] = {}
        for home in one.homes:
            part = registry.part_of(one.period.id, home)
            if part is not None:
                homes.setdefault(part, set()).add(home)
        places += ((one, part, homes[part]) for part in sorted(homes))
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        for (one, _, asked), lines in zip(some, await _parts(stub, some), strict=True):
            bare = replace(lines, lines=())
            for line in lines.lines:
                if line.home in asked:
                    yield Standing(one.period, bare, line)


async def lines_of_part(stub: Stub, wanted: Wanted, part: int) -> list[Standing]:
    """The lines of homes that are known to stand in a part; else as ``lines_of``."""
    (lines,) = await _parts(stub, [(wanted, part, set())])
    bare = replace(lines, lines=())
    return [Standing(wanted.period, bare, line) for line in lines.lines if line.home in wanted.homes]


async def with_gaps(stub: Stub, lines: Sequence[Standing]) -> list[Standing]:
    """The lines by what running totals said since of periods without a reading."""
    silent = {(one.period.id, one.line.home): one.period for one in lines if one.line.seq == 0}
    spreads = await gaps_of(stub, silent)
    found = []
    for one in lines:
        gap = spreads.get((one.period.id, one.line.home))
        found.append(one if gap is None else one._replace(line=with_gap(one.line, gap, terms_of(one.lines))))
    return found


async def gaps_of(stub: Stub, places: Mapping[tuple[int, str], Period]) -> dict[tuple[int, str], gaps.Spread]:
    """What gaps were spread over periods of homes, by (period id, home); ``data_not_here`` as for lines."""
    names = [keys.gap_key(period_id, home) for period_id, home in places]
    marks = await stub.get_states(names)
    marked = [
        (place, name, mark)
        for place, name, mark in zip(places, names, marks, strict=True)
        if mark is not None
    ]
    values = await private(stub, [name for _, name, _ in marked])
    found = {}
    for (place, name, mark), value in zip(marked, values, strict=True):
        stored = decode(Spread, checked(value, mark.decode(), name))
        found[place] = gaps.Spread(places[place], stored.import_wh, stored.export_wh)
    return found


async def _parts(stub: Stub, places: Sequence[tuple[Wanted, int, set[str]]]) -> list[Lines]:
    public = await stub.get_states(
        [keys.part_key(one.period.id, one.version, part) for one, part, _ in places]
    )
    names = [keys.lines_key(one.period.id, one.version, part) for one, part, _ in places]
    found = []
    for record, name, one in zip(public, names, await kept(stub, names), strict=True):
        if record is None:
            raise refuse(Code.NOT_SETTLED, f"there are no {name}")
        found.append(decode_lines(one.checked(decode(Part, record).digest)))
    return found
