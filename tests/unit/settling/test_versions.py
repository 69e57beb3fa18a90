# SPDX-License-Identifier: Apache-2.0
"""Versions of a period's settlement: what is frozen, what stays, what a later reading changes, and in which parts."""

import hashlib
import json
from typing import Any

import pytest
from commonwatt_chaincode.forward import keys, settlement_queries
from commonwatt_chaincode.forward.lines import decode_lines, encode_lines, terms_of
from commonwatt_chaincode.market.forward import period_settlement
from commonwatt_chaincode.market.forward.gaps import Spread
from commonwatt_chaincode.market.forward.period_settlement import with_gap
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.messages.message import read
from commonwatt_chaincode.shim.testing.state import Place

from .neighbourhood import DAY_S, MIDNIGHT_S, Neighbourhood

P = MIDNIGHT_S // 60
END_S = MIDNIGHT_S + 1_800
TOU, FEED_IN = 300_000, 50_000


async def three_metered(street: Neighbourhood, a: int, b: int, c: int) -> None:
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, a), street.reading("b", P, b), street.reading("c", P, 0, c)])


async def test_contracts_shares_and_the_grid_sum_exactly(street: Neighbourhood) -> None:
    await street.trade(P, [street.request("a", P, 500), street.offer("c", P, 700)])
    await three_metered(street, 650, 100, 900)
    answer = await street.settle(P)
    assert answer["settled"]
    lines = await street.lines(P)
    assert {home: line["bought_wh"] - line["sold_wh"] for home, line in lines.items()} == {
        "a": 500,
        "b": 0,
        "c": -500,
    }
    assert lines["c"]["shared_out_wh"] == 250  # 900 exported, 500 sold, 150 and 100 wanted
    assert lines["c"]["grid_out_wh"] == 150
    assert sum(line["amount_naud"] for line in lines.values()) == answer["grid_naud"]
    sums = (await street.ask("a", "get_period", {"period": P}))["sums"]
    assert sums["grid_naud"] == answer["grid_naud"]
    assert (sums["shared_wh"], sums["measured"], sums["estimated"], sums["final"]) == (250, 3, 0, False)


async def test_a_period_that_was_never_cleared_has_no_contracts(street: Neighbourhood) -> None:
    street.now_s = P * 60 - 3_000
    assert await street.say("bid", P, [street.request("a", P, 500)]) == ["written"]
    await three_metered(street, 650, 0, 0)
    await street.settle(P)
    line = (await street.lines(P))["a"]
    assert (line["bought_wh"], line["price_uaud_per_kwh"], line["grid_in_wh"]) == (0, None, 650)
    assert line["amount_naud"] == 650 * TOU


async def test_a_clearing_that_is_held_back_is_void_once_readings_are_frozen(street: Neighbourhood) -> None:
    street.now_s = P * 60 - 3_000
    await street.say("bid", P, [street.request("a", P, 500), street.offer("c", P, 500)])
    street.now_s = P * 60 - 240
    await street.do("operator", "close_gate", {"period": P})
    held = await street.evaluate("operator", "clear_period", {"period": P})
    assert held.status == 200
    await three_metered(street, 650, 0, 900)
    street.now_s = END_S
    await street.do("b", "freeze_period", {"period": P})
    assert street.ledger.commit(held) == "MVCC_READ_CONFLICT"


async def test_readings_are_frozen_when_they_are_due_or_all_are_measured() -> None:
    street = await Neighbourhood().found(times={"readings_due_s": DAY_S})
    await street.add("a", "b")
    assert await street.refused("operator", "freeze_period", {"period": P}) == "too_early"
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 1)])
    assert await street.refused("operator", "freeze_period", {"period": P}) == "too_early"
    await street.read(P, [street.reading("b", P, 1)])
    await street.do("a", "freeze_period", {"period": P})
    second = P + 30
    street.now_s = END_S + 1_800 + DAY_S - 1
    assert await street.refused("operator", "freeze_period", {"period": second}) == "too_early"
    street.now_s += 1
    await street.do("operator", "freeze_period", {"period": second})


async def test_what_is_not_frozen_is_not_settled(street: Neighbourhood) -> None:
    await three_metered(street, 1, 1, 1)
    assert await street.refused("operator", "settle_period", {"period": P}) == "not_frozen"
    assert await street.refused("operator", "settle_period", {"period": P + 1}) == "bad_period"


