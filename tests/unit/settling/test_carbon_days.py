# SPDX-License-Identifier: Apache-2.0
"""Carbon on the ledger: a day once, part by part, on every home's bill, and nothing that comes late changes it."""

from typing import Any

import pytest
from commonwatt_chaincode.market.forward import day_bills
from commonwatt_chaincode.market.forward.carbon import Carbon, CarbonDay, settle_carbon

from .neighbourhood import DAY_S, MIDNIGHT_S, Neighbourhood, flat_tariff
from .test_forgetting import about, forget

P = MIDNIGHT_S // 60
DAY = (MIDNIGHT_S + 36_000) // DAY_S
TOU, FEED_IN = 300_000, 50_000
FACTOR = 660
QUOTA: dict[str, Any] = {
    "quota_g_per_day": 2_000,
    "price_uaud_per_kg": 100_000,
    "intensity": [[0, 24, FACTOR]],
}
HOURLY_WH = {"a": 300, "b": 100, "c": 20}
"""What homes draw in each hour: 4.75 kg, 1.58 kg and 0.32 kg a day."""


async def quota_street(street: Neighbourhood | None = None, **changes: Any) -> Neighbourhood:
    """Three homes under a quota of 2 kg, periods of an hour, no sharing."""
    rules = {"carbon": QUOTA, "times": {"resettle_every_s": 60, "final_after_d": 2}, "keep_d": 40, **changes}
    street = await (street or Neighbourhood()).found(
        flat_tariff(TOU, FEED_IN, 20_000), period_min=60, sharing="none", **rules
    )
    await street.add("a", "b", "c", pv_w=5_000)
    return street


async def live(
    street: Neighbourhood,
    first: int = P,
    hours: int = 24,
    silent: tuple[int, ...] = (),
    homes: str = "abc",
) -> None:
    """Every home draws its energy each hour; of silent hours a says nothing."""
    for hour in range(hours):
        period = first + 60 * hour
        street.now_s = max(street.now_s, (period + 60) * 60)
        readings = [
            street.reading(home, period, HOURLY_WH.get(home, 100))
            for home in homes
            if home != "a" or hour not in silent
        ]
        await street.read(period, readings)
        await street.settle(period, 60)


async def carbon(street: Neighbourhood, home: str, day: int = DAY) -> Any:
    """A home's line, which it reads itself."""
    return (await street.ask(home, "get_carbon", {"day": day, "home": home}))["line"]


async def bill(street: Neighbourhood, home: str, day: int = DAY) -> Any:
    return await street.ask(home, "get_bill", {"home": home, "day": day})


