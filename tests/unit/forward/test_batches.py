# SPDX-License-Identifier: Apache-2.0
"""Batches as their enemies send them: each message counts or is refused alone, and meets no neighbour's."""

import hashlib
from typing import Any

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.forward.records import Meter, encode
from commonwatt_chaincode.messages.base64url import decoded, encoded
from commonwatt_chaincode.shim.testing import Invocation
from commonwatt_chaincode.shim.testing.state import Place

from .neighbourhood import NOON, Neighbourhood, Signer, neighbourhood

BIDS = {"kind": "bid", "period": NOON}


def carried(*messages: bytes) -> dict[str, bytes]:
    return {"messages": b"\n".join(messages)}


@pytest.fixture
async def open_window(newtown: Neighbourhood) -> Neighbourhood:
    newtown.in_window(NOON)
    return newtown


async def test_a_thousand_messages_of_which_one_is_bad() -> None:
    homes = [f"h{number}" for number in range(40)]
    town = await neighbourhood(*homes)
    town.in_window(NOON)
    batch = [town.request(home, NOON, 100 + seq, 200_000, seq=seq) for seq in range(1, 26) for home in homes]
    batch[617] = batch[617][:-4] + b"AAAA"
    results = await town.bids(NOON, *batch)
    assert results.count("written") == 999
    assert results[617] == "bad_signature"
    assert len(town.ledger.keys(*keys.range_of(keys.index_prefix("bid", NOON)))) == 999


async def test_what_the_ledger_keeps_of_a_message(open_window: Neighbourhood) -> None:
    message = open_window.request("h1", NOON, 500, 250_000)
    assert await open_window.bids(NOON, message) == ["written"]
    key = f"m/bid/{NOON:09d}/h1/home/01"
    assert open_window.ledger.get(key) == hashlib.sha256(message).hexdigest().encode()
    assert open_window.ledger.get(key, keys.COLLECTION) == message


async def test_twice_in_one_batch_and_again_in_another(open_window: Neighbourhood) -> None:
    message = open_window.request("h1", NOON, 500, 250_000)
    assert await open_window.bids(NOON, message, message) == ["written", "written"]
    before = {place: value for place, (value, _) in open_window.ledger.state.values.items()}
    assert await open_window.send("bid", NOON, [message], "carrier of the grid") == ["written"]
    assert before == {place: value for place, (value, _) in open_window.ledger.state.values.items()}


async def test_of_two_words_under_one_seq_the_later_one_stands(open_window: Neighbourhood) -> None:
    first, second = (open_window.request("h1", NOON, energy_wh, 250_000) for energy_wh in (500, 600))
    assert await open_window.bids(NOON, first, second) == ["written", "written"]
    listed = await open_window.ask("h1", "list_messages", BIDS)
    assert [one["message"].encode() for one in listed["messages"]] == [second]
    await open_window.bids(NOON, first)
    asked = {**BIDS, "home": "h1", "seq": 1}
    statuses = [
        (await open_window.ask("carrier", "message_status", asked | {"digest": digest_of(one)}))["status"]
        for one in (first, second)
    ]
    assert statuses == ["written", "replaced"]


def digest_of(message: bytes) -> str:
    return hashlib.sha256(message.rpartition(b".")[0]).hexdigest()


async def test_another_valid_signature_is_the_same_message(open_window: Neighbourhood) -> None:
    message = open_window.request("h1", NOON, 500, 250_000)
    signed, _, signature = message.rpartition(b".")
    raw = decoded(signature.decode())
    assert raw is not None
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    again = signed + b"." + encoded(other).encode()
    assert again != message
    assert await open_window.bids(NOON, message, again) == ["written", "written"]
    asked = {**BIDS, "home": "h1", "seq": 1, "digest": digest_of(message)}
    assert (await open_window.ask("h1", "message_status", asked))["status"] == "written"


async def test_the_order_of_arrival_changes_nothing(open_window: Neighbourhood) -> None:
    batch = [
        open_window.request(home, NOON, 400 + seq, 250_000, seq=seq)
        for home in ("h1", "h2")
        for seq in (1, 2, 3)
    ]
    for one in reversed(batch):
        assert await open_window.bids(NOON, one) == ["written"]
    open_window.in_window(NOON + 5)
    await open_window.close(NOON)
    cleared = await open_window.do("operator", "clear_period", {"period": NOON})
    assert cleared["requested_wh"] == 806


