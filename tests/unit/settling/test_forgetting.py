# SPDX-License-Identifier: Apache-2.0
"""Erasure on the ledger: nothing private of a home stays, nothing of its neighbours is lost, and never too early."""

import json
from typing import Any

import pytest
from commonwatt_chaincode.forward import forgetting, keys
from commonwatt_chaincode.forward.kept import digest_of
from commonwatt_chaincode.market.forward import period_settlement
from commonwatt_chaincode.shim.testing.state import Place

from .neighbourhood import DAY_S, MIDNIGHT_S, Neighbourhood

P = MIDNIGHT_S // 60
DAY = (MIDNIGHT_S + 36_000) // DAY_S
NEXT_DAY = P + 1_440
HOURS = [P + 60 * hour for hour in range(24)]
KEEP_D = 40
CLOSED_S = NEXT_DAY * 60 + KEEP_D * DAY_S


@pytest.fixture
async def street() -> Neighbourhood:
    """A day of three homes, settled, billed and settled again: bids, readings, a gap, an adjustment of each kind."""
    street = await Neighbourhood().found(period_min=60, keep_d=KEEP_D, times={"final_after_d": 2})
    await street.add("a", "b", "c", pv_w=5_000)
    await street.set_key("meter", "a")
    for number, period in enumerate(HOURS):
        await street.trade(period, [street.request("a", period, 500), street.offer("c", period, 700)])
        street.now_s = (period + 60) * 60
        readings = [street.reading("b", period, 100), street.reading("c", period, 0, 900)]
        if number not in (3, 4):
            total = {2: 10_000, 5: 13_000}.get(number)
            readings.append(street.reading("a", period, 650, totals=None if total is None else (total, 0)))
        await street.read(period, readings)
        await street.settle(period, 60)
    street.now_s = NEXT_DAY * 60
    await street.do("operator", "settle_day", {"day": DAY})
    gap = {"home": "a", "before": HOURS[2], "after": HOURS[5]}
    assert (await street.do("operator", "settle_gap", gap))["changed"] == 2
    await street.read(HOURS[7], [street.reading("a", HOURS[7], 800, author="meter")])
    street.now_s += 100
    await street.settle(HOURS[7], 60)
    await street.read(HOURS[9], [street.reading("a", HOURS[9], 640, seq=2)])  # nobody freezes it
    return street


def private(street: Neighbourhood) -> dict[str, bytes]:
    """Every private value that the peer holds, by key."""
    return {
        place.key: value
        for place, (value, _) in street.ledger.state.values.items()
        if place.collection == keys.COLLECTION
    }


def about(street: Neighbourhood, home: str) -> set[str]:
    """The keys of all private values that say something of a home: its own ones, and records that name it."""
    return {
        key
        for key, value in private(street).items()
        if f"/{home}/" in key or (f'"{home}"'.encode() in value if value.startswith(b"{") else False)
    }


async def forget(street: Neighbourhood, arguments: dict[str, Any], who: str = "operator") -> list[Any]:
    """Call until nothing is left; all answers."""
    answers = [await street.do(who, "forget_home", arguments)]
    while answers[-1]["next"] is not None:
        assert len(answers) < 100
        answers.append(await street.do(who, "forget_home", arguments))
    return answers


async def seen(street: Neighbourhood, home: str) -> dict[str, Any]:
    """All that queries tell of a home."""
    span = {"from_period": P, "to_period": NEXT_DAY, "home": home}
    return {
        "lines": await street.ask("grid", "list_lines", span),
        "awards": await street.ask("grid", "list_awards", span),
        "bill": (await street.evaluate("grid", "get_bill", {"home": home, "day": DAY})).payload,
        "messages": [
            await street.ask("grid", "list_messages", {"kind": kind, "period": period, "home": home})
            for kind in ("bid", "reading")
            for period in HOURS
        ],
    }


