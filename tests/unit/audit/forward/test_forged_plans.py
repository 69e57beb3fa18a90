# SPDX-License-Identifier: Apache-2.0
"""Plans of versions that are settled in parts, forged by both endorsing organisations together: each one is found."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.forward import lines
from commonwatt_audit.forward.anomalies import Kind
from commonwatt_audit.world import Difference, PrivateWrite, Recorded
from commonwatt_chaincode.forward import forgetting
from commonwatt_chaincode.market.forward import period_settlement

from ...forward.neighbourhood import MIDNIGHT
from .recording import COLLECTION, Recording, forged, replayed, unseen
from .story import DAY_MIN, HOUR, founded
from .test_forward_forgery import attacked, of_private, rewritten

PLAN = f"plan/{MIDNIGHT:09d}/0001"


async def parted() -> Recording:
    """An hour of four homes, which are settled two by two, and want more than they give; h2 takes part no more then."""
    town = await founded()
    await town.do("operator", "end_home", {"home": "h2", "to_period": MIDNIGHT + DAY_MIN})
    await town.do("grid", "confirm_home", {"home": "h2"})
    town.at(MIDNIGHT + HOUR, 7_300)
    read = {"h1": (301, 0), "h2": (203, 0), "p1": (0, 333), "p2": (100, 0)}
    said = [town.reading(home, MIDNIGHT, *wh) for home, wh in read.items()]
    assert await town.readings(MIDNIGHT, *said) == ["written"] * 4
    await town.do("grid", "freeze_period", {"period": MIDNIGHT})
    for part in (1, 0):
        await town.do("grid", "settle_period", {"period": MIDNIGHT, "part": part})
    return town


@pytest.fixture(scope="module", autouse=True)
def two_by_two() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(period_settlement, "PART_HOMES", 2)
        patch.setattr(lines, "PART_HOMES", 2)
        yield


@pytest.fixture(scope="module")
def town(two_by_two: None) -> Recording:
    return asyncio.run(parted())


def first_and_further(town: Recording) -> tuple[int, int]:
    return len(town.recorded) - 2, len(town.recorded) - 1


def test_parts_that_follow_their_plan_are_right_shown_or_not(town: Recording) -> None:
    first, further = first_and_further(town)
    assert PLAN in town.recorded[first].writes
    assert PLAN not in town.recorded[further].writes
    sharing = json.loads(town.recorded[first].shown[COLLECTION, PLAN])["sharing"]
    assert sharing["taken"]["last"] is not None, "the draw decides on a Wh"
    replayed(town.recorded)
    blind = replayed(unseen(town.recorded))
    assert blind.ledger.unchecked["lines of settlements"] == 2


def _larger(record: Any) -> None:
    record["sharing"]["taken"]["energy_wh"] += 1


def _other_home(record: Any) -> None:
    record["sharing"]["taken"]["last"][1] += "x"


def _other_draw(record: Any) -> None:
    record["sharing"]["taken"]["last"][0] -= 1


def _unsalted(record: Any) -> None:
    record["salt"] = "0" * 32


def _more_said(record: Any) -> None:
    record["h1"] = 301


@pytest.mark.parametrize("change", [_larger, _other_home, _other_draw, _unsalted, _more_said])
def test_another_plan_is_found(town: Recording, change: Any) -> None:
    first, _ = first_and_further(town)
    assert PLAN in attacked(town, first, of_private("plan/", change))


def test_other_parts_are_found(town: Recording) -> None:
    first, _ = first_and_further(town)
    value = town.recorded[first].writes[PLAN] or b""
    public = {PLAN: rewritten(value, lambda one: one.update(first_homes=["h1", "h2"]))}
    assert "first_homes" in attacked(town, first, lambda one: forged(one, public=public))
    blind = replayed(unseen(town.recorded[:first]))
    with pytest.raises(Difference, match="first_homes"):
        blind.check(unseen([forged(town.recorded[first], public=public)])[0])


def _without(recorded: Recorded) -> Recorded:
    """No plan, neither in public nor in private."""
    place = hashlib.sha256(PLAN.encode()).digest()
    return replace(
        recorded,
        writes={key: value for key, value in recorded.writes.items() if key != PLAN},
        hashed=tuple(one for one in recorded.hashed if one.key_hash != place),
        shown={key: value for key, value in recorded.shown.items() if key[1] != PLAN},
    )


def test_a_part_without_a_plan_and_a_second_plan_are_found(town: Recording) -> None:
    first, further = first_and_further(town)
    assert "should be written and is not" in attacked(town, first, _without)
    before = town.recorded[first]
    planted = {PLAN: before.shown[COLLECTION, PLAN]}
    again = attacked(
        town, further, lambda one: forged(one, public={PLAN: before.writes[PLAN]}, private=planted)
    )
    assert f"{PLAN} is written and should not be" in again


def test_a_digest_of_another_plan_is_found_without_private_data(town: Recording) -> None:
    first, _ = first_and_further(town)
    value = town.recorded[first].writes[PLAN] or b""
    other = {PLAN: rewritten(value, lambda one: one.update(digest="0" * 64))}
    replay = replayed(unseen(town.recorded[:first]))
    with pytest.raises(Difference, match="digest"):
        replay.check(unseen([forged(town.recorded[first], public=other)])[0])


def test_lines_beside_the_plan_are_found(town: Recording) -> None:
    """A home of a further part takes a Wh more from its neighbours and less from the grid."""

    def take(record: Any) -> None:
        line = record["lines"][0][-2]
        line[0] += 1
        line[2] -= 1

    _, further = first_and_further(town)
    said = attacked(town, further, of_private("lines/", take))
    assert "lines" in said or "part/" in said


async def _forgotten(home: str, days: int) -> Recording:
    town = await parted()
    town.now += days * 86_400
    await town.do("grid", "forget_home", {"home": home, "before": MIDNIGHT + HOUR})
    return town


async def test_a_plan_is_purged_with_each_of_its_homes_and_with_no_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = await _forgotten("p2", 2_600)
    last = len(town.recorded) - 1
    purge = PrivateWrite(COLLECTION, hashlib.sha256(PLAN.encode()).digest(), None, is_purge=True)
    assert purge in town.recorded[last].hashed
    replay = replayed(town.recorded)
    assert not [one for one in replay.anomalies.all() if one.kind == Kind.EARLY_PURGE]
    monkeypatch.setattr(forgetting, "_require_closed", lambda *_: None)
    early = replayed((await _forgotten("p2", 2_500)).recorded)
    noticed = [one for one in early.anomalies.all() if one.kind == Kind.EARLY_PURGE]
    assert [(one.subject, one.first_period) for one in noticed] == [("p2", MIDNIGHT)]


async def test_a_plan_of_others_that_is_purged_is_found() -> None:
    town = await _forgotten("h2", 2_600)
    last = len(town.recorded) - 1
    key = f"plan/{MIDNIGHT:09d}/0001"
    honest = replayed(town.recorded[:last])
    home = honest.ledger.need("home/h2")
    home["to_period"] = MIDNIGHT
    with pytest.raises(Difference, match=f"it purges {key}"):
        honest.check(town.recorded[last])
