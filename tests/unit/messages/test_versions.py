# SPDX-License-Identifier: Apache-2.0
"""Which key judges which message: rotation by the old key, lost keys, and what thieves and carriers try."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_chaincode.messages.keys import PublicKey
from commonwatt_chaincode.messages.message import read, verify
from commonwatt_chaincode.messages.refusals import MessageRefused
from commonwatt_chaincode.messages.versions import (
    KeyRecord,
    Owner,
    confirmed,
    dropped,
    judging_key,
    proposed,
    register,
    rotated,
)
from commonwatt_community.messages.compose import new_nonce, signed_message
from commonwatt_community.messages.signing_key import SigningKey, make_key

from .making import code_of

DAY = 1_440
TODAY = 20_000 * DAY
HOME = Owner("net1", "newtown", "h-1", "home")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder: Path = tmp_path_factory.mktemp("keys")
    return [make_key(folder / f"{n}.pem", "EdDSA" if n % 2 else "ES256") for n in range(5)]


def names(signer: SigningKey, new: SigningKey, version: int, owner: Owner = HOME) -> bytes:
    """A cw-key message: `signer` names `new` as a version."""
    everywhere = {"net": owner.net, "channel": owner.channel, "home": owner.home, "nonce": new_nonce()}
    said = {**everywhere, "author": owner.author, "version": version, "key": dict(new.public.jwk)}
    return signed_message(signer, "cw-key", said)


def first_of(keys: list[SigningKey]) -> KeyRecord:
    return register(HOME, names(keys[0], keys[0], 1), TODAY, TODAY - 60)


def rotate(record: KeyRecord, old: SigningKey, new: SigningKey, day: int) -> KeyRecord:
    version = len(record.versions) + 1
    start = TODAY + day * DAY
    return rotated(
        record,
        names(new, new, version),
        names(old, new, version),
        now_min=start + 600,
        today_min=start,
        tomorrow_min=start + DAY,
    )


def judge(
    record: KeyRecord, signer: SigningKey, typ: str, period: int, now_min: int = TODAY, home: str = "h-1"
) -> str:
    said = {
        "net": "net1",
        "channel": "newtown",
        "home": home,
        "nonce": new_nonce(),
        "period": period,
        "seq": 1,
    }
    if typ == "cw-reading":
        said |= {"import_wh": 5, "export_wh": 0, "quality": "measured"}
    message = read(signed_message(signer, typ, said))
    try:
        key: PublicKey = judging_key(record, message, now_min)
    except MessageRefused as refusal:
        return code_of(refusal)
    verify(message, key, net="net1", channel="newtown", typs={typ})
    return "judged"


def refused(code: str, call: object, *arguments: object, **named: object) -> None:
    with pytest.raises(MessageRefused) as refusal:
        call(*arguments, **named)  # type: ignore[operator]
    assert code_of(refusal.value) == code


def test_the_first_key(keys: list[SigningKey]) -> None:
    record = first_of(keys)
    assert judge(record, keys[0], "cw-withdraw", TODAY) == "judged"
    assert judge(record, keys[0], "cw-withdraw", TODAY - 1) == "key_not_in_force"
    assert judge(record, keys[0], "cw-reading", TODAY - 1) == "key_not_in_force"
    assert judge(record, keys[1], "cw-withdraw", TODAY) == "unknown_key"
    assert judge(record, keys[0], "cw-withdraw", TODAY, home="h-2") == "wrong_home"
    login = {"net": "net1", "channel": "newtown", "home": "h-1", "nonce": new_nonce()}
    message = read(signed_message(keys[0], "cw-login", {**login, "service": "a", "challenge": new_nonce()}))
    refused("wrong_typ", judging_key, record, message, TODAY)


def test_how_and_when_a_version_came(keys: list[SigningKey]) -> None:
    """The ledger keeps both; whether a key may rotate again today depends on them."""
    record = rotate(first_of(keys), keys[0], keys[1], day=0)
    record = proposed(record, names(keys[3], keys[3], 3))
    record = confirmed(record, keys[3].public.kid, now_min=TODAY + 700, key_delay_h=24)
    assert [(one.came_by, one.made_min) for one in record.versions] == [
        ("registered", TODAY - 60),
        ("rotated", TODAY + 600),
        ("recovered", TODAY + 700),
    ]


def test_a_rotation_at_midnight_is_one_of_the_new_day(keys: list[SigningKey]) -> None:
    at_midnight = {"now_min": TODAY, "today_min": TODAY, "tomorrow_min": TODAY + DAY}
    agreed = names(keys[1], keys[1], 2), names(keys[0], keys[1], 2)
    record = rotated(first_of(keys), *agreed, **at_midnight)
    refused("rotated_today", rotate, record, keys[1], keys[2], 0)


def test_a_rotation_counts_from_the_next_day(keys: list[SigningKey]) -> None:
    record = rotate(first_of(keys), keys[0], keys[1], day=0)
    tomorrow = TODAY + DAY
    assert judge(record, keys[0], "cw-withdraw", tomorrow - 1) == "judged"
    assert judge(record, keys[1], "cw-withdraw", tomorrow - 1) == "key_not_in_force"
    assert judge(record, keys[0], "cw-withdraw", tomorrow) == "key_not_in_force"
    assert judge(record, keys[1], "cw-withdraw", tomorrow) == "judged"
    # A reading is judged by its period's version or any later one.
    assert judge(record, keys[0], "cw-reading", tomorrow - 1) == "judged"
    assert judge(record, keys[1], "cw-reading", tomorrow - 1) == "judged"
    assert judge(record, keys[0], "cw-reading", tomorrow) == "key_not_in_force"


def test_a_key_rotates_once_a_day_by_its_newest_key(keys: list[SigningKey]) -> None:
    record = rotate(first_of(keys), keys[0], keys[1], day=0)
    refused("rotated_today", rotate, record, keys[1], keys[2], 0)
    refused("wrong_key", rotate, record, keys[0], keys[2], 1)  # the old key has agreed to its last successor
    refused("key_used", rotate, record, keys[1], keys[0], 1)
    assert len(rotate(record, keys[1], keys[2], day=1).versions) == 3


def test_what_does_not_rotate(keys: list[SigningKey]) -> None:
    record = first_of(keys)
    old, new, other = keys[0], keys[1], keys[2]
    when = {"now_min": TODAY + 1, "today_min": TODAY, "tomorrow_min": TODAY + DAY}
    agree = names(old, new, 2)
    refused("wrong_key", rotated, record, names(other, new, 2), agree, **when)  # nobody shows the new key
    refused("wrong_key", rotated, record, names(new, new, 2), names(other, new, 2), **when)
    refused("wrong_key", rotated, record, names(new, new, 2), names(old, other, 2), **when)
    refused("wrong_version", rotated, record, names(new, new, 1), agree, **when)
    refused("wrong_version", rotated, record, names(new, new, 2), names(old, new, 3), **when)
    for owner, code in (
        (Owner("net2", "newtown", "h-1", "home"), "wrong_net"),
        (Owner("net1", "oldtown", "h-1", "home"), "wrong_channel"),
        (Owner("net1", "newtown", "h-2", "home"), "wrong_home"),
        (Owner("net1", "newtown", "h-1", "meter"), "wrong_author"),
    ):
        refused(code, rotated, record, names(new, new, 2, owner), agree, **when)
        refused(code, rotated, record, names(new, new, 2), names(old, new, 2, owner), **when)
        refused(code, register, HOME, names(new, new, 1, owner), TODAY, TODAY)
    withdrawal = {
        "net": "net1",
        "channel": "newtown",
        "home": "h-1",
        "nonce": new_nonce(),
        "period": 1,
        "seq": 1,
    }
    refused(
        "wrong_typ",
        rotated,
        record,
        names(new, new, 2),
        signed_message(old, "cw-withdraw", withdrawal),
        **when,
    )
    refused("wrong_typ", register, HOME, signed_message(old, "cw-withdraw", withdrawal), TODAY, TODAY)


def test_a_message_of_long_ago_brings_no_key_back(keys: list[SigningKey]) -> None:
    """A carrier kept the first rotation; the home has moved on since."""
    record = rotate(rotate(first_of(keys), keys[0], keys[1], day=0), keys[1], keys[2], day=1)
    replayed = names(keys[1], keys[1], 2), names(keys[0], keys[1], 2)
    later = TODAY + 5 * DAY
    when = {"now_min": later, "today_min": later, "tomorrow_min": later + DAY}
    refused("wrong_version", rotated, record, *replayed, **when)


def test_a_lost_key_is_recovered_after_a_delay_and_no_thief_rotates_meanwhile(keys: list[SigningKey]) -> None:
    record = proposed(first_of(keys), names(keys[3], keys[3], 2))
    refused("recovery_proposed", rotate, record, keys[0], keys[1], 0)
    refused("wrong_key", confirmed, record, keys[1].public.kid, now_min=TODAY, key_delay_h=24)
    recovered = confirmed(record, keys[3].public.kid, now_min=TODAY + 90, key_delay_h=24)
    force = TODAY + 90 + DAY
    assert recovered.proposed is None
    assert judge(recovered, keys[0], "cw-withdraw", force - 1) == "judged"
    assert judge(recovered, keys[3], "cw-withdraw", force - 1) == "key_not_in_force"
    assert judge(recovered, keys[3], "cw-withdraw", force) == "judged"
    assert judge(recovered, keys[0], "cw-withdraw", force, force) == "key_not_in_force"
    refused("wrong_key", rotate, recovered, keys[0], keys[1], 0)


def test_an_operator_speaks_of_every_home_and_its_own_key_is_no_homes(keys: list[SigningKey]) -> None:
    operator = Owner("net1", "newtown", "NewtownMSP", "operator")
    record = register(operator, names(keys[0], keys[0], 1, operator), TODAY, TODAY)
    for home in ("h-1", "h-2"):
        assert judge(record, keys[0], "cw-reading", TODAY, home=home) == "judged"
    assert judge(record, keys[1], "cw-reading", TODAY) == "unknown_key"


def test_a_thief_corrects_no_readings_once_a_recovery_is_in_force(keys: list[SigningKey]) -> None:
    record = proposed(first_of(keys), names(keys[3], keys[3], 2))
    record = confirmed(record, keys[3].public.kid, now_min=TODAY, key_delay_h=24)
    assert judge(record, keys[0], "cw-reading", TODAY, now_min=TODAY + DAY - 1) == "judged"
    assert judge(record, keys[0], "cw-reading", TODAY, now_min=TODAY + DAY) == "key_recovered"
    assert judge(record, keys[3], "cw-reading", TODAY, now_min=TODAY + DAY) == "judged"


def test_a_recovery_never_starts_before_the_version_that_it_follows(keys: list[SigningKey]) -> None:
    record = rotate(first_of(keys), keys[0], keys[1], day=3)
    record = proposed(record, names(keys[3], keys[3], 3))
    record = confirmed(record, keys[3].public.kid, now_min=TODAY, key_delay_h=1)
    assert [version.from_period for version in record.versions] == [TODAY, TODAY + 4 * DAY, TODAY + 4 * DAY]
    assert record.in_force(TODAY + 4 * DAY) == 2


def test_proposals_are_replaced_dropped_and_asked_for(keys: list[SigningKey]) -> None:
    record = first_of(keys)
    refused("no_recovery", confirmed, record, keys[3].public.kid, now_min=TODAY, key_delay_h=24)
    refused("no_recovery", dropped, record)
    refused("key_used", proposed, record, names(keys[0], keys[0], 2))
    refused("wrong_key", proposed, record, names(keys[0], keys[3], 2))  # the operator shows no possession
    record = proposed(proposed(record, names(keys[3], keys[3], 2)), names(keys[4], keys[4], 2))
    refused("wrong_key", confirmed, record, keys[3].public.kid, now_min=TODAY, key_delay_h=24)
    assert len(rotate(dropped(record), keys[0], keys[1], day=0).versions) == 2
