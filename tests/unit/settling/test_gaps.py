# SPDX-License-Identifier: Apache-2.0
"""Gaps: a meter comes back, and its running totals say what the silent periods came to."""

import pytest
from commonwatt_chaincode.forward import gap_settling

from .neighbourhood import DAY_S, MIDNIGHT_S, Neighbourhood, flat_tariff

P = MIDNIGHT_S // 60
TOU, FEED_IN = 300_000, 50_000
SILENT = [P + 30, P + 60, P + 90]
AFTER = P + 120


async def metered(street: Neighbourhood, *, after_total: int = 5_000, silent: int = 3) -> None:
    """Home a speaks in the first and in the last of some periods, with totals; b speaks always."""
    periods = [P + 30 * step for step in range(silent + 2)]
    for period in periods:
        street.now_s = period * 60 + 1_800
        readings = [street.reading("b", period, 100, 300)]
        if period == periods[0]:
            readings.append(street.reading("a", period, 200, totals=(1_000, 50)))
        if period == periods[-1]:
            readings.append(street.reading("a", period, 400, 10, totals=(after_total, 100)))
        await street.read(period, readings)
        await street.settle(period)


GAP = {"home": "a", "before": P, "after": AFTER}


async def test_a_gap_is_spread_evenly_and_settled_with_the_grid_alone(street: Neighbourhood) -> None:
    await metered(street)
    before = {period: await street.lines(period) for period in SILENT}
    assert [before[period]["a"]["import_wh"] for period in SILENT] == [
        750,
        750,
        750,
    ]  # estimate_w, or what came before
    answer = await street.do("b", "settle_gap", GAP)
    assert (answer["periods"], answer["changed"], answer["next"]) == (3, 3, None)
    lines = {period: await street.lines(period) for period in SILENT}
    spread = [lines[period]["a"] for period in SILENT]
    assert [one["import_wh"] for one in spread] == [1_200, 1_200, 1_200]  # 5000 - 400 - 1000
    assert sum(one["export_wh"] for one in spread) == 100 - 10 - 50
    assert {one["quality"] for one in spread} == {"substituted"}
    for period in SILENT:
        assert lines[period]["b"] == before[period]["b"]
        one = lines[period]["a"]
        assert one["shared_in_wh"] == 0
        assert one["amount_naud"] == 1_200 * TOU - one["export_wh"] * FEED_IN


async def test_the_same_gap_again_writes_nothing(street: Neighbourhood) -> None:
    await metered(street)
    await street.do("b", "settle_gap", GAP)
    again = await street.submit("operator", "settle_gap", GAP)
    assert again.json()["changed"] == 0
    assert not again.writes
    assert again.event is None


async def test_the_next_version_keeps_a_gap_and_a_reading_replaces_it(street: Neighbourhood) -> None:
    await metered(street)
    await street.do("b", "settle_gap", GAP)
    gap_line = (await street.lines(SILENT[0]))["a"]
    street.now_s += 60
    await street.read(SILENT[0], [street.reading("c", SILENT[0], 5)])
    answer = await street.settle(SILENT[0])
    assert answer["changed"] == 2  # c's by its reading, b's by what it shares with c: a's stays
    kept = (await street.lines(SILENT[0]))["a"]
    assert kept == gap_line
    sums = (await street.ask("grid", "get_period", {"period": SILENT[0]}))["sums"]
    lines = await street.lines(SILENT[0])
    assert sums["grid_naud"] == sum(line["amount_naud"] for line in lines.values())
    assert sums["import_wh"] == sum(line["import_wh"] for line in lines.values())
    street.now_s += 60
    await street.read(SILENT[0], [street.reading("a", SILENT[0], 1_000)])
    await street.settle(SILENT[0])
    measured = (await street.lines(SILENT[0]))["a"]
    assert (measured["quality"], measured["import_wh"]) == ("measured", 1_000)
    # The rest of the gap is what the totals leave.
    await street.do("operator", "settle_gap", GAP)
    rest = [(await street.lines(period))["a"]["import_wh"] for period in SILENT[1:]]
    assert rest == [1_300, 1_300]


