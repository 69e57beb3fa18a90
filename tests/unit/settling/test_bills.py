# SPDX-License-Identifier: Apache-2.0
"""Bills on the ledger: whole days of 23, 24 and 25 hours, adjustments that are booked once, demand, moving out."""

from typing import Any

import pytest
from commonwatt_chaincode.forward import billing
from commonwatt_chaincode.market.forward import day_bills
from commonwatt_chaincode.market.forward.bills import DemandCharge

from .neighbourhood import DAY_S, EVERY_DAY, MIDNIGHT_S, Neighbourhood, flat_tariff

P = MIDNIGHT_S // 60
DAY = (MIDNIGHT_S + 36_000) // DAY_S
TOU, FEED_IN = 300_000, 50_000
HOURLY = {"period_min": 60}


async def hourly(tariff: Any = None, *, now_s: int | None = None, **rules: Any) -> Neighbourhood:
    street = Neighbourhood()
    street.now_s = now_s or street.now_s
    await street.found(tariff, **{**HOURLY, **rules})
    await street.add("a", "b", pv_w=5_000)
    return street


async def settle_hours(street: Neighbourhood, first: int, hours: int, silent: tuple[int, ...] = ()) -> None:
    """Home a draws 100 Wh and b exports 60 Wh each hour; of silent hours a says nothing."""
    for hour in range(hours):
        period = first + 60 * hour
        street.now_s = (period + 60) * 60
        readings = [street.reading("b", period, 0, 60)]
        if hour not in silent:
            readings.append(street.reading("a", period, 100))
        await street.read(period, readings)
        await street.settle(period, 60)


async def bill(street: Neighbourhood, home: str, day: int) -> Any:
    return await street.ask(home, "get_bill", {"home": home, "day": day})


async def test_a_day_is_billed_once_all_its_periods_are_settled() -> None:
    street = await hourly(flat_tariff(TOU, FEED_IN, 20_000, supply_naud_per_day=7))
    await settle_hours(street, P, 23)
    street.now_s = MIDNIGHT_S + DAY_S - 1
    assert await street.refused("operator", "settle_day", {"day": DAY}) == "day_not_over"
    street.now_s += 1
    assert await street.refused("operator", "settle_day", {"day": DAY}) == "not_settled"
    await settle_hours(street, P + 60 * 23, 1)
    assert await street.refused("b", "settle_day", {"day": DAY}) == "day_not_over"
    assert (await street.evaluate("a", "get_bill", {"home": "a", "day": DAY})).message.startswith(
        "unknown_bill"
    )
    billed = await street.do("operator", "settle_day", {"day": DAY})
    shared_naud = 24 * 60 * (TOU - 20_000 + FEED_IN) // 2
    a, b = await bill(street, "a", DAY), await bill(street, "b", DAY)
    assert a["amount_naud"] == shared_naud + 24 * 60 * 20_000 + 24 * 40 * TOU + 7
    assert b["amount_naud"] == -shared_naud + 7
    assert a["provisional"]
    assert billed["amount_naud"] == a["amount_naud"] + b["amount_naud"]
    again = await street.submit("grid", "settle_day", {"day": DAY})
    assert again.status == 400  # members a day later
    again = await street.submit("operator", "settle_day", {"day": DAY})
    assert again.json() == billed
    assert not again.writes
    street.now_s += DAY_S
    assert (await street.do("grid", "settle_day", {"day": DAY})) == billed
    street.now_s += 221 * DAY_S
    assert not (await bill(street, "a", DAY))["provisional"]
    for who in ("b", "stranger"):
        assert (await street.evaluate(who, "get_bill", {"home": "a", "day": DAY})).status == 400


@pytest.mark.parametrize(("offset", "hours"), [(660, 23), (540, 25)])
async def test_a_day_on_which_the_clocks_change_has_23_or_25_hours(offset: int, hours: int) -> None:
    street = await hourly()
    change = P + 3 * 60
    await street.do("operator", "configure", {"replaces": 1, "from_period": change, "utc_offset_min": offset})
    await settle_hours(street, P, hours)
    billed = await street.do("operator", "settle_day", {"day": DAY})
    assert billed["homes"] == 2
    a = await bill(street, "a", DAY)
    assert sum(count for _, count in a["qualities"]) == hours
    assert a["bands"][0]["import_wh"] == hours * 100
    # The next day begins where this one ends.
    await settle_hours(street, P + 60 * hours, 24)
    await street.do("operator", "settle_day", {"day": DAY + 1})
    assert sum(count for _, count in (await bill(street, "a", DAY + 1))["qualities"]) == 24


