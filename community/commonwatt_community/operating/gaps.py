# SPDX-License-Identifier: Apache-2.0
"""Gaps in a home's readings that its meter's running totals can fill, found in its settled lines."""

from collections.abc import Sequence
from typing import NamedTuple

from commonwatt_chaincode.market.forward.readings import ESTIMATED
from commonwatt_chaincode.messages.message import read

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.results import HomeLine

MOST_PERIODS = 400
"""Periods that one question about lines covers."""

MOST_ENDS = 20
"""Readings on either side that are looked at for one with totals."""


class Gap(NamedTuple):
    """The readings next to a gap, by their periods."""

    before: int
    after: int


class Sides(NamedTuple):
    """A run of periods without a reading: the periods of readings before it, nearest first, and after it."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def silent_runs(lines: Sequence[HomeLine]) -> list[Sides]:
    """The runs of estimates in one home's lines, in order, that have readings on both sides."""
    runs: list[Sides] = []
    read_at = [line.period for line in lines if line.seq]
    estimated = [line.period for line in lines if not line.seq and line.quality == ESTIMATED]
    found: set[Gap] = set()
    for period in estimated:
        before = tuple(one for one in reversed(read_at) if one < period)[:MOST_ENDS]
        after = tuple(one for one in read_at if one > period)[:MOST_ENDS]
        if before and after and Gap(before[0], after[0]) not in found:
            found.add(Gap(before[0], after[0]))
            runs.append(Sides(before, after))
    return runs


async def gaps_of(
    market: ForwardMarket, home: str, lines: Sequence[HomeLine], known: dict[int, bool]
) -> list[Gap]:
    """The gaps of a home that totals stand beside. `known`: of which periods totals are known to stand, or not."""

    async def first_with_totals(periods: Sequence[int]) -> int | None:
        for period in periods:
            if period not in known:
                known[period] = await _has_totals(market, home, period)
            if known[period]:
                return period
        return None

    gaps = []
    for sides in silent_runs(lines):
        before = await first_with_totals(sides.before)
        after = None if before is None else await first_with_totals(sides.after)
        if before is not None and after is not None and Gap(before, after) not in gaps:
            gaps.append(Gap(before, after))
    return gaps


async def _has_totals(market: ForwardMarket, home: str, period: int) -> bool:
    """Whether a reading of a period says the meter's running totals."""
    for one in await market.list_messages("reading", period, home):
        said = read(one.message.encode("ascii")).payload
        if "import_total_wh" in said and "export_total_wh" in said:
            return True
    return False
