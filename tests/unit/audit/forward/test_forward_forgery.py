# SPDX-License-Identifier: Apache-2.0
"""Ledgers that both endorsing organisations together could have forged: each attack is found, and named."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.forward.anomalies import Kind
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.replay import Replay
from commonwatt_audit.world import Difference, PrivateWrite, Recorded
from commonwatt_chaincode.forward import forgetting

from ...forward.neighbourhood import MIDNIGHT, Signer
from .recording import COLLECTION, Recording, forged, hashed, replayed
from .story import DAY_MIN, HOUR, story


@pytest.fixture(scope="module")
def town() -> Recording:
    return asyncio.run(story())


def first(town: Recording, name: str, number: int = 0) -> int:
    """Where the transaction of this name stands."""
    places = [n for n, one in enumerate(town.recorded) if one.function == f"forward:{name}" and one.writes]
    return places[number]


def attacked(town: Recording, place: int, forge: Callable[[Recorded], Recorded]) -> str:
    """What the audit says of a ledger whose transaction at a place is forged; the honest one passes."""
    replay = replayed(town.recorded[:place])
    with pytest.raises(Difference) as found:
        replay.check(forge(town.recorded[place]))
    replayed(town.recorded[: place + 1])
    return str(found.value)


def rewritten(value: bytes, change: Callable[[Any], None]) -> bytes:
    record = json.loads(value)
    change(record)
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def of_private(prefix: str, change: Callable[[Any], None]) -> Callable[[Recorded], Recorded]:
    """Change a private record, and its digest in public and in the block."""

    def forge(recorded: Recorded) -> Recorded:
        (key, value) = next(
            (key, value) for (_, key), value in recorded.shown.items() if key.startswith(prefix)
        )
        new = rewritten(value, change)
        old, digest = hashlib.sha256(value).hexdigest(), hashlib.sha256(new).hexdigest()
        public = {
            name: text.replace(old.encode(), digest.encode()) if text else text
            for name, text in recorded.writes.items()
        }
        return forged(recorded, public=public, private={key: new})

    return forge


def test_another_award_is_found(town: Recording) -> None:
    def favour(record: Any) -> None:
        record["awards"][0]["bought_wh"] += 50

    said = attacked(town, first(town, "clear_period"), of_private("awards/", favour))
    assert "awards[0].bought_wh" in said


def test_another_price_is_found(town: Recording) -> None:
    place = first(town, "clear_period", 13)
    key = next(iter(town.recorded[place].writes))
    assert b"uniform" in (town.recorded[place].writes[key] or b"")

    def dearer(recorded: Recorded) -> Recorded:
        changed = of_private("awards/", lambda record: record.update(price_uaud_per_kwh=90_000))(recorded)
        value = recorded.writes[key] or b""
        return forged(
            changed, public={key: rewritten(value, lambda one: one.update(price_uaud_per_kwh=90_000))}
        )

    assert "price_uaud_per_kwh is 90000 on the ledger" in attacked(town, place, dearer)


def test_a_bid_that_is_dropped_is_found(town: Recording) -> None:
    def without(record: Any) -> None:
        record["awards"].pop()

    assert "awards" in attacked(town, first(town, "clear_period"), of_private("awards/", without))


def test_another_line_whose_sums_fit_is_found(town: Recording) -> None:
    """One home's money is moved to another: every sum stays."""

    def move(record: Any) -> None:
        for line, amount in ((record["lines"][0], -7), (record["lines"][1], 7)):
            line[-2][7] += amount
            line[-2][9] += amount

    said = attacked(town, first(town, "settle_period", 6), of_private("lines/", move))
    assert "part/" in said or "lines" in said


def test_another_bill_is_found(town: Recording) -> None:
    def cheaper(record: Any) -> None:
        record["bills"][0]["bill"]["supply_naud"] -= 1
        record["bills"][1]["bill"]["supply_naud"] += 1

    said = attacked(town, first(town, "settle_day"), of_private("bills/", cheaper))
    assert "billed/" in said


def test_another_gap_is_found(town: Recording) -> None:
    said = attacked(
        town,
        first(town, "settle_gap"),
        of_private("gap/", lambda one: one.update(import_wh=one["import_wh"] - 1)),
    )
    assert "gap/" in said


