# SPDX-License-Identifier: Apache-2.0
"""Homes of the forward market speak by carriers; then they, their carriers and a thief attack them, on every backend.

The attackers use what they have: certificates of their own, a carrier's key, the blocks of an accomplice. Where an
attack must find nothing, the same attack with one thing more finds it, so that it is known to work.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.forward import ForwardMarket as Program
from commonwatt_chaincode.messages.fields import READING, REQUEST
from commonwatt_client import EvaluateError, Gateway, GatewayError, ValidationCode
from commonwatt_client.network_file import read_network_file
from commonwatt_community.market.carrier import CARRIER_BUSY, Carrier, Limits
from commonwatt_community.market.forward import ForwardMarket, market_of
from commonwatt_community.market.home import SpeakingHome
from commonwatt_community.market.refused import Refused
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.compose import new_nonce, signed_message
from commonwatt_loadgen.forward.setup import NumbersInMemory
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .callers import Caller, Node, caller_of
from .conftest import BACKENDS, quiet, run_apart
from .forward_network import CARRIERS, CHANNEL, CONFIGURATION, MIDNIGHT, OPERATOR, ForwardNetwork

HOMES = 4
USERS = tuple(f"newtown/home{number:03d}" for number in range(1, HOMES + 1))
PERIOD_MIN = 5
IMPORTS_WH = (1_371, 1_213, 1_129, 1_093)
DAY = (MIDNIGHT + 660) // 1_440


@dataclass
class Street:
    """Four homes, their keys, two carriers, and periods of which each is used once."""

    network: ForwardNetwork
    period: int = MIDNIGHT
    authors: dict[str, Author] = field(default_factory=dict)

    @property
    def homes(self) -> list[str]:
        return self.network.homes

    def next_period(self) -> int:
        """One that is two hours later than any before it: nobody has to move the clock back."""
        self.period += 120
        return self.period

    async def open(self, stack: AsyncExitStack, who: str) -> Gateway:
        return await stack.enter_async_context(self.network.gateway(who))

    def market(self, gateway: Gateway, told: Any = None) -> ForwardMarket:
        """The typed client, which tries again what a peer refuses that is a block behind."""
        market = market_of(gateway, read_network_file(self.network.path), CHANNEL)
        market._told = told
        market._passing = frozenset({"data_not_here", "gate_open", "not_frozen", "not_settled", "too_early"})
        return market

    async def bids_open(self, period: int) -> None:
        await self.network.set_clock(period * 60 - 1_800)

    async def settle(self, stack: AsyncExitStack, period: int) -> None:
        """Freeze and settle a period of which every home has said its reading."""
        operator = self.market(await self.open(stack, OPERATOR))
        await operator.freeze_period(period)
        await operator.settle_period(period)

    def says(self, home: str, typ: str, period: int, seq: int, **said: Any) -> bytes:
        """Any message that a home's key signs, with whatever number."""
        author = self.authors[home]
        everywhere = {"net": author.net, "channel": CHANNEL, "home": home, "nonce": new_nonce()}
        return signed_message(author.key, typ, {**everywhere, "period": period, "seq": seq, **said})

    def requests(self, home: str, period: int, seq: int, energy_wh: int) -> bytes:
        return self.says(home, REQUEST, period, seq, energy_wh=energy_wh, limit_uaud_per_kwh=250_000)

    def readings(self, home: str, period: int, seq: int, import_wh: int) -> bytes:
        return self.says(home, READING, period, seq, import_wh=import_wh, export_wh=0, quality="measured")


@pytest.fixture(scope="module", params=BACKENDS)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"attacked-{request.param}")
    directory = folder / ".commonwatt"

    async def begin() -> Street:
        made = await up(directory, load_topology("forward"), request.param, quiet)
        network = ForwardNetwork(made.nodes, folder / "keys")
        await network.found(HOMES)
        numbers = NumbersInMemory()
        authors = {
            home: Author(network.signing[home], numbers, network.net, CHANNEL, home) for home in network.homes
        }
        return Street(network, authors=authors)

    try:
        yield run_apart(begin)
    finally:
        down(directory)


