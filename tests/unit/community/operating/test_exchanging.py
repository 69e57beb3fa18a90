# SPDX-License-Identifier: Apache-2.0
"""An operator's chores on the exchange: brought, closed, imported, settled, anchored; and alone while it is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from commonwatt_community.market.exchange import CommunityRound
from commonwatt_community.market.refused import Refused
from commonwatt_community.operating.anchoring import EVERY_S, Anchoring, spans
from commonwatt_community.operating.cut_off import AWAY

from ....support.living_region import COMMUNITIES, DUE_S, FEE, PERIOD_MIN, VOID_S, Operator, Region

LATER_MIN = 2 * PERIOD_MIN
"""After a period is settled the gate of the next one is closed; this one still takes bids."""


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


async def cleared(region: Region, operators: list[Operator], period: int) -> None:
    """Bids, gates and clearings of a period."""
    await region.reach(period * 60 - 1_800)
    await region.bids(period)
    await region.reach(period * 60 - 270)
    for one in operators:
        await one.gates.run()


async def exchanged(region: Region, operators: list[Operator], period: int, *, grid: bool = True) -> None:
    """Let all do what is due until a period begins; without the grid the operators close the round."""
    for before_s in (265, DUE_S, DUE_S - 25, DUE_S - 50):
        await region.reach(period * 60 - before_s)
        if grid and not region.channel.away:
            await region.rounds.run()
        for _ in range(3):
            for one in operators:
                await one.exchanging.run()


async def settled(region: Region, operators: list[Operator], period: int) -> None:
    await region.reach((period + PERIOD_MIN) * 60 + 5)
    for town in region.towns.values():
        await town.readings(period)
    await region.reach((period + PERIOD_MIN) * 60 + 10)
    for one in operators:
        await one.books.run()


async def round_of(region: Region, period: int, name: str = "newtown") -> CommunityRound:
    return await region.grid.get_round(name, period)


async def imported_wh(region: Region, period: int) -> int | None:
    state = await region.towns["newtown"].operator.get_period(period)
    return None if state.imported is None else state.imported.sums.imported_wh


@pytest.mark.parametrize("grid", [True, False])
async def test_what_is_left_over_is_traded_imported_settled_and_anchored(region: Region, grid: bool) -> None:
    """Without the grid's program the communities' operators close the round in turn."""
    period = await region.begin()
    operators = [region.operator(name) for name in COMMUNITIES]
    await cleared(region, operators, period)
    await exchanged(region, operators, period, grid=grid)
    [trade] = (await round_of(region, period)).trades
    assert (trade.seller, trade.buyer, trade.wh, trade.fee) == ("enmore", "newtown", 900, FEE)
    assert await imported_wh(region, period) == 900, "imported before the period begins"
    await settled(region, operators, period)
    for town in region.towns.values():
        [listed] = await town.operator.list_periods(period, period + 1)
        assert listed.settled is not None
    for name, one in zip(COMMUNITIES, operators, strict=True):
        await one.anchoring.run()
        anchor = await region.grid.get_anchor(name)
        [digest] = [said for said in anchor.periods if said.period == period]
        assert (anchor.number, digest.version) == (1, 1)
    assert region.alarms == []
    closed = [one.telling.counts["steps", "clear_round"] for one in operators]
    assert sum(closed) == (0 if grid else 1), "nobody closes what another one has closed"
    for one in operators:
        assert one.telling.counts["steps", "bring_residual"] <= 1
    assert operators[1].telling.counts["steps", "bring_residual"] == 0, "glebe has nothing to bring"


async def test_two_operators_of_a_community_bring_one_residual(region: Region) -> None:
    period = await region.begin()
    operators = [region.operator(name) for name in (*COMMUNITIES, "newtown")]
    await cleared(region, operators, period)
    await region.reach(period * 60 - 265)
    await asyncio.gather(*(one.exchanging.run() for one in operators))
    with pytest.raises(Refused, match="already_brought"):
        await region.exchange("NewtownMSP", "operator").bring_residual("newtown", period)
    await exchanged(region, operators, period)
    await settled(region, operators, period)
    assert await imported_wh(region, period) == 900
    assert region.alarms == []


async def test_a_community_that_is_cut_off_trades_on_alone_and_joins_again(region: Region) -> None:
    first = await region.begin()
    operators = [region.operator(name) for name in COMMUNITIES]
    region.channel.away = True
    for period in (first, first + LATER_MIN):
        await cleared(region, operators, period)
        await exchanged(region, operators, period)
        await settled(region, operators, period)
        state = await region.towns["newtown"].operator.get_period(period)
        assert state.cleared is not None
        assert state.cleared.exchange is None, "such a period leaves nothing to the exchange"
        assert state.sums is not None, "and waits for nobody"
    assert len([one for one in region.alarms if AWAY in one]) == len(COMMUNITIES), "told once each"
    region.channel.away = False
    period = first + 2 * LATER_MIN
    await cleared(region, operators, period)
    await exchanged(region, operators, period)
    await settled(region, operators, period)
    assert await imported_wh(region, period) == 900
    assert len([one for one in region.lines if "the exchange is back" in one]) == len(COMMUNITIES)


async def test_an_exchange_that_goes_away_after_the_clearing_holds_up_that_period_alone(
    region: Region,
) -> None:
    """The residual may have been traded, so the settlement waits; a round that nobody cleared is void in the end."""
    first = await region.begin()
    operators = [region.operator(name) for name in COMMUNITIES]
    await cleared(region, operators, first)
    region.channel.away = True
    await exchanged(region, operators, first)
    await settled(region, operators, first)
    town = region.towns["newtown"].operator
    assert (await town.get_period(first)).sums is None
    second = first + LATER_MIN
    await cleared(region, operators, second)
    await settled(region, operators, second)
    assert (await town.get_period(second)).sums is not None
    region.channel.away = False
    for after_s in (700, 730, 760, 1_400):
        await region.reach((second + PERIOD_MIN) * 60 + after_s)
        for one in operators:
            await one.books.run()
            await one.exchanging.run()
            await one.exchanging.run()
    assert (await round_of(region, first)).state == "void"
    for one in operators:
        await one.books.run()
    state = await town.get_period(first)
    assert state.sums is not None
    assert state.imported is not None
    assert state.imported.state == "void"


async def test_a_round_that_nobody_can_close_makes_communities_trade_alone(region: Region) -> None:
    """A peer of one's own still answers queries; what tells is that the last round stays open."""
    first = await region.begin()
    newtown = region.operator("newtown")
    await cleared(region, [newtown], first)
    await region.reach(first * 60 - 265)
    await newtown.exchanging.run()
    assert newtown.telling.counts["steps", "bring_residual"] == 1
    second = first + LATER_MIN
    await cleared(region, [newtown], second)
    state = await region.towns["newtown"].operator.get_period(second)
    assert state.cleared is not None
    assert state.cleared.exchange is None
    assert "should be closed, and is still open" in region.alarms[-1]
    for _ in range(2):
        await newtown.exchanging.run()
        await region.reach(region.now_s + 10)
    assert (await round_of(region, first)).state == "void"
    third = second + LATER_MIN
    await cleared(region, [newtown], third)
    assert "the exchange is back" in region.lines[-2]


