# SPDX-License-Identifier: Apache-2.0
"""Readings: each interval once, possible, in time; what they do to the battery's account; and corrections."""

import json
from typing import Any

import pytest

from .community import MIDNIGHT, NOON, Community, populated

HOUR = 3_600
DAY = 86_400
START = NOON - HOUR


def reading(home: str, start: int, end: int, use_wh: int = 0, generation_wh: int = 0) -> dict[str, Any]:
    interval = {"home": home, "interval_start": start, "interval_end": end}
    return interval | {"use_wh": use_wh, "generation_wh": generation_wh}


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        (START, START, "bad_interval"),
        (START, START - 60, "bad_interval"),
        (START, START + 30, "bad_interval"),
        (START, START + 76 * 60, "bad_interval"),  # longer than st_max
        (NOON + HOUR, NOON + 2 * HOUR + 60, "bad_interval"),  # across 14:00
        (NOON + 11 * HOUR + 60, NOON + 12 * HOUR + 60, "bad_interval"),  # across midnight
        (NOON + 2 * DAY, NOON + 2 * DAY + 60, "future_interval"),
        (NOON - DAY - 60, NOON - DAY, "interval_too_old"),  # a day before it was registered
        (0, 60, "interval_too_old"),  # 1970
    ],
)
async def test_intervals_that_are_none(simulated: Any, start: int, end: int, code: str) -> None:
    assert await simulated.refused("h1", "report_reading", reading("h1", start, end)) == code


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, START + 60),
        (START, START + 75 * 60),
        (NOON + HOUR, NOON + 2 * HOUR),  # up to the change of the tariff
        (NOON + 2 * DAY - 60, NOON + 2 * DAY),
        (NOON - DAY, NOON - DAY + 60),
    ],
)
async def test_intervals_at_their_bounds(simulated: Any, start: int, end: int) -> None:
    await simulated.do("h1", "report_reading", reading("h1", start, end))


async def test_intervals_may_cross_the_tariff_where_the_paper_has_it_so() -> None:
    community = await populated("simulated", cut_at_bands=False)
    await community.do("h1", "report_reading", reading("h1", NOON + HOUR + 60, NOON + 2 * HOUR + 60))


async def test_no_reading_comes_from_the_future(live: Any) -> None:
    argument = reading("h1", START, NOON)
    assert await live.refused("h1", "report_reading", argument, at=NOON - 1) == "future_interval"
    await live.do("h1", "report_reading", argument, at=NOON)


async def test_old_readings_and_corrections(live: Any) -> None:
    await live.do("h1", "report_reading", reading("h1", START, NOON))
    much_later = NOON + 30 * DAY
    late = reading("h1", NOON, NOON + HOUR)
    refused = live.refused
    assert await refused("h1", "report_reading", late, at=much_later + HOUR + 1) == "interval_too_old"
    await live.do("h1", "report_reading", late, at=much_later + HOUR)
    correction = {"home": "h1", "interval_start": START, "use_wh": 1, "generation_wh": 0, "reason": "x"}
    assert await refused("operator", "correct_reading", correction, at=much_later + 1) == "interval_too_old"
    await live.do("operator", "correct_reading", correction, at=much_later)
    unknown = correction | {"interval_start": START + 60}
    assert await refused("operator", "correct_reading", unknown) == "interval_unknown"


@pytest.mark.parametrize(
    ("start", "end"), [(-60, 60), (0, HOUR), (60, 120), (HOUR - 60, HOUR + 60), (2 * HOUR - 60, 3 * HOUR)]
)
async def test_no_two_intervals_overlap(simulated: Any, start: int, end: int) -> None:
    for t in (0, 2 * HOUR):
        await simulated.do("h1", "report_reading", reading("h1", START + t - 3 * HOUR, START + t - 2 * HOUR))
    base = START - 3 * HOUR
    argument = reading("h1", base + start, base + end)
    expected = "bad_interval" if end - start > 75 * 60 else "interval_reported"
    assert await simulated.refused("h1", "report_reading", argument) == expected
    await simulated.do("h1", "report_reading", reading("h1", base + HOUR, base + 2 * HOUR))  # the gap itself


