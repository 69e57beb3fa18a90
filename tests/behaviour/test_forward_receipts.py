# SPDX-License-Identifier: Apache-2.0
"""Receipts on networks: two carriers of two organisations, one of them dropping, and what proves a commit."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_audit.audit import Audit
from commonwatt_audit.cli import register
from commonwatt_audit.journal import read_journal
from commonwatt_audit.source import shown_blocks_of_network
from commonwatt_client.ledger import decode_transaction
from commonwatt_client.network_file import read_network_file
from commonwatt_community.market.carrier import Admitted, Carried, Carrier, Limits
from commonwatt_community.market.commit_receipts import Pins, committed
from commonwatt_community.market.forward import ForwardMarket, market_of
from commonwatt_community.market.home import SpeakingHome
from commonwatt_community.market.receipts import ReceiptRefused, Service, keys_of_carrier
from commonwatt_community.market.turning import KnownCarrier, Patience, TurningCarrier
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.command_line import invoke
from ..support.fabric import require_backend
from .conftest import BACKENDS, quiet, run_apart
from .forward_network import CARRIERS, CHANNEL, GRID, MIDNIGHT, OPERATOR, ForwardNetwork

NAMES = ("NewtownMSP.service", "GridMSP.service")
HOMES = 2
MESSAGES = 20
DROPPED_BY_S = 2


@dataclass
class Street:
    """Homes, and a carrier of each organisation with a key on the ledger."""

    network: ForwardNetwork
    services: tuple[Service, ...]
    period: int = MIDNIGHT

    def market(self, gateway: Any) -> ForwardMarket:
        return market_of(gateway, read_network_file(self.network.path), CHANNEL)

    def pins(self) -> Pins:
        layout = self.network.nodes.layout
        return Pins.of(
            {
                mspid: tuple(one.read_bytes() for one in (layout.msp(name) / "cacerts").iterdir())
                for mspid, name in (("NewtownMSP", "newtown"), ("GridMSP", "grid"))
            }
        )

    async def next_period(self) -> int:
        self.period += 120
        await self.network.set_clock(self.period * 60 - 1_800)
        return self.period


@pytest.fixture(scope="module", params=BACKENDS)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"receipts-{request.param}")
    directory = folder / ".commonwatt"

    async def begin() -> Street:
        made = await up(directory, load_topology("forward"), request.param, quiet)
        network = ForwardNetwork(made.nodes, folder / "keys")
        await network.found(HOMES)
        services = tuple(
            Service(make_key(folder / f"{name}.pem"), network.net, CHANNEL, name, deliver_within_s=60)
            for name in NAMES
        )
        town = Street(network, services)
        for who, service in zip((OPERATOR, GRID), services, strict=True):
            async with network.gateway(who) as gateway:
                # Receipts bear real times; the channel's clock of these tests is behind them.
                await town.market(gateway).set_carrier_key(service.carrier, service.brings_key(1))
        return town

    try:
        yield run_apart(begin)
    finally:
        down(directory)


class Dropping:
    """A carrier that takes every message, promises, and drops each `nth` one without a word."""

    def __init__(self, carrier: Carrier, service: Service, nth: int) -> None:
        self.carrier, self.service, self.nth = carrier, service, nth
        self.taken: list[bytes] = []
        self.dropped: list[bytes] = []

    async def admit(self, compact: bytes) -> Admitted:
        self.taken.append(compact)
        if len(self.taken) % self.nth:
            return await self.carrier.admit(compact)
        self.dropped.append(compact)
        digest = hashlib.sha256(compact.rpartition(b".")[0]).hexdigest()
        return Admitted(digest, "admitted", self.service.receipt(compact, digest))

    async def carry(self, compact: bytes) -> Carried:
        if compact in self.dropped:
            raise TimeoutError
        return await self.carrier.carry(compact)


def test_a_carrier_that_drops_is_left_and_named_and_no_honest_one_is(street: Street, tmp_path: Path) -> None:
    journal = tmp_path / "home.journal"
    run_apart(lambda: trade_by_a_thief(street, journal))
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    kinds = [sorted(line)[0] for line in lines]
    assert kinds.count("message") == MESSAGES + 1
    assert kinds.count("committed") == MESSAGES
    assert kinds.count("receipt") == MESSAGES + 1 + 2
    time.sleep(max(0.0, DROPPED_BY_S + 2 - (time.time() - journal.stat().st_mtime)))
    ended, judged = verified(street, journal)
    assert ended == 1
    blamed = [one for one in judged if one["verdict"] in ("broken", "contradicted")]
    assert [(one["party"], one["verdict"]) for one in blamed] == [("NewtownMSP.service", "broken")]
    assert blamed[0]["line"] == len(lines)
    assert [one["verdict"] for one in judged if one not in blamed] == ["kept"] * (2 * MESSAGES + 2)
    # Another one's name under a key of one's own, and an honest journal.
    mine = replace(street.services[1], key=make_key(tmp_path / "mine.pem"))
    message = lines[0]["message"].encode()
    digest = hashlib.sha256(message.rpartition(b".")[0]).hexdigest()
    forged = {"receipt": mine.receipt(message, digest).decode()}
    honest = tmp_path / "honest.journal"
    honest.write_text("".join(json.dumps(line) + "\n" for line in [*lines[:-2], forged]))
    ended, judged = verified(street, honest)
    assert (ended, judged[-1]["verdict"], judged[-1]["party"]) == (0, "no_receipt", "")
    honest.write_text('{"message": "x"}\n')
    ended, _ = verified(street, honest)
    assert ended == 2


def test_peers_that_endorsed_what_a_ledger_never_held_are_named(street: Street, tmp_path: Path) -> None:
    """The same receipts against a ledger that ends before the messages: as if its peers had lied."""
    journal = tmp_path / "home.journal"

    async def half() -> Audit:
        period = await street.next_period()
        home = street.network.homes[0]
        async with street.network.gateway(CARRIERS[0]) as gateway:
            market = street.market(gateway)
            with Journal(journal) as kept:
                author = Author(street.network.signing[home], kept, street.network.net, CHANNEL, home)
                said = author.request(period, 10, 200_000)
                async with Carrier(market) as carrier:
                    digest = (await carrier.carry(said)).digest
                kept.keep_proof(digest, await market.endorsed_status("bid", period, home, 1, digest))
                kept.keep_proof("0" * 64, await market.endorsed_status("bid", period, home, 1, digest))
        audit = Audit(journal=read_journal(journal))
        blocks = shown_blocks_of_network(street.network.path, CHANNEL, "newtown", "operator")
        found = [pair async for pair in blocks]
        for block, shown in found[:-1]:
            audit.check(block, shown=shown)
        return audit

    audit = run_apart(half)
    for now_s, verdict in ((0, "not_due"), (int(time.time()) + 1, "contradicted")):
        first, second = audit.receipts(now_s)
        assert (first.verdict, first.party) == (verdict, "GridMSP, NewtownMSP")
        assert (second.verdict, second.party) == ("no_receipt", "")
    ended, judged = verified(street, journal)
    assert (ended, judged[0]["verdict"]) == (0, "kept")


def verified(street: Street, journal: Path) -> tuple[int, list[Any]]:
    app = typer.Typer()
    register(app)
    options = ["--network", str(street.network.path), "--channel", CHANNEL, "--json", "--receipts"]
    ended = invoke(app, ["verify", *options, str(journal)])
    return ended.exit_code, json.loads(ended.stdout)["receipts"] if ended.stdout else []


async def trade_by_a_thief(street: Street, journal_file: Path) -> None:
    """One carrier drops each tenth message, which the other one brings; at last a home has no other carrier."""
    period = await street.next_period()
    home = street.network.homes[0]
    async with AsyncExitStack() as stack:
        known, carriers = [], []
        for who, service in zip(CARRIERS, street.services, strict=True):
            market = street.market(await stack.enter_async_context(street.network.gateway(who)))
            carrier = await stack.enter_async_context(Carrier(market, Limits(longest_wait_s=0.01), service))
            keys = keys_of_carrier(
                await market.get_keys("carrier", service.carrier), street.network.net, CHANNEL
            )
            carriers.append(carrier)
            known.append((market, keys))
        thief = Dropping(carriers[0], street.services[0], nth=10)
        journal = stack.enter_context(Journal(journal_file))
        author = Author(street.network.signing[home], journal, street.network.net, CHANNEL, home)
        turning = TurningCarrier(
            [
                KnownCarrier(thief, *known[0]),
                KnownCarrier(carriers[1], *known[1]),
            ],
            journal,
            "home",
            street.pins(),
            Patience(receipt_within_s=30.0),
        )
        speaking = SpeakingHome(author, turning)
        started = time.monotonic()
        for number in range(MESSAGES):
            carried = await speaking.request(period, 100 + number, 200_000)
            assert carried.result == "written", number
        assert time.monotonic() - started < 120
        assert len(thief.dropped) == 2
        for carrier in carriers:
            await carrier.close()
        brief = replace(street.services[0], deliver_within_s=DROPPED_BY_S)
        only = KnownCarrier(Dropping(carriers[0], brief, nth=1), *known[0])
        alone = SpeakingHome(
            author, TurningCarrier([only], journal, "home", street.pins(), Patience(receipt_within_s=5))
        )
        assert (await alone.request(period, 1, 200_000)).result == "not_proven"


def answer_in(proof: bytes) -> tuple[Any, ...]:
    [action] = decode_transaction(proof).actions
    return action.arguments, action.response_payload, action.proposal_payload


async def test_a_commit_receipt_proves_one_message_alone(street: Street, tmp_path: Path) -> None:
    """A replayed receipt for another message, another author, channel or peers; one organisation twice."""
    period = await street.next_period()
    home = street.network.homes[1]
    async with AsyncExitStack() as stack:
        market = street.market(await stack.enter_async_context(street.network.gateway(CARRIERS[0])))
        journal = stack.enter_context(Journal(tmp_path / "home.journal"))
        author = Author(street.network.signing[home], journal, street.network.net, CHANNEL, home)
        first, second = author.request(period, 10, 200_000), author.request(period, 20, 200_000)
        async with Carrier(market) as carrier:
            digest = (await carrier.carry(first)).digest
        proof = await market.endorsed_status("bid", period, home, 1, digest)
        never = await market.endorsed_status("bid", period, home, 2, "0" * 64)
    pins, now_s = street.pins(), time.time()
    committed(proof, first, "home", CHANNEL, pins, now_s)
    swapped = Pins(dict(zip(pins.by_mspid, reversed(list(pins.by_mspid.values())), strict=True)))
    stranger = Pins({**pins.by_mspid, "EnmoreMSP": next(iter(pins.by_mspid.values()))})
    for said, sentence, arguments in (
        (second, "of another message", ("home", CHANNEL, pins, now_s)),
        (first, "of another message", ("meter", CHANNEL, pins, now_s)),
        (first, "channel enmore", ("home", "enmore", pins, now_s)),
        (first, "no peer that the home knows", ("home", CHANNEL, swapped, now_s)),
        (first, "EnmoreMSP", ("home", CHANNEL, stranger, now_s)),
        (first, "no peer that the home knows", ("home", CHANNEL, pins, now_s + 400 * 86_400 * 50)),
    ):
        with pytest.raises(ReceiptRefused, match=sentence):
            committed(proof, said, *arguments)
    with pytest.raises(ReceiptRefused, match="another chaincode"):
        committed(proof, first, "home", CHANNEL, pins, now_s, chaincode="other")
    with pytest.raises(ReceiptRefused):
        committed(never, first, "home", CHANNEL, pins, now_s)
    for place in range(0, len(proof), 97):
        altered = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
        try:
            committed(altered, first, "home", CHANNEL, pins, now_s)
        except ReceiptRefused:
            continue
        assert answer_in(altered) == answer_in(proof), place  # what no endorser signs says nothing
