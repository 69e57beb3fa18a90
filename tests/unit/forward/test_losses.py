# SPDX-License-Identifier: Apache-2.0
"""Messages that no peer holds any more are declared lost, and only those."""

from __future__ import annotations

import hashlib

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.shim.testing.state import Place, WorldState

from .neighbourhood import NOON, Neighbourhood
from .test_batches import BIDS, digest_of

KEY = keys.index_key("reading", NOON, 1, "h1", "home", 1)
LOST = {"key": KEY}


@pytest.fixture
async def said(newtown: Neighbourhood) -> bytes:
    newtown.at(NOON, 300)
    message = newtown.reading("h1", NOON, 50)
    assert await newtown.readings(NOON, message) == ["written"]
    newtown.at(NOON, 300 + 3_600)
    return message


def lose(town: Neighbourhood, monkeypatch: pytest.MonkeyPatch, message: bytes) -> None:
    """Take the private value away; its hash stays, as it does on Fabric."""
    place = Place("market", keys.COLLECTION, KEY)
    town.ledger.state.write(place, None, (997, 0), "", town_time(town))
    known = WorldState.hash

    def hashed(state: WorldState, asked: Place) -> bytes | None:
        return hashlib.sha256(message).digest() if asked == place else known(state, asked)

    monkeypatch.setattr(WorldState, "hash", hashed)


def town_time(town: Neighbourhood) -> object:
    return town.submitted[-1][2].timestamp


async def test_a_message_that_is_here_is_not_lost(newtown: Neighbourhood, said: bytes) -> None:
    assert await newtown.refused("operator", "declare_lost", LOST) == "data_here"


async def test_a_lost_message_was_never_said(
    newtown: Neighbourhood, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(newtown, monkeypatch, said)
    readings = BIDS | {"kind": "reading"}
    assert await newtown.refused("h1", "list_messages", readings) == "data_not_here"
    newtown.now -= 1
    assert await newtown.refused("operator", "declare_lost", LOST) == "too_early"
    newtown.now += 1
    done = await newtown.submit("grid", "declare_lost", LOST)
    assert done.json() == {"key": KEY, "digest": hashlib.sha256(said).hexdigest()}
    assert done.event == ("lost", b'{"key":"%s"}' % KEY.encode())
    assert await newtown.ask("h1", "list_messages", readings) == {"messages": []}
    asked = {**readings, "home": "h1", "seq": 1, "digest": digest_of(said)}
    assert (await newtown.ask("h1", "message_status", asked))["status"] == "lost"
    monkeypatch.undo()
    assert await newtown.refused("grid", "declare_lost", LOST) == "bad_argument"


@pytest.mark.parametrize(
    "key",
    ["m/reading/1", "home/h1", KEY + "/x", KEY.replace("/01", "/1"), "m/bid/000000001/h1/home/01", "m/"],
)
async def test_other_keys_are_no_messages(newtown: Neighbourhood, said: bytes, key: str) -> None:
    assert await newtown.refused("operator", "declare_lost", {"key": key}) == "bad_argument"


async def test_a_lost_reading_can_be_said_again_after_its_version_is_frozen(
    newtown: Neighbourhood, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    newtown.at(NOON, 300 + 172_800)
    await newtown.do("operator", "freeze_period", {"period": NOON})
    assert await newtown.readings(NOON, said) == ["written"]
    again = keys.index_key("reading", NOON, 2, "h1", "home", 1)
    assert not newtown.ledger.get(again)
    lose(newtown, monkeypatch, said)
    await newtown.do("operator", "declare_lost", LOST)
    assert await newtown.readings(NOON, said) == ["written"]
    assert newtown.ledger.get(again) == hashlib.sha256(said).hexdigest().encode()