@pytest.mark.parametrize(
    ("home", "start", "end", "use_wh", "generation_wh", "possible"),
    [
        ("h1", START, NOON, 24_000, 0, True),
        ("h1", START, NOON, 24_001, 0, False),
        ("h1", START, NOON, 0, 1, False),  # a consumer generates nothing
        ("p1", START, NOON, 0, 6_250, True),  # 125 %
        ("p1", START, NOON, 0, 6_251, False),
        ("p1", MIDNIGHT, MIDNIGHT + HOUR, 0, 101, True),  # a meter creeps at night
        ("p1", MIDNIGHT, MIDNIGHT + HOUR, 0, 102, False),
        ("p1", MIDNIGHT, MIDNIGHT + HOUR, 0, 10**9, False),  # 1 GWh at midnight
        ("p1", MIDNIGHT + 4 * HOUR, MIDNIGHT + 5 * HOUR, 0, 3_125 + 51, True),  # half before 4:30
        ("p1", MIDNIGHT + 4 * HOUR, MIDNIGHT + 5 * HOUR, 0, 3_125 + 52, False),
        ("p1", MIDNIGHT + 21 * HOUR, MIDNIGHT + 22 * HOUR, 0, 3_125 + 51, True),  # half after 21:30
        ("p1", MIDNIGHT + 21 * HOUR, MIDNIGHT + 22 * HOUR, 0, 3_125 + 52, False),
    ],
)
async def test_what_a_meter_can_have_counted(
    simulated: Any, home: str, start: int, end: int, use_wh: int, generation_wh: int, possible: bool
) -> None:
    argument = reading(home, start, end, use_wh, generation_wh)
    if possible:
        await simulated.do(home, "report_reading", argument)
    else:
        assert await simulated.refused(home, "report_reading", argument) == "impossible_reading"


async def test_grid_charging_counts_as_load_of_the_connection() -> None:
    community = await populated("simulated", storage_from_grid=True)
    await community.add_home("p3", "prosumer", connection_w=5_000)
    argument = reading("p3", MIDNIGHT, MIDNIGHT + HOUR, use_wh=4_000) | {"grid_charge_wh": 1_001}
    assert await community.refused("p3", "report_reading", argument) == "impossible_reading"
    await community.do("p3", "report_reading", argument | {"grid_charge_wh": 1_000})


async def day_of_sun(community: Any) -> None:
    """49 kWh in eight hours, of which one, from 8 to 9, is not reported."""
    for hour in (7, 9, 10, 11, 12, 13, 14, 15):
        start = MIDNIGHT + hour * HOUR
        await community.do("p1", "report_reading", reading("p1", start, start + HOUR, generation_wh=6_125))


async def test_no_day_has_more_sun_than_ten_hours_of_rated_power(simulated: Any) -> None:
    await day_of_sun(simulated)
    evening, gap = MIDNIGHT + 16 * HOUR, MIDNIGHT + 8 * HOUR
    for start in (evening, gap):
        argument = reading("p1", start, start + HOUR, generation_wh=1_001)
        assert await simulated.refused("p1", "report_reading", argument) == "impossible_reading"
    await simulated.do("p1", "report_reading", reading("p1", gap, gap + HOUR, generation_wh=400))
    argument = reading("p1", evening, evening + HOUR, generation_wh=601)
    assert await simulated.refused("p1", "report_reading", argument) == "impossible_reading"
    await simulated.do("p1", "report_reading", argument | {"generation_wh": 600})
    correction = {"home": "p1", "interval_start": evening, "use_wh": 0, "reason": "misread"}
    more = correction | {"generation_wh": 601}
    assert await simulated.refused("operator", "correct_reading", more) == "impossible_reading"
    await simulated.do("operator", "correct_reading", correction | {"generation_wh": 500})
    later = reading("p1", evening + HOUR, evening + 2 * HOUR, generation_wh=101)
    assert await simulated.refused("p1", "report_reading", later) == "impossible_reading"
    await simulated.do("p1", "report_reading", later | {"generation_wh": 100})
    tomorrow = MIDNIGHT + 24 * HOUR + 8 * HOUR
    await simulated.do("p1", "report_reading", reading("p1", tomorrow, tomorrow + HOUR, generation_wh=6_125))


async def battery(community: Any, home: str = "p1") -> int:
    return int((await community.ask(home, "get_battery", {"home": home}))["battery_wh"])


async def test_after_a_gap_only_what_is_certainly_left_may_be_sold(simulated: Any) -> None:
    start = MIDNIGHT + 8 * HOUR
    await simulated.do("p1", "report_reading", reading("p1", start, start + HOUR, generation_wh=4_000))
    assert await battery(simulated) == 4_000
    after = start + HOUR + 1_800  # half an hour: 2500 Wh of a battery of 5 kW
    await simulated.do("p1", "report_reading", reading("p1", after, after + 60, generation_wh=10))
    assert await battery(simulated) == 1_510
    filled = await simulated.do(
        "p1", "report_reading", reading("p1", start + HOUR, after, use_wh=300, generation_wh=100)
    )
    assert (filled["need_wh"], filled["own_wh"], filled["spill_wh"]) == (200, 0, 0)
    assert await battery(simulated) == 1_510
    noon = after + 60 + 2 * HOUR
    await simulated.do("p1", "report_reading", reading("p1", noon, noon + 60))
    assert await battery(simulated) == 0