async def test_messages_that_a_carrier_altered_or_took_elsewhere(open_window: Neighbourhood) -> None:
    town = open_window
    good = town.request("h1", NOON, 500, 250_000)
    header, payload, signature = good.split(b".")
    altered = decoded(payload.decode())
    assert altered is not None
    more = encoded(altered.replace(b"500", b"900")).encode()
    stolen = Signer(77)
    where = {"home": "h1", "period": NOON, "seq": 1, "energy_wh": 500, "limit_uaud_per_kwh": 250_000}
    wrong = {
        header + b"." + more + b"." + signature: "bad_signature",
        town.says("h2", "cw-request", "h1", NOON, energy_wh=500, limit_uaud_per_kwh=250_000): "unknown_key",
        stolen.says("cw-request", net=town.net, channel="newtown", **where): "unknown_key",
        town.signers["h1"].says("cw-request", net="another", channel="newtown", **where): "wrong_net",
        town.signers["h1"].says("cw-request", net=town.net, channel="enmore", **where): "wrong_channel",
        town.request("h1", NOON + 5, 500, 250_000): "wrong_period",
        town.reading("h1", NOON, 500): "wrong_typ",
        town.brings_key(town.signers["h1"], "home", "h1", 2): "wrong_typ",
        town.says("h1", "cw-request", "h9", NOON, energy_wh=500, limit_uaud_per_kwh=1): "not_registered",
        good + b"=": "bad_form",
        b"": "bad_form",
        b"x" * 1_025: "too_large",
        good[:-86] + b"A" * 86: "bad_signature",
    }
    results = await town.bids(NOON, *wrong)
    assert dict(zip(wrong, results, strict=True)) == wrong
    assert not town.ledger.keys("m/", "m0")


async def test_a_batch_of_bad_messages_writes_and_tells_nothing(open_window: Neighbourhood) -> None:
    done = await open_window.submit("carrier", "submit_messages", BIDS, carried(b"a", b"b"))
    assert (done.json(), done.writes, done.event) == ({"results": ["bad_form", "bad_form"]}, {}, None)


async def test_bounds_come_before_anything_is_read(open_window: Neighbourhood) -> None:
    good = open_window.request("h1", NOON, 500, 250_000)
    for transient in (
        None,
        {},
        {"messages": b""},
        {"other": good},
        {"messages": b"\n" * 1_000},
        {"messages": b"x" * 1_025_001},
        {"messages": b"\n".join([good] * 1_001)},
    ):
        done = await open_window.submit("carrier", "submit_messages", BIDS, transient)
        assert done.message.startswith("bad_argument: "), done.message
        assert not done.reads


async def test_a_window_and_the_end_of_a_period(newtown: Neighbourhood) -> None:
    bid, reading = newtown.request("h1", NOON, 500, 250_000), newtown.reading("h1", NOON, 10)
    for second, code in ((-3_601, "not_taking_bids"), (-300, "not_taking_bids"), (0, "not_taking_bids")):
        newtown.at(NOON, second)
        assert await newtown.refused("carrier", "submit_messages", BIDS, carried(bid)) == code
    for second in (-3_600, -301):
        newtown.at(NOON, second)
        assert await newtown.bids(NOON, bid) == ["written"]
    readings = BIDS | {"kind": "reading"}
    newtown.at(NOON, 299)
    assert await newtown.refused("carrier", "submit_messages", readings, carried(reading)) == "too_early"
    newtown.at(NOON, 300)
    assert await newtown.readings(NOON, reading) == ["written"]
    newtown.at(NOON, 230 * 86_400)  # final, and still of use: the home is settled again, alone
    assert await newtown.readings(NOON, reading) == ["written"]
    await newtown.close(NOON)
    newtown.in_window(NOON)
    assert await newtown.refused("carrier", "submit_messages", BIDS, carried(bid)) == "gate_closed"


