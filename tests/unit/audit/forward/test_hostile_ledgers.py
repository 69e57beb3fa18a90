# SPDX-License-Identifier: Apache-2.0
"""Whatever a ledger holds, the audit answers with a difference in one line, never with an error of its own."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.world import Difference, PrivateWrite
from hypothesis import given, settings
from hypothesis import strategies as st

from .recording import Recording
from .story import story


@pytest.fixture(scope="module")
def town() -> Recording:
    return asyncio.run(story())


@pytest.fixture(scope="module")
def states(town: Recording) -> list[tuple[int, ForwardReplay]]:
    """The first transaction of each kind, and the replay before it."""
    replay, found, seen = ForwardReplay(), [], set()
    for place, recorded in enumerate(town.recorded):
        if recorded.function not in seen:
            seen.add(recorded.function)
            found.append((place, copy.deepcopy(replay)))
        replay.check(recorded)
    return found


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
DEEP = b"[" * 100_000


@settings(max_examples=150)
@given(data=st.data())
def test_arguments_records_and_keys_of_any_kind(
    town: Recording, states: list[tuple[int, ForwardReplay]], data: st.DataObject
) -> None:
    _attack(town, states, data)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@settings(max_examples=4_000)
@given(data=st.data())
def test_many_arguments_records_and_keys_of_any_kind(
    town: Recording, states: list[tuple[int, ForwardReplay]], data: st.DataObject
) -> None:
    _attack(town, states, data)


def test_spans_without_end_are_refused_at_once(
    town: Recording, states: list[tuple[int, ForwardReplay]]
) -> None:
    spans = {"forward:set_envelope": {"to_period": 10**17}, "forward:settle_gap": {"after": 10**17}}
    tried = set()
    for place, before in states:
        recorded, replay = town.recorded[place], copy.deepcopy(before)
        if recorded.function in spans:
            argument = json.dumps(recorded.argument | spans[recorded.function]).encode()
            with pytest.raises(Difference, match="spans more|a gap of"):
                replay.check(replace(recorded, arguments=(recorded.arguments[0], argument)))
            tried.add(recorded.function)
    assert tried == spans.keys()


def _attack(town: Recording, states: list[tuple[int, ForwardReplay]], data: st.DataObject) -> None:
    place, before = data.draw(st.sampled_from(states))
    recorded, replay = town.recorded[place], copy.deepcopy(before)
    argument: Any = recorded.argument
    match data.draw(st.sampled_from(["member", "argument", "deep", "value", "key", "private", "shown"])):
        case "member":
            name = data.draw(st.sampled_from([*argument, "x", "part", "homes", "from_period", "times"]))
            changed = json.dumps({**argument, name: data.draw(ANYTHING)}).encode()
            recorded = replace(recorded, arguments=(recorded.arguments[0], changed))
        case "argument":
            changed = json.dumps(data.draw(ANYTHING)).encode()
            recorded = replace(recorded, arguments=(recorded.arguments[0], changed))
        case "deep":
            recorded = replace(recorded, arguments=(recorded.arguments[0], DEEP))
        case "value":
            value = data.draw(st.sampled_from([None, b"", DEEP]) | st.binary() | ANYTHING.map(_bytes))
            recorded = replace(recorded, writes=dict.fromkeys(recorded.writes, value))
        case "key":
            key = data.draw(st.text(max_size=20) | st.sampled_from(["m/bid/", "gap/1/x", "pending/h1/1/1"]))
            recorded = replace(recorded, writes={**recorded.writes, key: b"1"})
        case "private":
            write = PrivateWrite(
                data.draw(st.text(max_size=9)), data.draw(st.binary()), data.draw(st.binary())
            )
            recorded = replace(recorded, hashed=(*recorded.hashed, write))
        case "shown":
            shown = {place: data.draw(st.binary()) for place in recorded.shown}
            recorded = replace(recorded, shown=shown)
    said = ""
    try:
        replay.check(recorded)
    except Difference as difference:
        said = str(difference)
    assert said.isprintable()


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()