def at(seconds: int) -> Callable[[Recorded], Recorded]:
    """The transaction earlier, its own record with that time."""

    def forge(recorded: Recorded) -> Recorded:
        now_s = recorded.timestamp_s - seconds
        public = {
            key: rewritten(value, lambda one: one.update(at_s=now_s))
            if value and b'"at_s"' in value
            else value
            for key, value in recorded.writes.items()
        }
        gates = {(f"gate/{MIDNIGHT + place:09d}", "gate0") for place in range(-DAY_MIN, 3 * DAY_MIN, HOUR)}
        return replace(forged(recorded, public=public), timestamp_s=now_s, ranges=recorded.ranges | gates)

    return forge


def test_a_gate_that_is_closed_early_is_found(town: Recording) -> None:
    said = attacked(town, first(town, "close_gate"), at(1))
    assert "it closes the gate" in said


def test_a_member_closes_no_gate_when_the_operator_may(town: Recording) -> None:
    said = attacked(
        town,
        first(town, "close_gate"),
        lambda one: replace(one, attributes={"role": "home", "home.id": "h1"}),
    )
    assert "its caller may from" in said


def test_a_clearing_before_the_gate_or_after_the_start_is_found(town: Recording) -> None:
    place = first(town, "clear_period")
    replay = replayed(town.recorded[: place - 1])  # without the gate
    with pytest.raises(Difference, match="is not closed"):
        replay.check(town.recorded[place])
    assert "after its start" in attacked(town, place, lambda one: replace(one, timestamp_s=MIDNIGHT * 60))


def test_a_clearing_again_is_found(town: Recording) -> None:
    place = first(town, "clear_period")
    replay = replayed(town.recorded[: place + 1])
    with pytest.raises(Difference, match="was cleared before"):
        replay.check(town.recorded[place])


def test_readings_that_are_frozen_early_are_found(town: Recording) -> None:
    assert "has no measured reading" in attacked(town, first(town, "freeze_period"), at(1_000))
    assert "before its end" in attacked(town, first(town, "freeze_period"), at(9_000))


def test_a_bill_before_the_day_is_over_is_found(town: Recording) -> None:
    assert "it bills day" in attacked(town, first(town, "settle_day"), at(9_001))


def batch(recorded: Recorded, key: str, message: bytes) -> Recorded:
    """A batch of one message at a place, whatever it says."""
    return replace(
        recorded,
        writes={key: hashlib.sha256(message).hexdigest().encode()},
        hashed=(hashed(COLLECTION, key, message),),
        shown={(COLLECTION, key): message},
    )


BID = f"m/bid/{MIDNIGHT:09d}/h1/home/09"
READING = f"m/reading/{MIDNIGHT:09d}/0001/h1/meter/09"
ASK = {"energy_wh": 100, "limit_uaud_per_kwh": 200_000}


def test_a_message_under_a_wrong_key_is_found(town: Recording) -> None:
    place = first(town, "submit_messages")
    for signer, code in ((town.signers["h2"], "unknown_key"), (Signer(777), "unknown_key")):
        said = {"net": town.net, "channel": "newtown", "home": "h1", "period": MIDNIGHT, "seq": 9, **ASK}
        message = signer.says("cw-request", **said)
        assert code in attacked(town, place, lambda one, message=message: batch(one, BID, message))


def test_a_message_that_says_something_else_is_found(town: Recording) -> None:
    place = first(town, "submit_messages")
    for other, words in (
        ({"seq": 8}, "says seq 8"),
        ({"period": MIDNIGHT + HOUR}, "says period"),
        ({"net": "another"}, "wrong_net"),
        ({"channel": "enmore"}, "wrong_channel"),
        ({"home": "h2"}, "says home h2"),
    ):
        said = {
            "net": town.net,
            "channel": "newtown",
            "home": "h1",
            "period": MIDNIGHT,
            "seq": 9,
            **ASK,
            **other,
        }
        message = town.signers["h1"].says("cw-request", **said)
        assert words in attacked(town, place, lambda one, message=message: batch(one, BID, message))


def test_a_message_whose_words_were_changed_is_found(town: Recording) -> None:
    place = first(town, "submit_messages")
    message = town.request("h1", MIDNIGHT, 100, 200_000, seq=9)
    head, _, signature = message.split(b".")
    other = town.request("h1", MIDNIGHT, 900, 200_000, seq=9).split(b".")[1]
    assert "bad_signature" in attacked(
        town, place, lambda one: batch(one, BID, b".".join((head, other, signature)))
    )