@pytest.mark.parametrize(("age_s", "code"), [(5_400, ""), (5_460, "not_metered")])
async def test_a_seller_was_metered_lately(simulated: Any, age_s: int, code: str) -> None:
    """Else it could sell by day what it used, unmetered, in the night."""
    start = NOON
    await simulated.do("p1", "report_reading", reading("p1", start, start + HOUR, generation_wh=4_000))
    now = start + HOUR + age_s
    await simulated.do("operator", "advance_clock", {"at": now})
    opened = await simulated.do("h1", "settle_interval", reading("h1", now - 60, now, 10) | {"bid": True})
    offer = {"round": opened["round"], "home": "p1", "energy_wh": 5, "price_uaud_per_kwh": 150_000}
    done = await simulated.submit("p1", "submit_offer", offer)
    assert done.message.partition(":")[0] == code


async def test_a_correction_leaves_the_battery_alone(simulated: Any) -> None:
    """p1 used 900 Wh of its battery unreported and sold them: corrected, it buys them from the grid."""
    start = MIDNIGHT + 9 * HOUR
    await simulated.do("p1", "report_reading", reading("p1", start, start + HOUR, generation_wh=3_000))
    await simulated.do("p1", "report_reading", reading("p1", start + HOUR, start + 2 * HOUR))
    corrected = await simulated.do(
        "meter of p1",
        "correct_reading",
        {"home": "p1", "interval_start": start + HOUR, "use_wh": 900, "generation_wh": 0, "reason": "lied"},
    )
    assert (corrected["version"], corrected["own_wh"], corrected["need_wh"]) == (2, 0, 900)
    assert corrected["day"] == (start + 660 * 60) // DAY
    assert await battery(simulated) == 3_000
    # And what it claims to have generated less, it has sold and now buys.
    less = {"home": "p1", "interval_start": start, "use_wh": 0, "generation_wh": 1_000, "reason": "lied"}
    corrected = await simulated.do("operator", "correct_reading", less)
    assert (corrected["charged_wh"], corrected["need_wh"], corrected["spill_wh"]) == (3_000, 2_000, 0)
    assert await battery(simulated) == 3_000
    record = json.loads(simulated.ledger.get(f"reading/p1/{start:011d}/0002"))
    assert record["reason"] == "lied"
    assert (await simulated.ask("p1", "list_readings", {"home": "p1"}))["readings"][0] == record | {
        "bought_wh": 0,
        "bought_naud": 0,
    }


async def test_a_need_reported_too_late_is_the_grids(live: Any) -> None:
    community = await populated("live")
    interval = reading("h1", START, NOON, use_wh=900) | {"bid": True}
    late = await community.do("h1", "settle_interval", interval, at=NOON + 901)
    assert (late["round"], late["need_wh"]) == (None, 900)
    in_time = interval | {"home": "h2"}
    assert (await community.do("h2", "settle_interval", in_time, at=NOON + 900))["round"] is not None


async def test_a_simulated_interval_behind_the_clock(simulated: Any) -> None:
    interval = reading("h1", START, NOON, use_wh=900) | {"bid": True}
    await simulated.do("operator", "advance_clock", {"at": NOON + 900})
    opened = await simulated.do("h1", "settle_interval", interval)
    assert opened["opened_at"] == NOON + 900
    await simulated.do("operator", "advance_clock", {"at": NOON + 901})
    late = await simulated.do("h2", "settle_interval", interval | {"home": "h2"})
    assert late["round"] is None


async def listed(community: Community, **members: Any) -> tuple[list[int], int | None]:
    seen = await community.ask("h1", "list_readings", {"home": "h1", **members})
    return [(line["interval_start"] - START) // 60 for line in seen["readings"]], seen["next"]


async def test_readings_page_by_page(simulated: Any) -> None:
    for minute in range(5):
        start = START + 60 * minute
        await simulated.do("h1", "report_reading", reading("h1", start, start + 60))
    assert await listed(simulated) == ([0, 1, 2, 3, 4], None)
    assert await listed(simulated, limit=2) == ([0, 1], START + 120)
    assert await listed(simulated, limit=2, from_time=START + 120) == ([2, 3], START + 240)
    assert await listed(simulated, limit=1, from_time=START + 240) == ([4], None)
    assert await listed(simulated, from_time=START + 60, to_time=START + 180) == ([1, 2], None)
