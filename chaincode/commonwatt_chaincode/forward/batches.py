# SPDX-License-Identifier: Apache-2.0
"""Batches of signed messages: one kind, one period, each message taken or refused alone.

A batch reads what concerns its senders and its period, and nothing else: a batch of one home never meets another's.
The answer, the event and the public index say of a message only that it was said; its words stay private.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..market.forward.bids import NOT_REGISTERED
from ..market.forward.gates import gate_s, takes_bids, window_opens_s
from ..market.forward.periods import Period
from ..market.forward.readings import Reading, refusal
from ..messages.fields import BID_TYPS, READING_TYPS
from ..messages.message import BID, LARGEST_BYTES, Message, read, verify
from ..messages.refusals import MessageCode, MessageRefused
from ..messages.versions import KeyRecord, judging_key
from ..shim import Stub
from . import keys
from .access import require_any_role
from .arguments import Batch
from .keyring import key_record
from .records import Gate, Home, Meter, decode, decode_optional, encode
from .refusals import Code, refuse
from .state import Place, Situation, keep_read, registration, situation_of

MOST_MESSAGES = 1_000
MOST_BYTES = MOST_MESSAGES * (LARGEST_BYTES + 1)
WRITTEN = "written"
WRONG_PERIOD = "wrong_period"
SEQ_TAKEN = "seq_taken"


async def submit_messages(stub: Stub, arguments: Batch) -> dict[str, Any]:
    """Write those messages of the transient field that count; each other one is answered with its code."""
    require_any_role(stub)
    compact = _compact(stub)
    bids = arguments.kind == BID
    shut_key = keys.gate_key(arguments.period) if bids else keys.meter_key(arguments.period)
    shut, *configured = await stub.get_states([shut_key, keys.CONFIGURATION, keys.CLOCK])
    now = situation_of(stub, *configured)
    period = now.period(arguments.period)
    version = None
    if bids:
        _require_bids(now, period, shut)
    else:
        version = _open_version(now, period, shut)
    read_ones = [_read(one, arguments) for one in compact]
    homes = sorted({message.home for message in read_ones if isinstance(message, Message)})
    senders = await _senders(stub, now, homes, arguments.kind, period)
    found = [one if isinstance(one, str) else senders.place_of(one, version) for one in read_ones]
    frozen = await _frozen(stub, [one for one in found if isinstance(one, Place)])
    results, count = [], 0
    for content, message, place in zip(compact, read_ones, found, strict=True):
        if isinstance(place, str) or isinstance(message, str):
            results.append(str(place))
            continue
        digest = hashlib.sha256(content).hexdigest()
        before = frozen.get(place, set())
        if not before:
            await stub.put_state(place.key, digest.encode())
            await stub.put_private_data(keys.COLLECTION, place.key, content)
            keep_read(place.kind, place.period, digest, message)
            count += 1
        results.append(SEQ_TAKEN if before - {digest} else WRITTEN)
    if count:
        told = {"kind": arguments.kind, "period": period.id, "count": count}
        stub.set_event("messages", encode(told))
    return {"results": results}


def _compact(stub: Stub) -> list[bytes]:
    """The messages of the transient field, bounded before anything of them is read."""
    value = stub.transient.get("messages")
    if not value:
        raise refuse(Code.BAD_ARGUMENT, "the transient field messages is missing, or holds no message")
    if len(value) > MOST_BYTES or value.count(b"\n") >= MOST_MESSAGES:
        raise refuse(
            Code.BAD_ARGUMENT,
            f"the transient field messages holds at most {MOST_MESSAGES} messages of {LARGEST_BYTES} bytes",
        )
    return value.split(b"\n")


def _require_bids(now: Situation, period: Period, gate: bytes | None) -> None:
    """A bid comes within the window, and before the gate is closed on the ledger."""
    if gate is not None:
        closed = decode(Gate, gate)
        raise refuse(Code.GATE_CLOSED, f"the gate of period {period.id} is {closed.state}")
    times = now.rules(period).times
    if not takes_bids(period, times, now.now_s):
        raise refuse(
            Code.NOT_TAKING_BIDS,
            f"period {period.id} takes bids from {window_opens_s(period, times)}"
            f" to {gate_s(period, times)}; it is {now.now_s}",
        )


def _open_version(now: Situation, period: Period, meter: bytes | None) -> int:
    """The version under which readings are written: the one after what is frozen."""
    if now.now_s < period.end_s:
        raise refuse(Code.TOO_EARLY, f"period {period.id} is over at {period.end_s}; it is {now.now_s}")
    now.require_open(period)
    frozen = decode_optional(Meter, meter)
    return 1 if frozen is None else frozen.version + 1


async def _frozen(stub: Stub, places: Sequence[Place]) -> dict[Place, set[str]]:
    """The digests of what authors said under the same seq in versions that are frozen: it stands, and nothing is new.

    Were it written again, everybody who carries a message a second time would make a new version.
    """
    found: dict[Place, set[str]] = {}
    for version in range(1, (places[0].version or 1) if places else 1):
        names = [place._replace(version=version).key for place in places]
        for place, value in zip(places, await stub.get_states(names), strict=True):
            if value is not None:
                found.setdefault(place, set()).add(value.decode())
    return found


def _read(compact: bytes, batch: Batch) -> Message | str:
    """A message of the batch's kind and period, its signature not verified; or the code."""
    try:
        message = read(compact)
    except MessageRefused as refused:
        return refused.code.value
    if message.kind != batch.kind:
        return MessageCode.WRONG_TYP.value
    return message if message.period == batch.period else WRONG_PERIOD