def test_an_index_of_another_message_is_found(town: Recording) -> None:
    place = first(town, "submit_messages")
    recorded = town.recorded[place]
    key = next(iter(recorded.writes))
    said = attacked(town, place, lambda one: forged(one, public={key: b"0" * 64}))
    assert key in said
    assert "by the rules" in said


def test_a_source_that_shows_another_message_is_found(town: Recording) -> None:
    place = first(town, "submit_messages")
    recorded = town.recorded[place]
    key = next(iter(recorded.writes))
    shown = {**recorded.shown, (COLLECTION, key): town.request("h1", MIDNIGHT, 5, 200_000, seq=1)}
    assert "shows another value" in attacked(town, place, lambda one: replace(one, shown=shown))


def test_a_bid_behind_the_gate_or_out_of_its_window_is_found(town: Recording) -> None:
    place = first(town, "submit_messages")
    message = town.request("h1", MIDNIGHT, 100, 200_000, seq=9)
    behind = batch(town.recorded[place], BID, message)
    replay = replayed(town.recorded[: first(town, "close_gate") + 1])
    with pytest.raises(Difference, match="after its gate was closed"):
        replay.check(behind)
    for seconds in (101, -3_200):
        assert "outside" in attacked(
            town, place, lambda one, seconds=seconds: replace(one, timestamp_s=one.timestamp_s - seconds)
        )


def test_a_reading_that_cannot_be_is_found(town: Recording) -> None:
    place = next(
        n for n, one in enumerate(town.recorded) if any(key.startswith("m/reading/") for key in one.writes)
    )
    for said, words in (
        ({"import_wh": 26_401}, "impossible_reading"),
        ({"export_wh": 1}, "impossible_reading"),
        ({"quality": "estimated"}, "quality_not_yours"),
        ({"quality": "substituted"}, "quality_not_yours"),
        ({"import_total_wh": 1}, "totals_differ"),
    ):
        members = {"import_wh": 10, "export_wh": 0, "quality": "measured", **said}
        message = town.says("meter of h1", "cw-reading", "h1", MIDNIGHT, 9, **members)
        assert words in attacked(town, place, lambda one, message=message: batch(one, READING, message))
    message = town.reading("h1", MIDNIGHT, 10, seq=9, by="meter of h1")
    assert "before its end" in attacked(
        town, place, lambda one: replace(batch(one, READING, message), timestamp_s=MIDNIGHT * 60 + 60)
    )


def test_a_reading_under_a_frozen_version_is_found(town: Recording) -> None:
    place = first(town, "freeze_period")
    reading = next(one for one in town.recorded if any(key.startswith("m/reading/") for key in one.writes))
    message = town.reading("h1", MIDNIGHT, 10, seq=9, by="meter of h1")
    replay = replayed(town.recorded[: place + 1])
    with pytest.raises(Difference, match="under version 2"):
        replay.check(batch(reading, READING, message))


def test_a_reading_that_stands_under_a_frozen_version_and_is_written_again_is_found(town: Recording) -> None:
    place = first(town, "freeze_period")
    reading = next(one for one in town.recorded if any(key.startswith("m/reading/") for key in one.writes))
    key = next(iter(reading.writes))
    replay = replayed(town.recorded[: place + 1])
    again = batch(reading, key.replace("/0001/", "/0002/"), reading.shown[COLLECTION, key])
    with pytest.raises(Difference, match="its seq stands under version 1"):
        replay.check(again)


def test_a_bid_of_who_is_not_registered_is_found(town: Recording) -> None:
    place = first(town, "submit_messages")
    message = town.request("h1", MIDNIGHT, 100, 200_000, seq=9)
    key = BID.replace("/h1/", "/h9/")
    assert "not registered" in attacked(town, place, lambda one: batch(one, key, message))


