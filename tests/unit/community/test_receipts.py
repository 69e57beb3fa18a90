# SPDX-License-Identifier: Apache-2.0
"""Receipts as a home judges them: forged promises, strangers' endorsements, and when it turns to another carrier."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.messages.message import read
from commonwatt_chaincode.messages.versions import CARRIER, KeyRecord, KeyVersion, Owner
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.ledger.hashes import proposal_hash
from commonwatt_community.market.carrier import Admitted, Carried, Carrier
from commonwatt_community.market.commit_receipts import Pins, committed
from commonwatt_community.market.home import SpeakingHome
from commonwatt_community.market.receipts import Bounds, ReceiptRefused, Service, promise
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Written
from commonwatt_community.market.turning import NOT_PROVEN, KnownCarrier, Patience, TurningCarrier
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.timestamp_pb2 import Timestamp

NET, CHANNEL, HOME, PERIOD, NOW_S = "n1", "newtown", "h1", 29_400_000, 1_764_000_000
NAMES = ("NewtownMSP.service", "GridMSP.service")


class Party:
    """A certificate and its key; `issuer` None is a root."""

    def __init__(self, name: str, unit: str = "peer", issuer: Party | None = None, days: float = 365) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            ]
        )
        start = datetime.fromtimestamp(NOW_S, UTC) - timedelta(days=1)
        signer = issuer or self
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .sign(signer.key, SHA256())
        )
        self.pem = self.certificate.public_bytes(Encoding.PEM)


OURS, THEIRS = Party("ca.newtown", "ca"), Party("ca.grid", "ca")
OUR_PEER, THEIR_PEER = Party("peer0", issuer=OURS), Party("peer0", issuer=THEIRS)
BOTH = (("NewtownMSP", OUR_PEER), ("GridMSP", THEIR_PEER))
PINS = Pins.of({"NewtownMSP": (OURS.pem,), "GridMSP": (THEIR_PEER.pem,)})


def question_of(message: bytes, author: str = "home") -> dict[str, Any]:
    said = read(message)
    return {
        "kind": said.kind,
        "period": said.period,
        "home": said.home,
        "seq": said.seq,
        "digest": said.digest,
        "author": author,
    }


def endorsed(
    question: dict[str, Any],
    by: Sequence[tuple[str, Party]] = BOTH,
    answer: dict[str, Any] | None = None,
    *,
    channel: str = CHANNEL,
    ran: str = "market",
    function: str = "forward:message_status",
    status: int = 200,
    asked: bytes | None = None,
    asked_s: int = NOW_S,
) -> bytes:
    """An endorsed query as Fabric's gateway gives it."""
    answer = answer or {"digest": question["digest"], "status": "written", "version": None}
    spec = chaincode_pb2.ChaincodeInvocationSpec()
    spec.chaincode_spec.chaincode_id.name = "market"
    spec.chaincode_spec.input.args.extend([function.encode(), json.dumps(question).encode()])
    proposed = proposal_pb2.ChaincodeProposalPayload(input=spec.SerializeToString()).SerializeToString()
    extension = proposal_pb2.ChaincodeHeaderExtension()
    extension.chaincode_id.name = ran
    header = common_pb2.Header(
        channel_header=common_pb2.ChannelHeader(
            type=common_pb2.ENDORSER_TRANSACTION,
            channel_id=channel,
            tx_id="ab" * 32,
            extension=extension.SerializeToString(),
            timestamp=Timestamp(seconds=asked_s),
        ).SerializeToString(),
        signature_header=common_pb2.SignatureHeader(
            creator=identities_pb2.SerializedIdentity(
                mspid="NewtownMSP", id_bytes=OUR_PEER.pem
            ).SerializeToString(),
            nonce=b"n" * 24,
        ).SerializeToString(),
    )
    outcome = proposal_pb2.ChaincodeAction()
    outcome.chaincode_id.name = ran
    outcome.chaincode_id.version = "1"
    outcome.response.status = status
    outcome.response.payload = json.dumps(answer).encode()
    response = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=proposal_hash(header.channel_header, header.signature_header, asked or proposed),
        extension=outcome.SerializeToString(),
    ).SerializeToString()
    action = transaction_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposed)
    action.action.proposal_response_payload = response
    for mspid, party in by:
        endorser = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=party.pem).SerializeToString()
        signature = party.key.sign(response + endorser, ec.ECDSA(SHA256()))
        action.action.endorsements.add(endorser=endorser, signature=signature)
    transaction = transaction_pb2.Transaction()
    transaction.actions.add(header=header.signature_header, payload=action.SerializeToString())
    payload = common_pb2.Payload(header=header, data=transaction.SerializeToString())
    return bytes(common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString())


