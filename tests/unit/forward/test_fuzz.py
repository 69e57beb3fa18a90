# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes a carrier sends: each message is written or refused alone, nothing else happens, and it ends soon."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.messages import Signer as Reader
from commonwatt_audit.messages import Unacceptable, statement
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.forward.batches import WRITTEN
from commonwatt_chaincode.forward.records import StoredKeys, decode, encode
from commonwatt_chaincode.messages.message import LARGEST_BYTES
from commonwatt_chaincode.shim.results import Timestamp
from commonwatt_chaincode.shim.testing.state import Place

from ..messages.hostile import VALUES, hostile
from ..messages.test_fuzz import slow_ones
from .neighbourhood import CHANNEL, NOON, Neighbourhood, Signer, neighbourhood

CODES = {
    *("written", "too_large", "bad_form", "bad_header", "bad_alg", "bad_typ", "bad_payload", "bad_field"),
    *("bad_key", "bad_signature", "wrong_typ", "wrong_net", "wrong_channel", "wrong_period", "unknown_key"),
    *("not_registered", "key_not_in_force", "quality_not_yours", "impossible_reading", "totals_differ"),
}


TYPS = {"bid": ("cw-request", "cw-offer", "cw-withdraw"), "reading": ("cw-reading",)}
KEYS_OF = ("h1", "meter of h1", "p1")
MEMBERS: dict[str, dict[str, Any]] = {
    "cw-request": {"energy_wh": 5, "limit_uaud_per_kwh": 100_000},
    "cw-offer": {"energy_wh": 5, "price_uaud_per_kwh": 90_000},
    "cw-withdraw": {},
    "cw-reading": {"import_wh": 5, "export_wh": 0, "quality": "measured"},
}


def spoiled(good: bytes, draw: random.Random) -> bytes:
    """A message with one thing done to it, that a carrier could do."""
    place = draw.randrange(len(good))
    match draw.randrange(8):
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
        case 6:
            return hostile(draw.getrandbits(30))[0]
    return good


def signed_fault(town: Neighbourhood, draw: random.Random) -> bytes:
    """A message that a home signed, with a member that may be anything: its own attack on its neighbours' batch."""
    signer = town.signers[draw.choice(KEYS_OF)]
    typ = draw.choice(list(MEMBERS))
    where = {"net": town.net, "channel": CHANNEL, "home": draw.choice(["h1", "p1"]), "period": NOON, "seq": 3}
    said = where | MEMBERS[typ]
    said[draw.choice(["seq", "period", "home", *MEMBERS[typ], "more"])] = draw.choice(VALUES)
    return signer.says(draw.choice([typ, typ, typ, "cw-key", "x"]), **said)


class Judge:
    """The audit's own parser, and the keys of the homes."""

    def __init__(self, town: Neighbourhood) -> None:
        self.net = town.net
        self.readers = {
            name: [Reader(town.signers[one].key.jwk) for one in KEYS_OF if name in one]
            for name in ("h1", "p1")
        }
        self.known: dict[tuple[str, bytes], bool] = {}

    def takes(self, kind: str, message: bytes) -> bool:
        """Whether a message is one of this period and kind that its home or meter signed."""
        if (kind, message) not in self.known:
            self.known[kind, message] = self._takes(kind, message)
        return self.known[kind, message]

    def _takes(self, kind: str, message: bytes) -> bool:
        for home, readers in self.readers.items():
            for reader in readers:
                try:
                    said = statement(message, reader, self.net, CHANNEL, TYPS[kind]).payload
                except Unacceptable:
                    continue
                return (said["period"], said["home"]) == (NOON, home)
        return False


async def batch_of(
    town: Neighbourhood, judge: Judge, draw: random.Random, kind: str, pool: list[bytes]
) -> None:
    """Most batches are small; some are as large as hundreds."""
    count = draw.randrange(1, 4) if draw.randrange(300) else draw.randrange(1, 300)
    good = [draw.choice(pool) for _ in range(count)]
    said = [signed_fault(town, draw) if draw.randrange(4) == 0 else spoiled(one, draw) for one in good]
    sent = b"\n".join(said)
    argument = {"kind": kind, "period": NOON}
    done = await town.endorse("carrier", "submit_messages", argument, {"messages": sent})
    town.submitted.clear()
    if done.status == 400:
        assert done.message.startswith("bad_argument: ")
        assert not done.writes
        return
    results = done.json()["results"]
    said = sent.split(b"\n")
    assert len(results) == len(said)
    assert set(results) <= CODES
    written = [one for one, result in zip(said, results, strict=True) if result == WRITTEN]
    assert all(judge.takes(kind, one) for one in written)
    refused = {one for one, result in zip(said, results, strict=True) if result != WRITTEN}
    assert not refused & {one for one in pool if judge.takes(kind, one)}
    index = {value for key, value in done.writes.items() if isinstance(key, str)}
    assert index <= {hashlib.sha256(one).hexdigest().encode() for one in written}
    private = {value for key, value in done.writes.items() if not isinstance(key, str)}
    assert private <= set(written)
    assert all((key if isinstance(key, str) else key[1]).startswith(f"m/{kind}/") for key in done.writes)
    assert town.ledger.commit(done) == "VALID"


