# SPDX-License-Identifier: Apache-2.0
"""What transactions read: places of messages, gates to come, ranges that a peer may have cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from commonwatt_chaincode.forward import arguments, keyring, keys, records, state
from commonwatt_chaincode.market.forward.gates import Times
from commonwatt_chaincode.messages.versions import Owner
from commonwatt_chaincode.shim import Response
from commonwatt_chaincode.shim.testing import simulation

from .neighbourhood import MIDNIGHT, NOON, Neighbourhood, Signer


@pytest.mark.parametrize(
    "place",
    [
        state.Place("bid", NOON, None, "h-1.x_Y", "home", 32),
        state.Place("reading", 0, 9_999, "h1", "operator", 1),
        state.Place("reading", arguments.LARGEST_PERIOD, 1, "h1", "meter", 7),
    ],
)
def test_a_place_and_its_key(place: state.Place) -> None:
    assert state.place_of(place.key) == place


@pytest.mark.parametrize(
    "key",
    [
        "",
        "m/bid/1/h1/home/1",
        "m/bid/000000001/0001/h1/home/01",
        "m/reading/000000001/h1/home/01",
        "x/bid/000000001/h1/home/01",
    ],
)
def test_keys_that_are_no_places(key: str) -> None:
    assert state.place_of(key) is None


def configured(*rules: records.Rules, lengths: Any = ((0, 5),)) -> records.Configuration:
    return records.Configuration(
        1, "NewtownMSP", "live", "net", True, lengths, ((0, 660),), rules, (), (), "t"
    )


FIRST = records.Rules(0, Times())


@pytest.mark.parametrize(("now_s", "gate"), [(-1, 0), (0, 5), (299, 5), (300, 10)])
def test_the_next_gate_is_the_first_that_is_still_ahead(now_s: int, gate: int) -> None:
    now = state.Situation(configured(FIRST), NOON * 60 - 300 + now_s)
    assert now.next_gate().id == NOON + gate


def test_the_next_gate_where_gates_move() -> None:
    """From noon on gates close an hour ahead: those of noon to 12:55 closed while 11:00 to 11:55 were still open."""
    early = replace(FIRST, from_period=NOON, times=Times(opens_before_s=7_200, closes_before_s=3_600))
    now = state.Situation(configured(FIRST, early), (NOON - 30) * 60)
    assert now.next_gate().id == NOON - 20
    assert state.Situation(configured(FIRST, early), (NOON - 10) * 60).next_gate().id == NOON + 55


def test_what_is_new_counts_from_a_window_that_no_rule_has_opened() -> None:
    longer = replace(FIRST, from_period=NOON, times=Times(opens_before_s=7_200))
    now = state.Situation(configured(FIRST, longer), (NOON - 100) * 60)
    assert now.counts_from() == NOON + 25
    assert now.counts_from(10_800) == NOON + 85
    assert state.Situation(configured(FIRST), (NOON - 100) * 60).counts_from() == NOON - 35


def test_periods_of_a_day_that_is_longer_than_others() -> None:
    now = state.Situation(configured(FIRST, lengths=((0, 5), (20_420, 15))), 0)
    assert now.period(MIDNIGHT - 5).length_min == 5
    assert now.period(MIDNIGHT + 15).length_min == 15


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
async def test_a_range_that_the_peer_cuts_is_read_on_behind_the_cut(
    newtown: Neighbourhood, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(simulation, "MOST_ROWS", rows)
    monkeypatch.setattr(state, "FEWEST_CUT", min(rows, 3))
    done = await newtown.endorse("grid", "list_homes", {})
    assert [one["home"] for one in done.json()["homes"]] == ["h1", "h2", "p1", "p2"]
    spans = [one for one in done.ranges if one.start.startswith("home/")]
    assert [len(one.rows) for one in spans][: 4 // rows] == [rows] * (4 // rows)
    last = [one.rows[-1][0] for one in spans[:-1]]
    assert [one.start for one in spans[1:]] == [f"{key}\0" for key in last], "no key between goes unread"
    assert spans[-1].end == keys.HOMES[1]
    await newtown.propose("h0")
    assert newtown.ledger.commit(done) == "PHANTOM_READ_CONFLICT"


async def test_registered_homes_and_readings_of_some_versions(newtown: Neighbourhood) -> None:
    newtown.at(NOON, 300)
    await newtown.readings(NOON, newtown.reading("h1", NOON, 5), newtown.reading("h2", NOON, 6))
    found: dict[str, Any] = {}

    async def look(stub: Any) -> Any:
        now = await state.situation(stub)
        period = now.period(NOON)
        found["homes"] = list(await state.registered_homes(stub, period))
        found["before"] = list(await state.registered_homes(stub, now.period(NOON - 1_440 * 2)))
        for name, versions in (
            ("all", {}),
            ("first", {"version": 1}),
            ("none", {"up_to": 0}),
            ("some", {"up_to": 1}),
        ):
            read = await state.indexed(stub, "reading", period, **versions)
            found[name] = [one.message.payload["import_wh"] for one in read]
        return Response(200)

    newtown.ledger._handlers["market"] = look
    done = await newtown.ledger.evaluate("look", timestamp=newtown.now)
    assert done.status == 200
    assert found == {
        "homes": ["h1", "h2", "p1", "p2"],
        "before": [],
        "all": [5, 6],
        "first": [5, 6],
        "none": [],
        "some": [5, 6],
    }
    ends = [read.end for read in done.ranges if read.start.startswith("m/")]
    assert f"m/reading/{NOON:09d}/0002/" in ends, "newer versions, which may still grow, are not read"


def test_keys_as_they_stand_and_as_rules_take_them() -> None:
    key = Signer(5).key
    stored = records.StoredKeys(
        "h1", "home", (records.StoredKey(dict(key.jwk), 3, "registered", 1),), None, "t"
    )
    record = keyring.key_record(records.encode(stored), "net", "newtown")
    assert record.owner == Owner("net", "newtown", "h1", "home")
    assert [(one.key.kid, one.from_period) for one in record.versions] == [(key.kid, 3)]