def test_keys_that_nobody_agreed_to_are_found(town: Recording) -> None:
    """A first key that the carrier registers, a rotation on the same day, a key that did not sign for itself."""
    place = first(town, "set_key")
    thief = Signer(666)

    def of_thief(recorded: Recorded) -> Recorded:
        key = next(iter(recorded.writes))
        value = rewritten(
            recorded.writes[key] or b"", lambda one: one["versions"][-1].update(jwk=dict(thief.key.jwk))
        )
        return forged(recorded, public={key: value})

    assert "wrong_key" in attacked(town, place, of_thief)
    by_carrier = attacked(town, place, lambda one: replace(one, attributes={"role": "carrier"}))
    assert "a carrier sets the first key" in by_carrier
    rotation = next(
        n
        for n, one in enumerate(town.recorded)
        if one.function == "forward:set_key"
        and any(b'"rotated"' in (value or b"") for value in one.writes.values())
    )
    replay = replayed(town.recorded[: rotation + 1])
    with pytest.raises(Difference, match="versions of a key|rotated_today"):
        replay.check(town.recorded[rotation])

    def sooner(recorded: Recorded) -> Recorded:
        key = next(iter(recorded.writes))
        value = rewritten(recorded.writes[key] or b"", lambda one: one["versions"][-1].update(from_period=0))
        return forged(recorded, public={key: value})

    assert "from_period" in attacked(town, rotation, sooner)
    confirmed = first(town, "confirm_key")
    assert "from_period" in attacked(town, confirmed, sooner)


def test_a_rotation_to_which_the_old_key_did_not_agree_is_found(town: Recording) -> None:
    """The operator and the grid give a home a key of their own, which signs for itself."""
    place = next(
        n for n, one in enumerate(town.recorded) if any(key.endswith("/consent") for _, key in one.shown)
    )
    thief = Signer(666)
    possession = town.brings_key(thief, "home", "h2", 2)

    def stolen(consent: bytes) -> Callable[[Recorded], Recorded]:
        def forge(recorded: Recorded) -> Recorded:
            key = next(iter(recorded.writes))
            jwk = dict(thief.key.jwk)
            value = rewritten(recorded.writes[key] or b"", lambda one: one["versions"][-1].update(jwk=jwk))
            private = {"key/home/h2/000002": possession, "key/home/h2/000002/consent": consent}
            return forged(recorded, public={key: value}, private=private)

        return forge

    assert "wrong_key" in attacked(town, place, stolen(possession))
    agreed = town.recorded[place].shown[COLLECTION, "key/home/h2/000002/consent"]
    assert "wrong_key" in attacked(town, place, stolen(agreed))
    without = attacked(town, place, lambda one: replace(one, hashed=one.hashed[:1], shown={}))
    assert "consent should be written and is not" in without


def test_a_home_that_counts_at_once_is_found(town: Recording) -> None:
    def at_once(recorded: Recorded) -> Recorded:
        key = next(iter(recorded.writes))
        value = rewritten(
            recorded.writes[key] or b"",
            lambda one: one["versions"][-1].update(from_period=one["versions"][-1]["from_period"] - HOUR),
        )
        return forged(recorded, public={key: value})

    assert "from_period" in attacked(town, first(town, "confirm_home"), at_once)


def test_a_configuration_that_reaches_into_an_open_window_is_found(town: Recording) -> None:
    place = first(town, "configure", 1)

    def now(recorded: Recorded) -> Recorded:
        argument = {**recorded.argument, "from_period": MIDNIGHT - DAY_MIN}
        return replace(recorded, arguments=(recorded.arguments[0], json.dumps(argument).encode()))

    assert "windows before period" in attacked(town, place, now)


async def forgotten(days: int) -> Recording:
    """The story, and h1 forgotten so many days later."""
    town = await story()
    town.now += days * 86_400
    await town.do("grid", "forget_home", {"home": "h1", "before": MIDNIGHT + DAY_MIN})
    return town