async def test_what_is_no_gap_is_refused(street: Neighbourhood) -> None:
    await metered(street)
    wrong = {
        "no reading before": {**GAP, "before": SILENT[0]},
        "no reading after": {**GAP, "after": SILENT[-1]},
        "another home, never silent, without totals": {**GAP, "home": "b"},
        "a home that never spoke": {**GAP, "home": "c"},
    }
    for what, gap in wrong.items():
        assert await street.refused("operator", "settle_gap", gap) == "no_gap", what
    assert await street.refused("operator", "settle_gap", {**GAP, "home": "x"}) == "unknown_home"
    assert await street.refused("operator", "settle_gap", {**GAP, "after": AFTER + 30}) == "not_settled"
    assert await street.refused("operator", "settle_gap", {**GAP, "after": P}) == "bad_argument"
    early = {**GAP, "before": P - 30 * 48 * 10}
    assert await street.refused("operator", "settle_gap", early) in ("no_gap", "not_settled")


async def test_two_gaps_are_never_lumped_together(street: Neighbourhood) -> None:
    """Who settles a gap chooses no wider one, to move energy between dear and cheap hours."""
    await metered(street)
    street.now_s += 60
    middle = SILENT[1]
    await street.read(middle, [street.reading("a", middle, 900, totals=(3_000, 70))])
    await street.settle(middle)
    assert await street.refused("operator", "settle_gap", GAP) == "no_gap"
    await street.do("operator", "settle_gap", {**GAP, "after": middle})
    await street.do("operator", "settle_gap", {**GAP, "before": middle})
    imports = [(await street.lines(period))["a"]["import_wh"] for period in SILENT]
    assert imports == [3_000 - 900 - 1_000, 900, 5_000 - 400 - 3_000]


@pytest.mark.parametrize("after_total", [1_399, 5_000_000])
async def test_totals_that_cannot_be_are_refused(street: Neighbourhood, after_total: int) -> None:
    """They ran backwards (the meter was exchanged), or ask for more than the connection carries."""
    await metered(street, after_total=after_total)
    assert await street.refused("operator", "settle_gap", GAP) == "no_gap"


async def test_a_long_gap_is_settled_in_steps(street: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap_settling, "MOST_PERIODS", 2)
    await metered(street, after_total=5_001)
    first = await street.do("operator", "settle_gap", GAP)
    assert (first["periods"], first["next"]) == (2, SILENT[2])
    second = await street.do("operator", "settle_gap", {**GAP, "from_period": first["next"]})
    assert (second["periods"], second["next"]) == (1, None)
    imports = [(await street.lines(period))["a"]["import_wh"] for period in SILENT]
    assert sum(imports) == 3_601


async def test_nobody_settles_the_end_of_a_gap_alone(street: Neighbourhood) -> None:
    """A home has the evening of its gap spread, where that is cheaper than the estimate, and not the night."""
    await metered(street)
    assert await street.refused("a", "settle_gap", GAP | {"from_period": SILENT[1]}) == "no_gap"
    await street.do("a", "settle_gap", GAP | {"from_period": SILENT[0]})
    assert (await street.do("b", "settle_gap", GAP | {"from_period": SILENT[1]}))["changed"] == 0


async def test_a_gap_that_is_spread_anew_before_the_next_bill_is_booked_once() -> None:
    """A reading turns up within a gap that is booked already: what is left for the others is spread anew."""
    street = await Neighbourhood().found(flat_tariff(TOU, FEED_IN, 20_000), period_min=60)
    await street.add("a", pv_w=5_000)
    day = (MIDNIGHT_S + 36_000) // DAY_S
    hours = [P + 60 * hour for hour in range(48)]
    gap = {"home": "a", "before": hours[2], "after": hours[6]}
    for number, period in enumerate(hours):
        street.now_s = (period + 60) * 60
        if number not in (3, 4, 5):
            totals = (1_000 * (number + 1), 0)
            await street.read(period, [street.reading("a", period, 1_000, totals=totals)])
        await street.settle(period, 60)
        if number == 23:
            await street.do("operator", "settle_day", {"day": day})
            await street.do("operator", "settle_gap", gap)
            assert len(street.ledger.keys("pending/", "pending0")) == 3
            street.now_s += 60
            await street.read(hours[4], [street.reading("a", hours[4], 2_200)])
            await street.settle(hours[4], 60)
            assert (await street.do("operator", "settle_gap", gap))["changed"] == 2
    spread = [(await street.lines(period))["a"]["import_wh"] for period in hours[3:6]]
    assert spread == [400, 2_200, 400]
    await street.do("operator", "settle_day", {"day": day + 1})
    bills = [await street.ask("a", "get_bill", {"home": "a", "day": day + number}) for number in (0, 1)]
    assert sum(one["amount_naud"] for one in bills) == 48 * 1_000 * TOU