@pytest.mark.parametrize(
    "batches", [3_000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])]
)
async def test_batches_of_spoiled_messages(batches: int) -> None:
    town = await neighbourhood("h1", "p1")
    await town.give_key("meter", "h1", "EdDSA")
    draw, judge = random.Random(batches), Judge(town)
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
        for _ in range(batches // 2):
            await batch_of(town, judge, draw, kind, bids + readings)
    stood = {key for key in town.ledger.keys("m/", "m0") if not key.endswith("/03")}
    assert stood == {
        *(keys.index_key("bid", NOON, None, "h1", "home", seq) for seq in (1, 2)),
        keys.index_key("bid", NOON, None, "p1", "home", 1),
        *(keys.index_key("reading", NOON, 1, "h1", author, 1) for author in ("home", "meter")),
        keys.index_key("reading", NOON, 1, "p1", "home", 1),
    }


async def test_no_batch_takes_long() -> None:
    """The worst that fits into a batch takes no longer than a few honest ones: nothing grows by its square."""
    town = await neighbourhood("h1", "p1")
    town.in_window(NOON)
    honest = [town.request("h1", NOON, 5, 100_000, 1 + number % 32) for number in range(1_000)]
    header, payload, _ = honest[0].split(b".")
    worst: dict[str, list[bytes]] = {
        "of strangers": [
            Signer(900).says(
                "cw-withdraw", net=town.net, channel=CHANNEL, home=f"x{number}", period=NOON, seq=1
            )
            for number in range(1_000)
        ],
        "of bad signatures": [b".".join((header, payload, b"A" * 86))] * 1_000,
        "of dots": [b"." * LARGEST_BYTES] * 1_000,
        "of nothing": [b""] * 1_000,
        "in one piece": [b"A" * (1_000 * (LARGEST_BYTES + 1))],
    }
    for content in slow_ones():
        if len(content) <= LARGEST_BYTES:
            worst[f"of {content[-40:].decode()}"] = [content] * 1_000
    took = {}
    for name, batch in ({"honest": honest} | worst).items():
        begun = time.process_time()
        argument, sent = {"kind": "bid", "period": NOON}, {"messages": b"\n".join(batch)}
        done = await town.endorse("carrier", "submit_messages", argument, sent)
        took[name] = time.process_time() - begun
        assert done.status == 200, name
    slowest = max(took, key=lambda name: took[name])
    print(f"\nhonest {took['honest']:.3f} s, slowest: {slowest} {took[slowest]:.3f} s")
    assert took[slowest] < 4 * took["honest"] + 0.2, took


async def test_a_home_with_many_keys_slows_no_batch_for_long() -> None:
    """Three years of a new key each day: the record is read once for all messages of the batch."""
    town = await neighbourhood("h1")
    town.in_window(NOON)
    place = Place("market", "", keys.author_key("home", "h1"))
    value = town.ledger.get(place.key)
    assert value is not None
    record = decode(StoredKeys, value)
    [first] = record.versions
    others = [Signer(1_000 + number, "EdDSA").key.jwk for number in range(1_000)]
    later = tuple(replace(first, jwk=dict(jwk), from_period=NOON + 5) for jwk in others)
    many = encode(replace(record, versions=(first, *later)))
    town.ledger.state.write(place, many, (10**6, 0), "t", Timestamp(0, 0))
    batch = [town.request("h1", NOON, 5, 100_000, 1 + number % 32) for number in range(1_000)]
    took = []
    for _ in range(2):
        begun = time.process_time()
        assert await town.bids(NOON, *batch) == [WRITTEN] * 1_000
        took.append(time.process_time() - begun)
    print(f"\n{len(many)} bytes of keys: {took[0]:.2f} s, then {took[1]:.2f} s")
    assert max(took) < 3