class World:
    """A home with its journal, and a service of each organisation."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "h1.journal"
        self.journal = Journal(self.path)
        self.author = Author(make_key(folder / "h1.pem", "EdDSA"), self.journal, NET, CHANNEL, HOME)
        self.services = [
            Service(make_key(folder / f"{name}.pem"), NET, CHANNEL, name, 60, lambda: NOW_S) for name in NAMES
        ]

    def keys(self, place: int) -> KeyRecord:
        service = self.services[place]
        version = KeyVersion(service.key.public, NOW_S // 60 - 10, "registered", NOW_S // 60 - 10)
        return KeyRecord(Owner(NET, CHANNEL, service.carrier, CARRIER), (version,))

    def kept(self) -> list[str]:
        return [sorted(json.loads(line))[0] for line in self.path.read_text().splitlines()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_promise_is_its_carriers_for_this_message_now(world: World) -> None:
    said, other = world.author.withdraw(PERIOD), world.author.withdraw(PERIOD)
    newtown, grid = world.services
    digest = read(said).digest
    receipt = newtown.receipt(said, digest)
    found = promise(receipt, said, world.keys(0), NOW_S)
    assert (found.carrier, found.digest, found.deliver_by) == (NAMES[0], digest, NOW_S + 60)
    strange = [Service(newtown.key, "n2", CHANNEL, NAMES[0], 60, lambda: NOW_S)]
    strange += [Service(newtown.key, NET, "enmore", NAMES[0], 60, lambda: NOW_S)]
    strange += [Service(grid.key, NET, CHANNEL, NAMES[0], 60, lambda: NOW_S)]
    for given, message, keys, now_s, sentence in (
        (receipt, other, world.keys(0), NOW_S, "another message"),
        (receipt, said, world.keys(1), NOW_S, "no receipt of GridMSP"),
        (receipt, said, world.keys(0), NOW_S + 61, "dates its receipt"),
        (said, said, world.keys(0), NOW_S, "no receipt"),
        (b"x" * 2_000, said, world.keys(0), NOW_S, "too_large"),
        (strange[0].receipt(said, digest), said, world.keys(0), NOW_S, "wrong_net"),
        (strange[1].receipt(said, digest), said, world.keys(0), NOW_S, "wrong_channel"),
        (strange[2].receipt(said, digest), said, world.keys(0), NOW_S, "unknown_key"),
        (newtown.receipt(said, "0" * 64), said, world.keys(0), NOW_S, "another message"),
        (newtown.receipt(said + b"A", digest), said, world.keys(0), NOW_S, "another message"),
    ):
        with pytest.raises(ReceiptRefused, match=sentence):
            promise(given, message, keys, now_s)
    with pytest.raises(ReceiptRefused, match="later than 59"):
        promise(receipt, said, world.keys(0), NOW_S, Bounds(longest_s=59))


def test_a_commit_receipt_needs_a_known_peer_of_each_organisation(world: World) -> None:
    said = world.author.withdraw(PERIOD)
    question = question_of(said)
    committed(endorsed(question), said, "home", CHANNEL, PINS, NOW_S)
    stranger, home = Party("peer0", issuer=Party("ca.x", "ca")), Party("h9", "client", OURS)
    old = Party("peer1", issuer=OURS, days=0.5)
    other_peer = Party("peer1", issuer=THEIRS)  # of the grid one peer alone is pinned
    ours, theirs = BOTH
    for by in (
        [ours],
        [ours, ours],
        [ours, ("NewtownMSP", THEIR_PEER)],
        [("NewtownMSP", stranger), theirs],
        [("NewtownMSP", home), theirs],
        [("NewtownMSP", old), theirs],
        [],
        [ours, ("GridMSP", other_peer)],
        [ours, ("GridMSP", OUR_PEER)],
        [("GridMSP", OUR_PEER), ("NewtownMSP", THEIR_PEER)],
    ):
        with pytest.raises(ReceiptRefused, match="no peer that the home knows"):
            committed(endorsed(question, by), said, "home", CHANNEL, PINS, NOW_S)
    with pytest.raises(ConfigurationError, match="two organisations"):
        Pins.of({"NewtownMSP": (OURS.pem,)})


def test_a_commit_receipt_is_for_this_message_on_this_channel_by_this_chaincode(world: World) -> None:
    said, other = world.author.withdraw(PERIOD), world.author.withdraw(PERIOD)
    question, of_other = question_of(said), question_of(other)
    written = {"digest": question["digest"], "status": "written", "version": None}
    for proof, sentence in (
        (endorsed(of_other), "another message"),
        (endorsed(of_other, answer=written), "another message"),
        (endorsed(question, answer={**written, "digest": of_other["digest"]}), "the message is written"),
        (endorsed(question, answer={**written, "status": "absent"}), "absent"),
        (endorsed(question, answer={**written, "status": "replaced"}), "replaced"),
        (endorsed({**question, "author": "meter"}), "another message"),
        (endorsed(question, channel="enmore"), "channel newtown"),
        (endorsed(question, ran="evil"), "another chaincode"),
        (endorsed(question, function="forward:get_keys"), "another question"),
        (endorsed(question, status=500), "status 500"),
        (endorsed(question, asked=b"something else"), "no peer"),
        (b"", "not of one query"),
        (b"\xff" * 100, "cannot be read"),
        (b"x" * 40_000, "at most"),
    ):
        with pytest.raises(ReceiptRefused, match=sentence):
            committed(proof, said, "home", CHANNEL, PINS, NOW_S)


class Ledger:
    async def submit_messages(self, kind: str, period: int, messages: Sequence[bytes]) -> Written:
        return Written(("written",) * len(messages))


class Peers:
    """Both organisations' peers, which say what is written."""

    def __init__(self, by: Sequence[tuple[str, Party]] = BOTH) -> None:
        self.by = by

    async def endorsed_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str
    ) -> bytes:
        question = {"kind": kind, "period": period, "home": home, "seq": seq, "digest": digest}
        return endorsed({**question, "author": author}, self.by)


