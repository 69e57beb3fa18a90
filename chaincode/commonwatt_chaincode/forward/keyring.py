# SPDX-License-Identifier: Apache-2.0
"""Public keys of homes, meters and operators: set, rotated, recovered; ``messages.versions`` has the rules."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..market.tariff import MINUTE_S, day_start, local_day
from ..messages.keys import public_key
from ..messages.refusals import MessageRefused
from ..messages.versions import (
    KeyRecord,
    KeyVersion,
    Owner,
    confirmed,
    dropped,
    proposed,
    register,
    rotated,
)
from ..shim import Refusal, Stub
from . import keys
from .access import METER, OPERATOR, require_any_role, require_grid, require_operator
from .arguments import ConfirmKey, KeysOf
from .records import Home, StoredKey, StoredKeys, decode, encode
from .refusals import Code, refuse
from .state import KEPT, Situation, home_of, situation, void_once_the_next_gate_closes

FROM_THE_START = 0
"""A first key judges periods that began before it came: a home counts for none before it has one."""

PROPOSED, CONFIRMED, DROPPED = "proposed", "confirmed", "dropped"


async def set_key(stub: Stub, arguments: KeysOf) -> dict[str, Any]:
    """Set an author's first key, or replace one by the next, to which the old key agrees."""
    require_any_role(stub)
    ring = await _ring(stub, arguments)
    possession = possession_of(stub)
    now_min = ring.now.now_s // MINUTE_S
    consent = stub.transient.get("consent")
    try:
        if ring.record is None:
            require_operator(stub, ring.now.configuration)
            record = register(ring.owner, possession, ring.first_counts_from(), now_min)
        elif consent is None:
            raise refuse(Code.KEY_TAKEN, "a key is set: its replacement needs the old key's consent")
        else:
            today, tomorrow = _today_and_next(ring.now)
            record = rotated(
                ring.record, possession, consent, now_min=now_min, today_min=today, tomorrow_min=tomorrow
            )
    except MessageRefused as refused:
        raise Refusal(refused.code.value, refused.sentence) from None
    newest = record.versions[-1]
    ring.require_free(newest.key.kid)
    await write_keys(stub, record)
    await keep_possession(stub, record, possession)
    if ring.record is not None and consent is not None:
        name = keys.consent_key(arguments.author, arguments.home, len(record.versions))
        await stub.put_private_data(keys.COLLECTION, name, consent)
    return {"kid": newest.key.kid, "version": len(record.versions), "from_period": newest.from_period}


async def propose_key(stub: Stub, arguments: KeysOf) -> dict[str, Any]:
    """Propose a key for an author who lost the old one; without ``possession`` the proposal is dropped."""
    ring = await _ring(stub, arguments)
    require_operator(stub, ring.now.configuration)
    if ring.record is None:
        raise refuse(Code.NO_KEY, f"no key of {arguments.author} {arguments.home} is set: nothing to recover")
    try:
        if "possession" not in stub.transient:
            await write_keys(stub, dropped(ring.record))
            return _told(stub, arguments, DROPPED)
        possession = possession_of(stub)
        record = proposed(ring.record, possession)
    except MessageRefused as refused:
        raise Refusal(refused.code.value, refused.sentence) from None
    assert record.proposed is not None
    ring.require_free(record.proposed.kid)
    await write_keys(stub, record)
    await keep_possession(stub, record, possession)
    return _told(stub, arguments, PROPOSED) | {"kid": record.proposed.kid}


async def confirm_key(stub: Stub, arguments: ConfirmKey) -> dict[str, Any]:
    """Confirm a proposed key, which the grid names by its thumbprint."""
    ring = await _ring(stub, KeysOf(arguments.author, arguments.home))
    require_grid(stub, ring.now.configuration)
    if ring.record is None:
        raise refuse(Code.NO_KEY, f"no key of {arguments.author} {arguments.home} is set: nothing to recover")
    rules = ring.now.rules(ring.now.running())
    try:
        record = confirmed(
            ring.record,
            arguments.kid,
            now_min=ring.now.now_s // MINUTE_S,
            key_delay_h=rules.key_delay_h,
            earliest_min=ring.now.counts_from(),
        )
    except MessageRefused as refused:
        raise Refusal(refused.code.value, refused.sentence) from None
    newest = record.versions[-1]
    await write_keys(stub, record)
    told = _told(stub, KeysOf(arguments.author, arguments.home), CONFIRMED)
    return told | {"kid": newest.key.kid, "from_period": newest.from_period}


