# SPDX-License-Identifier: Apache-2.0
"""A hostile carrier on running networks: it mixes, replays, alters, splits, merges, holds back and reorders.

Two carriers of two organisations bring the same homes' messages at once. What stands is what homes signed for this
period, and it clears as if a plain carrier had brought just that. `tests/unit/community/test_hostile_carrier.py` has
the same enemy, and more, on the contract in memory.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from commonwatt_audit.forward.anomalies import Kind
from commonwatt_chaincode.messages.fields import READING, REQUEST
from commonwatt_chaincode.messages.message import read
from commonwatt_client import GatewayError
from commonwatt_client.network_file import read_network_file
from commonwatt_community.market.carrier import Carrier
from commonwatt_community.market.forward import market_of
from commonwatt_community.messages.compose import new_nonce, signed_message
from commonwatt_community.messages.signing_key import SigningKey, make_key
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from ..unit.community.hostile_carrier import altered
from .conftest import BACKENDS, quiet, run_apart
from .forward_network import CARRIERS, CHANNEL, MIDNIGHT, OPERATOR, ForwardNetwork

HOMES = 3
SEQS = 4
PERIOD, NEXT = MIDNIGHT + 120, MIDNIGHT + 125
BATCHES = 30


@dataclass
class Street:
    """A network, the key of a carrier that a thief has, and all that was ever signed."""

    network: ForwardNetwork
    carriers_key: SigningKey
    signed: dict[bytes, int] = field(default_factory=dict)
    """The words of bids that homes signed for this network and channel -> their period."""
    pool: list[bytes] = field(default_factory=list)

    def says(self, key: SigningKey, typ: str, home: str, period: int, seq: int, **said: object) -> bytes:
        where = {"net": self.network.net, "channel": CHANNEL, "home": home, "period": period, "seq": seq}
        return signed_message(key, typ, {**where, "nonce": new_nonce(), **said})

    def bid(self, home: str, period: int, seq: int, energy_wh: int) -> bytes:
        """A home's own words for this place."""
        key = self.network.signing[home]
        said = {"energy_wh": energy_wh, "limit_uaud_per_kwh": 250_000}
        message = self.says(key, REQUEST, home, period, seq, **said)
        self.signed[message.rpartition(b".")[0]] = period
        return message

    def sign_everything(self) -> None:
        """Bids of both periods, two of one seq; readings; other networks and channels; the thief in homes' names."""
        for home in self.network.homes:
            key = self.network.signing[home]
            for period in (PERIOD, NEXT):
                self.pool += [self.bid(home, period, seq, 100 + seq) for seq in (*range(1, SEQS), 1)]
                bid = {"energy_wh": 900, "limit_uaud_per_kwh": 250_000}
                self.pool += [
                    self.says(key, READING, home, period, 1, import_wh=5, export_wh=0, quality="measured"),
                    self.says(key, REQUEST, home, period, SEQS, net="another", **bid),
                    self.says(key, REQUEST, home, period, SEQS, channel="enmore", **bid),
                    self.says(self.carriers_key, REQUEST, home, period, SEQS, **bid),
                ]
                other = next(one for one in self.network.homes if one != home)
                self.pool.append(self.says(key, REQUEST, other, period, SEQS, **bid))


@pytest.fixture(scope="module", params=BACKENDS)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"hostile-{request.param}")
    directory = folder / ".commonwatt"

    async def begin() -> Street:
        made = await up(directory, load_topology("forward"), request.param, quiet)
        network = ForwardNetwork(made.nodes, folder / "keys")
        await network.found(HOMES)
        await network.set_clock(PERIOD * 60 - 1_800)
        found = Street(network, make_key(folder / "service.pem"))
        found.sign_everything()
        return found

    try:
        yield run_apart(begin)
    finally:
        down(directory)