async def test_the_same_again_is_success_and_writes_nothing(street: Neighbourhood) -> None:
    await three_metered(street, 650, 100, 900)
    first = await street.settle(P)
    again = await street.submit("b", "settle_period", {"period": P})
    assert again.json() == first
    assert not again.writes
    assert again.event is None


async def test_a_later_reading_moves_lines_and_what_stays_keeps_its_version(street: Neighbourhood) -> None:
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 400), street.reading("b", P, 100)])
    await street.settle(P)
    first = await street.lines(P)
    assert (first["c"]["quality"], first["c"]["seq"], first["c"]["import_wh"]) == ("estimated", 0, 750)
    assert await street.refused("operator", "freeze_period", {"period": P}) == "too_early"
    street.now_s += 60
    assert await street.refused("operator", "freeze_period", {"period": P}) == "nothing_new"
    await street.read(P, [street.reading("c", P, 0, 0)])
    answer = await street.settle(P)
    assert (answer["version"], answer["changed"]) == (2, 1)
    second = await street.lines(P)
    assert {home: line["version"] for home, line in second.items()} == {"a": 1, "b": 1, "c": 2}
    assert (second["c"]["quality"], second["c"]["reading_version"], second["c"]["amount_naud"]) == (
        "measured",
        2,
        0,
    )
    assert second["a"] == first["a"]


async def test_a_lines_salt_stays_with_it(street: Neighbourhood) -> None:
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 400), street.reading("b", P, 100)])
    await street.settle(P)
    street.now_s += 60
    await street.read(P, [street.reading("c", P, 0, 0)])
    await street.settle(P)
    before, after = (
        {one.home: one.salt for one in stored_lines(street, version).lines} for version in (1, 2)
    )
    assert before["a"] == after["a"]
    assert before["c"] != after["c"]
    assert len({*before.values(), *after.values()}) == 4
    assert all(len(bytes.fromhex(one)) == 16 for one in [*before.values(), *after.values()])


def stored_lines(street: Neighbourhood, version: int, part: int = 0) -> Any:
    value = street.ledger.get(keys.lines_key(P, version, part), "community")
    assert value is not None
    assert encode_lines(decode_lines(value)) == value
    public = json.loads(street.ledger.get(keys.part_key(P, version, part)) or b"")
    assert public["digest"] == hashlib.sha256(value).hexdigest()
    return decode_lines(value)


async def test_an_estimate_is_made_once(street: Neighbourhood) -> None:
    """The highest import at this local time in 28 days; what comes to light of those days later changes no estimate."""
    await street.add("x1")
    await street.set_key("meter", "a")
    # A day of no readings lies behind: nothing is known at first.
    start = P + 2 * 1_440
    for day, import_wh in ((0, 300), (1, 900)):
        period = start + day * 1_440
        street.now_s = period * 60 + 1_800
        await street.read(period, [street.reading("a", period, import_wh)])
        await street.settle(period)
    period = start + 2 * 1_440
    street.now_s = period * 60 + 1_800
    await street.settle(period)
    assert (await street.lines(period))["a"]["import_wh"] == 900
    assert (await street.lines(period))["x1"]["import_wh"] == 750  # nothing known: estimate_w
    street.now_s += 60
    earlier = start + 1_440
    await street.set_key("operator", "NewtownMSP")
    await street.read(earlier, [street.reading("a", earlier, 2_000, author="meter")])
    await street.settle(earlier)
    assert (await street.lines(earlier))["a"]["import_wh"] == 2_000
    await street.read(period, [street.reading("b", period, 5)])
    await street.settle(period)
    line = (await street.lines(period))["a"]
    assert (line["import_wh"], line["version"], line["quality"]) == (900, 1, "estimated")


async def test_an_estimate_is_at_least_what_was_bought(street: Neighbourhood) -> None:
    await street.trade(P, [street.request("a", P, 1_000), street.offer("c", P, 1_000)])
    await street.settle(P)
    lines = await street.lines(P)
    assert (lines["a"]["import_wh"], lines["a"]["grid_in_wh"], lines["a"]["grid_out_wh"]) == (1_000, 0, 0)
    assert (lines["c"]["export_wh"], lines["c"]["grid_in_wh"]) == (0, 750 + 1_000)  # it delivered nothing


async def test_a_spread_never_replaces_a_reading(street: Neighbourhood) -> None:
    await three_metered(street, 650, 100, 900)
    await street.settle(P)
    lines = stored_lines(street, 1)
    for line in lines.lines:
        assert with_gap(line, Spread(Period(P, 30), 1, 1), terms_of(lines)) is line