async def test_what_changes_after_a_bill_is_adjusted_on_the_next_one_once() -> None:
    street = await hourly(times={"resettle_every_s": 60})
    await settle_hours(street, P, 24, silent=(5,))
    await street.do("operator", "settle_day", {"day": DAY})
    first = {home: await bill(street, home, DAY) for home in "ab"}
    late = P + 5 * 60
    await street.read(late, [street.reading("a", late, 50)])
    street.now_s += 60
    await street.settle(late, 60)
    assert len(street.ledger.keys("pending/", "pending0")) == 2
    await settle_hours(street, P + 24 * 60, 24)
    await street.do("operator", "settle_day", {"day": DAY + 1})
    second = {home: await bill(street, home, DAY + 1) for home in "ab"}
    assert [one["reason"] for one in second["a"]["adjustments"]] == ["reading"]
    assert [one["reason"] for one in second["b"]["adjustments"]] == ["neighbours"]
    assert {home: await bill(street, home, DAY) for home in "ab"} == first
    assert not street.ledger.keys("pending/", "pending0")
    # Both days together are what both days' lines say now.
    for home in "ab":
        lines = []
        for day in (0, 1):
            start = P + day * 1_440
            span = {"from_period": start, "to_period": start + 1_440, "home": home}
            lines += (await street.ask(home, "list_lines", span))["lines"]
        assert len(lines) == 48
        assert first[home]["amount_naud"] + second[home]["amount_naud"] == sum(
            line["amount_naud"] for line in lines
        )
        grid_in_wh = sum(line["grid_in_wh"] for line in lines)
        fees_naud = sum(line["fee_naud"] for line in lines)
        taxable = first[home]["taxable_naud"] + second[home]["taxable_naud"]
        assert taxable == grid_in_wh * TOU + fees_naud
    await settle_hours(street, P + 48 * 60, 24)
    await street.do("operator", "settle_day", {"day": DAY + 2})
    assert (await bill(street, "a", DAY + 2))["adjustments"] == []


async def test_a_day_is_not_billed_between_two_parts_of_a_version() -> None:
    """Else what one part changed before the bill would be on no bill at all."""
    street = await hourly(times={"resettle_every_s": 60})
    await settle_hours(street, P, 24, silent=(5,))
    late = P + 5 * 60
    await street.read(late, [street.reading("a", late, 50)])
    street.now_s += 60
    await street.do("operator", "freeze_period", {"period": late})
    assert await street.refused("operator", "settle_day", {"day": DAY}) == "not_settled"
    await street.do("operator", "settle_period", {"period": late})
    held = await street.evaluate("operator", "settle_day", {"day": DAY})
    street.now_s += 60
    await street.read(late, [street.reading("b", late, 1, 60, seq=2), street.reading("a", late, 51, seq=2)])
    await street.do("operator", "freeze_period", {"period": late})
    assert street.ledger.commit(held) == "MVCC_READ_CONFLICT"


async def test_an_adjustment_that_comes_while_its_bill_is_made_makes_the_bill_come_again() -> None:
    street = await hourly(times={"resettle_every_s": 60})
    await settle_hours(street, P, 24, silent=(5,))
    await street.do("operator", "settle_day", {"day": DAY})
    await settle_hours(street, P + 24 * 60, 24)
    held = await street.evaluate("operator", "settle_day", {"day": DAY + 1})
    late = P + 5 * 60
    await street.read(late, [street.reading("a", late, 50)])
    await street.settle(late, 60)
    assert street.ledger.commit(held) == "PHANTOM_READ_CONFLICT"
    await street.do("operator", "settle_day", {"day": DAY + 1})
    assert (await bill(street, "a", DAY + 1))["adjustments"]


