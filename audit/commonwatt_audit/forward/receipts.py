# SPDX-License-Identifier: Apache-2.0
"""Receipts of a home's journal held against the ledger: who promised a message and did not deliver it, who said that
it is there and it never was. The home's own message is judged first, so that a party is named only for what it could
have done."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from commonwatt_client.errors import UnexpectedAnswerError
from commonwatt_client.ledger import decode_transaction, endorsers_that_signed

from commonwatt_audit.journal import Proof, Receipt, Said
from commonwatt_audit.members import PEER, Members
from commonwatt_audit.messages import Unacceptable, statement
from commonwatt_audit.world import Difference, Json

from . import keys, readings, times
from .deliveries import Deliveries, Subject, Written, subject_of
from .homes import connection_at
from .ledger import Ledger
from .places import BID, READING, Place
from .situation import CARRIER, CONFIGURATION, Situation, calendar_of
from .submitting import TYPS, reading_of


class Verdict(StrEnum):
    """What becomes of a receipt."""

    KEPT = "kept"
    BROKEN = "broken"
    CONTRADICTED = "contradicted"
    NOT_DUE = "not_due"
    NOT_JUDGED = "not_judged"
    NO_RECEIPT = "no_receipt"


BLAMED = (Verdict.BROKEN, Verdict.CONTRADICTED)


class Judged(NamedTuple):
    """A receipt: its line in the journal, the verdict, who gave it (nobody is proven for ``no_receipt``), and why."""

    line: int
    verdict: Verdict
    party: str
    words: str

    def as_json(self) -> Json:
        """For `--json`."""
        return {"line": self.line, "verdict": self.verdict.value, "party": self.party, "words": self.words}


class _Left(Exception):
    """A receipt by which nobody can be judged; the message says why."""


def judge(
    ledger: Ledger, deliveries: Deliveries, members: Members, channel: str, now_s: int
) -> tuple[Judged, ...]:
    """Each receipt of the journal, in the order of its lines. `now_s`: until when the ledger's blocks are known."""
    court = _Court(ledger, deliveries, members, channel, max(now_s, deliveries.last_s))
    found = [court.promise(one) for one in deliveries.journal.receipts]
    found += [court.proof(one) for one in deliveries.journal.proofs]
    return tuple(sorted(found))


def sentences(judged: tuple[Judged, ...]) -> Iterator[str]:
    """Line by line for people."""
    counts = {verdict: sum(one.verdict == verdict for one in judged) for verdict in Verdict}
    told = ", ".join(
        f"{count:,} {verdict.value.replace('_', ' ')}" for verdict, count in counts.items() if count
    )
    yield f"receipts: {told or 'none in this journal'}"
    for one in judged:
        if one.verdict != Verdict.KEPT:
            yield f"  line {one.line}: {one.party or 'nobody'}: {one.verdict.value.replace('_', ' ')}: {one.words}"