async def test_an_estimate_rests_on_no_estimate(street: Neighbourhood) -> None:
    """Else what a silent home once bought would be its estimate for ever."""
    await street.trade(P, [street.request("a", P, 1_000), street.offer("c", P, 1_000)])
    await street.settle(P)
    await street.settle(P + 1_440)
    assert (await street.lines(P))["a"]["import_wh"] == 1_000
    assert (await street.lines(P + 1_440))["a"]["import_wh"] == 750


@pytest.mark.parametrize("with_reading", [True, False])
async def test_a_reading_after_the_end_resettles_its_home_alone(with_reading: bool) -> None:
    street = await Neighbourhood().found(times={"final_after_d": 1})
    await street.add("a", "b", "c", pv_w=5_000)
    home = "a" if with_reading else "c"
    for metered in (home, "b"):
        await street.set_key("meter", metered)
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 400), street.reading("b", P, 0, 300)])
    await street.settle(P)
    first = await street.lines(P)
    assert first["a"]["shared_in_wh"] == 300
    street.now_s = END_S + DAY_S
    assert (await street.lines(P))["c"]["quality"] == "substituted"
    assert (await street.lines(P))["c"]["final"]
    await street.read(P, [street.reading(home, P, 100, 50, author="meter")])
    answer = await street.settle(P)
    assert answer["version"] == 2
    second = await street.lines(P)
    assert second["b"] == {**first["b"], "final": True}
    late = second[home]
    assert (late["version"], late["import_wh"], late["export_wh"]) == (2, 100, 50)
    if with_reading:  # 300 Wh taken stay taken, 200 Wh of them and what was exported go to the grid
        assert (late["shared_in_wh"], late["grid_in_wh"], late["grid_out_wh"]) == (300, 0, 250)
    else:
        assert (late["shared_in_wh"], late["grid_in_wh"], late["grid_out_wh"]) == (0, 100, 50)
    sums = (await street.ask("grid", "get_period", {"period": P}))["sums"]
    assert sums["final"]
    assert sums["grid_naud"] == sum(line["amount_naud"] for line in second.values())
    # A third version keeps to the last one that was frozen before the end.
    street.now_s += 60
    await street.read(P, [street.reading("b", P, 7, 0, author="meter")])
    await street.settle(P)
    third = await street.lines(P)
    assert third[home] == late
    assert (third["b"]["shared_out_wh"], third["b"]["grid_in_wh"]) == (300, 307)


async def test_what_a_meter_corrects_after_the_end_moves_no_neighbour() -> None:
    """The meter's words from before the end settle the community still, though it replaced them."""
    street = await Neighbourhood().found(times={"final_after_d": 1})
    await street.add("a", "b", pv_w=5_000)
    await street.set_key("meter", "a")
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 400, author="meter"), street.reading("b", P, 0, 300)])
    await street.settle(P)
    first = await street.lines(P)
    street.now_s = END_S + DAY_S
    await street.read(P, [street.reading("a", P, 100, author="meter", seq=2)])
    await street.settle(P)
    second = await street.lines(P)
    assert second["b"] == {**first["b"], "final": True}
    assert [second["a"][name] for name in ("import_wh", "shared_in_wh", "grid_out_wh")] == [100, 300, 200]


async def test_the_better_reading_counts_whoever_sends_it_when(street: Neighbourhood) -> None:
    await street.set_key("operator", "NewtownMSP")
    await street.set_key("meter", "a")
    street.now_s = END_S
    await street.read(P, [street.reading("a", P, 500, author="operator"), street.reading("b", P, 1)])
    await street.settle(P)
    assert (await street.lines(P))["a"]["quality"] == "substituted"
    street.now_s += 60
    await street.read(P, [street.reading("a", P, 400), street.reading("a", P, 300, author="meter")])
    await street.settle(P)
    line = (await street.lines(P))["a"]
    assert (line["quality"], line["author"], line["import_wh"]) == ("measured", "meter", 300)
    street.now_s += 60
    await street.read(P, [street.reading("a", P, 999, author="operator", seq=2)])
    await street.settle(P)
    assert (await street.lines(P))["a"] == line