async def test_who_may_say_what_of_a_reading(newtown: Neighbourhood) -> None:
    await newtown.give_key("meter", "h1", "EdDSA")
    await newtown.give_key("operator", "NewtownMSP")
    newtown.at(NOON, 300)
    by_operator = {"by": "operator of NewtownMSP", "quality": "substituted"}
    results = await newtown.readings(
        NOON,
        newtown.reading("h1", NOON, 100),
        newtown.reading("h1", NOON, 101, by="meter of h1"),
        newtown.reading("h1", NOON, 102, **by_operator),
        newtown.reading("h2", NOON, 103, **by_operator),
        newtown.reading("h9", NOON, 103, **by_operator),
        newtown.reading("h2", NOON, 104, by="operator of NewtownMSP"),
        newtown.reading("h2", NOON, 104, quality="substituted"),
        newtown.reading("h2", NOON, 104, quality="estimated"),
        newtown.reading("h2", NOON, 104, by="meter of h1"),
        newtown.reading("h2", NOON, 2_201),
        newtown.reading("h2", NOON, 0, 1),
        newtown.reading("p1", NOON, 0, 825),
        newtown.reading("h2", NOON, 100, import_total_wh=99),
        newtown.reading("h2", NOON, 100, import_total_wh=100, export_total_wh=0),
    )
    assert results == [
        *["written"] * 4,
        "not_registered",
        *["quality_not_yours"] * 3,
        "unknown_key",
        *["impossible_reading"] * 2,
        "written",
        "totals_differ",
        "written",
    ]
    index = keys.index_prefix("reading", NOON, 1)
    assert [key.removeprefix(index) for key in newtown.ledger.keys(*keys.range_of(index))] == [
        "h1/home/01",
        "h1/meter/01",
        "h1/operator/01",
        "h2/home/01",
        "h2/operator/01",
        "p1/home/01",
    ]


async def test_the_meter_measures_on_a_live_channel() -> None:
    town = await neighbourhood("h1", trust_homes=False)
    await town.give_key("meter", "h1")
    town.at(NOON, 300)
    own, measured = town.reading("h1", NOON, 100), town.reading("h1", NOON, 101, by="meter of h1")
    assert await town.readings(NOON, own, measured) == ["quality_not_yours", "written"]


async def test_bids_are_the_homes_own(newtown: Neighbourhood) -> None:
    await newtown.give_key("meter", "h1")
    await newtown.give_key("operator", "NewtownMSP")
    newtown.in_window(NOON)
    said = {"energy_wh": 5, "limit_uaud_per_kwh": 100_000}
    results = await newtown.bids(
        NOON,
        newtown.says("meter of h1", "cw-request", "h1", NOON, **said),
        newtown.says("operator of NewtownMSP", "cw-request", "h1", NOON, **said),
    )
    assert results == ["unknown_key"] * 2