class Silent:
    async def admit(self, compact: bytes) -> Admitted:
        await asyncio.sleep(3_600)
        raise AssertionError

    async def carry(self, compact: bytes) -> Carried:
        raise AssertionError("nobody waits for a carrier that gave no receipt")


class Lying(Silent):
    """Promises, says that it is written, and has written nothing; or signs with another key."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def admit(self, compact: bytes) -> Admitted:
        digest = str(question_of(compact)["digest"])
        return Admitted(digest, "admitted", self.service.receipt(compact, digest))

    async def carry(self, compact: bytes) -> Carried:
        return Carried(str(question_of(compact)["digest"]), "written")


class Claiming(Silent):
    """Says that a message is written as soon as it has it, and gives no receipt."""

    async def admit(self, compact: bytes) -> Admitted:
        return Admitted(str(question_of(compact)["digest"]), "written")


@pytest.mark.parametrize("first", ["silent", "claiming", "lying", "forging", "without receipts"])
async def test_a_home_without_receipt_turns_to_the_other_organisations_carrier(
    world: World, first: str
) -> None:
    newtown, grid = world.services
    peers = Peers([BOTH[0]] if first == "lying" else BOTH)
    async with Carrier(Ledger()) as mute, Carrier(Ledger(), receipts=grid) as honest:
        carrier: Any = {
            "silent": Silent(),
            "claiming": Claiming(),
            "lying": Lying(newtown),
            "forging": Lying(Service(grid.key, NET, CHANNEL, NAMES[0], 60, lambda: NOW_S)),
            "without receipts": mute,
        }[first]
        known = [
            KnownCarrier(carrier, peers, world.keys(0)),
            KnownCarrier(honest, Peers(), world.keys(1)),
        ]
        patience = Patience(receipt_within_s=0.1, after_promise_s=0.1)
        turning = TurningCarrier(known, world.journal, "home", PINS, patience, lambda: NOW_S)
        carried = await SpeakingHome(world.author, turning).request(PERIOD, 5, 100)
        assert carried.result == "written"
        promised = ["receipt"] if first == "lying" else []
        assert world.kept() == ["message", *promised, "receipt", "committed"]
        alone = TurningCarrier(known[:1], world.journal, "home", PINS, patience, lambda: NOW_S)
        left = await SpeakingHome(world.author, alone).request(PERIOD, 6, 100)
        assert left.result == NOT_PROVEN
    world.journal.close()
    with Journal(world.path) as again:  # receipts are no messages: the next number is the third
        assert again.highest_seq(NET, CHANNEL, HOME, PERIOD, "bid") == 2


class OwnWay(Ledger, Peers):
    """A home's own certificate, with peers that say what is written."""