async def test_parts_come_in_any_order_and_the_last_one_ends_the_version(
    monkeypatch: pytest.MonkeyPatch, street: Neighbourhood
) -> None:
    await three_metered(street, 650, 100, 900)
    await street.settle(P)
    whole = await street.lines(P)
    (sums,) = [(await street.ask("grid", "get_period", {"period": P}))["sums"]]
    monkeypatch.setattr(period_settlement, "PART_HOMES", 1)
    other = await Neighbourhood().found()
    await other.add("a", "b", "c", pv_w=5_000)
    await three_metered(other, 650, 100, 900)
    await other.do("grid", "freeze_period", {"period": P})
    assert await other.refused("operator", "settle_period", {"period": P}) == "bad_argument"
    assert await other.refused("operator", "settle_period", {"period": P, "part": 3}) == "bad_argument"
    for part, complete in ((2, False), (0, False), (1, True)):
        assert (await other.ask("grid", "get_period", {"period": P}))["settled"] is None
        answer = await other.do("b", "settle_period", {"period": P, "part": part})
        assert (answer["settled"], answer["homes"], answer["parts"]) == (complete, 1, 3)
    assert await other.lines(P) == whole
    told = (await other.ask("grid", "get_period", {"period": P}))["sums"]
    assert told == {**sums, "parts": 3, "transaction": told["transaction"]}


@pytest.mark.parametrize("together", [(1, 2), (2, 1)])
async def test_of_two_last_parts_at_once_one_is_invalid_and_comes_again(
    monkeypatch: pytest.MonkeyPatch, street: Neighbourhood, together: tuple[int, int]
) -> None:
    monkeypatch.setattr(period_settlement, "PART_HOMES", 1)
    await three_metered(street, 650, 100, 900)
    await street.do("grid", "freeze_period", {"period": P})
    await street.do("grid", "settle_period", {"period": P, "part": 0})
    both = [await street.evaluate("grid", "settle_period", {"period": P, "part": part}) for part in together]
    assert [street.ledger.commit(one) for one in both] == ["VALID", "MVCC_READ_CONFLICT"]
    assert (await street.ask("grid", "get_period", {"period": P}))["settled"] is None
    answer = await street.do("grid", "settle_period", {"period": P, "part": together[1]})
    assert answer["settled"]


async def test_of_all_parts_at_once_the_first_plans_and_the_last_comes_again(
    monkeypatch: pytest.MonkeyPatch, street: Neighbourhood
) -> None:
    """Each of them wrote the plan; once it stands, no part meets another one but where the version ends."""
    monkeypatch.setattr(period_settlement, "PART_HOMES", 1)
    await three_metered(street, 650, 100, 900)
    await street.do("grid", "freeze_period", {"period": P})
    every = [await street.evaluate("grid", "settle_period", {"period": P, "part": part}) for part in range(3)]
    conflict = "MVCC_READ_CONFLICT"
    assert [street.ledger.commit(one) for one in every] == ["VALID", conflict, conflict]
    again = [await street.evaluate("grid", "settle_period", {"period": P, "part": part}) for part in (1, 2)]
    assert [street.ledger.commit(one) for one in again] == ["VALID", conflict]
    assert (await street.settle_parts(P))["settled"]


async def test_a_part_reads_what_its_own_homes_said_and_the_plan(
    monkeypatch: pytest.MonkeyPatch, street: Neighbourhood
) -> None:
    """A message of another home that this peer lacks stops the plan, and no part but that home's."""
    monkeypatch.setattr(period_settlement, "PART_HOMES", 1)
    await three_metered(street, 650, 100, 900)
    await street.do("grid", "freeze_period", {"period": P})
    plan, lost = keys.plan_key(P, 1), keys.index_key("reading", P, 1, "b", "home", 1)
    held = street.ledger.state.values.copy()
    street.lose(lost)
    assert await street.refused("grid", "settle_period", {"period": P, "part": 2}) == "data_not_here"
    street.ledger.state.values = held
    first = await street.submit("grid", "settle_period", {"period": P, "part": 2})
    assert plan in first.writes
    street.lose(lost)
    assert await street.refused("grid", "settle_period", {"period": P, "part": 1}) == "data_not_here"
    further = await street.submit("grid", "settle_period", {"period": P, "part": 0})
    private = {key[1] for key in further.reads if not isinstance(key, str)}
    assert private == {plan, keys.index_key("reading", P, 1, "a", "home", 1)}
    assert not [one for one in further.ranges if one.start == "home/"]
    assert plan not in further.writes
    value = street.ledger.state.values[Place("market", "community", plan)][0]
    street.lose(plan)
    street.ledger.state.values[Place("market", "community", lost)] = held[Place("market", "community", lost)]
    assert await street.refused("grid", "settle_period", {"period": P, "part": 1}) == "data_not_here"
    street.ledger.state.values[Place("market", "community", plan)] = (
        value.replace(b'"shared_wh":', b'"shared_wh":1'),
        held[Place("market", "community", lost)][1],
    )
    assert await street.refused("grid", "settle_period", {"period": P, "part": 1}) == "data_not_here"