async def test_purges_are_told_apart(town: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """By rule, early (noticed), and smuggled into another transaction (a difference)."""
    assert replayed(town.recorded).ledger.private_values().purged == 0
    late = replayed((await forgotten(2_600)).recorded)
    assert late.ledger.private_values().purged > 100
    assert not [one for one in late.anomalies.all() if one.kind == Kind.EARLY_PURGE]
    monkeypatch.setattr(forgetting, "_require_closed", lambda *_: None)
    early = replayed((await forgotten(2_550)).recorded)
    assert [one.subject for one in early.anomalies.all() if one.kind == Kind.EARLY_PURGE] == ["h1"]
    key = f"m/bid/{MIDNIGHT:09d}/h1/home/02"
    purge = PrivateWrite(COLLECTION, hashlib.sha256(key.encode()).digest(), None, is_purge=True)
    said = attacked(town, len(town.recorded) - 1, lambda one: replace(one, hashed=(*one.hashed, purge)))
    assert "private" in said


@pytest.mark.parametrize(
    "name", ["submit_messages", "freeze_period", "settle_period", "settle_gap", "settle_carbon", "settle_day"]
)
def test_closed_books_stay_closed(town: Recording, name: str) -> None:
    """The same transactions eight years later: both endorsers would have had to let them in."""
    last = next(
        place
        for place, one in reversed([*enumerate(town.recorded)])
        if one.function == f"forward:{name}" and one.writes and one.argument.get("kind") != "bid"
    )
    later = replace(town.recorded[last], timestamp_s=town.recorded[last].timestamp_s + 8 * 366 * 86_400)
    hour = later.timestamp_s // 3_600 * 60
    gates = frozenset((f"gate/{hour + step:09d}", "gate0") for step in range(-600, 600, 60))
    later = replace(later, ranges=later.ranges | gates)
    assert "are closed" in attacked(town, last, lambda _: later)


async def test_erasure_takes_nothing_from_a_neighbour() -> None:
    town = await forgotten(2_600)
    last = len(town.recorded) - 1
    done = town.recorded[last]
    name = f"lines/{MIDNIGHT:09d}/0001/0000"
    left = json.loads(done.shown[COLLECTION, f"{name}/0001"])

    def written(lines: list[Any]) -> str:
        value = json.dumps({**left, "lines": lines}, sort_keys=True, separators=(",", ":")).encode()
        mark = json.loads(done.writes[f"rewritten/{name}"] or b"")
        mark["digest"] = hashlib.sha256(value).hexdigest()
        public = {f"rewritten/{name}": json.dumps(mark, sort_keys=True, separators=(",", ":")).encode()}
        return attacked(town, last, lambda one: forged(one, public=public, private={f"{name}/0001": value}))

    assert f"the private {name}/0001" in written(left["lines"][1:])
    assert f"the private {name}/0001" in written([[*left["lines"][0][:5], 7, *left["lines"][0][6:]]])
    own = PrivateWrite(
        COLLECTION,
        hashlib.sha256(f"m/bid/{MIDNIGHT:09d}/p1/home/01".encode()).digest(),
        None,
        is_purge=True,
    )
    said = attacked(town, last, lambda one: replace(one, hashed=(*one.hashed, own)))
    assert "belongs to none of the homes that it names" in said
    old = hashlib.sha256(name.encode()).digest()
    said = attacked(
        town,
        last,
        lambda one: replace(one, hashed=tuple(each for each in one.hashed if each.key_hash != old)),
    )
    assert f"purges no {name}" in said


def test_a_gate_that_others_clocks_call_early_is_noticed(town: Recording) -> None:
    replay = replayed(town.recorded[: first(town, "close_gate") + 1])
    early = next(one for one in town.recorded if one.function == "forward:clear_period")
    replay.check(replace(early, timestamp_s=MIDNIGHT * 60 - 400))
    noticed = [one for one in replay.anomalies.all() if one.kind == Kind.SHORT_WINDOW]
    assert [one.first_period for one in noticed] == [MIDNIGHT]
    assert "100 s before its time" in noticed[0].example


def test_a_clearing_behind_readings_is_noticed(town: Recording) -> None:
    """Endorsed in time, held back, and ordered when the meters had spoken already."""
    place = first(town, "clear_period")
    reading = next(
        one for one in town.recorded if any(key.startswith(f"m/reading/{MIDNIGHT:09d}") for key in one.writes)
    )
    replay = replayed([*town.recorded[:place], reading])
    replay.check(town.recorded[place])
    assert Kind.CLEARED_BEHIND_READINGS in {one.kind for one in replay.anomalies.all()}


def test_the_other_market_is_not_configured_on_this_channel(town: Recording) -> None:
    replay = Replay()
    for recorded in town.recorded[:20]:
        replay.check(recorded)
    other = replace(town.recorded[0], arguments=(b"configure", b"{}"), writes={"community": b"{}"})
    with pytest.raises(Difference, match="market is forward"):
        replay.check(other)


def test_a_key_with_an_endorsement_policy_of_its_own_is_found(town: Recording) -> None:
    """Else one organisation alone could change it from then on."""
    with pytest.raises(Difference, match="gives configuration an endorsement policy"):
        Replay().check(replace(town.recorded[0], policies={"configuration": b""}))
    Replay().check(town.recorded[0])


def test_a_transaction_that_no_rule_knows_writes_nothing(town: Recording) -> None:
    unknown = replace(town.recorded[0], arguments=(b"forward:give_me_money", b"{}"))
    with pytest.raises(Difference, match="no rule knows"):
        ForwardReplay().check(unknown)