async def attack(street: Street, draw: random.Random) -> list[tuple[str, bytes]]:
    """Batches of anything by both carriers' certificates; what is held back until the gate is closed."""
    held: list[tuple[str, bytes]] = []

    async def one(number: int) -> None:
        said: list[bytes] = []
        for _ in range(draw.randrange(1, 12)):
            message, other = draw.choice(street.pool), draw.choice(street.pool)
            said += altered(message, other, draw.choice([0, draw.randrange(10_000)]))
        if number % 10 == 0:
            said = draw.sample(street.pool, len(street.pool))
        who, kind = CARRIERS[number % 2], draw.choice(["bid", "bid", "bid", "reading"])
        argument = {"kind": kind, "period": draw.choice([PERIOD, NEXT, NEXT + 5])}
        try:
            ready = await street.network.endorsed(
                who, "submit_messages", argument, {"messages": b"\n".join(said)}
            )
        except GatewayError:
            assert kind == "reading"
            return
        held.append((who, ready))
        if number % 3:
            who, ready = held.pop(draw.randrange(len(held)))  # an older one, perhaps
            assert await street.network.order(who, ready) == "VALID"

    for first in range(0, BATCHES, 4):
        await asyncio.gather(*(one(number) for number in range(first, first + 4)))
    return held


async def test_a_hostile_carrier_changes_no_homes_bids(street: Street) -> None:
    network, draw = street.network, random.Random(7)
    held = await attack(street, draw)
    assert len(held) >= 5
    # The last word of each home, by both carriers at once, while the attack goes on.
    last = {home: street.bid(home, PERIOD, SEQS, 300 + number) for number, home in enumerate(network.homes)}
    attacking = asyncio.create_task(attack(street, draw))
    for who in CARRIERS:
        async with network.gateway(who) as gateway:
            market = market_of(gateway, read_network_file(network.path), CHANNEL)
            async with Carrier(market) as carrier:
                carried = await asyncio.gather(*map(carrier.carry, last.values()))
                assert {one.result for one in carried} == {"written"}
    held += await attacking
    for mspid in ("NewtownMSP", "GridMSP"):
        for period in (PERIOD, NEXT):
            asked = {"kind": "bid", "period": period}
            found = await network.ask(OPERATOR, "list_messages", asked, by=[mspid])
            standing = [one["message"].encode() for one in found["messages"]]
            assert {street.signed[one.rpartition(b".")[0]] for one in standing} <= {period}
            for one in found["messages"]:
                message = read(one["message"].encode())
                assert one["key"].split("/")[2:] == [
                    f"{period:09d}",
                    message.home,
                    "home",
                    f"{message.seq:02d}",
                ]
            assert period == NEXT or set(last.values()) <= set(standing)
    await network.close(PERIOD)
    codes = Counter([await network.order(who, ready) for who, ready in held])
    assert codes.keys() <= {"VALID", "MVCC_READ_CONFLICT"}, codes
    assert codes["MVCC_READ_CONFLICT"] >= 1
    cleared = await network.submit(OPERATOR, "clear_period", {"period": PERIOD})
    assert (cleared["requests"], cleared["requested_wh"]) == (HOMES, sum(300 + n for n in range(HOMES)))
    audited = await network.audited()
    assert {one.kind for one in audited.anomalies.all()} == {Kind.EQUIVOCATION}


async def test_replayed_transactions_hold_up_no_peer(street: Street) -> None:
    """Nobody has the private values of a transaction that was ordered again: a peer need not look for them."""
    network, home = street.network, street.network.homes[0]
    await network.set_clock(NEXT * 60 + 1_800)
    period = NEXT + 60
    argument = {"kind": "bid", "period": period}
    batch = {"messages": street.bid(home, period, 1, 5)}
    held = await network.endorsed(CARRIERS[0], "submit_messages", argument, batch)
    assert await network.order(CARRIERS[0], held) == "VALID"
    async with network.gateway(CARRIERS[0]) as gateway:
        for _ in range(3):
            await gateway.new_transaction(held).submit()
    began = time.monotonic()
    assert await network.carry(CARRIERS[1], period, [street.bid(home, period, 2, 6)]) == ["written"]
    took_s = time.monotonic() - began
    print(f"\nafter three replays a batch took {took_s:.1f} s")
    assert took_s < 8