@dataclass(frozen=True, slots=True)
class _Senders:
    """The registrations and keys of those whose messages a batch holds."""

    now: Situation
    period: Period
    channel: str
    homes: dict[str, Home]
    records: dict[tuple[str, str], KeyRecord]
    authors: tuple[str, ...]

    def place_of(self, message: Message, version: int | None) -> Place | str:
        """Where a message is written, or the code by which it is refused."""
        home = self.homes.get(message.home)
        connection = home.connection_at(self.period.id) if home else None
        if connection is None:
            return NOT_REGISTERED
        record = self._record(message)
        if record is None:
            return MessageCode.UNKNOWN_KEY.value
        try:
            key = judging_key(record, message, self.now.now_s // 60)
            verify(
                message,
                key,
                net=self.now.configuration.net,
                channel=self.channel,
                typs=READING_TYPS if version else BID_TYPS,
            )
        except MessageRefused as refused:
            return refused.code.value
        author = record.owner.author
        if version is not None:
            reading = _reading(message, author, version)
            code = refusal(reading, self.period, connection, self.now.rules(self.period).readings_by)
            if code:
                return code
        return Place(str(message.kind), self.period.id, version, message.home, author, message.seq)

    def _record(self, message: Message) -> KeyRecord | None:
        """The keys among which the one that the header names is: the home's, its meter's, the operator's."""
        for author in self.authors:
            home = self.now.configuration.mspid if author == "operator" else message.home
            record = self.records.get((author, home))
            if record and any(version.key.kid == message.kid for version in record.versions):
                return record
        return None


def _reading(message: Message, author: str, version: int) -> Reading:
    said = message.payload
    return Reading(
        message.home,
        author,
        said["quality"],
        message.seq,
        version,
        said["import_wh"],
        said["export_wh"],
        said.get("import_total_wh"),
        said.get("export_total_wh"),
    )


async def _senders(stub: Stub, now: Situation, homes: Iterable[str], kind: str, period: Period) -> _Senders:
    homes = list(homes)
    authors = ("home",) if kind == BID else ("home", "meter", "operator")
    owners = [(author, home) for author in authors if author != "operator" for home in homes]
    if "operator" in authors:
        owners.append(("operator", now.configuration.mspid))
    names = [keys.registration_key(home) for home in homes]
    names += [keys.author_key(author, home) for author, home in owners]
    values = await stub.get_states(names) if homes else []
    registrations, records = values[: len(homes)], values[len(homes) :]
    return _Senders(
        now,
        period,
        stub.channel_id,
        {
            home: registration(value)
            for home, value in zip(homes, registrations, strict=True)
            if value is not None
        },
        {
            owner: key_record(value, now.configuration.net, stub.channel_id)
            for owner, value in (zip(owners, records, strict=True) if homes else ())
            if value is not None
        },
        authors,
    )