async def test_nothing_private_of_the_home_stays_and_all_of_its_neighbours(street: Neighbourhood) -> None:
    street.now_s = CLOSED_S
    b, c = await seen(street, "b"), await seen(street, "c")
    sums = [await street.ask("b", "get_period", {"period": period}) for period in HOURS]
    about_a = about(street, "a")
    assert {key.partition("/")[0] for key in about_a} == {
        "m",
        "key",
        "gap",
        "adjustment",
        "lines",
        "awards",
        "bills",
    }
    (done,) = await forget(street, {"home": "a", "before": NEXT_DAY})
    left = about(street, "a")
    assert left == {"key/home/a/000001", "key/meter/a/000001"}  # the home has not moved out
    assert done["rewritten"] == 24 + 25 + 1
    assert (await seen(street, "b"), await seen(street, "c")) == (b, c)
    assert [await street.ask("b", "get_period", {"period": period}) for period in HOURS] == sums
    homes = [await street.ask("grid", "get_home", {"home": home}) for home in ("a", "b")]
    assert [one["forgotten_before"] for one in homes] == [NEXT_DAY, None]
    a = await seen(street, "a")
    assert a["lines"] == {"lines": []}
    assert not any(one["awards"] for one in a["awards"]["periods"])
    assert a["messages"] == [{"messages": []}] * 48
    refused = await street.evaluate("a", "get_bill", {"home": "a", "day": DAY})
    assert refused.message.startswith("unknown_bill")
    every = {"from_period": P, "to_period": NEXT_DAY}
    assert len((await street.ask("grid", "list_lines", every))["lines"]) == 48


async def test_what_is_forgotten_is_purged_and_never_just_deleted(street: Neighbourhood) -> None:
    """A deleted or overwritten value stays in the peers' private stores; no key is purged and written at once."""
    street.now_s = CLOSED_S
    before = about(street, "a")
    done = await street.submit("operator", "forget_home", {"home": "a", "before": NEXT_DAY})
    written = {key[1]: value for key, value in done.writes.items() if isinstance(key, tuple)}
    gone = {key for key, value in written.items() if value is None}
    assert before - gone == {
        "key/home/a/000001",
        "key/meter/a/000001",
    }
    assert {key for key, value in written.items() if value is not None} == {
        f"{key}/0001" for key in gone if key.split("/")[0] in ("lines", "awards", "bills")
    }
    assert not any("a/" in key for key in private(street) if key.startswith("m/"))


async def test_books_are_kept_until_the_day_that_the_rules_say(street: Neighbourhood) -> None:
    street.now_s = CLOSED_S - 1
    whole = {"home": "a", "before": NEXT_DAY}
    assert await street.refused("operator", "forget_home", whole) == "too_early"
    assert await street.refused("grid", "forget_home", {"home": "a", "before": NEXT_DAY + 60}) == "too_early"
    await street.do("operator", "configure", {"replaces": 1, "keep_d": 33})
    assert await street.refused("operator", "forget_home", whole) == "too_early"  # for periods to come alone
    (some,) = await forget(street, {"home": "a", "before": HOURS[-1]})
    assert some["rewritten"] == 23 + 24  # the day's bill says what its last hour came to
    street.now_s += 1
    (rest,) = await forget(street, whole, "grid")
    assert rest["rewritten"] == 3
    assert (await forget(street, whole))[0] == {"purged": 0, "rewritten": 0, "next": None}


@pytest.mark.parametrize("who", ["a", "b", "meter of a", "carrier", "stranger"])
async def test_operator_and_grid_alone_forget(street: Neighbourhood, who: str) -> None:
    street.now_s = CLOSED_S
    assert await street.refused(who, "forget_home", {"home": "a", "before": NEXT_DAY}) == "forbidden"


