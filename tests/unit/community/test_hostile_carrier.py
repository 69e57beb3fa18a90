# SPDX-License-Identifier: Apache-2.0
"""Whatever a hostile carrier does, no home's bids change but by being left out; it leaves a receipt, or none.

Homes, carriers and the contract are the real ones; the channel is in memory. Two carriers of two organisations serve
three homes over a local midnight, at which keys change. One of them mixes periods, replays over networks and channels,
alters, splits, merges, holds back and reorders; its receipts are forged, contradicted or dropped.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import random
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from commonwatt_audit.forward.deliveries import Deliveries
from commonwatt_audit.forward.receipts import BLAMED, judge
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.journal import read_journal
from commonwatt_audit.members import MEMBER, PEER, Member
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.messages.message import Message, read
from commonwatt_chaincode.shim.results import Timestamp
from commonwatt_community.market.carrier import Carrier, Limits
from commonwatt_community.market.home import SpeakingHome
from commonwatt_community.market.receipts import Service, keys_of_carrier
from commonwatt_community.market.results import StoredKeys, read_result
from commonwatt_community.market.turning import KnownCarrier, TurningCarrier
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from fabric_protos.msp import identities_pb2
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ..audit.forward.recording import Recording
from ..forward.neighbourhood import CHANNEL, MIDNIGHT, Neighbourhood, Signer
from .hostile_carrier import ADMITS, CARRIES, PROOFS, Enemy, Market, altered, signing
from .test_receipts import PINS

BEFORE, AFTER = MIDNIGHT + 1_435, MIDNIGHT + 1_440
"""Two periods, of which the second begins a local day: from it on a rotated key counts."""
PERIODS = (BEFORE, AFTER)
HOMES = ("h1", "h2", "p1")
CARRIERS = ("carrier", "carrier of the grid", "h2")
NAMES = ("NewtownMSP.service", "GridMSP.service")
NUMBERS = st.integers(0, 2**16)
Answer = TypeVar("Answer")


class Standing(NamedTuple):
    """A message that the ledger holds, with its place."""

    key: str
    compact: bytes
    message: Message


class Peers:
    """Whoever endorsed is a peer of its organisation: certificates are judged elsewhere."""

    def member(self, serialized: bytes) -> Member:
        identity = identities_pb2.SerializedIdentity.FromString(serialized)
        return Member(identity.mspid, "", frozenset({MEMBER, PEER}))


def gate_s(message: Message) -> int:
    return message.period * 60 - 300


def window(message: Message) -> tuple[float, float]:
    return message.period * 60 - 3_600, gate_s(message)


class HostileCarrier(RuleBasedStateMachine):
    """Homes speak; the enemy does as it likes with all that it ever had in its hands."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        self.signed: dict[bytes, str] = {}  # the words -> the key's kid
        self.pool: list[bytes] = []
        self.committed_s: dict[bytes, int] = {}  # the words -> when the ledger had them first
        self.rotated_s: dict[str, int] = {}

    def run(self, story: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(story)

    @initialize()
    def found(self) -> None:
        self.town = Recording()
        self._watch_commits()
        self.run(self._founded())
        self.town.at(AFTER, -3_890)  # bids of the first period alone are taken
        self.journals = {
            home: self.open.enter_context(Journal(self.folder / f"{home}.journal")) for home in HOMES
        }

    async def _founded(self) -> None:
        town = self.town
        await town.found(trust_homes=True)
        await town.add("h1", "h2")
        await town.add("p1", alg="EdDSA", pv_w=6_000)
        ours, theirs = (
            Service(signing(Signer(90 + number)), town.net, CHANNEL, name, 60, lambda: town.now)
            for number, name in enumerate(NAMES)
        )
        for who, service in (("operator", ours), ("grid", theirs)):
            possession = {"possession": service.brings_key(1)}
            await town.do(who, "set_carrier_key", {"carrier": service.carrier}, possession)
        limits = Limits(longest_wait_s=0.0, patience_s=0.3)
        market = Market(town, "carrier of the grid")
        self.honest = Carrier(market, limits, theirs)
        self.enemy = Enemy(Market(town, "carrier"), ours, Carrier(Market(town, "carrier"), limits), gate_s)
        self.known = [
            KnownCarrier(self.enemy, self.enemy, await self._keys(ours)),
            KnownCarrier(self.honest, market, await self._keys(theirs)),
        ]

    async def _keys(self, service: Service) -> Any:
        asked = {"author": "carrier", "home": service.carrier}
        answer = json.dumps(await self.town.ask("h1", "get_keys", asked)).encode()
        return keys_of_carrier(read_result(StoredKeys, answer), self.town.net, CHANNEL)

    def _watch_commits(self) -> None:
        commit = self.town.ledger.commit

        def watched(done: Any) -> str:
            code = commit(done)
            for place, value in done.writes.items() if code == "VALID" else ():
                if not isinstance(place, str) and place[1].startswith("m/") and value is not None:
                    message = read(value)
                    self.committed_s.setdefault(message.signing_input, self.town.now)
                    # What stood under the old key before it was replaced stands on; nothing is added.
                    assert message.kid == self._signer(message.home, message.period).key.kid
            return code

        self.town.ledger.commit = watched  # type: ignore[method-assign]

    # What homes do

    @rule(home=st.sampled_from(HOMES), period=st.sampled_from(PERIODS), number=NUMBERS)
    def sign(self, home: str, period: int, number: int) -> None:
        """A home signs, and the enemy has it: a new bid, or, by an author who forgot, other words under an old seq."""
        seq = 1 + number % 4
        if home == "p1":
            said = self.town.offer(home, period, 100 + number % 900, 70_000 + number % 100_000, seq)
        elif number % 7 == 0:
            said = self.town.withdrawal(home, period, seq)
        else:
            said = self.town.request(home, period, 100 + number % 900, 70_000 + number % 200_000, seq)
        self._note(said)

    @rule(home=st.sampled_from(HOMES), number=NUMBERS)
    def sign_elsewhere(self, home: str, number: int) -> None:
        """The same key on another network and channel, of another kind and period."""
        net, channel = self.town.net, CHANNEL
        match number % 4:
            case 0:
                net = "another"
            case 1:
                channel = "enmore"
            case 2:
                self._note(self.town.reading(home, PERIODS[number % 2], 5))
                return
        where = {"net": net, "channel": channel, "home": home, "seq": 1 + number % 4}
        period = PERIODS[number % 2] if number % 4 != 3 else AFTER + 5
        self._note(self.town.signers[home].says("cw-withdraw", **where, period=period))

    @precondition(lambda self: self.town.now < AFTER * 60 - 3_600)
    @rule(home=st.sampled_from(HOMES))
    def rotate(self, home: str) -> None:
        if home in self.rotated_s:
            return
        self.rotated_s[home] = self.town.now
        old, new = self.town.signers[home], Signer(200 + len(self.rotated_s), "EdDSA")
        possession, consent = (
            self.town.brings_key(new, "home", home, 2, by=signer) for signer in (None, old)
        )
        both = {"possession": possession, "consent": consent}
        self.run(self.town.do("carrier", "set_key", {"author": "home", "home": home}, both))
        self.town.signers[home] = new

    @rule(
        home=st.sampled_from(HOMES),
        period=st.sampled_from(PERIODS),
        admits=st.sampled_from(ADMITS),
        carries=st.sampled_from(CARRIES),
        proves=st.sampled_from(PROOFS),
        fallback=st.booleans(),
        energy_wh=st.integers(1, 900),
    )
    def speak(
        self, home: str, period: int, admits: str, carries: str, proves: str, fallback: bool, energy_wh: int
    ) -> None:
        """A home says something by the enemy and, where it has one, by the other organisation's carrier."""
        self._speaks(home, period, (admits, carries, proves), fallback, energy_wh)

    def _speaks(
        self, home: str, period: int, behaviour: tuple[str, str, str], fallback: bool, energy_wh: int
    ) -> None:
        self.enemy.behaviour = behaviour
        town, journal = self.town, self.journals[home]
        if journal.highest_seq(town.net, CHANNEL, home, period, "bid") >= 32:
            return
        # A home that rotated its key signs the periods before with the old one.
        signer = self._signer(home, period)
        author = Author(signing(signer), journal, town.net, CHANNEL, home)
        known = self.known if fallback else self.known[:1]
        turning = TurningCarrier(known, journal, "home", PINS, clock=lambda: town.now, window=window)
        carried = self.run(SpeakingHome(author, turning).request(period, energy_wh, 200_000))
        said = self._lines(home, "message")[-1]
        self._note(said)
        if carried.written:
            assert self._held(said), "the home was told so, and it is not there"
            proven = json.loads((self.folder / f"{home}.journal").read_text().splitlines()[-1])
            assert proven["digest"] == carried.digest
        takes_bids = period * 60 - 3_600 <= town.now < period * 60 - 300
        assert carried.written or not (fallback and takes_bids), (carried.result, self.enemy.behaviour)

    @rule(home=st.sampled_from(HOMES), period=st.sampled_from(PERIODS))
    def lie(self, home: str, period: int) -> None:
        """The enemy writes nothing and says `written`, with each receipt and each proof that it can make."""
        ways = [(admits, "says nothing") for admits in ADMITS] + [("promises", proves) for proves in PROOFS]
        for admits, proves in ways:
            self._speaks(home, period, (admits, "lies", proves), False, 50)

    def _signer(self, home: str, period: int) -> Signer:
        return self.town.signers[home] if period == AFTER else self.first_signer(home)

    def first_signer(self, home: str) -> Signer:
        """The key that is in force before midnight."""
        return Signer(1 + HOMES.index(home), "EdDSA" if home == "p1" else "ES256")

    def _note(self, said: bytes) -> None:
        self.signed[said.rpartition(b".")[0]] = read(said).kid
        self.pool.append(said)

    # What the enemy does

    @precondition(lambda self: self.pool)
    @rule(
        picks=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=8),
        kind=st.sampled_from(["bid", "bid", "bid", "reading"]),
        period=st.sampled_from([*PERIODS, *PERIODS, AFTER + 5, BEFORE - 5]),
        who=st.sampled_from(CARRIERS),
        hold=st.booleans(),
    )
    def batch(self, picks: list[tuple[int, int, int]], kind: str, period: int, who: str, hold: bool) -> None:
        """A batch of anything, endorsed; ordered at once, or held back."""
        said: list[bytes] = []
        for first, second, how in picks:
            message, other = self.pool[first % len(self.pool)], self.pool[second % len(self.pool)]
            said += altered(message, other, how)
        done = self.run(Market(self.town, who).endorse(kind, period, said))
        assert done.status in (200, 400)
        if done.status == 200 and hold:
            self.enemy.held.append(done)
        elif done.status == 200:
            assert self.town.ledger.commit(done) == "VALID"

    @precondition(lambda self: self.pool)
    @rule(period=st.sampled_from(PERIODS), order=st.randoms(use_true_random=False))
    def flood(self, period: int, order: random.Random) -> None:
        """All that anybody ever signed, wherever it was for, in any order."""
        said = order.sample(self.pool, len(self.pool))
        done = self.run(Market(self.town, "carrier").endorse("bid", period, said))
        assert done.status == 400 or self.town.ledger.commit(done) == "VALID"

    @precondition(lambda self: self.enemy.held)
    @rule(number=NUMBERS)
    def release(self, number: int) -> None:
        self.town.ledger.commit(self.enemy.held.pop(number % len(self.enemy.held)))

    @rule(seconds=st.integers(1, 400))
    def wait(self, seconds: int) -> None:
        self.town.now = min(self.town.now + seconds, AFTER * 60 - 301)

    # What stands

    def _standing(self, period: int | None = None) -> Iterator[Standing]:
        for key in self.town.ledger.keys("m/", "m0"):
            value = self.town.ledger.get(key, keys.COLLECTION)
            assert value is not None
            message = read(value)
            if period is None or message.period == period:
                yield Standing(key, value, message)

    def _held(self, said: bytes) -> bool:
        return any(one.compact.rpartition(b".")[0] == said.rpartition(b".")[0] for one in self._standing())

    @invariant()
    def only_what_homes_signed_stands(self) -> None:
        for key, value, message in self._standing():
            assert self.town.ledger.get(key) == hashlib.sha256(value).hexdigest().encode()
            assert message.kid == self.signed[message.signing_input]
            home, period = message.home, message.period
            assert key == keys.index_key("bid", period, None, home, "home", message.seq)
            assert (message.net, message.channel, message.kind) == (self.town.net, CHANNEL, "bid")

    def teardown(self) -> None:
        try:
            if hasattr(self, "journals"):
                for period in PERIODS:
                    self._clears_what_stands(period)
                self._judges_receipts()
        finally:
            self.runner.close()
            self.open.close()
            shutil.rmtree(self.folder)

    def _clears_what_stands(self, period: int) -> None:
        """As a plain carrier's would, who brought just the messages that stand, each once and in order."""
        town = self.town
        plain = Neighbourhood()
        plain.net, plain.callers, plain.ledger.state = (
            town.net,
            town.callers,
            copy.deepcopy(town.ledger.state),
        )
        standing = list(self._standing(period))
        for place in [one for one in plain.ledger.state.values if one.key.startswith("m/")]:
            plain.ledger.state.write(place, None, (10**6, 0), "removed", Timestamp(0, 0))
        awards = []
        for one in (town, plain):
            if one is plain and standing:
                one.at(period, -301)
                said = [each.compact for each in standing]
                assert set(self.run(one.bids(period, *said))) == {"written"}
            one.now = max(one.now, period * 60 - 300 + 30)
            self.run(one.do("operator", "close_gate", {"period": period}))
            if one is town:
                while self.enemy.held:  # endorsed in time, and let go after the gate
                    one.ledger.commit(self.enemy.held.pop())
                assert {each.key for each in self._standing(period)} == {each.key for each in standing}
            self.run(one.do("operator", "clear_period", {"period": period}))
            found = self.run(
                one.ask("operator", "list_awards", {"from_period": period, "to_period": period + 5})
            )
            awards.append(found["periods"])
        assert awards[0] == awards[1]
        last: dict[str, Message] = {}
        for each in standing:
            if each.message.home not in last or each.message.seq > last[each.message.home].seq:
                last[each.message.home] = each.message
        bids = {home for home, message in last.items() if message.typ != "cw-withdraw"}
        assert {award["home"] for one in awards[0] for award in one["awards"]} == bids

    def _lines(self, home: str, kind: str) -> list[bytes]:
        lines = [json.loads(line) for line in (self.folder / f"{home}.journal").read_text().splitlines()]
        return [line[kind].encode() for line in lines if kind in line]

    def _judges_receipts(self) -> None:
        """Whoever is named broke its word, and whoever broke it within the window is named."""
        for home in HOMES:
            path = self.folder / f"{home}.journal"
            replay = ForwardReplay()
            replay.deliveries = Deliveries(read_journal(path))
            for recorded in self.town.recorded:
                replay.check(recorded)
            peers: Any = Peers()
            found = judge(replay.ledger, replay.deliveries, peers, CHANNEL, self.town.now + 3_600)
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            said = {read(one).digest: one for one in self._lines(home, "message")}
            for one in found:
                line = lines[one.line - 1]
                if "committed" in line:
                    assert one.verdict == "kept"
                    continue
                receipt = read(line["receipt"].encode())
                message = said[str(receipt.payload["digest"])]
                committed_s = self.committed_s.get(message.rpartition(b".")[0])
                by_s, from_s = int(receipt.payload["deliver_by"]), int(receipt.payload["received_at"])
                in_time = committed_s is not None and committed_s <= by_s
                opens_s, closes_s = window(read(message))
                assert one.party == receipt.home
                if one.verdict in BLAMED:
                    assert not in_time
                    assert one.party == NAMES[0], "the honest carrier is named"
                elif not opens_s <= from_s <= by_s < closes_s or from_s < self.rotated_s.get(home, 0):
                    assert one.verdict in ("kept", "not_judged")
                else:
                    assert one.verdict == "kept"
                    assert committed_s is not None, "a promise is kept, they say, and nothing ever came"


FEW = settings(max_examples=6, stateful_step_count=25, deadline=None, database=None, phases=(Phase.generate,))
"""A failure is told as it was found: its steps take too long for being made fewer."""


class TestFewDays(HostileCarrier.TestCase):
    settings = FEW


@pytest.mark.long
@pytest.mark.timeout(1_800)
class TestManyDays(HostileCarrier.TestCase):
    settings = settings(FEW, max_examples=150, stateful_step_count=50)
