# SPDX-License-Identifier: Apache-2.0
"""Local days that are over and settled: their periods, and the lines of some homes in them."""

from collections.abc import AsyncIterator, Iterable, Sequence

from ..market.forward.bills import Settled
from ..market.forward.day_bills import billable
from ..market.forward.gates import final_from_s
from ..market.forward.periods import Period, periods_of_day
from ..market.tariff import DAY_S, MINUTE_S, day_start
from ..shim import ClientIdentity, Stub
from .access import is_operator
from .lines import Standing, Wanted, lines_of, settled_up_to_date, with_gaps
from .refusals import Code, refuse
from .registry import Registry
from .state import Situation


def require_over(now: Situation, caller: ClientIdentity, day: int) -> list[Period]:
    """The periods of a local day; ``day_not_over`` before it is over for the operator, and a day later for members."""
    over_s = day_start(day + 1, now.configuration.offsets)
    due_s = over_s if is_operator(caller, now.configuration) else over_s + DAY_S
    if now.now_s < due_s:
        raise refuse(
            Code.DAY_NOT_OVER, f"the caller bills day {day} from {due_s}, the market time is {now.now_s}"
        )
    periods = periods_of(now, [day])
    if not periods:
        raise refuse(Code.BAD_ARGUMENT, f"there is no day {day}: the UTC offset leapt over it")
    return periods


def ends_of(now: Situation, day: int) -> int:
    """The first minute after a day. Where the UTC offset leaps over the next day, that one has no period."""
    return day_start(day + 1, now.configuration.offsets) // MINUTE_S


def is_final(now: Situation, period: Period) -> bool:
    """Whether a period's settlement stands by the market time."""
    return now.now_s >= final_from_s(period, now.rules(period).times)


def periods_of(now: Situation, days: Iterable[int]) -> list[Period]:
    """The periods of local days, in order."""
    configuration = now.configuration
    return [one for day in days for one in periods_of_day(day, configuration.lengths, configuration.offsets)]


async def lines_of_days(
    stub: Stub, now: Situation, registry: Registry, periods: Sequence[Period], homes: Sequence[str]
) -> AsyncIterator[Standing]:
    """The lines of some homes, all of whose periods are settled, and the books open."""
    for period in periods:
        now.require_open(period)
    taken = [
        (period, some)
        for period in periods
        if (some := [home for home in homes if registry.part_of(period.id, home) is not None])
    ]
    versions = await settled_up_to_date(stub, [period for period, _ in taken])
    wanted = [Wanted(period, versions[period.id], some) for period, some in taken]
    some_lines: list[Standing] = []
    async for one in lines_of(stub, registry, wanted):
        some_lines.append(one)
    for one in await with_gaps(stub, some_lines):
        yield one


def billable_line(now: Situation, one: Standing) -> Settled:
    """A line as bills and carbon take it."""
    return billable(one.period, one.lines.band, one.lines.prices, one.line, is_final(now, one.period))
