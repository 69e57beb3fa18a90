# SPDX-License-Identifier: Apache-2.0
"""What homes and members try against the settlement of a period, and what it comes to."""

import pytest
from commonwatt_chaincode.forward import keys, state
from commonwatt_chaincode.market.forward import period_settlement
from commonwatt_chaincode.shim.testing import simulation

from .neighbourhood import COMMUNITY, DAY_S, MIDNIGHT_S, Neighbourhood, flat_tariff

P = MIDNIGHT_S // 60
END_S = MIDNIGHT_S + 1_800
TOU, FEED_IN, FEE = 300_000, 50_000, 20_000


async def test_a_phantom_home_takes_no_part(street: Neighbourhood) -> None:
    """An operator that registers homes which the grid never confirmed sells, shares and meters nothing by them."""
    await street.add("ghost", confirm=False, pv_w=100_000)
    street.now_s = P * 60 - 3_000
    assert await street.say("bid", P, [street.offer("ghost", P, 9_000)]) == ["not_registered"]
    street.now_s = END_S
    assert await street.say("reading", P, [street.reading("ghost", P, 0, 9_000)]) == ["not_registered"]
    await street.read(P, [street.reading(home, P, 500) for home in "abc"])
    await street.settle(P)
    lines = await street.lines(P)
    assert sorted(lines) == ["a", "b", "c"]
    assert all(line["grid_in_wh"] == 500 for line in lines.values())


async def test_import_and_export_are_never_netted(street: Neighbourhood) -> None:
    """Who reports both shares nothing with itself, and pays the difference of the prices."""
    street.now_s = END_S
    await street.read(
        P, [street.reading("a", P, 800, 800), street.reading("b", P, 100), street.reading("c", P, 0)]
    )
    await street.settle(P)
    lines = await street.lines(P)
    assert lines["a"]["amount_naud"] == 800 * (TOU - FEED_IN)
    assert lines["b"]["shared_in_wh"] == 0


async def test_silence_is_dearer_than_the_meter(street: Neighbourhood) -> None:
    """A buyer that drew more and a seller that delivered nothing stay silent."""
    await street.trade(P, [street.request("a", P, 400), street.offer("b", P, 400)])
    street.now_s = END_S
    await street.read(P, [street.reading("c", P, 0, 2_000)])
    await street.settle(P)
    silent = await street.lines(P)
    told = await Neighbourhood().found()
    await told.add("a", "b", "c", pv_w=5_000)
    await told.trade(P, [told.request("a", P, 400), told.offer("b", P, 400)])
    told.now_s = END_S
    await told.read(
        P, [told.reading("c", P, 0, 2_000), told.reading("a", P, 700), told.reading("b", P, 0, 0)]
    )
    await told.settle(P)
    honest = await told.lines(P)
    for home in "ab":
        assert silent[home]["amount_naud"] > honest[home]["amount_naud"], home
        assert silent[home]["shared_in_wh"] == 0


async def test_silence_saves_no_export_charge() -> None:
    """Where feeding in costs money, the meter of a home with panels goes silent at noon."""
    street = await Neighbourhood().found(flat_tariff(TOU, -40_000, FEE))
    await street.add("a", pv_w=5_000)
    await street.add("b", pv_w=0)
    street.now_s = END_S
    await street.settle(P)
    lines = await street.lines(P)
    assert lines["a"]["export_wh"] == 2_500
    assert lines["a"]["amount_naud"] == 750 * TOU + 2_500 * 40_000
    assert lines["b"]["amount_naud"] == 750 * TOU
    assert lines["a"]["shared_out_wh"] == 0


async def test_no_reading_keeps_a_period_from_being_frozen_or_settled(street: Neighbourhood) -> None:
    """A home sends readings all the time: each transaction that settles is endorsed before one and ordered after it."""
    street.now_s = END_S
    await street.read(P, [street.reading("b", P, 5)])
    freezing = await street.evaluate("operator", "freeze_period", {"period": P})
    await street.read(P, [street.reading("a", P, 100, seq=1)])
    assert street.ledger.commit(freezing) == "VALID"
    settling = await street.evaluate("operator", "settle_period", {"period": P})
    await street.read(P, [street.reading("a", P, 101, seq=2)])
    assert street.ledger.commit(settling) == "VALID"
    # The reading came before the freezing was ordered, so it counts.
    assert (await street.lines(P))["a"]["import_wh"] == 100
    street.now_s += 60
    await street.read(P, [street.reading("c", P, 7)])
    named = keys.index_key("reading", P, 2, "c", "home", 1)
    freezing = await street.evaluate("operator", "freeze_period", {"period": P, "reading": named})
    unnamed = await street.evaluate("operator", "freeze_period", {"period": P})
    await street.read(P, [street.reading("a", P, 102, seq=3)])
    assert street.ledger.commit(unnamed) == "PHANTOM_READ_CONFLICT"  # which is why a reading may be named
    assert street.ledger.commit(freezing) == "VALID"
    await street.settle_parts(P)
    assert (await street.lines(P))["c"]["import_wh"] == 7