class _Court(NamedTuple):
    ledger: Ledger
    deliveries: Deliveries
    members: Members
    channel: str
    now_s: int

    def promise(self, receipt: Receipt) -> Judged:
        """A carrier's word that a message will be on the ledger in time."""
        carrier = str(receipt.words.payload.get("home"))
        try:
            said = self._signed(receipt, carrier)
        except Unacceptable as error:
            return Judged(
                receipt.line, Verdict.NO_RECEIPT, "", f"it is not signed by {carrier}: {error.code}"
            )
        received_at, deliver_by = int(said["received_at"]), int(said["deliver_by"])
        try:
            message = self.deliveries.journal.said.get(str(said["digest"]))
            if message is None or message.whole != said["message"]:
                raise _Left("the journal holds another message than it is for, or none")
            subject = self._could_be_written(message, received_at, deliver_by)
        except _Left as left:
            return Judged(receipt.line, Verdict.NOT_JUDGED, carrier, str(left))
        found = [one for one in self.deliveries.of(subject) if _is(one, message)]
        in_time = [one for one in found if one.at_s <= deliver_by]
        where = f"{subject.kind} of {subject.home} for period {subject.period}, seq {subject.seq}"
        if in_time:
            return Judged(receipt.line, Verdict.KEPT, carrier, where)
        if self.now_s <= deliver_by:
            return Judged(receipt.line, Verdict.NOT_DUE, carrier, f"{where} is promised for {deliver_by}")
        if found:
            words = f"{where} came {found[0].at_s - deliver_by} s later than promised"
        else:
            words = f"{where} was promised for {deliver_by} and is not on the ledger"
        return Judged(receipt.line, Verdict.BROKEN, carrier, words)

    def proof(self, proof: Proof) -> Judged:
        """Peers' word that a message is on the ledger."""
        try:
            parties, asked_s = self._signers(proof)
        except (UnexpectedAnswerError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            parties, asked_s = [], 0
        if not parties:
            words = "no peer of the channel signed that this message is on the ledger"
            return Judged(proof.line, Verdict.NO_RECEIPT, "", words)
        party = ", ".join(parties)
        message = self.deliveries.journal.said.get(proof.digest)
        subject = subject_of(message.words.typ, message.words.payload) if message else None
        if message is None or subject is None:
            return Judged(proof.line, Verdict.NOT_JUDGED, party, "the journal holds no such message")
        net = self.ledger.need(CONFIGURATION)["net"]
        if (message.words.payload["net"], message.words.payload["channel"]) != (net, self.channel):
            words = "its message is for another network or channel"
            return Judged(proof.line, Verdict.NOT_JUDGED, party, words)
        written = self.deliveries.of(subject)
        if any(_is(one, message) for one in written):
            return Judged(proof.line, Verdict.KEPT, party, f"seq {subject.seq} is on the ledger")
        if any(one.digest is None for one in written):
            words = "another signature stands there, and the message was not shown"
            return Judged(proof.line, Verdict.NOT_JUDGED, party, words)
        if asked_s >= self.now_s:
            return Judged(proof.line, Verdict.NOT_DUE, party, "the blocks end before the peers were asked")
        words = f"{subject.kind} of {subject.home} for period {subject.period}, seq {subject.seq} was never written"
        return Judged(proof.line, Verdict.CONTRADICTED, party, words)

    def _signed(self, receipt: Receipt, carrier: str) -> Json:
        record = self.ledger.get(f"key/{CARRIER}/{carrier}")
        if record is None:
            raise Unacceptable("unknown_key")
        received_at = receipt.words.payload.get("received_at")
        if not isinstance(received_at, int):
            raise Unacceptable("bad_field")
        signer = keys.judging_receipt(record["versions"], receipt.words.kid, received_at)
        net = self.ledger.need(CONFIGURATION)["net"]
        return dict(statement(receipt.compact, signer, net, self.channel, ("cw-receipt",)).payload)

    def _could_be_written(self, message: Said, received_at: int, deliver_by: int) -> Subject:
        """The message's place, if an honest carrier could have it written from one time to the other."""
        subject = subject_of(message.words.typ, message.words.payload)
        if subject is None:
            raise _Left("it is for a message that no batch carries")
        if deliver_by < received_at:
            raise _Left("it promises a time before its own")
        configuration = self.ledger.need(CONFIGURATION)
        from_s, to_s = self.deliveries.market_s(received_at), self.deliveries.market_s(deliver_by)
        now = Situation(configuration, calendar_of(configuration), to_s)
        try:
            period = now.period(subject.period)
        except Difference:
            raise _Left("its message is for no period") from None
        if subject.kind == BID:
            opens_s, gate_s = (
                times.opens_s(period, now.times(period)),
                times.gate_s(period, now.times(period)),
            )
            closed_s = self.deliveries.closed_s(subject.period)
            if not opens_s <= from_s <= to_s < gate_s or (closed_s is not None and closed_s <= deliver_by):
                raise _Left("the window of bids was not open from its receipt to the time that it promises")
        elif not period.end_s <= from_s <= to_s < now.closed_s(period):
            raise _Left("the period of its reading was not over, or its books were closed")
        registration = self.ledger.get(f"home/{subject.home}")
        connection = None if registration is None else connection_at(registration, subject.period)
        if connection is None:
            raise _Left("its home takes no part in the period")
        self._check_signature(message, subject, now, from_s, connection)
        return subject

    def _check_signature(
        self, message: Said, subject: Subject, now: Situation, from_s: int, connection: Json
    ) -> None:
        codes = []
        for author in ("home",) if subject.kind == BID else ("home", "meter", "operator"):
            owner = now.mspid if author == "operator" else subject.home
            record = self.ledger.get(f"key/{author}/{owner}")
            versions = [one for one in record["versions"] if 60 * one["made_min"] <= from_s] if record else []
            try:
                signer = keys.judging(
                    versions, message.words.kid, subject.kind, subject.period, now.now_s // 60
                )
                net = now.configuration["net"]
                said = statement(message.compact, signer, net, self.channel, TYPS[subject.kind])
            except Unacceptable as error:
                codes.append(error.code)
                continue
            if subject.kind == READING:
                place = Place(READING, subject.period, 1, subject.home, author, subject.seq)
                measured_by = now.rules(subject.period)["readings_by"]
                period = now.period(subject.period)
                code = readings.fault_of(reading_of(place, said), period, connection, measured_by)
                if code:
                    raise _Left(f"its message does not count: {code}")
            return
        raise _Left(f"its message does not count: {next((c for c in codes if c != 'unknown_key'), codes[0])}")

    def _signers(self, proof: Proof) -> tuple[list[str], int]:
        """The organisations of those who signed ``written`` for this digest here, and when they were asked."""
        transaction = decode_transaction(proof.envelope)
        [action] = transaction.actions
        asked: Any = json.loads(action.arguments[1])
        answer: Any = json.loads(action.result)
        right = (
            transaction.channel == self.channel
            and action.answered_by == "market"
            and action.arguments[0] == b"forward:message_status"
            and asked["digest"] == answer["digest"] == proof.digest
            and answer["status"] == "written"
        )
        if not right:
            return [], 0
        signers = (self.members.member(one.serialized) for one in endorsers_that_signed(transaction))
        # A home has a certificate of its organisation, too, and signs in its name what it likes.
        parties = sorted({one.mspid for one in signers if not one.refusal and PEER in one.roles})
        return parties, transaction.timestamp_ns // 1_000_000_000


def _is(written: Written, message: Said) -> bool:
    return written.whole == message.whole or written.digest == message.words.digest
