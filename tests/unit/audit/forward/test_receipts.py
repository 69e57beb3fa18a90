# SPDX-License-Identifier: Apache-2.0
"""Receipts against the ledger by the audit's own rules: who broke a promise, and whom nobody may frame."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from commonwatt_audit.forward.deliveries import Deliveries
from commonwatt_audit.forward.receipts import judge, sentences
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.journal import read_journal
from commonwatt_audit.members import CLIENT, MEMBER, PEER, Member
from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_client.exit_codes import UsageError
from fabric_protos.msp import identities_pb2

from ...community.test_receipts import BOTH, Party, endorsed, question_of
from ...forward.neighbourhood import CHANNEL, MIDNIGHT, NOON, Signer
from .recording import Recording

CARRIER = "NewtownMSP.service"
WITHIN_S = 60


class Service:
    """A town, one of whose carriers has a key, and the journal of its home h1."""

    def __init__(self, town: Recording, folder: Path) -> None:
        self.town, self.key, self.path = town, Signer(90), folder / "h1.journal"
        self.lines: list[dict[str, str]] = []
        self.members: Any = None

    def bid(self, period: int = NOON, seq: int = 1) -> bytes:
        said = self.town.request("h1", period, 100, 200_000, seq)
        self.lines.append({"message": said.decode()})
        return said

    def promise(self, said: bytes, key: Signer | None = None, carrier: str = CARRIER, **members: Any) -> None:
        """A receipt given now, with other members where they are named."""
        receipt: dict[str, Any] = {
            "net": self.town.net,
            "channel": CHANNEL,
            "home": carrier,
            "digest": hashlib.sha256(said.rpartition(b".")[0]).hexdigest(),
            "message": hashlib.sha256(said).hexdigest(),
            "received_at": self.town.now,
            "deliver_by": self.town.now + WITHIN_S,
        }
        compact = (key or self.key).says("cw-receipt", **(receipt | members))
        self.lines.append({"receipt": compact.decode()})

    def proof(self, said: bytes, by: Sequence[tuple[str, Party]] = BOTH) -> None:
        """Endorsements of the answer that a message is written, whether it is or not."""
        question = question_of(said)
        proof = base64.b64encode(endorsed(question, by)).decode()
        self.lines.append({"committed": proof, "digest": question["digest"]})

    def verdicts(self, later_s: int = 3_600) -> list[tuple[str, str]]:
        """The verdict on each receipt, and who is meant."""
        self.path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        replay = ForwardReplay()
        replay.deliveries = Deliveries(read_journal(self.path))
        for recorded in self.town.recorded:
            replay.check(recorded)
        members: Any = self.members
        found = judge(replay.ledger, replay.deliveries, members, CHANNEL, self.town.now + later_s)
        assert len(list(sentences(found))) >= 1
        return [(one.verdict.value, one.party) for one in found]


@pytest.fixture
async def service(tmp_path: Path) -> Service:
    town = Recording()
    await town.found(trust_homes=True)
    for home in ("h1", "h2"):
        await town.add(home)
    made = Service(town, tmp_path)
    possession = town.brings_key(made.key, "carrier", CARRIER, 1)
    await town.do("operator", "set_carrier_key", {"carrier": CARRIER}, {"possession": possession})
    town.in_window(NOON)
    return made


async def test_of_messages_dropped_each_is_named_and_no_other(service: Service) -> None:
    dropped = []
    for seq in range(1, 31):
        said = service.bid(seq=seq)
        service.promise(said)
        service.town.now += 1
        if seq % 10:
            assert await service.town.bids(NOON, said) == ["written"]
        else:
            dropped.append(seq)
    verdicts = service.verdicts()
    assert [seq for seq, one in enumerate(verdicts, 1) if one == ("broken", CARRIER)] == dropped
    assert all(one == ("kept", CARRIER) for seq, one in enumerate(verdicts, 1) if seq not in dropped)


async def test_a_late_message_breaks_the_promise_and_one_in_the_last_second_keeps_it(
    service: Service,
) -> None:
    for seq, wait_s in ((1, WITHIN_S), (2, WITHIN_S + 1)):
        said = service.bid(seq=seq)
        service.promise(said)
        service.town.now += wait_s
        assert await service.town.bids(NOON, said) == ["written"]
    assert service.verdicts() == [("kept", CARRIER), ("broken", CARRIER)]


async def test_a_promise_is_not_due_before_its_time(service: Service) -> None:
    service.promise(service.bid())
    assert service.verdicts(later_s=WITHIN_S) == [("not_due", CARRIER)]
    assert service.verdicts(later_s=WITHIN_S + 1) == [("broken", CARRIER)]


async def test_a_reading_that_is_dropped(service: Service) -> None:
    town = service.town
    town.now = (NOON + 5) * 60
    for seq, import_wh in ((1, 5), (2, 10**8)):  # the second is beyond what the connection carries
        where = {"import_wh": import_wh, "export_wh": 0, "quality": "measured"}
        said = town.says("h1", "cw-reading", "h1", NOON, seq, **where)
        service.lines.append({"message": said.decode()})
        service.promise(said)
    assert service.verdicts() == [("broken", CARRIER), ("not_judged", CARRIER)]


async def test_nobody_frames_a_carrier(service: Service) -> None:
    """What no honest carrier could have written: each is left unjudged."""
    town, not_judged = service.town, [("not_judged", CARRIER)]
    said = service.bid()
    receipts: list[tuple[bytes, dict[str, Any]]] = []
    # Its signature is another one than the carrier was given.
    receipts.append((said, {"message": "0" * 64}))
    # The promise is for a time after the gate, or from before the window; or it runs back.
    gate_s = NOON * 60 - 300
    receipts.append((said, {"deliver_by": gate_s}))
    receipts.append((said, {"received_at": NOON * 60 - 3_601}))
    receipts.append((said, {"deliver_by": town.now - 1}))
    # The journal does not hold the message.
    receipts.append((town.request("h1", NOON, 5, 200_000, 2), {}))
    for message, members in receipts:
        service.lines = [{"message": said.decode()}]
        service.promise(message, **members)
        assert service.verdicts() == not_judged, members
    # The home signed with a key that is not its own, or altered a byte of the signature.
    where = {"net": town.net, "channel": CHANNEL, "home": "h1", "period": NOON, "seq": 1}
    other = Signer(77).says("cw-withdraw", **where)
    bad = said[:-8] + b"AAAAAAAA"
    for message in (other, bad, town.request("h1", MIDNIGHT + 7, 5, 200_000)):
        service.lines = [{"message": message.decode()}]
        service.promise(message)
        assert service.verdicts() == not_judged


async def test_forged_receipts_name_nobody(service: Service) -> None:
    said, nobody = service.bid(), [("no_receipt", "")]
    town = service.town
    for key, carrier, members in (
        (Signer(91), CARRIER, {}),
        (town.signers["h1"], CARRIER, {}),
        (service.key, "GridMSP.service", {}),
        (service.key, CARRIER, {"net": "another"}),
        (service.key, CARRIER, {"channel": "enmore"}),
        (service.key, CARRIER, {"received_at": town.now - 30 * 86_400}),
    ):
        service.lines = [{"message": said.decode()}]
        service.promise(said, key, carrier, **members)
        assert service.verdicts() == nobody, (carrier, members)


async def test_a_transaction_that_is_held_back_breaks_the_promise(service: Service) -> None:
    """It is dated in time and ordered long after; a clock that is ahead within its bound frames nobody."""
    town = service.town
    for seq, held_s in ((1, WITHIN_S + 31), (2, WITHIN_S + 30)):
        said = service.bid(seq=seq)
        service.promise(said)
        argument, batch = {"kind": "bid", "period": NOON}, {"messages": said}
        held = await town.endorse("carrier", "submit_messages", argument, batch)
        town.now += held_s
        assert await town.bids(NOON, town.request("h2", NOON, 5, 200_000)) == ["written"]
        assert town.ledger.commit(held) == "VALID"
    assert service.verdicts() == [("broken", CARRIER), ("kept", CARRIER)]


async def test_books_that_were_closed_frame_no_carrier(service: Service) -> None:
    town = service.town
    closed_s = (NOON + 5) * 60 + 2_555 * 86_400
    said = town.reading("h1", NOON, 5)
    for before_s, verdict in ((1, "not_judged"), (WITHIN_S + 1, "broken")):
        town.now = closed_s - before_s
        service.lines = [{"message": said.decode()}]
        service.promise(said)
        assert service.verdicts() == [(verdict, CARRIER)]


class Known:
    """The signers as a channel's configuration tells them: each organisation's in one role."""

    def __init__(self, **roles: int) -> None:
        self.roles = roles

    def member(self, serialized: bytes) -> Member:
        identity = identities_pb2.SerializedIdentity.FromString(serialized)
        return Member(identity.mspid, "", frozenset({MEMBER, self.roles[identity.mspid]}))


async def test_peers_alone_are_named_for_what_was_never_written(service: Service) -> None:
    said = service.bid()
    service.proof(said)
    for roles, verdict in (
        ({"NewtownMSP": PEER, "GridMSP": PEER}, ("contradicted", "GridMSP, NewtownMSP")),
        ({"NewtownMSP": CLIENT, "GridMSP": PEER}, ("contradicted", "GridMSP")),
        ({"NewtownMSP": CLIENT, "GridMSP": CLIENT}, ("no_receipt", "")),  # a home signs in their names
    ):
        service.members = Known(**roles)
        assert service.verdicts() == [verdict]
    service.members = Known(NewtownMSP=PEER, GridMSP=PEER)
    assert await service.town.bids(NOON, said) == ["written"]
    assert service.verdicts() == [("kept", "GridMSP, NewtownMSP")]


async def test_what_peers_said_on_another_network_frames_nobody_here(service: Service) -> None:
    """A channel that was made anew has its organisations' old certificates, and another id."""
    service.members = Known(NewtownMSP=PEER, GridMSP=PEER)
    town = service.town
    where = {"home": "h1", "period": NOON, "seq": 1}
    for net, channel in (("another", CHANNEL), (town.net, "enmore")):
        said = town.signers["h1"].says("cw-withdraw", net=net, channel=channel, **where)
        service.lines = [{"message": said.decode()}]
        service.proof(said)
        assert service.verdicts() == [("not_judged", "GridMSP, NewtownMSP")]


