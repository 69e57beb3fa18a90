# SPDX-License-Identifier: Apache-2.0
"""Questions about settled lines and bills: a home's own, or everybody's for those who see all."""

from typing import Any

from ..market.forward.period_settlement import quality_of
from ..market.forward.periods import Period, period_at
from ..market.tariff import MINUTE_S
from ..shim import Stub
from .access import require_reader, require_sees_all
from .arguments import HomeDay, HomeSpan
from .billing import bill_of
from .day_lines import is_final
from .lines import Standing, Wanted, lines_of, settled_versions, with_gaps
from .records import as_json
from .refusals import Code, refuse
from .registry import registry_of
from .state import Situation, situation
from .state import home_of as registration_of

MOST_PERIODS = 400
MOST_LINES = 40_000
"""Periods and lines that one query lists."""


async def list_lines(stub: Stub, arguments: HomeSpan) -> dict[str, Any]:
    """The lines of settled periods that start in [from_period, to_period), as they stand."""
    now = await situation(stub)
    if arguments.home is None:
        require_sees_all(stub, now.configuration)
    else:
        require_reader(stub, now.configuration, await registration_of(stub, arguments.home))
    periods = _periods(now, arguments.from_period, arguments.to_period)
    if len(periods) > MOST_PERIODS:
        raise refuse(
            Code.TOO_MANY, f"these are {len(periods)} periods: ask for {MOST_PERIODS} at most at once"
        )
    registry = await registry_of(stub)
    versions = await settled_versions(stub, periods)
    wanted = []
    for period in periods:
        if period.id in versions:
            every = [home for part in registry.parts(period.id) for home in part]
            homes = every if arguments.home is None else [arguments.home]
            wanted.append(Wanted(period, versions[period.id], homes))
    count = sum(len(one.homes) for one in wanted)
    if count > MOST_LINES:
        raise refuse(Code.TOO_MANY, f"these are {count} lines: ask for {MOST_LINES} at most at once")
    lines = [one async for one in lines_of(stub, registry, wanted)]
    return {"lines": [_shown(now, one) for one in await with_gaps(stub, lines)]}


async def get_bill(stub: Stub, arguments: HomeDay) -> dict[str, Any]:
    """A home's bill of a local day."""
    now = await situation(stub)
    require_reader(stub, now.configuration, await registration_of(stub, arguments.home))
    bill = await bill_of(stub, now, await registry_of(stub), arguments.home, arguments.day)
    return dict(as_json(bill))


def _periods(now: Situation, first: int, end: int) -> list[Period]:
    configuration = now.configuration
    period = period_at(first * MINUTE_S, configuration.lengths, configuration.offsets)
    found = []
    while period.id < end:
        if period.id >= first:
            found.append(period)
        period = period_at(period.end_s, configuration.lengths, configuration.offsets)
    return found


def _shown(now: Situation, one: Standing) -> dict[str, Any]:
    """A line as callers read it: one object, the line's own sums among its members."""
    lines, line = one.lines, one.line
    final = is_final(now, one.period)
    flat = {name: value for name, value in as_json(line).items() if name not in ("line", "salt")}
    return {
        "period": one.period.id,
        "length_min": one.period.length_min,
        **flat,
        **as_json(line.line),
        "quality": quality_of(line, final),
        "final": final,
        "band": lines.band,
        **as_json(lines.prices),
        "price_uaud_per_kwh": lines.price_uaud_per_kwh,
        "sharing": lines.sharing,
        "sharing_price_uaud_per_kwh": lines.sharing_price_uaud_per_kwh,
    }