async def test_a_day_is_settled_once_and_is_on_every_bill() -> None:
    street = await quota_street()
    await live(street, hours=23)
    street.now_s = MIDNIGHT_S + DAY_S - 1
    assert await street.refused("operator", "settle_carbon", {"day": DAY}) == "day_not_over"
    street.now_s += 1
    assert await street.refused("operator", "settle_carbon", {"day": DAY}) == "not_settled"
    await live(street, P + 60 * 23, 1)
    assert await street.refused("a", "settle_carbon", {"day": DAY}) == "day_not_over"
    assert await street.refused("operator", "settle_day", {"day": DAY}) == "not_settled"
    assert (await street.evaluate("a", "get_carbon", {"day": DAY})).message.startswith("no_carbon")
    settled = await street.submit("operator", "settle_carbon", {"day": DAY})
    paid = (24 * 300 * FACTOR - 2_000_000) * 100
    assert settled.json()["paid_naud"] == paid
    assert settled.json()["settled"]
    again = await street.submit("operator", "settle_carbon", {"day": DAY})
    assert (again.json(), again.writes) == (settled.json(), {})
    lines = {home: await carbon(street, home) for home in "abc"}
    below = {home: 2_000_000 - 24 * HOURLY_WH[home] * FACTOR for home in "bc"}
    bound = {home: 24 * HOURLY_WH[home] * TOU // 2 for home in "bc"}
    # c's bound binds, and b gets what c cannot take.
    assert paid * below["c"] // sum(below.values()) > bound["c"]
    assert lines["a"]["amount_naud"] == paid
    assert lines["c"]["amount_naud"] == -bound["c"]
    assert lines["b"]["amount_naud"] == -(paid - bound["c"])
    await street.do("operator", "settle_day", {"day": DAY})
    for home, line in lines.items():
        billed = await bill(street, home)
        assert billed["carbon"] == line
        assert billed["amount_naud"] == 24 * HOURLY_WH[home] * TOU + line["amount_naud"]
        assert billed["taxable_naud"] == 24 * HOURLY_WH[home] * TOU
    answer = await street.ask("grid", "get_carbon", {"day": DAY})
    assert answer["fund_naud"] == sum(line["amount_naud"] for line in lines.values()) == 0
    assert answer["quota"] == QUOTA
    assert (await street.evaluate("b", "get_carbon", {"day": DAY, "home": "a"})).message.startswith(
        "not_yours"
    )


async def test_a_silent_home_pays_on_its_estimate_and_late_readings_change_no_carbon() -> None:
    street = await quota_street()
    await live(street, silent=(5, 6))
    await street.do("operator", "settle_carbon", {"day": DAY})
    before = {home: await carbon(street, home) for home in "abc"}
    estimated_mg = before["a"]["emitted_mg"]
    assert estimated_mg > 24 * 300 * FACTOR
    late = P + 5 * 60
    await street.read(late, [street.reading("a", late, 0)])
    street.now_s += 60
    await street.settle(late, 60)
    assert {home: await carbon(street, home) for home in "abc"} == before
    await street.do("operator", "settle_day", {"day": DAY})
    billed = await bill(street, "a")
    assert billed["carbon"] == before["a"]
    estimated_wh = billed["bands"][0]["grid_in_wh"] - 22 * 300
    # After the bill another version books energy, and no carbon.
    later = P + 6 * 60
    await street.read(later, [street.reading("a", later, 50)])
    street.now_s += 60
    await street.settle(later, 60)
    await live(street, P + 1_440)
    await street.do("operator", "settle_carbon", {"day": DAY + 1})
    await street.do("operator", "settle_day", {"day": DAY + 1})
    second = await bill(street, "a", DAY + 1)
    assert [one["change"]["grid_in_wh"] for one in second["adjustments"]] == [50 - estimated_wh]
    assert second["carbon"]["emitted_mg"] == 24 * 300 * FACTOR


async def test_a_version_that_is_frozen_meanwhile_holds_a_day_up() -> None:
    street = await quota_street()
    await live(street, silent=(5,))
    late = P + 5 * 60
    await street.read(late, [street.reading("a", late, 50)])
    street.now_s += 60
    held = await street.evaluate("operator", "settle_carbon", {"day": DAY})
    await street.do("operator", "freeze_period", {"period": late})
    assert street.ledger.commit(held) == "MVCC_READ_CONFLICT"
    assert await street.refused("operator", "settle_carbon", {"day": DAY}) == "not_settled"


@pytest.mark.parametrize(("offset", "hours"), [(660, 23), (540, 25)])
async def test_a_day_of_23_or_25_hours_has_one_quota(offset: int, hours: int) -> None:
    street = await quota_street()
    change = P + 3 * 60
    await street.do("operator", "configure", {"replaces": 1, "from_period": change, "utc_offset_min": offset})
    await live(street, hours=hours)
    await street.do("operator", "settle_carbon", {"day": DAY})
    line = await carbon(street, "a")
    assert line == {
        "emitted_mg": hours * 300 * FACTOR,
        "quota_mg": 2_000_000,
        "amount_naud": (hours * 300 * FACTOR - 2_000_000) * 100,
    }


async def test_who_comes_in_the_middle_of_a_day_gets_no_share_and_who_never_came_has_no_line() -> None:
    street = await quota_street()
    await street.add("d", confirm=False)  # the grid never confirms it
    await live(street, hours=10)
    await street.add("e")
    await live(street, P + 600, 2)
    await live(street, P + 720, 12, homes="abce")
    settled = await street.do("operator", "settle_carbon", {"day": DAY})
    assert settled["homes"] == 4
    late = await carbon(street, "e")
    assert late["emitted_mg"] < 2_000_000
    assert late["amount_naud"] == 0
    answer = await street.evaluate("d", "get_carbon", {"day": DAY, "home": "d"})
    assert answer.message.startswith("no_carbon")


async def test_a_quota_of_nothing_fills_the_fund_and_one_that_all_keep_costs_nothing() -> None:
    for grams, fund_mg in ((0, 24 * 420 * FACTOR), (10**6, 0)):
        street = await quota_street(carbon={**QUOTA, "quota_g_per_day": grams})
        await live(street)
        await street.do("operator", "settle_carbon", {"day": DAY})
        answer = await street.ask("a", "get_carbon", {"day": DAY})
        assert (answer["fund_naud"], answer["shared_naud"]) == (fund_mg * 100, 0)


async def test_a_day_goes_by_the_quota_of_its_first_period() -> None:
    street = await quota_street()
    await live(street, hours=5)
    other = {**QUOTA, "quota_g_per_day": 9_000}
    await street.do("operator", "configure", {"replaces": 1, "carbon": other})
    await live(street, P + 300, 19)
    await street.do("operator", "settle_carbon", {"day": DAY})
    assert (await carbon(street, "a"))["quota_mg"] == 2_000_000
    await live(street, P + 1_440, 5)
    await street.do("operator", "configure", {"replaces": 2, "carbon": "none"})
    await live(street, P + 1_740, 19)
    await street.do("operator", "settle_carbon", {"day": DAY + 1})
    assert (await carbon(street, "a", DAY + 1))["quota_mg"] == 9_000_000
    await live(street, P + 2_880)
    assert await street.refused("operator", "settle_carbon", {"day": DAY + 2}) == "no_carbon"
    await street.do("operator", "settle_day", {"day": DAY + 2})
    assert "carbon" not in await bill(street, "a", DAY + 2)


async def test_the_grid_publishes_what_periods_to_come_emit() -> None:
    street = await quota_street()
    street.now_s = MIDNIGHT_S - 1_800
    soon = {"from_period": P + 60, "g_per_kwh": [0] * 12}
    open_window = {"from_period": P, "g_per_kwh": [0]}
    assert await street.refused("operator", "set_intensity", soon) == "forbidden"
    assert await street.refused("grid", "set_intensity", open_window) == "too_late"
    assert await street.refused("grid", "set_intensity", {**soon, "from_period": P + 61}) == "bad_period"
    for bad in ([], [1] * 301, [-1], [10**5 + 1]):
        assert await street.refused("grid", "set_intensity", {**soon, "g_per_kwh": bad}) == "bad_argument"
    done = await street.do("grid", "set_intensity", soon)
    assert done == {"from_period": P + 60, "to_period": P + 13 * 60}
    await street.do("grid", "set_intensity", {"from_period": P + 120, "g_per_kwh": [1_000]})
    await live(street)
    await street.do("operator", "settle_carbon", {"day": DAY})
    assert (await carbon(street, "b"))["emitted_mg"] == 100 * (12 * FACTOR + 1_000)


async def test_an_intensity_that_is_held_back_is_void_once_a_period_is_frozen() -> None:
    """Else the grid would know what homes drew when it says what that emitted."""
    street = await quota_street()
    street.now_s = MIDNIGHT_S - 1_800
    held = await street.evaluate("grid", "set_intensity", {"from_period": P + 60, "g_per_kwh": [9] * 23})
    await live(street)
    assert street.ledger.commit(held) == "PHANTOM_READ_CONFLICT"


async def test_parts_come_to_what_all_homes_come_to_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Carbon(2_000, 100_000, ((0, 24, FACTOR),))
    days = [CarbonDay(home, 24 * wh * FACTOR, 24 * wh * TOU, True) for home, wh in HOURLY_WH.items()]
    expected = {home: line._asdict() for home, line in settle_carbon(days, rule).lines.items()}
    monkeypatch.setattr(day_bills, "BILL_HOMES", 1)
    street = await quota_street()
    await live(street)
    assert await street.refused("operator", "settle_carbon", {"day": DAY}) == "bad_argument"
    for part in (2, 0):
        done = await street.do("operator", "settle_carbon", {"day": DAY, "part": part})
        assert (done["parts"], done["homes"], done["settled"]) == (3, 1, False)
        assert await street.refused("operator", "settle_day", {"day": DAY, "part": part}) == "not_settled"
    first = await street.evaluate("operator", "settle_carbon", {"day": DAY, "part": 1})
    second = await street.evaluate("operator", "settle_carbon", {"day": DAY, "part": 1})
    assert street.ledger.commit(first) == "VALID"
    assert street.ledger.commit(second) == "MVCC_READ_CONFLICT"
    assert {home: await carbon(street, home) for home in "abc"} == expected
    for part, home in enumerate("abc"):
        billed = await street.do("operator", "settle_day", {"day": DAY, "part": part})
        assert billed["amount_naud"] == 24 * HOURLY_WH[home] * TOU + expected[home]["amount_naud"]


async def test_two_last_parts_at_once_do_not_leave_a_day_without_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(day_bills, "BILL_HOMES", 1)
    street = await quota_street()
    await live(street)
    await street.do("operator", "settle_carbon", {"day": DAY, "part": 2})
    held = [await street.evaluate("operator", "settle_carbon", {"day": DAY, "part": part}) for part in (0, 1)]
    codes = [street.ledger.commit(one) for one in held]
    assert codes.count("VALID") == 1
    again = codes.index("MVCC_READ_CONFLICT")
    assert (await street.do("operator", "settle_carbon", {"day": DAY, "part": again}))["settled"]


async def test_a_home_is_forgotten_and_its_neighbours_lines_stay() -> None:
    street = await quota_street()
    await live(street)
    await street.do("operator", "settle_carbon", {"day": DAY})
    await street.do("operator", "settle_day", {"day": DAY})
    street.now_s = (P + 1_440) * 60 + 40 * DAY_S
    before = {home: await carbon(street, home) for home in "bc"}
    sums = await street.ask("grid", "get_carbon", {"day": DAY})
    assert any(key.startswith("carbon/") for key in about(street, "a"))
    await forget(street, {"home": "a", "before": P + 1_440})
    assert about(street, "a") == {"key/home/a/000001"}
    assert {home: await carbon(street, home) for home in "bc"} == before
    assert await street.ask("grid", "get_carbon", {"day": DAY}) == sums
    answer = await street.evaluate("a", "get_carbon", {"day": DAY, "home": "a"})
    assert answer.message.startswith("no_carbon")


async def test_books_that_are_closed_settle_no_carbon() -> None:
    street = await quota_street()
    await live(street)
    street.now_s = (P + 60) * 60 + 40 * DAY_S
    assert await street.refused("operator", "settle_carbon", {"day": DAY}) == "too_late"


@pytest.mark.parametrize(
    "change",
    [
        {"quota_g_per_day": -1},
        {"quota_g_per_day": 10**9 + 1},
        {"price_uaud_per_kg": -1},
        {"intensity": []},
        {"intensity": [[0, 23, 1]]},
        {"intensity": [[0, 12, 1], [13, 24, 1]]},
        {"intensity": [[0, 24, -1]]},
        {"intensity": [[0, 24, 10**5 + 1]]},
        {"intensity": [[0, 24]]},
        {"intensity": [[0, 0, 1], [0, 24, 1]]},
    ],
)
async def test_quotas_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    street = await quota_street()
    argument = {"replaces": 1, "carbon": {**QUOTA, **change}}
    assert await street.refused("operator", "configure", argument) == "bad_argument"
