# SPDX-License-Identifier: Apache-2.0
"""The keys of one author through time: which key judges which message, how a key is replaced, and lost keys.

Times are epoch minutes, as the ids of periods are: a version judges the periods that start at `from_period` or later.
"""

from dataclasses import dataclass, replace

from .fields import KEY
from .keys import PublicKey, public_key
from .message import A_READING, Message, accepted, read, verify
from .refusals import MessageCode, MessageRefused

REGISTERED, ROTATED, RECOVERED, REPLACED = "registered", "rotated", "recovered", "replaced"
OPERATOR, CARRIER = "operator", "carrier"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose keys these are: a home's, its meter's, an operator's or a carrier's, on one channel of one network.

    The ``home`` of an operator is its organisation's MSP id, that of a carrier its id.
    """

    net: str
    channel: str
    home: str
    author: str


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """A key, how it came (`REGISTERED` and so on), when, and the first period that it judges."""

    key: PublicKey
    from_period: int
    came_by: str
    made_min: int


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """All versions, the first one first, and the key of a recovery that nobody has confirmed yet."""

    owner: Owner
    versions: tuple[KeyVersion, ...]
    proposed: PublicKey | None = None

    def in_force(self, period: int) -> int | None:
        """The number (from 0) of the version in force for a period; None before the first."""
        numbers = [n for n, version in enumerate(self.versions) if version.from_period <= period]
        return max(numbers, default=None)


def register(owner: Owner, possession: bytes, from_period: int, now_min: int) -> KeyRecord:
    """The record of an owner whose first key comes with a ``cw-key`` message that the key itself signed."""
    key = possessed_key(owner, possession, 1)
    return KeyRecord(owner, (KeyVersion(key, from_period, REGISTERED, now_min),))


def rotated(
    record: KeyRecord, possession: bytes, consent: bytes, *, now_min: int, today_min: int, tomorrow_min: int
) -> KeyRecord:
    """The record with a new key from `tomorrow_min` on, the first minute of the next local day.

    The new key signs `possession`, the newest key so far signs `consent`: a ``cw-key`` message of the same new key.
    MessageRefused for a second rotation since `today_min` (the first minute of this local day) and while a recovery is
    proposed: a thief of the old key must not win against it.
    """
    if record.proposed is not None:
        raise MessageRefused(MessageCode.RECOVERY_PROPOSED, "a recovery of this key is proposed")
    if any(one.came_by == ROTATED and one.made_min >= today_min for one in record.versions):
        raise MessageRefused(MessageCode.ROTATED_TODAY, "a key is replaced at most once a day")
    key = _unused(record, possession)
    agreed = accepted(
        consent,
        record.versions[-1].key,
        net=record.owner.net,
        channel=record.owner.channel,
        typs={KEY},
    )
    _check_owner(agreed, record.owner, len(record.versions) + 1)
    if public_key(agreed.payload["key"]).kid != key.kid:
        raise MessageRefused(MessageCode.WRONG_KEY, "the old key agrees to another new key")
    return _with(record, key, ROTATED, tomorrow_min, now_min)


def replaced(record: KeyRecord, possession: bytes, now_min: int) -> KeyRecord:
    """The record with a carrier's next key, in force at once: its organisation answers for it."""
    return _with(record, _unused(record, possession), REPLACED, now_min, now_min)


def receipt_key(record: KeyRecord, kid: str, received_at: int) -> PublicKey:
    """The carrier's key of this thumbprint, if it was in force in the minute of `received_at` (epoch seconds)."""
    numbers = {version.key.kid: number for number, version in enumerate(record.versions)}
    number = numbers.get(kid)
    if number is None:
        raise MessageRefused(MessageCode.UNKNOWN_KEY, "the key that the header names is not this carrier's")
    minute, later = received_at // 60, record.versions[number + 1 : number + 2]
    if minute < record.versions[number].from_period or any(minute > one.from_period for one in later):
        raise MessageRefused(
            MessageCode.KEY_NOT_IN_FORCE, "the key was not in force when the receipt was given"
        )
    return record.versions[number].key


def proposed(record: KeyRecord, possession: bytes) -> KeyRecord:
    """The record with a recovery that the operator proposes: it stops rotations. A later proposal replaces it."""
    return replace(record, proposed=_unused(record, possession))