async def test_who_moves_out_gets_what_changes_afterwards_and_no_supply() -> None:
    street = await hourly(
        flat_tariff(TOU, FEED_IN, 20_000, supply_naud_per_day=7), times={"resettle_every_s": 60}
    )
    await settle_hours(street, P, 24, silent=(5,))
    await street.do("operator", "end_home", {"home": "a"})
    await street.do("grid", "confirm_home", {"home": "a"})
    ends = await street.ask("a", "get_home", {"home": "a"})
    await street.do("operator", "settle_day", {"day": DAY})
    await settle_hours(street, P + 24 * 60, 2)
    for hour in range(2, 24):
        period = P + 24 * 60 + 60 * hour
        street.now_s = (period + 60) * 60
        await street.settle(period, 60)
    await street.do("operator", "settle_day", {"day": DAY + 1})
    leaving = await bill(street, "a", DAY + 1)
    assert sum(count for _, count in leaving["qualities"]) == 2, ends
    for hour in range(24):
        period = P + 48 * 60 + 60 * hour
        street.now_s = (period + 60) * 60
        await street.settle(period, 60)
    late = P + 5 * 60
    street.now_s += 60
    await street.read(late, [street.reading("a", late, 50)])
    await street.settle(late, 60)
    billed = await street.do("operator", "settle_day", {"day": DAY + 2})
    assert billed["homes"] == 2
    last = await bill(street, "a", DAY + 2)
    assert last["supply_naud"] == 0
    assert last["bands"] == []
    assert last["amount_naud"] == sum(one["change"]["amount_naud"] for one in last["adjustments"]) != 0


async def test_a_bill_takes_so_many_adjustments_and_leaves_the_rest_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(billing, "MOST_ADJUSTMENTS", 2)
    street = await hourly(times={"resettle_every_s": 60})
    await settle_hours(street, P, 24, silent=(5, 6, 7))
    await street.do("operator", "settle_day", {"day": DAY})
    street.now_s += 60
    for late in (P + 5 * 60, P + 6 * 60, P + 7 * 60):
        await street.read(late, [street.reading("a", late, 50)])
        await street.settle(late, 60)
    taken = []
    for day in (1, 2):
        await settle_hours(street, P + 1_440 * day, 24)
        await street.do("operator", "settle_day", {"day": DAY + day})
        taken.append([one["period_id"] for one in (await bill(street, "a", DAY + day))["adjustments"]])
    assert taken == [[P + 5 * 60, P + 6 * 60], [P + 7 * 60]]


async def test_the_demand_of_a_month_is_on_its_last_bill() -> None:
    """30 November is the last day of its month; the window is 17 to 19 h."""
    demand = {"days": EVERY_DAY, "from_min": 17 * 60, "to_min": 19 * 60, "price_uaud_per_kw": 500}
    first = P - 1_440
    street = await hourly(flat_tariff(TOU, FEED_IN, 20_000, demand=demand), now_s=first * 60)
    for hour in range(2, 48):  # the first windows were open when the homes came
        period = first + 60 * hour
        street.now_s = (period + 60) * 60
        import_wh = {17: 3_000, 19: 9_000}.get(hour, 100)
        await street.read(period, [street.reading("a", period, import_wh), street.reading("b", period, 0)])
        await street.settle(period, 60)
    await street.do("operator", "settle_day", {"day": DAY - 1})
    assert (await bill(street, "a", DAY - 1))["demand"] is None
    await street.do("operator", "settle_day", {"day": DAY})
    charged = await bill(street, "a", DAY)
    assert charged["demand"] == DemandCharge(3_000, 3_000 * 500)._asdict()
    assert (await bill(street, "b", DAY))["demand"] == DemandCharge(0, 0)._asdict()


async def test_parts_of_a_day_are_billed_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_bills, "BILL_HOMES", 1)
    street = await hourly()
    await settle_hours(street, P, 24)
    assert await street.refused("operator", "settle_day", {"day": DAY}) == "bad_argument"
    second = await street.do("operator", "settle_day", {"day": DAY, "part": 1})
    first = await street.do("operator", "settle_day", {"day": DAY, "part": 0})
    assert (first["homes"], first["parts"], second["homes"]) == (1, 2, 1)
    assert first["amount_naud"] == (await bill(street, "a", DAY))["amount_naud"]
    assert second["amount_naud"] == (await bill(street, "b", DAY))["amount_naud"]


async def test_days_before_anybody_was_registered_bill_nobody() -> None:
    street = await Neighbourhood().found(**HOURLY)
    street.now_s = MIDNIGHT_S + DAY_S
    billed = await street.do("operator", "settle_day", {"day": DAY})
    assert (billed["homes"], billed["amount_naud"]) == (0, 0)