async def test_books_that_are_closed_take_nothing_and_settle_nothing(street: Neighbourhood) -> None:
    """Else one late reading of a neighbour asked for readings that are purged, for ever."""
    period = HOURS[7]
    late = [street.reading("b", period, 101, seq=2)]
    street.now_s = (period + 60) * 60 + KEEP_D * DAY_S - 1
    await street.read(period, late)
    street.now_s += 1
    batch = {"messages": late[0]}
    done = await street.submit(
        "carrier", "submit_messages", {"kind": "reading", "period": period}, transient=batch
    )
    assert done.message.startswith("too_late")
    for name, arguments in (
        ("freeze_period", {"period": period}),
        ("settle_period", {"period": period}),
        ("settle_gap", {"home": "a", "before": HOURS[2], "after": HOURS[5]}),
    ):
        assert await street.refused("operator", name, arguments) == "too_late", name
    assert await street.refused("operator", "settle_day", {"day": DAY + 1}) == "not_settled"
    street.now_s += 2 * DAY_S
    assert await street.refused("operator", "settle_day", {"day": DAY + 1}) == "too_late"


async def test_a_transaction_carries_so_much_and_the_next_goes_on(
    street: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.now_s = CLOSED_S
    empty = {"purged": 0, "rewritten": 0, "next": None}
    for home in ("a", "b"):
        assert await street.do("operator", "forget_home", {"home": home, "before": P}) == empty
    monkeypatch.setattr(forgetting, "MOST_STEPS", 5)
    c = await seen(street, "c")
    first = await street.do("operator", "forget_home", {"home": "a", "before": NEXT_DAY})
    assert first["next"] == HOURS[5]
    assert {line["period"] for line in (await seen(street, "a"))["lines"]["lines"]} == {*HOURS[5:]}
    assert (await seen(street, "c")) == c
    answers = await forget(street, {"home": "a", "before": NEXT_DAY})
    assert [one["next"] for one in answers] == [HOURS[10], HOURS[15], HOURS[20], None]
    monkeypatch.setattr(forgetting, "MOST_PURGED", 1)
    first = await street.do("operator", "forget_home", {"home": "b", "before": NEXT_DAY})
    assert first["next"] == HOURS[1]
    monkeypatch.setattr(forgetting, "MOST_PURGED", 1_000)
    monkeypatch.setattr(forgetting, "MOST_BYTES", 1)
    first = await street.do("operator", "forget_home", {"home": "b", "before": NEXT_DAY})
    assert first["next"] == HOURS[2]


async def test_several_homes_at_once_and_one_after_another_leave_the_same(street: Neighbourhood) -> None:
    street.now_s = CLOSED_S
    c = await seen(street, "c")
    await forget(street, {"home": "a", "before": HOURS[12]})
    (both,) = await forget(street, {"homes": ["b", "a"], "before": NEXT_DAY})
    assert both["rewritten"] == 12 + 12 + 12 + 13 - 12 + 1  # b has no awards where a's are gone already
    assert (await seen(street, "c")) == c
    (last,) = await forget(street, {"home": "c", "before": NEXT_DAY})
    assert last["next"] is None
    assert about(street, "c") == {"key/home/c/000001"}
    name = keys.lines_key(HOURS[20], 1, 0)
    empty = private(street)[keys.generation_key(name, 2)]
    assert json.loads(empty)["lines"] == []
    mark, _ = street.ledger.state.values[Place("market", "", keys.rewritten_key(name))]
    assert json.loads(mark)["digest"] == digest_of(empty)


async def test_a_home_that_moved_out_is_forgotten_with_its_keys_and_bills(street: Neighbourhood) -> None:
    """What its last bills took back, days after it had left, too; and no adjustment of it stops a neighbour's bill."""
    await street.do("operator", "end_home", {"home": "a"})
    await street.do("grid", "confirm_home", {"home": "a"})
    record = await street.ask("a", "get_home", {"home": "a"})
    ends = record["to_period"]
    pending = [key.key for key in street.ledger.state.values if key.key.startswith("pending/a/")]
    assert len(pending) == 3
    street.now_s = CLOSED_S
    await forget(street, {"home": "a", "before": NEXT_DAY})
    assert not [key.key for key in street.ledger.state.values if key.key.startswith("pending/a/")]
    assert "key/home/a/000001" in private(street)
    street.now_s = CLOSED_S + 3 * DAY_S
    await forget(street, {"home": "a", "before": NEXT_DAY + 2 * 1_440})
    assert ends < NEXT_DAY + 2 * 1_440
    assert not about(street, "a")


async def test_a_receipt_says_that_a_message_is_forgotten(street: Neighbourhood) -> None:
    asked = {"kind": "reading", "period": P, "home": "a", "seq": 1, "digest": "0" * 64}
    assert (await street.ask("a", "message_status", asked))["status"] == "replaced"
    street.now_s = CLOSED_S
    await forget(street, {"home": "a", "before": NEXT_DAY})
    assert (await street.ask("a", "message_status", asked))["status"] == "forgotten"
    assert (await street.ask("a", "message_status", asked | {"seq": 2}))["status"] == "absent"


async def test_a_peer_that_lacks_what_is_left_says_so(street: Neighbourhood) -> None:
    street.now_s = CLOSED_S
    await forget(street, {"home": "a", "before": NEXT_DAY})
    name = keys.generation_key(keys.lines_key(P, 1, 0), 1)
    street.lose(name)
    asked = {"from_period": P, "to_period": P + 60}
    done = await street.evaluate("grid", "list_lines", asked)
    assert done.message.startswith("data_not_here")
    place = Place("market", "community", name)
    street.ledger.state.values[place] = (b"{}", street.ledger.state.values[place][1])
    done = await street.evaluate("grid", "list_lines", asked)
    assert done.message.startswith("data_not_here")


async def test_a_lost_message_is_purged_where_it_comes_back(street: Neighbourhood) -> None:
    key = keys.index_key("bid", HOURS[9], None, "a", "home", 1)
    street.lose(key)
    street.now_s = CLOSED_S
    await street.do("operator", "declare_lost", {"key": key})
    done = await street.submit("operator", "forget_home", {"home": "a", "before": NEXT_DAY})
    assert ("community", key) in done.writes


async def test_plans_are_purged_whole_with_the_first_home_that_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plan may name a home, and its sums less the neighbours' lines are a home's: it goes, of every version."""
    monkeypatch.setattr(period_settlement, "PART_HOMES", 2)
    street = await Neighbourhood().found(period_min=60, keep_d=KEEP_D, times={"final_after_d": 2})
    await street.add("a", "b", "c", "d", pv_w=5_000)
    await street.set_key("meter", "a")
    plans = {keys.plan_key(period, version) for period in HOURS[:2] for version in (1, 2)}
    for period in HOURS[:2]:
        street.now_s = (period + 60) * 60
        said = {"a": (301, 0), "b": (0, 407), "c": (0, 100), "d": (300, 0)}
        await street.read(period, [street.reading(home, period, *wh) for home, wh in said.items()])
        await street.settle(period, 60)
        street.now_s += 100
        await street.read(period, [street.reading("a", period, 302, author="meter")])
        await street.settle(period, 60)
    assert plans <= private(street).keys()
    street.now_s = CLOSED_S
    b = await seen(street, "b")
    done = await street.submit("operator", "forget_home", {"home": "a", "before": HOURS[1]})
    gone = {keys.plan_key(HOURS[0], version) for version in (1, 2)}
    assert {("community", key) for key in gone} <= done.purges
    assert plans & private(street).keys() == plans - gone
    await forget(street, {"homes": ["a", "d"], "before": NEXT_DAY}, "grid")
    assert not plans & private(street).keys()
    assert (await seen(street, "b")) == b
    (left,) = await forget(street, {"homes": ["b", "c"], "before": NEXT_DAY})
    assert left["next"] is None
    assert not any(about(street, home) - {f"key/home/{home}/000001", "key/meter/a/000001"} for home in "abcd")


async def test_keep_d_outlasts_the_last_bill_that_needs_the_books() -> None:
    street = Neighbourhood()
    with pytest.raises(AssertionError, match="keep_d"):
        await street.found(keep_d=250)
    await street.found(keep_d=251)