async def test_a_plan_holds_128_bits_that_no_reader_of_blocks_can_guess(
    monkeypatch: pytest.MonkeyPatch, street: Neighbourhood
) -> None:
    """Its salt rests on the nonce of each reading that it rests on, and on the first home's first key."""
    monkeypatch.setattr(period_settlement, "PART_HOMES", 1)
    plans = []
    for period, said in ((P, ("a", "b", "c")), (P + 30, ("a", "b")), (P + 60, ())):
        street.now_s = (period + 30) * 60
        readings = [street.reading(home, period, 100) for home in said]
        await street.read(period, readings)
        await street.do("grid", "freeze_period", {"period": period})
        done = await street.submit("grid", "settle_period", {"period": period, "part": 0})
        private = done.writes["community", keys.plan_key(period, 1)]
        public = done.writes[keys.plan_key(period, 1)]
        assert private is not None
        assert public is not None
        assert json.loads(public)["digest"] == hashlib.sha256(private).hexdigest()
        first = street.ledger.get(keys.possession_key("home", "a", 1), "community")
        nonces = [read(one).payload["nonce"] for one in (first or b"", *readings)]
        secret = hashlib.sha256("|".join(nonces).encode()).hexdigest()[:32]
        salted = hashlib.sha256(f"{secret}|plan|{period}".encode()).hexdigest()[:32]
        assert json.loads(private)["salt"] == salted
        plans.append(salted)
    assert len(set(plans)) == 3


async def test_what_a_period_says_in_public_names_no_home(street: Neighbourhood) -> None:
    """Answers, events and public values of settling hold sums; lines stand in the collection."""
    await three_metered(street, 651, 101, 901)
    street.now_s = END_S
    done = [await street.submit("grid", "freeze_period", {"period": P})]
    done.append(await street.submit("grid", "settle_period", {"period": P}))
    for one in done:
        public = [one.payload, (one.event or ("", b""))[1]]
        public += [value or b"" for key, value in one.writes.items() if isinstance(key, str)]
        for value in public:
            assert b'"home"' not in value
            assert b"651" not in value
            assert b"901" not in value or b'"export_wh":901' in value  # the sum of one home's export is that


async def test_a_value_that_this_peer_lacks_is_no_silence(street: Neighbourhood) -> None:
    await three_metered(street, 650, 100, 900)
    await street.do("grid", "freeze_period", {"period": P})
    name = keys.index_key("reading", P, 1, "a", "home", 1)
    place = Place("market", "community", name)
    kept = street.ledger.state.values[place]
    street.lose(name)
    assert await street.refused("grid", "settle_period", {"period": P}) == "data_not_here"
    street.ledger.state.values[place] = (kept[0] + b"x", kept[1])
    assert await street.refused("grid", "settle_period", {"period": P}) == "data_not_here"
    street.ledger.state.values[place] = kept
    await street.do("grid", "settle_period", {"period": P})


async def test_lines_that_are_not_those_of_the_public_digest_are_not_here(street: Neighbourhood) -> None:
    await three_metered(street, 650, 100, 900)
    await street.settle(P)
    place = Place("market", "community", keys.lines_key(P, 1, 0))
    value, version = street.ledger.state.values[place]
    street.ledger.state.values[place] = (value.replace(b"650", b"050"), version)
    answer = await street.evaluate("grid", "list_lines", {"from_period": P, "to_period": P + 30})
    assert answer.message.startswith("data_not_here")