def confirmed(
    record: KeyRecord, kid: str, *, now_min: int, key_delay_h: int, earliest_min: int = 0
) -> KeyRecord:
    """The record with the proposed key, which the grid confirms by its thumbprint, in force `key_delay_h` from now.

    It is in force for no period before `earliest_min`, the first whose window is not open. The grid names the key: a
    proposal that replaces another one in between is not confirmed by mistake.
    """
    if record.proposed is None:
        raise MessageRefused(MessageCode.NO_RECOVERY, "no recovery of this key is proposed")
    if record.proposed.kid != kid:
        raise MessageRefused(MessageCode.WRONG_KEY, "another key is proposed by now")
    from_min = max(now_min + 60 * key_delay_h, earliest_min)
    return _with(record, record.proposed, RECOVERED, from_min, now_min)


def dropped(record: KeyRecord) -> KeyRecord:
    """The record without the recovery that was proposed."""
    if record.proposed is None:
        raise MessageRefused(MessageCode.NO_RECOVERY, "no recovery of this key is proposed")
    return replace(record, proposed=None)


def judging_key(record: KeyRecord, message: Message, now_min: int) -> PublicKey:
    """The key under which a bid or reading has to verify: the record's key of its ``kid``, if that one judges it.

    A bid is judged by the version in force for its period, a reading by that or any later one. From a recovered key's
    first period on, no earlier key signs readings any more, whatever period they are of: it may be in a thief's hands.
    """
    if message.kind is None:
        raise MessageRefused(
            MessageCode.WRONG_TYP, f"a message of type {message.typ} is neither bid nor reading"
        )
    numbers = {version.key.kid: number for number, version in enumerate(record.versions)}
    number = numbers.get(message.kid)
    if number is None:
        raise MessageRefused(MessageCode.UNKNOWN_KEY, "the key that the header names is not registered")
    # An operator speaks of homes, and its own record is no home's.
    if record.owner.author != OPERATOR and message.home != record.owner.home:
        raise MessageRefused(MessageCode.WRONG_HOME, "the key that the header names is another home's")
    first = record.in_force(message.period)
    if first is None or number < first or (number > first and message.kind != A_READING):
        raise MessageRefused(
            MessageCode.KEY_NOT_IN_FORCE, "the key that the header names does not judge this period"
        )
    if any(one.came_by == RECOVERED and one.from_period <= now_min for one in record.versions[number + 1 :]):
        raise MessageRefused(MessageCode.KEY_RECOVERED, "a recovery ended the key that the header names")
    return record.versions[number].key


def possessed_key(owner: Owner, possession: bytes, version: int) -> PublicKey:
    """The new key of a ``cw-key`` message that this key itself signed, for this owner and version (from 1)."""
    message = read(possession)
    if message.typ != KEY:
        raise MessageRefused(MessageCode.WRONG_TYP, f"a message of type {message.typ} brings no key")
    key = public_key(message.payload["key"])
    verify(message, key, net=owner.net, channel=owner.channel, typs={KEY})
    _check_owner(message, owner, version)
    return key


def _check_owner(message: Message, owner: Owner, version: int) -> None:
    if message.home != owner.home:
        raise MessageRefused(MessageCode.WRONG_HOME, "the message is of another home")
    if message.payload["author"] != owner.author:
        raise MessageRefused(
            MessageCode.WRONG_AUTHOR, f"the message is of a key for {message.payload['author']}"
        )
    if message.payload["version"] != version:  # an old message never brings an old key back
        raise MessageRefused(MessageCode.WRONG_VERSION, f"the next version is {version}")


def _unused(record: KeyRecord, possession: bytes) -> PublicKey:
    key = possessed_key(record.owner, possession, len(record.versions) + 1)
    if any(version.key.kid == key.kid for version in record.versions):
        raise MessageRefused(MessageCode.KEY_USED, "the key was in force before")
    return key


def _with(record: KeyRecord, key: PublicKey, came_by: str, from_period: int, now_min: int) -> KeyRecord:
    # Never before the version that it follows: the newest version in force is the one that counts.
    first = max(from_period, record.versions[-1].from_period)
    return KeyRecord(record.owner, (*record.versions, KeyVersion(key, first, came_by, now_min)))
