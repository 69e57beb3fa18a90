# SPDX-License-Identifier: Apache-2.0
"""What both organisations together could forge of a trade with other communities: the audit finds every figure."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.world import Difference, Recorded

from ...forward.neighbourhood import NOON
from ...forward.region import ASK, Region, region
from .recording import COLLECTION, forged, recording, replayed, unseen


async def story() -> list[Recorded]:
    """A community buys of another one, and is settled."""
    made = Region()
    recorded = recording(made.newtown.ledger)
    await region(made)
    await made.until_the_round()
    await made.clear_round()
    town = made.newtown
    await town.do("operator", "import_residual", ASK)
    town.at(NOON, 3_700)
    await town.readings(NOON, *(town.reading(home, NOON, 300) for home in ("h1", "h2", "h3")))
    await town.do("operator", "freeze_period", ASK)
    await town.do("operator", "settle_period", ASK)
    return recorded


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    return asyncio.run(story())


def place_of(recorded: list[Recorded], name: str) -> int:
    return next(place for place, one in enumerate(recorded) if one.function == f"forward:{name}")


def figures(record: Any) -> Iterator[tuple[Any, Any]]:
    """Every whole number in a record, by the object or array that holds it."""
    for name, value in list(record.items() if isinstance(record, dict) else enumerate(record)):
        if type(value) is int:
            yield record, name
        elif isinstance(value, (dict, list)):
            yield from figures(value)


def variants(recorded: Recorded) -> Iterator[tuple[str, Recorded]]:
    """The transaction with one figure of one record raised; digests and hashes follow."""
    for key, value in recorded.writes.items():
        record = json.loads(value or b"{}")
        for holder, name in figures(record):
            holder[name] += 1
            yield f"{key} {name}", forged(recorded, public={key: _bytes(record)})
            holder[name] -= 1
    for (_, key), value in recorded.shown.items():
        record = json.loads(value)
        for holder, name in figures(record):
            holder[name] += 1
            new = _bytes(record)
            holder[name] -= 1
            old, digest = (hashlib.sha256(one).hexdigest().encode() for one in (value, new))
            public = {place: said and said.replace(old, digest) for place, said in recorded.writes.items()}
            yield f"{key} {name}", forged(recorded, public=public, private={key: new})


def _bytes(record: Any) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", ["clear_period", "import_residual", "settle_period"])
def test_every_figure_that_is_raised_is_found(recorded: list[Recorded], name: str) -> None:
    place = place_of(recorded, name)
    tried = 0
    for what, variant in variants(recorded[place]):
        replay = replayed(recorded[:place])
        tried += 1
        with pytest.raises(Difference):
            replay.check(variant)
            pytest.fail(what)
    assert tried > 20


def test_who_is_shown_nothing_still_checks_the_trades(recorded: list[Recorded]) -> None:
    blind = unseen(recorded)
    place = place_of(blind, "import_residual")
    key = f"imported/{NOON:09d}"
    record = json.loads(blind[place].writes[key] or b"")
    for holder, name in figures(record):
        holder[name] += 1
        with pytest.raises(Difference):
            replayed(blind[:place]).check(forged(blind[place], public={key: _bytes(record)}))
        holder[name] -= 1
    void = {**record, "state": "void"}
    with pytest.raises(Difference, match="void"):
        replayed(blind[:place]).check(forged(blind[place], public={key: _bytes(void)}))


def test_settling_before_the_import_is_found(recorded: list[Recorded]) -> None:
    without = [one for one in recorded if one.function != "forward:import_residual"]
    place = place_of(without, "settle_period")
    with pytest.raises(Difference, match="before the exchange's round is imported"):
        replayed(without[:place]).check(without[place])


def test_a_member_that_keeps_the_community_alone_is_found(recorded: list[Recorded]) -> None:
    place = place_of(recorded, "clear_period")
    one = recorded[place]
    asked = json.dumps({**ASK, "alone": True}).encode()
    by_a_home = replace(one, arguments=(one.arguments[0], asked), attributes={"role": "home"})
    with pytest.raises(Difference, match="role home"):
        replayed(recorded[:place]).check(by_a_home)
    assert (COLLECTION, f"awards/{NOON:09d}") in one.shown
