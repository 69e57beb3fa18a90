# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes a carrier sends: each message is written or refused alone, and nothing else happens."""

from __future__ import annotations

import hashlib
import random

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.forward.batches import WRITTEN

from .neighbourhood import NOON, Neighbourhood, neighbourhood

CODES = {
    *("written", "too_large", "bad_form", "bad_header", "bad_alg", "bad_typ", "bad_payload", "bad_field"),
    *("bad_key", "bad_signature", "wrong_typ", "wrong_net", "wrong_channel", "wrong_period", "unknown_key"),
    *("not_registered", "key_not_in_force", "quality_not_yours", "impossible_reading", "totals_differ"),
}


def spoiled(good: bytes, draw: random.Random) -> bytes:
    """A message with one thing done to it, that a carrier could do."""
    place = draw.randrange(len(good))
    match draw.randrange(7):
        case 0:
            return good[:place] + bytes([draw.randrange(256)]) + good[place + 1 :]
        case 1:
            return good[:place]
        case 2:
            return good[:place] + draw.randbytes(draw.randrange(40)) + good[place:]
        case 3:
            return good * draw.randrange(2, 4)
        case 4:
            parts = good.split(b".")
            draw.shuffle(parts)
            return b".".join(parts)
        case 5:
            return draw.randbytes(draw.randrange(1_200))
    return good


async def batch_of(town: Neighbourhood, draw: random.Random, kind: str, pool: list[bytes]) -> None:
    sent = b"\n".join(spoiled(draw.choice(pool), draw) for _ in range(draw.randrange(1, 40)))
    argument = {"kind": kind, "period": NOON}
    done = await town.submit("carrier", "submit_messages", argument, {"messages": sent})
    if done.status == 400:
        assert done.message.startswith("bad_argument: ")
        assert not done.writes
        return
    results = done.json()["results"]
    said = sent.split(b"\n")
    assert len(results) == len(said)
    assert set(results) <= CODES
    # What is written is what a home signed, as it signed it; ECDSA's other signature alone may differ.
    written = {one for one, result in zip(said, results, strict=True) if result == WRITTEN}
    signed = {one.rpartition(b".")[0] for one in pool}
    assert all(one.rpartition(b".")[0] in signed for one in written)
    index = {value for key, value in done.writes.items() if isinstance(key, str)}
    assert index <= {hashlib.sha256(one).hexdigest().encode() for one in written}
    assert all(key[0] == "m" for key in done.writes if isinstance(key, str))


@pytest.mark.parametrize(
    "batches", [30, pytest.param(3_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
async def test_batches_of_spoiled_messages(batches: int) -> None:
    town = await neighbourhood("h1", "p1")
    await town.give_key("meter", "h1", "EdDSA")
    draw = random.Random(batches)
    bids = [town.request("h1", NOON, 5, 100_000, seq=seq) for seq in (1, 2)] + [
        town.offer("p1", NOON, 5, 90_000)
    ]
    readings = [
        town.reading("h1", NOON, 5),
        town.reading("h1", NOON, 5, by="meter of h1"),
        town.reading("p1", NOON, 0, 9),
    ]
    for kind, second in (("bid", -3_000), ("reading", 400)):
        town.at(NOON, second)
        for _ in range(batches):
            await batch_of(town, draw, kind, bids + readings)
    stood = set(town.ledger.keys("m/", "m0"))
    assert stood == {
        *(keys.index_key("bid", NOON, None, "h1", "home", seq) for seq in (1, 2)),
        keys.index_key("bid", NOON, None, "p1", "home", 1),
        *(keys.index_key("reading", NOON, 1, "h1", author, 1) for author in ("home", "meter")),
        keys.index_key("reading", NOON, 1, "p1", "home", 1),
    }