async def test_a_flood_of_messages_reaches_no_limit_of_a_range(
    street: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer cuts a range at its limit: what homes say beyond it is read all the same."""
    monkeypatch.setattr(simulation, "MOST_ROWS", 7)
    monkeypatch.setattr(state, "FEWEST_CUT", 7)
    await street.set_key("meter", "a")
    street.now_s = END_S
    for version, seqs in ((1, range(1, 16)), (2, range(16, 32))):
        for author in ("home", "meter"):
            flood = [street.reading("a", P, 100 * version + seq, author=author, seq=seq) for seq in seqs]
            await street.read(P, flood)
        if version == 1:
            await street.read(P, [street.reading("b", P, 1, seq=seq) for seq in range(1, 30)])
        await street.do("operator", "freeze_period", {"period": P})
        done = await street.submit("operator", "settle_period", {"period": P})
        assert done.json()["settled"]
        read = [key for key in done.reads if not isinstance(key, str) and key[1].startswith("m/reading/")]
        assert len(read) == 3  # of each author the one that counts
        street.now_s += 60
    lines = await street.lines(P)
    assert (lines["a"]["import_wh"], lines["a"]["author"]) == (231, "meter")
    assert (lines["b"]["reading_version"], lines["b"]["seq"]) == (1, 29)


async def test_what_is_named_as_new_must_be_new(street: Neighbourhood) -> None:
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 5)])
    await street.settle(P)
    street.now_s += 60
    for named in (
        keys.index_key("reading", P, 1, "a", "home", 1),  # frozen already
        keys.index_key("reading", P, 2, "a", "home", 1),  # not there
        keys.index_key("bid", P, None, "a", "home", 1),
        "m/reading/x",
    ):
        freezing = {"period": P, "reading": named}
        assert await street.refused("operator", "freeze_period", freezing) == "nothing_new", named
    assert (
        await street.refused("operator", "freeze_period", {"period": P, "reading": "gate/1"})
        == "bad_argument"
    )


async def test_a_batch_that_was_endorsed_before_the_freezing_is_void_after_it(street: Neighbourhood) -> None:
    street.now_s = END_S
    batch = {"messages": street.reading("a", P, 5)}
    held = await street.ledger.evaluate(
        "submit_messages",
        {"kind": "reading", "period": P},
        creator=street.callers["carrier"],
        transient=batch,
        timestamp=street.now_s,
    )
    await street.do("operator", "freeze_period", {"period": P})
    assert street.ledger.commit(held) == "MVCC_READ_CONFLICT"


async def test_a_home_replaces_no_reading_that_was_frozen(street: Neighbourhood) -> None:
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 900), street.reading("b", P, 0, 800)])
    await street.settle(P)
    before = await street.lines(P)
    street.now_s += 60
    await street.read(P, [street.reading("a", P, 1, seq=2), street.reading("b", P, 0, 2_000, seq=32)])
    answer = await street.settle(P)
    assert answer["changed"] == 0
    assert await street.lines(P) == before


async def test_until_readings_are_frozen_the_last_one_counts(street: Neighbourhood) -> None:
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 900, seq=2), street.reading("a", P, 800, seq=1)])
    await street.settle(P)
    assert (await street.lines(P))["a"]["import_wh"] == 900


async def test_a_freezing_that_is_held_back_is_void_once_the_next_gate_closes() -> None:
    """Else a member dates a freezing to before the end, and lets its own late reading move neighbours' lines."""
    street = await Neighbourhood().found(times={"final_after_d": 1})
    await street.add("a", "b", pv_w=5_000)
    street.now_s = END_S
    await street.settle(P)
    street.now_s = END_S + DAY_S - 60
    await street.read(P, [street.reading("b", P, 50)])
    held = await street.evaluate("a", "freeze_period", {"period": P})
    assert held.status == 200
    next_gate = P + 1_440 + 60
    street.now_s = next_gate * 60 + 1_800
    await street.do("operator", "close_gate", {"period": next_gate})
    assert street.ledger.commit(held) == "PHANTOM_READ_CONFLICT"


async def test_a_message_that_is_lost_between_two_parts_stops_no_settlement_for_ever(
    street: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts of one version rest on other readings then, and do not join: the next version settles the period."""
    monkeypatch.setattr(period_settlement, "PART_HOMES", 1)
    street.now_s = END_S
    await street.read(
        P, [street.reading("a", P, 900), street.reading("b", P, 0, 800), street.reading("c", P, 300)]
    )
    await street.do("operator", "freeze_period", {"period": P})
    await street.do("operator", "settle_period", {"period": P, "part": 0})
    lost = keys.index_key("reading", P, 1, "b", "home", 1)
    street.lose(lost)
    street.now_s = END_S + 3_600
    assert await street.refused("operator", "settle_period", {"period": P, "part": 1}) == "data_not_here"
    await street.do("operator", "declare_lost", {"key": lost})
    await street.do("operator", "settle_period", {"period": P, "part": 1})
    assert await street.refused("operator", "settle_period", {"period": P, "part": 2}) == "not_settled"
    await street.do("operator", "freeze_period", {"period": P})
    answer = await street.settle_parts(P)
    assert (answer["version"], answer["settled"]) == (2, True)
    lines = await street.lines(P)
    assert lines["b"]["quality"] == "estimated"
    assert sum(line["shared_in_wh"] for line in lines.values()) == 0


async def test_a_reading_that_is_lost_after_it_settled_its_home_stands_in_the_line(
    street: Neighbourhood,
) -> None:
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 900), street.reading("b", P, 0, 800)])
    await street.settle(P)
    lost = keys.index_key("reading", P, 1, "a", "home", 1)
    street.lose(lost)
    street.now_s = END_S + 3_600
    await street.do("operator", "declare_lost", {"key": lost})
    await street.read(P, [street.reading("c", P, 100)])
    await street.settle(P)
    lines = await street.lines(P)
    assert (lines["a"]["quality"], lines["a"]["import_wh"], lines["a"]["shared_in_wh"]) == (
        "measured",
        900,
        0,
    )
    assert lines["c"]["shared_in_wh"] == 100


async def test_the_operators_substitutes_change_no_measured_reading(street: Neighbourhood) -> None:
    await street.set_key("operator", COMMUNITY)
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 900), street.reading("a", P, 1, author="operator")])
    await street.settle(P)
    assert (await street.lines(P))["a"]["import_wh"] == 900