async def test_envelopes_published_before_the_gate_cap_the_export(street: Neighbourhood) -> None:
    street.now_s = P * 60 - 7_200
    bounds = {"from_period": P, "to_period": P + 30}
    await street.do("grid", "set_envelope", {**bounds, "home": "a", "export_w": 1_000, "import_w": 200})
    await street.do("grid", "set_envelope", {**bounds, "export_w": 3_000})
    street.now_s = P * 60 - 300  # at the gate: too late for this period
    await street.do("grid", "set_envelope", {**bounds, "home": "b", "export_w": 0})
    street.now_s = END_S
    await street.read(
        P,
        [
            street.reading("a", P, 101, 700),
            street.reading("b", P, 0, 1_500),
            street.reading("c", P, 0, 1_501),
        ],
    )
    await street.settle(P)
    lines = await street.lines(P)
    told = {
        home: (line["export_cap_wh"], line["breach_wh"], line["exceeded"]) for home, line in lines.items()
    }
    assert told == {"a": (500, 200, ["import", "export"]), "b": (1_500, 0, []), "c": (1_500, 1, ["export"])}
    assert lines["a"]["amount_naud"] == 101 * TOU - 500 * FEED_IN


async def test_sharing_keys_are_those_that_were_set_before_the_window() -> None:
    street = await Neighbourhood().found(sharing="static")
    await street.add("a", "b", "c", pv_w=5_000)
    street.now_s = P * 60 - 4 * 3_600
    keys_ppm = {"a": 250_000, "b": 500_000}
    await street.do("operator", "set_sharing_keys", {"from_period": P, "keys": keys_ppm})
    await street.do("operator", "set_sharing_keys", {"from_period": P + 30, "keys": {"a": 1_000_000}})
    for period in (P, P + 30):
        street.now_s = period * 60 + 1_800
        await street.read(
            period,
            [
                street.reading("a", period, 999),
                street.reading("b", period, 100),
                street.reading("c", period, 0, 400),
            ],
        )
        await street.settle(period)
    first, second = await street.lines(P), await street.lines(P + 30)
    assert [first[home]["shared_in_wh"] for home in "abc"] == [100, 100, 0]
    assert [second[home]["shared_in_wh"] for home in "abc"] == [400, 0, 0]
    assert [first[home]["key_ppm"] for home in "abc"] == [250_000, 500_000, 0]


async def test_who_is_registered_after_the_window_opened_counts_from_the_next(street: Neighbourhood) -> None:
    street.now_s = P * 60 - 3_600
    await street.add("d")
    street.now_s = END_S
    await three_metered(street, 650, 100, 900)
    await street.settle(P)
    assert sorted(await street.lines(P)) == ["a", "b", "c"]
    street.now_s = END_S + 1_800
    await street.settle(P + 30)
    assert sorted(await street.lines(P + 30)) == ["a", "b", "c", "d"]


async def test_a_home_reads_its_own_lines(street: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    await three_metered(street, 650, 100, 900)
    await street.settle(P)
    span = {"from_period": P, "to_period": P + 30}
    (own,) = (await street.ask("a", "list_lines", {**span, "home": "a"}))["lines"]
    assert own["home"] == "a"
    assert "salt" not in own
    assert len((await street.ask("carrier", "list_lines", span))["lines"]) == 3
    for who, home in (("a", "b"), ("a", None), ("stranger", "a"), ("meter of b", "a")):
        answer = await street.evaluate(who, "list_lines", span | ({"home": home} if home else {}))
        assert answer.status == 400, (who, home)
    many = {"from_period": P, "to_period": P + 30 * 401}
    assert (await street.evaluate("grid", "list_lines", many)).message.startswith("too_many")
    monkeypatch.setattr(settlement_queries, "MOST_LINES", 2)
    assert (await street.evaluate("grid", "list_lines", span)).message.startswith("too_many")
    assert (await street.evaluate("grid", "list_lines", span | {"home": "a"})).status == 200


async def test_carriers_and_strangers_settle_nothing(street: Neighbourhood) -> None:
    await three_metered(street, 650, 100, 900)
    for who in ("carrier", "stranger"):
        assert await street.refused(who, "freeze_period", {"period": P}) == "forbidden"
        assert await street.refused(who, "settle_period", {"period": P}) == "forbidden"
        assert await street.refused(who, "settle_day", {"day": 1}) == "forbidden"
        gap = {"home": "a", "before": P, "after": P + 60}
        assert await street.refused(who, "settle_gap", gap) == "forbidden"


async def test_the_first_periods_of_all_time_have_prices_too() -> None:
    """Their windows open before the time at which the first tariff counts as published."""
    street = await Neighbourhood().found(period_min=60)
    for period in (0, 60, 120):
        assert (await street.ask("grid", "get_period", {"period": period}))["prices"]["tou"] > 0
