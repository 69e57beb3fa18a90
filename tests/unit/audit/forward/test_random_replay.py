# SPDX-License-Identifier: Apache-2.0
"""Random communities, as the contract's own tests make them: the audit's rules give each of their ledgers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.forward import lines
from commonwatt_audit.world import Difference, Recorded
from commonwatt_chaincode.market.forward import day_bills, period_settlement
from hypothesis import given, settings
from hypothesis import strategies as st

from ...forward.scenario import play
from ...settling import test_random_settlement as random_settlement
from ...settling.neighbourhood import Neighbourhood
from .recording import Recording, forged, recording, replayed, unseen

SEEDS, PART_HOMES = st.integers(0, 2**32 - 1), st.integers(1, 5)
FEW = settings(max_examples=8, deadline=None, database=None)


def recorded(story: Any, seed: int, part_homes: int) -> list[Recorded]:
    """What a random story leaves on its ledger, in parts of so many homes."""
    ledgers = []

    def street() -> Neighbourhood:
        made = Neighbourhood()
        ledgers.append(recording(made.ledger, "forward:"))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random_settlement, "Neighbourhood", street)
        patch.setattr(period_settlement, "PART_HOMES", part_homes)
        patch.setattr(day_bills, "BILL_HOMES", part_homes)
        asyncio.run(story(seed, part_homes))
    [ledger] = ledgers
    return ledger


def check(story: Any, seed: int, part_homes: int) -> None:
    ledger = recorded(story, seed, part_homes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "PART_HOMES", part_homes)
        patch.setattr(lines, "BILL_HOMES", part_homes)
        assert not replayed(ledger).ledger.unchecked
        replayed(unseen(ledger))


@FEW
@given(SEEDS, PART_HOMES)
@pytest.mark.long
def test_periods_in_any_versions_and_parts(seed: int, part_homes: int) -> None:
    check(random_settlement.lived, seed, part_homes)


@settings(FEW, max_examples=2)
@given(SEEDS, PART_HOMES)
@pytest.mark.long
def test_bills_of_any_days(seed: int, part_homes: int) -> None:
    check(random_settlement.billed, seed, part_homes)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@settings(FEW, max_examples=200)
@given(SEEDS, PART_HOMES)
def test_many_periods_in_any_versions_and_parts(seed: int, part_homes: int) -> None:
    check(random_settlement.lived, seed, part_homes)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@settings(FEW, max_examples=30)
@given(SEEDS, PART_HOMES)
def test_bills_of_many_days(seed: int, part_homes: int) -> None:
    check(random_settlement.billed, seed, part_homes)


async def test_the_story_of_the_contract() -> None:
    town = Recording()
    await play(town)
    replay = replayed(town.recorded)
    assert replay.speech.verified > 0
    clock = [one for one in town.recorded if one.function == "forward:advance_clock"][-1]
    earlier = forged(
        replace(clock, arguments=(clock.arguments[0], b'{"to_s": 7}')),
        public={"clock": (clock.writes["clock"] or b"").replace(str(clock.argument["to_s"]).encode(), b"7")},
    )
    with pytest.raises(Difference, match="lies before the market time"):
        replayed(town.recorded[: clock.block]).check(earlier)
