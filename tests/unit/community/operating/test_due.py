# SPDX-License-Identifier: Apache-2.0
"""What is due is what the contract takes: on random calendars, at random times, with steps that come in any number."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Awaitable
from pathlib import Path

import pytest
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_community.market.refused import Refused
from commonwatt_community.operating.due import (
    LONGEST_BETWEEN_TRIES_S,
    Community,
    DayBook,
    books_due,
    gates_due,
    is_done,
    next_try_s,
)
from commonwatt_community.operating.steps import Bill, Clear, CloseGate, Freeze, Settle, Step
from hypothesis import given, settings
from hypothesis import strategies as st

from ....support.living_town import MIDNIGHT_S, TARIFF, TIMES, Town


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), length_min=st.sampled_from((15, 30, 60)), jump=st.booleans())
async def test_the_contract_takes_what_is_due_and_nothing_else(
    seed: int, length_min: int, jump: bool
) -> None:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder), seed)
        # It starts in the evening, so that a local midnight, and in some examples a leap of the clock, comes soon.
        first = await town.found(MIDNIGHT_S - 3 * 3_600, homes=2, period_min=length_min)
        if jump:
            leap = MIDNIGHT_S // 60 + 120
            await town.operator.configure(1, from_period=leap, utc_offset_min=660)
        ledger = town.ledger()
        for _ in range(14):
            await town.reach(town.now_s + draw.randrange(60, 5_400))
            community, now_s = await ledger.community()
            await _said(town, community, draw, now_s, first)
            for day in range(community.day_at(now_s) - 1, community.day_at(now_s) + 1):
                book = await ledger.day(community, day, now_s)
                for step in books_due(community, book, now_s).steps:
                    await _taken(town, step, now_s)
                await _nothing_else(town, community, day, now_s)
            running = community.period_at(now_s)
            listed = await ledger.listed(running.id, running.id + 300)
            due = gates_due(community, listed, now_s)
            for step in due.steps:
                await _taken(town, step, now_s)
            assert due.next_s is not None
            assert due.next_s > now_s
            await _no_gate_too_early(town, community, now_s)


async def _said(town: Town, community: Community, draw: random.Random, now_s: int, first: int) -> None:
    """Some homes report some periods that are over."""
    for day in range(community.day_at(now_s) - 1, community.day_at(now_s) + 1):
        for period in community.periods(day):
            if first <= period.id and period.end_s <= now_s and draw.random() < 0.3:
                await town.readings(period.id, ("h1", "h2") if draw.random() < 0.7 else ("h1",))


async def _taken(town: Town, step: Step, now_s: int) -> None:
    operator = town.operator
    match step:
        case CloseGate(period):
            assert (await operator.close_gate(period)).at_s == now_s
        case Clear(period):
            await operator.clear_period(period)
        case Freeze(period, due):
            if due:
                assert (await operator.freeze_period(period)).version == 1
            else:
                code = await _code(operator.freeze_period(period))
                assert code in (None, "too_early")
        case Settle(period, parts):
            assert parts == 1
            assert (await operator.settle_period(period)).settled
        case Bill(day, parts):
            assert (await operator.settle_day(day)).parts == parts == 1


async def _code(call: Awaitable[object]) -> str | None:
    try:
        await call
    except Refused as refused:
        return refused.code
    return None


async def _nothing_else(town: Town, community: Community, day: int, now_s: int) -> None:
    """No period of the day can be frozen for the first time that was not listed, and the day not billed."""
    book = await town.ledger().day(community, day, now_s)
    for step in books_due(community, book, now_s).steps:
        assert not isinstance(step, Freeze) or not step.due
    bills = any(isinstance(step, Bill) for step in books_due(community, book, now_s).steps)
    if not bills and not is_done(community, book) and community.members(community.periods(day)[-1].id):
        assert await _code(town.operator.settle_day(day)) in ("day_not_over", "not_settled")


async def _no_gate_too_early(town: Town, community: Community, now_s: int) -> None:
    running = community.period_at(now_s)
    after = community.period_at(running.end_s)
    for _ in range(2):
        after = community.period_at(after.end_s)
    state = await town.operator.get_period(after.id)
    if state.gate is None:
        with pytest.raises(Refused, match="too_early"):
            await town.operator.close_gate(after.id)


async def test_a_period_is_asked_for_the_less_often_the_longer_it_waits(tmp_path: Path) -> None:
    town = Town(tmp_path)
    first = await town.found()
    period = Period(first, 60)
    assert next_try_s(period, None) == period.end_s + 1
    tried, tries = period.end_s + 1, 0
    while tried < period.end_s + TIMES["readings_due_s"]:
        after = next_try_s(period, tried)
        assert 2 <= after - tried <= LONGEST_BETWEEN_TRIES_S
        tried, tries = after, tries + 1
    assert tries < 60
    community, _ = await town.ledger().community()
    book = DayBook(community.day_of(period), {})
    now_s = period.end_s + 10
    assert books_due(community, book, now_s).steps == (Freeze(first, False),)
    waiting = books_due(community, book, now_s, {first: now_s})
    assert waiting.steps == ()
    assert waiting.next_s == now_s + 2


async def test_without_homes_nothing_is_due(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.operator.configure(
        0, clock="simulated", at_s=MIDNIGHT_S, period_min=60, utc_offset_min=600, tariff=TARIFF
    )
    community, now_s = await town.ledger().community()
    assert community.first_day() is None
    assert gates_due(community, {}, now_s).steps == ()
    assert books_due(community, DayBook(community.day_at(now_s) - 1, {}), now_s).steps == ()