async def test_a_gap_that_is_spread_anew_to_what_was_billed_is_booked_no_more() -> None:
    """The estimate was right after all: what waited for the next bill is taken back."""
    street = await Neighbourhood().found(flat_tariff(TOU, FEED_IN, 20_000), period_min=60)
    await street.add("a", pv_w=5_000)
    day = (MIDNIGHT_S + 36_000) // DAY_S
    hours = [P + 60 * hour for hour in range(24)]
    gap = {"home": "a", "before": hours[2], "after": hours[5]}
    for number, period in enumerate(hours):
        street.now_s = (period + 60) * 60
        if number not in (3, 4):
            await street.read(
                period, [street.reading("a", period, 0, totals=(10_000 + 4_000 * (number > 4), 0))]
            )
        await street.settle(period, 60)
    await street.do("operator", "settle_day", {"day": day})
    await street.do("operator", "settle_gap", gap)
    waiting = street.ledger.keys("pending/", "pending0")
    assert len(waiting) == 2
    street.now_s += 60
    await street.read(hours[4], [street.reading("a", hours[4], 2_500)])
    await street.settle(hours[4], 60)
    await street.do("operator", "settle_gap", gap)
    assert (await street.lines(hours[3]))["a"]["import_wh"] == 1_500 == 4_000 - 2_500
    assert [key for key in street.ledger.keys("pending/", "pending0") if f"/{hours[3]:09d}/" in key] == []


async def test_a_gap_of_a_billed_day_is_adjusted_on_the_next_bill_once() -> None:
    street = await Neighbourhood().found(flat_tariff(TOU, FEED_IN, 20_000))
    await street.add("a", "b", pv_w=5_000)
    day = (MIDNIGHT_S + 36_000) // DAY_S
    for step in range(96):
        period = P + 30 * step
        street.now_s = period * 60 + 1_800
        readings = [street.reading("b", period, 10)]
        if step not in range(40, 52):
            # 10 Wh each: the totals run over the gap, in which the home drew 1200 Wh.
            total = 1_000 + 10 * step + (1_200 - 120 if step >= 52 else 0)
            readings.append(street.reading("a", period, 10, totals=(total, 0)))
        await street.read(period, readings)
        await street.settle(period)
    await street.do("operator", "settle_day", {"day": day})
    first = await street.ask("a", "get_bill", {"home": "a", "day": day})
    assert first["qualities"] == [["estimated", 8], ["substituted", 0], ["measured", 40]]
    gap = {"home": "a", "before": P + 30 * 39, "after": P + 30 * 52}
    await street.do("operator", "settle_gap", gap)
    waiting = street.ledger.keys("pending/", "pending0")
    assert len(waiting) == 8  # the gap's other four periods are of the next day, which is not billed
    await street.do("operator", "settle_day", {"day": day + 1})
    second = await street.ask("a", "get_bill", {"home": "a", "day": day + 1})
    assert [one["reason"] for one in second["adjustments"]] == ["gap"] * 8
    # Both bills together are what the totals say, whatever was estimated in between.
    measured_wh = 10 * 84 + 1_200
    assert first["amount_naud"] + second["amount_naud"] == measured_wh * TOU
    assert not street.ledger.keys("pending/", "pending0")
    third = await street.refused("a", "settle_day", {"day": day + 2})
    assert third == "day_not_over"