async def test_a_batch_reads_its_period_and_its_senders_alone(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    one = await newtown.endorse(
        "carrier", "submit_messages", BIDS, carried(newtown.request("h1", NOON, 5, 100_000))
    )
    assert set(one.reads) == {f"gate/{NOON:09d}", "configuration", "clock", "home/h1", "key/home/h1"}
    assert one.ranges == ()
    newtown.at(NOON, 300)
    readings = BIDS | {"kind": "reading"}
    two = await newtown.endorse("h1", "submit_messages", readings, carried(newtown.reading("h1", NOON, 5)))
    senders = {"home/h1", "key/home/h1", "key/meter/h1", "key/operator/NewtownMSP"}
    assert set(two.reads) == {f"meter/{NOON:09d}", "configuration", "clock", *senders}
    assert two.ranges == ()


async def test_a_home_at_two_carriers_a_thousand_times_costs_nobody_anything(newtown: Neighbourhood) -> None:
    """All are endorsed against one state, then ordered: none of them is invalid, whoever sent it."""
    newtown.in_window(NOON)
    endorsed: list[Invocation] = []
    for number in range(500):
        noisy = newtown.request("h1", NOON, 1 + number, 100_000, seq=1 + number % 32)
        for who in ("carrier", "carrier of the grid"):
            endorsed.append(await newtown.endorse(who, "submit_messages", BIDS, carried(noisy)))
        if number % 50 == 0:
            quiet = newtown.request("h2", NOON, 300, 200_000)
            endorsed.append(await newtown.endorse("h2", "submit_messages", BIDS, carried(quiet)))
    assert {newtown.ledger.commit(done) for done in endorsed} == {"VALID"}
    assert len(newtown.ledger.keys("m/", "m0")) == 33


async def test_an_author_has_32_places_and_no_more(open_window: Neighbourhood) -> None:
    said = {"energy_wh": 5, "limit_uaud_per_kwh": 100_000}
    results = await open_window.bids(
        NOON,
        *(open_window.says("h1", "cw-request", "h1", NOON, seq, **said) for seq in (0, 1, 32, 33, 10**9)),
    )
    assert results == ["bad_field", "written", "written", "bad_field", "bad_field"]


async def test_readings_after_a_frozen_version_come_under_the_next(newtown: Neighbourhood) -> None:
    newtown.at(NOON, 300)
    first, second = newtown.reading("h1", NOON, 10), newtown.reading("h2", NOON, 10)
    readings = BIDS | {"kind": "reading"}
    late = await newtown.endorse("carrier", "submit_messages", readings, carried(second))
    assert await newtown.readings(NOON, first) == ["written"]
    frozen: Any = encode(Meter(NOON, 1, newtown.now, None, "t"))
    place = Place("market", "", keys.meter_key(NOON))
    newtown.ledger.state.write(place, frozen, (999, 0), "t", late.timestamp)
    assert newtown.ledger.commit(late) == "MVCC_READ_CONFLICT"
    assert await newtown.readings(NOON, second) == ["written"]
    assert newtown.ledger.get(keys.index_key("reading", NOON, 2, "h2", "home", 1))
    asked = {**readings, "home": "h2", "seq": 1, "digest": digest_of(second)}
    answer = await newtown.ask("h2", "message_status", asked)
    assert (answer["status"], answer["version"]) == ("written", 2)
    assert (await newtown.ask("h2", "message_status", asked | {"seq": 2}))["status"] == "absent"


async def test_what_stands_under_a_frozen_version_is_no_news(newtown: Neighbourhood) -> None:
    """Carried again, a reading makes no new version; other words under its seq, or another signature, count as none."""
    newtown.at(NOON, 300)
    said, late = newtown.reading("h1", NOON, 10), newtown.reading("h2", NOON, 20)
    assert await newtown.readings(NOON, said) == ["written"]
    newtown.at(NOON, 300 + 172_800)
    await newtown.do("operator", "freeze_period", {"period": NOON})
    await newtown.do("operator", "settle_period", {"period": NOON})
    readings = BIDS | {"kind": "reading"}
    again = await newtown.submit("carrier", "submit_messages", readings, carried(said))
    assert (again.json(), again.writes, again.event) == ({"results": ["written"]}, {}, None)
    other = newtown.reading("h1", NOON, 11)
    assert await newtown.readings(NOON, other, said, other) == ["seq_taken", "written", "seq_taken"]
    newtown.at(NOON, 300 + 172_800 + 86_400)
    assert await newtown.refused("operator", "freeze_period", {"period": NOON}) == "nothing_new"
    mixed = await newtown.submit("carrier", "submit_messages", readings, carried(said, late))
    assert mixed.json() == {"results": ["written", "written"]}
    assert mixed.event is not None
    assert mixed.event[1] == b'{"count":1,"kind":"reading","period":%d}' % NOON
    assert await newtown.readings(NOON, newtown.reading("h1", NOON, 12, seq=2)) == ["written"]
    for version in (2, 3):
        await newtown.do("operator", "freeze_period", {"period": NOON})
        await newtown.do("operator", "settle_period", {"period": NOON})
        newtown.at(NOON, 300 + 172_800 + version * 86_400)
        assert await newtown.readings(NOON, said, late) == ["written", "written"]
        if version == 2:
            assert await newtown.readings(NOON, newtown.reading("h2", NOON, 12, seq=2)) == ["written"]
    index = newtown.ledger.keys(*keys.range_of(keys.index_prefix("reading", NOON)))
    assert [key.removeprefix(keys.index_prefix("reading", NOON)) for key in index] == [
        "0001/h1/home/01",
        "0002/h1/home/02",
        "0002/h2/home/01",
        "0003/h2/home/02",
    ]


async def test_a_batch_reads_of_frozen_versions_its_own_places(newtown: Neighbourhood) -> None:
    newtown.at(NOON, 300)
    assert await newtown.readings(NOON, newtown.reading("h1", NOON, 10)) == ["written"]
    newtown.at(NOON, 300 + 172_800)
    await newtown.do("operator", "freeze_period", {"period": NOON})
    readings = BIDS | {"kind": "reading"}
    done = await newtown.endorse("h2", "submit_messages", readings, carried(newtown.reading("h2", NOON, 5)))
    senders = {"home/h2", "key/home/h2", "key/meter/h2", "key/operator/NewtownMSP"}
    place = f"m/reading/{NOON:09d}/0001/h2/home/01"
    assert set(done.reads) == {f"meter/{NOON:09d}", "configuration", "clock", *senders, place}
    assert done.ranges == ()
