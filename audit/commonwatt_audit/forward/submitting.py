# SPDX-License-Identifier: Apache-2.0
"""Replay of batches of messages: each signature, and each place in the index, once more."""

import hashlib
from typing import Any

from commonwatt_audit.messages import Statement, Unacceptable, named_key, statement
from commonwatt_audit.world import Difference, Json, Recorded, require

from . import keys, readings, times
from .anomalies import Anomalies, Kind
from .homes import connection_at
from .ledger import COLLECTION, UNKNOWN, Ledger, Outcome, hash_in
from .places import BID, READING, Place, place_of
from .situation import CARRIER, GRID, HOME, METER, OPERATOR, Situation, require_role, situation

MOST_MESSAGES, MOST_SEQ = 1_000, 32
TYPS = {BID: ("cw-request", "cw-offer", "cw-withdraw"), READING: ("cw-reading",)}
_AT_BOUND_PERCENT = 99


class Speech:
    """What authors have said under each seq, to notice who says two things; and how many signatures were checked."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, int, str, str, int], str] = {}
        self.verified = 0
        self.unseen = 0


def submit_messages(ledger: Ledger, recorded: Recorded, speech: Speech, anomalies: Anomalies) -> Outcome:
    """The index and the private messages, blind writes; of a refused message nothing is written.

    Which messages stand is read from the block, since those refused left no trace; each that stands is judged anew.
    """
    require_role(recorded, OPERATOR, GRID, HOME, METER, CARRIER)
    now = situation(ledger, recorded)
    kind, period = recorded.argument.get("kind"), now.period(recorded.argument.get("period"))
    require(kind in TYPS, f"no messages are of kind {str(kind)[:40]}")
    require(len(recorded.writes) <= MOST_MESSAGES, f"it holds more than {MOST_MESSAGES} messages")
    version = _open_for(ledger, now, str(kind), period.start_min)
    public: dict[str, Any] = {}
    private: dict[str, Any] = {}
    for key, digest in recorded.writes.items():
        place = place_of(key)
        require(
            (place.kind, place.period, place.version) == (kind, period.start_min, version),
            f"{key} is written, which is no place of {kind}s of period {period.start_min}"
            + (f" under version {version}" if version else ""),
        )
        _require_new(ledger, place)
        shown = recorded.shown.get((COLLECTION, key))
        public[key] = _digest(recorded, key, digest)
        private[key] = UNKNOWN
        _judge(ledger, recorded.channel, now, key, place, shown, speech, anomalies)
        _note_equivocation(place, public[key], shown, speech, anomalies)
    return Outcome(public, private)


def _open_for(ledger: Ledger, now: Situation, kind: str, start_min: int) -> int:
    """The version under which readings are written, 0 for bids. Difference where the period takes none now."""
    period = now.period(start_min)
    if kind == BID:
        gate = ledger.get(f"gate/{start_min:09d}")
        require(gate is None, f"bids of period {start_min} came after its gate was closed")
        opens_s, gate_s = times.opens_s(period, now.times(period)), times.gate_s(period, now.times(period))
        require(
            opens_s <= now.now_s < gate_s,
            f"bids of period {start_min} came at {now.now_s}, outside {opens_s} to {gate_s}",
        )
        return 0
    now.require_open(period)
    require(
        now.now_s >= period.end_s,
        f"readings of period {start_min} came at {now.now_s}, before its end at {period.end_s}",
    )
    meter = ledger.get(f"meter/{start_min:09d}")
    return 1 if meter is None else int(meter["version"]) + 1


def _require_new(ledger: Ledger, place: Place) -> None:
    """What an author said under a seq in a frozen version stands: carried again it makes no news."""
    for version in range(1, place.version):
        before = place._replace(version=version)
        require(
            ledger.get(before.key) is None,
            f"{place.key} is written, and its seq stands under version {version}, which is frozen",
        )


def _digest(recorded: Recorded, key: str, digest: bytes | None) -> str:
    """The index's value: the SHA-256 of the private message, which the block itself tells."""
    if digest is None:
        raise Difference(f"{key} is deleted, the rules write it")
    return hash_in(recorded, key)