@lru_cache(maxsize=KEPT)
def key_record(value: bytes, net: str, channel: str) -> KeyRecord:
    """The keys that stand at an author's key, as ``messages.versions`` takes them."""
    stored = decode(StoredKeys, value)
    return KeyRecord(
        Owner(net, channel, stored.home, stored.author),
        tuple(
            KeyVersion(public_key(one.jwk, set_before=True), one.from_period, one.came_by, one.made_min)
            for one in stored.versions
        ),
        None if stored.proposed is None else public_key(stored.proposed, set_before=True),
    )


@dataclass(frozen=True, slots=True)
class _Ring:
    """An author's keys, and those of the others who speak of the same home."""

    now: Situation
    owner: Owner
    record: KeyRecord | None
    others: tuple[KeyRecord, ...]
    home: Home | None = None

    def first_counts_from(self) -> int:
        """From which period on a first key judges.

        A meter's first key that comes when its home counts already judges no window that is open: its readings rank
        above the home's, and an operator that sets it would rewrite all that is settled.
        """
        late = self.owner.author == METER and self.home is not None and self.home.versions
        return self.now.counts_from() if late else FROM_THE_START

    def require_free(self, kid: str) -> None:
        """A key says who signs: no two who speak of one home share it."""
        if any(version.key.kid == kid for record in self.others for version in record.versions):
            raise refuse(Code.KEY_TAKEN, "another author who speaks of this home has this key")


async def _ring(stub: Stub, arguments: KeysOf) -> _Ring:
    now = await situation(stub)
    configuration = now.configuration
    await void_once_the_next_gate_closes(stub, now)
    home: Home | None = None
    names: dict[str, str] = {arguments.author: keys.author_key(arguments.author, arguments.home)}
    if arguments.author == OPERATOR:
        if arguments.home != configuration.mspid:
            raise refuse(Code.UNKNOWN_HOME, f"the operator's keys stand under {configuration.mspid}")
    else:
        home = await home_of(stub, arguments.home)
        for author in ("home", "meter"):
            names[author] = keys.author_key(author, arguments.home)
        names[OPERATOR] = keys.author_key(OPERATOR, configuration.mspid)
    values = await stub.get_states(list(names.values()))
    records = {
        author: key_record(value, configuration.net, stub.channel_id)
        for author, value in zip(names, values, strict=True)
        if value is not None
    }
    own = records.pop(arguments.author, None)
    owner = Owner(configuration.net, stub.channel_id, arguments.home, arguments.author)
    return _Ring(now, owner, own, tuple(records.values()), home)


def _today_and_next(now: Situation) -> tuple[int, int]:
    """The first minute of this local day, and from when a new key counts: tomorrow, where no window is open yet."""
    offsets = now.configuration.offsets
    day = local_day(now.now_s, offsets)
    tomorrow = day_start(day + 1, offsets) // MINUTE_S
    return day_start(day, offsets) // MINUTE_S, max(tomorrow, now.counts_from())


def possession_of(stub: Stub) -> bytes:
    """The ``cw-key`` message that brings a new key."""
    value = stub.transient.get("possession")
    if value is None:
        raise refuse(Code.BAD_ARGUMENT, "the transient field possession is missing: a cw-key message")
    return value


async def write_keys(stub: Stub, record: KeyRecord) -> None:
    """Write a record of keys under its owner."""
    stored = StoredKeys(
        record.owner.home,
        record.owner.author,
        tuple(
            StoredKey(dict(one.key.jwk), one.from_period, one.came_by, one.made_min)
            for one in record.versions
        ),
        None if record.proposed is None else dict(record.proposed.jwk),
        stub.transaction_id,
    )
    await stub.put_state(keys.author_key(record.owner.author, record.owner.home), encode(stored))


async def keep_possession(stub: Stub, record: KeyRecord, possession: bytes) -> None:
    """Keep the message that brought the newest key, or the one that is proposed."""
    version = len(record.versions) + (record.proposed is not None)
    name = keys.possession_key(record.owner.author, record.owner.home, version)
    await stub.put_private_data(keys.COLLECTION, name, possession)


def _told(stub: Stub, arguments: KeysOf, state: str) -> dict[str, Any]:
    """Tell the home of a recovery, by an event: a rightful owner must learn of it before it counts."""
    told = {"home": arguments.home, "author": arguments.author, "state": state}
    stub.set_event("key_recovery", encode(told))
    return told