class Holding(Lying):
    """Promises as late as it may, and then says nothing."""

    async def carry(self, compact: bytes) -> Carried:
        await asyncio.sleep(3_600)
        raise AssertionError


@pytest.mark.parametrize(("deliver_s", "gate_s"), [(60, 0.8), (60, 61), (300, 61)])
async def test_no_promise_keeps_a_bid_until_its_gate(world: World, deliver_s: int, gate_s: float) -> None:
    """A carrier that promises and says nothing more has its share of the time to the gate, or a receipt's."""
    holding = Holding(replace(world.services[0], deliver_within_s=deliver_s))
    began_s = time.monotonic()
    turning = TurningCarrier(
        [KnownCarrier(holding, Peers(), world.keys(0))],
        world.journal,
        "home",
        PINS,
        Patience(
            receipt_within_s=0.2, after_promise_s=-59.5
        ),  # the promise's own end comes half a second from now
        lambda: NOW_S + time.monotonic() - began_s,
        window=lambda _: (NOW_S - 60, NOW_S + gate_s),
        own_way=OwnWay(),
    )
    carried = await SpeakingHome(world.author, turning).request(PERIOD, 5, 100)
    assert carried.result == "written"
    assert time.monotonic() - began_s < 1.5
    assert world.kept() == ["message", "receipt", "committed"]


async def test_a_home_with_a_certificate_goes_to_a_peer_itself(world: World) -> None:
    patience = Patience(receipt_within_s=0.1, after_promise_s=0.1)
    silent = [KnownCarrier(Silent(), Peers(), world.keys(place)) for place in (0, 1)]

    def turning(own_way: OwnWay) -> SpeakingHome:
        made = TurningCarrier(silent, world.journal, "home", PINS, patience, lambda: NOW_S, own_way=own_way)
        return SpeakingHome(world.author, made)

    assert (await turning(OwnWay()).request(PERIOD, 5, 100)).result == "written"
    assert world.kept() == ["message", "committed"]
    assert (await turning(OwnWay([BOTH[0]])).request(PERIOD, 6, 100)).result == NOT_PROVEN

    class Shut(OwnWay):
        async def submit_messages(self, kind: str, period: int, messages: Sequence[bytes]) -> Written:
            raise Refused("gate_closed", "the gate is closed", "submit_messages")

    assert (await turning(Shut()).request(PERIOD, 7, 100)).result == "gate_closed"
    assert world.kept() == ["message", "committed", "message", "message"]


def test_a_certificate_that_cannot_be_read_is_nobodys(world: World) -> None:
    """Each byte of a certificate altered by a carrier that signs with its own key: nothing but a refusal."""
    said = world.author.withdraw(PERIOD)
    content = OUR_PEER.certificate.public_bytes(Encoding.DER)
    signed = OUR_PEER.certificate.tbs_certificate_bytes
    strange = copy(OUR_PEER)
    for place in range(content.index(signed) + len(signed)):
        for byte in {0, 0x80, content[place] ^ 1} - {content[place]}:
            encoded = base64.encodebytes(content[:place] + bytes([byte]) + content[place + 1 :])
            strange.pem = b"-----BEGIN CERTIFICATE-----\n" + encoded + b"-----END CERTIFICATE-----\n"
            proof = endorsed(question_of(said), [("NewtownMSP", strange), BOTH[1]])
            with pytest.raises(ReceiptRefused):
                committed(proof, said, "home", CHANNEL, PINS, NOW_S)


def test_an_answer_that_is_dated_ahead_is_no_receipt(world: World) -> None:
    """Until that date nobody could hold it against a ledger."""
    said = world.author.withdraw(PERIOD)
    question = question_of(said)
    committed(endorsed(question, asked_s=NOW_S + 60), said, "home", CHANNEL, PINS, NOW_S)
    with pytest.raises(ReceiptRefused, match="61 s from now"):
        committed(endorsed(question, asked_s=NOW_S + 61), said, "home", CHANNEL, PINS, NOW_S)


def test_two_carriers_of_one_organisation_are_no_fallback(world: World) -> None:
    one = KnownCarrier(Silent(), Peers(), world.keys(0))
    with pytest.raises(ConfigurationError, match="no fallback"):
        TurningCarrier([one, one], world.journal, "home", PINS)