def test_the_pages_program_sends_a_message(
    street: Street, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    page = (repository / "docs/messages.md").read_text("utf-8")
    [program] = re.findall(r"```python\n(import asyncio.*?)```", page, re.DOTALL)
    home, period = street.homes[0], street.next_period()
    run_apart(lambda: street.bids_open(period))
    (tmp_path / ".commonwatt").symlink_to(street.network.path.parent)
    shutil.copy2(street.network.keys / "0.pem", tmp_path / "home.pem")
    monkeypatch.chdir(tmp_path)
    exec(program.replace("h-4f2a", home).replace("29_400_000", str(period)), {})
    assert capsys.readouterr().out.startswith("written ")
    found = run_apart(
        lambda: street.network.ask(OPERATOR, "list_messages", {"kind": "bid", "period": period})
    )
    assert [entry["key"].split("/")[3] for entry in found["messages"]] == [home]


@dataclass(frozen=True)
class Lived:
    """A period that homes bid for, were metered in and settled, and what each said of it."""

    street: Street
    period: int
    bids: Mapping[str, bytes]
    readings: Mapping[str, bytes]


@pytest.fixture(scope="module")
def lived(street: Street) -> Lived:
    """Homes speak by both carriers; the community clears, settles and bills their day."""

    async def period() -> Lived:
        period = street.next_period()
        await street.bids_open(period)
        said: dict[str, list[bytes]] = {home: [] for home in street.homes}

        @dataclass
        class Kept:
            carrier: Carrier
            home: str

            async def carry(self, compact: bytes) -> Any:
                said[self.home].append(compact)
                return await self.carrier.carry(compact)

        async with AsyncExitStack() as stack:
            carriers = [
                await stack.enter_async_context(Carrier(street.market(await street.open(stack, who))))
                for who in CARRIERS
            ]
            homes = [
                SpeakingHome(street.authors[home], Kept(carriers[number % 2], home))
                for number, home in enumerate(street.homes)
            ]
            buyer, seller, *others = homes
            bids = [buyer.request(period, 200, 250_000), seller.offer(period, 150, 100_000)]
            bids += [other.request(period, 50, 260_000) for other in others]
            assert [(await bid).result for bid in bids] == ["written"] * HOMES
            await street.network.close(period)
            operator = street.market(await street.open(stack, OPERATOR))
            assert (await operator.clear_period(period)).traded_wh == 150
            await street.network.set_clock((period + PERIOD_MIN) * 60)
            readings = [home.reading(period, wh, 10) for home, wh in zip(homes, IMPORTS_WH, strict=True)]
            carried = await asyncio.gather(*readings)
            assert [one.result for one in carried] == ["written"] * HOMES
            await street.settle(stack, period)
        bid_of = {home: messages[0] for home, messages in said.items()}
        return Lived(street, period, bid_of, {home: messages[1] for home, messages in said.items()})

    return run_apart(period)


async def test_a_home_reads_back_what_it_said_and_what_came_of_it(lived: Lived) -> None:
    street, period = lived.street, lived.period
    home = street.homes[0]
    async with AsyncExitStack() as stack:
        market = street.market(await street.open(stack, USERS[0]))
        digest = hashlib.sha256(lived.readings[home].rpartition(b".")[0]).hexdigest()
        assert (await market.message_status("reading", period, home, 1, digest)).status == "written"
        assert (await market.message_status("reading", period, home, 2, digest)).status == "absent"
        [awards] = await market.list_awards(period, period + PERIOD_MIN)
        assert [(one.home, one.bought_wh) for one in awards.awards] == [(home, 50)]
        [line] = await market.list_lines(period, period + PERIOD_MIN, home)
        assert (line.import_wh, line.export_wh, line.bought_wh, line.quality) == (1_371, 10, 50, "measured")
        [message] = await market.list_messages("reading", period)
        assert message.message.encode() == lived.readings[home]
        with pytest.raises(Refused, match="unknown_bill"):
            await market.get_bill(home, DAY)
        state = await market.get_period(period)
        assert state.cleared is not None
        assert state.sums is not None
        assert (state.cleared.traded_wh, state.sums.import_wh) == (150, sum(IMPORTS_WH))


def caller(street: Street, user: str) -> Caller:
    """A user of newtown, to speak to nodes directly."""
    folder = street.network.nodes.layout.user("newtown", user)
    return caller_of("NewtownMSP", folder / "certificate.pem", folder / "private_key.pem")


def questions(lived: Lived, home: str) -> dict[str, Any]:
    """Every query of the contract, as one asks who wants to know what `home` says and is metered at."""
    period = lived.period
    span = {"from_period": period, "to_period": period + PERIOD_MIN}
    guess = hashlib.sha256(b"guess").hexdigest()
    return {
        "get_configuration": {},
        "get_home": {"home": home},
        "list_homes": {},
        "get_keys": {"author": "home", "home": home},
        "get_envelopes": {"period": period, "home": home},
        "get_sharing_keys": {"period": period},
        "get_period": {"period": period},
        "list_periods": span,
        "get_residual": {"period": period},
        "list_digests": span,
        "get_prices": span,
        "list_awards": {**span, "home": home},
        "list_messages": {"kind": "reading", "period": period, "home": home},
        "message_status": {"kind": "reading", "period": period, "home": home, "seq": 1, "digest": guess},
        "list_lines": {**span, "home": home},
        "get_bill": {"home": home, "day": DAY},
        "get_carbon": {"home": home, "day": DAY},
    }


def reveals(answer: bytes, lived: Lived, home: str, import_wh: int) -> bool:
    """Whether an answer holds what a home said, or what its meter counted."""
    said = (lived.bids[home].decode(), lived.readings[home].decode())
    text = answer.decode()
    return any(one in text for one in said) or bool(re.search(rf"\b{import_wh}\b", text))


@pytest.mark.parametrize("role", ["neighbour", "carrier"])
async def test_what_every_query_tells_of_a_neighbour(lived: Lived, role: str) -> None:
    """A home learns nothing of another one; a carrier reads what a portal shows to each home."""
    victim, wh = lived.street.homes[1], IMPORTS_WH[1]
    asked = questions(lived, victim)
    known = {name for name, entry in Program().transactions().items() if not entry.writes}
    assert asked.keys() == known, "a query is new: ask it here, too"
    who = USERS[0] if role == "neighbour" else CARRIERS[0]
    told: set[str] = set()
    async with lived.street.network.gateway(who) as gateway:
        contract = gateway.get_network(CHANNEL).get_contract("market", "forward")
        for name, argument in asked.items():
            without = {key: value for key, value in argument.items() if key != "home"}
            for one in (argument, without):
                for by in ("NewtownMSP", "GridMSP"):
                    try:
                        answer = await contract.evaluate(
                            name, arguments=[json.dumps(one)], endorsing_organizations=[by]
                        )
                    except EvaluateError:
                        continue
                    if reveals(answer, lived, victim, wh):
                        told.add(name)
    assert told == (set() if role == "neighbour" else {"list_messages", "list_lines"})


@pytest.mark.parametrize("stream", ["Deliver", "DeliverFiltered", "DeliverWithPrivateData", "orderer"])
async def test_no_stream_tells_a_home_or_a_carrier_anything(lived: Lived, stream: str) -> None:
    people = {name: caller(lived.street, name) for name in ("home001", "operator", "carrier")}
    victim = lived.readings[lived.street.homes[1]]
    async with Node(lived.street.network.nodes, CHANNEL) as node:
        for who in ("home001", "carrier"):
            given, blocks = await node.deliver(people[who], stream)
            assert (given, blocks) == (False, [])
        _, blocks = await node.deliver(people["operator"], stream)
        held = any(victim in block.SerializeToString() for block in blocks)
        assert held == (stream == "DeliverWithPrivateData")  # so the attack itself finds what is there


@pytest.mark.parametrize("function", ["GetBlockByNumber", "GetTransactionByID", "GetChainInfo"])
async def test_qscc_tells_a_home_or_a_carrier_nothing(lived: Lived, function: str) -> None:
    people = {name: caller(lived.street, name) for name in ("home001", "operator", "carrier")}
    wanted = {"GetBlockByNumber": [b"3"], "GetTransactionByID": [b"ab" * 32], "GetChainInfo": []}
    arguments = [CHANNEL.encode(), *wanted[function]]
    async with Node(lived.street.network.nodes, CHANNEL) as node:
        for who in ("home001", "carrier"):
            let_in, answer = await node.invoke(people[who], "qscc", function, *arguments)
            assert not let_in, answer
        let_in, _ = await node.invoke(people["operator"], "qscc", function, *arguments)
        assert let_in


async def test_no_reading_is_guessed_from_what_blocks_hold(lived: Lived) -> None:
    """An accomplice passes all blocks on; the attacker hashes every reading that the meter could have had.

    Nonces and salts of 128 bits are what stands in the way: with them the attack finds the readings.
    """
    street = lived.street
    async with AsyncExitStack() as stack:
        market = street.market(await street.open(stack, OPERATOR))
        peer = await stack.enter_async_context(street.network.peer_of("newtown", OPERATOR))
        height = (await peer.get_chain_info(CHANNEL)).height
        raw, private = b"", {}
        async for block, values in peer.blocks_with_private_data(CHANNEL, 0, height - 1):
            raw += block.serialized
            private |= {place[3]: value for place, value in values.items() if place[1] == "market"}
        [line] = await market.list_lines(lived.period, lived.period + PERIOD_MIN, street.homes[1])
    stored = next(value for key, value in private.items() if key.startswith(f"lines/{lived.period:09d}/"))

    def seen(value: bytes) -> bool:
        digest = hashlib.sha256(value)
        return digest.digest() in raw or digest.hexdigest().encode() in raw

    assert seen(stored)
    assert seen(lived.readings[line.home])
    lines = json.loads(stored)
    place = next(number for number, one in enumerate(lines["lines"]) if one[0] == line.home)
    salts = [one[-1] for one in lines["lines"]]
    assert len({*salts}) == HOMES
    assert all(re.fullmatch("[0-9a-f]{32}", salt) for salt in salts)

    def guessed(salt: str) -> bool:
        """Whether a dictionary of readings finds the lines, all others being known, by this salt."""
        before = lines["lines"][place][-1]
        lines["lines"][place][-1] = salt
        found = any(
            seen(_as_stored(lines, place, import_wh))
            for import_wh in range(line.import_wh - 3, line.import_wh + 3)
        )
        lines["lines"][place][-1] = before
        return found

    assert guessed(salts[place])
    for other in ("", "0" * 32, *(salt for salt in salts if salt != salts[place])):
        assert not guessed(other)


def _as_stored(lines: Any, place: int, import_wh: int) -> bytes:
    """The stored form with another reading in one line, everything that follows from it left as it is."""
    before = lines["lines"][place]
    position = before.index(IMPORTS_WH[1])
    lines["lines"][place] = [*before[:position], import_wh, *before[position + 1 :]]
    try:
        return json.dumps(lines, sort_keys=True, separators=(",", ":")).encode()
    finally:
        lines["lines"][place] = before


async def test_one_home_at_two_carriers_a_thousand_times_costs_no_neighbour_a_message(street: Street) -> None:
    period = street.next_period()
    await street.bids_open(period)
    loud, *quiet_ones = street.homes
    tries: Counter[int] = Counter()

    def told(name: str, _: float, count: int) -> None:
        tries[count] += 1

    async with AsyncExitStack() as stack:
        flooded = [street.market(await street.open(stack, who)) for who in CARRIERS]
        markets = [street.market(await street.open(stack, who), told) for who in CARRIERS]
        limits = Limits(most_messages=10, longest_wait_s=0.05)
        carriers = [await stack.enter_async_context(Carrier(market, limits)) for market in markets]
        flooding = [
            asyncio.create_task(
                market.submit_messages(
                    "bid",
                    period,
                    [street.requests(loud, period, seq, 1 + batch) for seq in range(1, 33)],
                )
            )
            for batch in range(16)
            for market in flooded
        ]
        crowding = [
            asyncio.create_task(carrier.carry(street.requests(loud, period, 1 + number % 32, 77)))
            for number in range(200)
            for carrier in carriers
        ]
        bids = []
        for seq in range(1, 9):
            for number, home in enumerate(quiet_ones):
                message = street.requests(home, period, seq, 100 + seq)
                bids.append(asyncio.create_task(carriers[(seq + number) % 2].carry(message)))
            await asyncio.sleep(0.05)
        assert {(await bid).result for bid in bids} == {"written"}
        assert {result for batch in flooding for result in (await batch).results} == {"written"}
        crowded = Counter([(await one).result for one in crowding])
        assert crowded.keys() <= {"written", CARRIER_BUSY}
        assert set(tries) == {1}, "a batch of the neighbours' lost a race"
        await street.network.close(period)
        operator = street.market(await street.open(stack, OPERATOR))
        await operator.clear_period(period)
        [awards] = await operator.list_awards(period, period + PERIOD_MIN)
        assert {one.home for one in awards.awards} == {*street.homes}
        standing = await operator.list_messages("bid", period)
        assert len(standing) == 32 + 8 * len(quiet_ones)


async def test_no_late_bid_stands_or_holds_up_the_clearing(street: Street) -> None:
    """Bids that were endorsed in time are held back, and let go while the gate closes and the period clears."""
    period = street.next_period()
    await street.bids_open(period)
    early, *late = street.homes
    tries: Counter[str] = Counter()

    def told(name: str, _: float, count: int) -> None:
        tries[name] = count

    async with AsyncExitStack() as stack:
        carrier = await street.open(stack, CARRIERS[0])
        operator = street.market(await street.open(stack, OPERATOR), told)
        written = await operator.submit_messages("bid", period, [street.requests(early, period, 1, 100)])
        assert written.results == ("written",)
        held = [
            await _endorsed(carrier, "bid", period, street.requests(home, period, 1, 300)) for home in late
        ]
        before = [await held.pop().submit()]
        assert (
            await before[0].status(timeout_s=20)
        ).code is ValidationCode.VALID  # held back, it is still good
        await street.network.close(period)
        freed = [await one.submit() for one in held]
        cleared = await operator.clear_period(period)
        codes = {(await one.status(timeout_s=20)).code for one in freed}
        assert codes == {ValidationCode.MVCC_READ_CONFLICT}
        assert tries["clear_period"] == 1
        assert (cleared.requests, cleared.requested_wh) == (2, 400)
        with pytest.raises(Refused, match="gate_closed"):
            await operator.submit_messages("bid", period, [street.requests(late[0], period, 2, 300)])


async def test_no_late_reading_enters_a_version_or_holds_up_its_settlement(street: Street) -> None:
    period = street.next_period()
    await street.network.set_clock((period + PERIOD_MIN) * 60)
    tries: Counter[str] = Counter()

    def told(name: str, _: float, count: int) -> None:
        tries[name] = count

    async with AsyncExitStack() as stack:
        carrier = await street.open(stack, CARRIERS[1])
        operator = street.market(await street.open(stack, OPERATOR), told)
        said = [street.readings(home, period, 1, 500) for home in street.homes]
        assert {*(await operator.submit_messages("reading", period, said)).results} == {"written"}
        liar = street.homes[0]
        held = await _endorsed(carrier, "reading", period, street.readings(liar, period, 2, 1))
        await operator.freeze_period(period)
        freed = await held.submit()
        flood = [
            asyncio.create_task(
                street.market(carrier).submit_messages(
                    "reading", period, [street.readings(liar, period, seq, seq) for seq in range(3, 33)]
                )
            )
            for _ in range(8)
        ]
        await operator.settle_period(period)
        assert (await freed.status(timeout_s=20)).code is ValidationCode.MVCC_READ_CONFLICT
        assert {result for one in flood for result in (await one).results} == {
            "written"
        }  # of the next version
        assert tries["settle_period"] == 1
        lines = await operator.list_lines(period, period + PERIOD_MIN)
        assert [line.import_wh for line in lines] == [500] * HOMES


async def _endorsed(gateway: Gateway, kind: str, period: int, message: bytes) -> Any:
    contract = gateway.get_network(CHANNEL).get_contract("market", "forward")
    proposal = contract.new_proposal(
        "submit_messages",
        arguments=[json.dumps({"kind": kind, "period": period})],
        transient={"messages": message},
        endorsing_organizations=["NewtownMSP", "GridMSP"],
    )
    return await proposal.endorse()


async def test_a_stolen_carriers_key_writes_nothing_but_what_homes_signed(street: Street) -> None:
    """Every transaction of the contract, by both carriers' keys; and messages altered, moved, signed by the thief."""
    period = street.next_period()
    await street.bids_open(period)
    home = street.homes[0]
    thief = Author(street.authors[street.homes[1]].key, NumbersInMemory(), street.network.net, CHANNEL, home)
    key_of = {"author": "home", "home": home}
    possession = {"possession": thief.brings_key(thief.key.public, 2)}
    tried: dict[str, tuple[Any, Any, str]] = {
        "configure": ({**CONFIGURATION, "replaces": 1}, None, "forbidden"),
        "advance_clock": ({"to_s": period * 60}, None, "forbidden"),
        "register_home": ({"home": "mine", "home_class": "consumer"}, None, "forbidden"),
        "confirm_home": ({"home": home}, None, "forbidden"),
        "end_home": ({"home": home}, None, "forbidden"),
        "set_key": (key_of, possession, "key_taken"),
        "set_carrier_key": ({"carrier": "NewtownMSP.service"}, possession, "forbidden"),
        "propose_key": (key_of, possession, "forbidden"),
        "confirm_key": ({**key_of, "kid": thief.key.public.kid}, None, "forbidden"),
        "set_envelope": ({"from_period": period, "to_period": period + 5, "import_w": 0}, None, "forbidden"),
        "set_sharing_keys": ({"from_period": period + 600, "keys": {home: 1}}, None, "forbidden"),
        "set_intensity": ({"from_period": period + 600, "g_per_kwh": [0]}, None, "forbidden"),
        "report_feeder": ({"period": period, "import_wh": 0, "export_wh": 0}, None, "forbidden"),
        "close_gate": ({"period": period}, None, "forbidden"),
        "clear_period": ({"period": period}, None, "forbidden"),
        "import_residual": ({"period": period}, None, "forbidden"),
        "declare_lost": ({"key": f"m/bid/{period:09d}/{home}/home/01"}, None, "forbidden"),
        "freeze_period": ({"period": period}, None, "forbidden"),
        "settle_period": ({"period": period}, None, "forbidden"),
        "settle_gap": ({"home": home, "before": period - 10, "after": period}, None, "forbidden"),
        "settle_carbon": ({"day": DAY}, None, "forbidden"),
        "settle_day": ({"day": DAY}, None, "forbidden"),
        "forget_home": ({"home": home, "before": period}, None, "forbidden"),
    }
    writes = {name for name, entry in Program().transactions().items() if entry.writes}
    assert tried.keys() == writes - {"submit_messages"}, "a transaction is new: let the thief try it, too"
    for who in CARRIERS:
        for name, (argument, transient, code) in tried.items():
            with pytest.raises(GatewayError, match=code):
                await street.network.submit(who, name, argument, transient)
    fresh = {"author": "meter", "home": home}
    own_key = {"possession": thief.brings_key(thief.key.public, 1, "meter")}
    with pytest.raises(GatewayError, match="forbidden"):
        await street.network.submit(CARRIERS[0], "set_key", fresh, own_key)  # no first key of a meter either
    good = street.requests(home, period, 1, 100)
    head, _, signature = good.split(b".")
    other_words = street.requests(home, period, 1, 900).split(b".")[1]
    elsewhere = street.requests(home, period + PERIOD_MIN, 1, 100)
    said = [
        b".".join((head, other_words, signature)),
        thief.request(period, 900, 250_000),
        elsewhere,
        good,
    ]
    results = await street.network.carry(CARRIERS[0], period, said)
    assert results == ["bad_signature", "unknown_key", "wrong_period", "written"]
    assert await street.network.carry(CARRIERS[1], period, [good]) == ["written"]  # a replay changes nothing
    found = await street.network.ask(OPERATOR, "list_messages", {"kind": "bid", "period": period})
    assert [entry["message"].encode() for entry in found["messages"]] == [good]