async def test_a_residual_that_is_late_is_told_and_the_others_trade_without_it(region: Region) -> None:
    period = await region.begin()
    enmore, glebe, newtown = (region.operator(name) for name in COMMUNITIES)
    await cleared(region, [enmore, glebe, newtown], period)
    await region.reach(period * 60 - 265)
    await enmore.exchanging.run()
    await region.reach(period * 60 - DUE_S + 1)
    await region.rounds.run()
    await newtown.exchanging.run()
    assert (await round_of(region, period)).trades == ()
    await exchanged(region, [newtown], period)
    await settled(region, [newtown], period)
    assert await imported_wh(region, period) == 0
    assert (await region.towns["newtown"].operator.get_period(period)).sums is not None


async def test_a_resettled_period_is_anchored_anew_and_a_rewritten_ledger_raises_an_alarm(
    region: Region,
) -> None:
    period = await region.begin()
    operators = [region.operator(name) for name in COMMUNITIES]
    newtown = operators[-1]
    await cleared(region, operators, period)
    await exchanged(region, operators, period)
    await settled(region, operators, period)
    await newtown.anchoring.run()
    assert await newtown.anchoring.run() == region.now_s + EVERY_S
    again = region.operator("newtown")
    await again.anchoring.run()
    assert (await region.grid.get_anchor("newtown")).number == 2, (
        "after a start the last week is anchored anew"
    )
    key = f"period/{period:09d}/0001"
    state = region.towns["newtown"].channel.ledger.state
    [place] = [one for one in state.values if one.key == key]
    del state.values[place]
    await region.reach(region.now_s + EVERY_S + 100)
    forged = region.operator("newtown")
    assert await forged.anchoring.run() == region.now_s + 60
    assert "ALARM ledger_differs" in region.alarms[-1]


async def test_an_exchange_that_takes_no_anchor_stops_nothing(region: Region) -> None:
    """A refusal for lack of rights ends an operator where its own community refuses, and nowhere else."""
    period = await region.begin()
    newtown = region.operator("newtown")
    await region.reach(period * 60 - 270)
    await newtown.gates.run()
    await settled(region, [newtown], period)
    stranger = region.exchange("GlebeMSP", "operator")
    forged = Anchoring(
        region.towns["newtown"].ledger(), stranger, "newtown", region.newest_block, newtown.telling
    )
    assert await forged.run() == region.now_s + 60
    assert "ALARM not_anchored: the exchange takes no anchor: anchor refused: forbidden" in region.alarms[-1]
    region.channel.away = True
    assert await newtown.anchoring.run() == region.now_s + 60
    region.channel.away = False
    await newtown.anchoring.run()
    assert (await region.grid.get_anchor("newtown")).number == 1


def test_anchors_hold_all_that_is_new() -> None:
    settled = list(range(0, 60 * 700, 60))
    assert spans([], settled) == []
    assert spans([60, 180], settled) == [(60, 180)]
    found = spans(settled, settled)
    assert [last - first for first, last in found] == [60 * (168 - 1)] * 4 + [60 * 27]
    assert spans([0, 60 * 400], settled) == [(0, 0), (60 * 400, 60 * 400)]
    assert spans([0, 60 * 400], [0, 60 * 400]) == [(0, 0), (60 * 400, 60 * 400)]
    assert VOID_S < DUE_S