def _judge(
    ledger: Ledger,
    channel: str,
    now: Situation,
    key: str,
    place: Place,
    shown: bytes | None,
    speech: Speech,
    anomalies: Anomalies,
) -> None:
    where = f"the message of {place.home} ({place.author}, seq {place.seq})"
    require(1 <= place.seq <= MOST_SEQ, f"{where} has a seq beyond {MOST_SEQ}")
    require(place.kind == READING or place.author == "home", f"{where} is a bid of another author")
    registration = ledger.get(f"home/{place.home}")
    connection = None if registration is None else connection_at(registration, place.period)
    require(connection is not None, f"{where} is of a home that is not registered for period {place.period}")
    if shown is None:
        speech.unseen += 1
        ledger.remember(key, None)
        return
    owner = now.mspid if place.author == "operator" else place.home
    record = ledger.get(f"key/{place.author}/{owner}")
    require(record is not None, f"{where} has no key on the ledger")
    try:
        kid = named_key(shown)
        signer = keys.judging(record["versions"], kid, place.kind, place.period, now.now_s // 60)
        said = statement(shown, signer, now.configuration["net"], channel, TYPS[place.kind])
    except Unacceptable as error:
        raise Difference(f"{where} does not count: {error.code}") from error
    speech.verified += 1
    ledger.remember(key, said)
    for member, value in (("home", place.home), ("period", place.period), ("seq", place.seq)):
        require(said.payload[member] == value, f"{where} says {member} {said.payload[member]}")
    if place.kind == READING:
        _judge_reading(ledger, now, place, said, connection or {}, where, anomalies)


def _spoke_before(ledger: Ledger, place: Place) -> bool:
    """Whether the home said something of the period in a version that is frozen."""
    before = f"m/{READING}/{place.period:09d}"
    return any(
        any(ledger.under(f"{before}/{version:04d}/{place.home}/{place.author}/"))
        for version in range(1, place.version)
    )


def _judge_reading(
    ledger: Ledger,
    now: Situation,
    place: Place,
    said: Statement,
    connection: Json,
    where: str,
    anomalies: Anomalies,
) -> None:
    period, reading = now.period(place.period), reading_of(place, said)
    code = readings.fault_of(reading, period, connection, now.rules(place.period)["readings_by"])
    require(not code, f"{where} does not count: {code}")
    bounds = (
        (reading.import_wh, connection["connection_w"]),
        (reading.export_wh, connection["pv_w"] + connection["battery_w"]),
    )
    for energy_wh, power_w in bounds:
        most_wh = readings.most_wh(period, power_w)
        if most_wh and 100 * energy_wh >= _AT_BOUND_PERCENT * most_wh:
            anomalies.notice(Kind.AT_BOUND, place.home, place.period, f"{energy_wh} of {most_wh} Wh")
    if place.author == "home" and _spoke_before(ledger, place):
        anomalies.notice(Kind.SEVERAL_READINGS, place.home, place.period)


def reading_of(place: Place, said: Statement) -> readings.Reading:
    """A reading as its message says it."""

    def number(member: str) -> Any:
        return said.payload.get(member)

    return readings.Reading(
        place.home,
        place.author,
        str(said.payload["quality"]),
        place.seq,
        place.version,
        number("import_wh"),
        number("export_wh"),
        number("import_total_wh"),
        number("export_total_wh"),
    )


def _note_equivocation(
    place: Place, digest: str, shown: bytes | None, speech: Speech, anomalies: Anomalies
) -> None:
    """Another signature of the same words is no other word: so what was signed is compared, where it is shown."""
    words = digest if shown is None else hashlib.sha256(shown.rpartition(b".")[0]).hexdigest()
    identity = (place.kind, place.period, place.home, place.author, place.seq)
    before = speech.said.setdefault(identity, words)
    if before != words:
        speech.said[identity] = words
        anomalies.notice(
            Kind.EQUIVOCATION, place.home, place.period, f"{place.author}, {place.kind}, seq {place.seq}"
        )