async def test_a_key_that_was_replaced_signs_no_more(service: Service) -> None:
    town, new = service.town, Signer(92)
    possession = town.brings_key(new, "carrier", CARRIER, 2)
    await town.do("operator", "set_carrier_key", {"carrier": CARRIER}, {"possession": possession})
    said = service.bid()
    town.now += 120
    service.promise(said)
    service.promise(said, new)
    assert service.verdicts() == [("no_receipt", ""), ("broken", CARRIER)]


async def test_the_same_words_under_another_signature_keep_the_promise(service: Service) -> None:
    said = service.bid()
    service.promise(said)
    head = said.rpartition(b".")[0]
    again = head + b"." + encoded(service.town.signers["h1"].sign(head)).encode()
    assert again != said
    assert await service.town.bids(NOON, again) == ["written"]
    assert service.verdicts() == [("kept", CARRIER)]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[]",
        "x",
        '{"message": 5}',
        '{"message": "a.b.c"}',
        '{"receipt": "a.b.c"}',
        '{"committed": "*", "digest": "0"}',
        '{"message": "a", "receipt": "b"}',
        "[" * 60_000,
        "x" * 70_000,
    ],
)
def test_what_is_no_journal_is_told_by_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "home.journal"
    path.write_text(line + "\n")
    with pytest.raises(UsageError, match="line 1"):
        read_journal(path)


def test_an_unfinished_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "home.journal"
    path.write_text('{"message": "a.')
    assert read_journal(path).said == {}
    with pytest.raises(UsageError, match="name the journal"):
        read_journal(tmp_path / "none")
