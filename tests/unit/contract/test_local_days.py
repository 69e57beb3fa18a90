# SPDX-License-Identifier: Apache-2.0
"""Bills where the community's offset changes: each interval is in exactly one, whenever a day is settled."""

from typing import Any

import pytest
from commonwatt_audit.rules import first_instant, local_day
from commonwatt_chaincode.contract.administration import AT_HAND_S
from commonwatt_chaincode.market.tariff import DAY_S, day_start
from commonwatt_chaincode.market.tariff import local_day as market_day
from hypothesis import given
from hypothesis import strategies as st

from .community import Community

HOUR = 3600
X = 20_000  # the local day on which the offset changes


def midnight(day: int, offset_min: int) -> int:
    return day * DAY_S - offset_min * 60


async def community_at(at: int, offset_min: int) -> Community:
    community = Community("simulated", utc_offset_min=offset_min, tou=[[0, 24, 250_000]], cut_at_bands=False)
    community.now = at
    await community.found()
    await community.add_home("h1", "consumer")
    return community


async def use_each_hour(community: Community, start: int, end: int) -> None:
    for t in range(start, end, HOUR):
        reading = {"interval_start": t, "interval_end": t + HOUR, "use_wh": 100, "generation_wh": 0}
        await community.do("h1", "report_reading", {"home": "h1"} | reading)


async def settled(community: Community, day: int) -> tuple[int, int]:
    """How many bills changed, and what the home was billed: metered and estimated energy (1500 W)."""
    done = await community.do("operator", "settle_day", {"day": day, "home": "h1"})
    bill = done["bills"][0]
    return done["changed"], bill["bought_grid_wh"] + bill["unmetered_wh"]


@pytest.mark.parametrize(
    ("before", "after", "change_s", "hours"),
    [
        (660, 600, 3 * HOUR, [24, 25, 24]),
        (600, 660, 2 * HOUR, [24, 23, 24]),
        (660, 600, 0, [25, 24, 24]),  # 0:00 comes twice: X-1 lasts until the second
        (600, 660, 0, [24, 23, 24]),
        (600, 660, -HOUR, [23, 24, 24]),
        (600, 660, -HOUR // 2, [24, 23, 24]),  # the hour that began before the change stays in X-1
        (-720, 720, 0, [24, 0, 24]),  # across the date line: X is left out
    ],
)
async def test_each_interval_is_in_one_bill_whenever_it_is_settled(
    before: int, after: int, change_s: int, hours: list[int]
) -> None:
    change, begin, end = midnight(X, before) + change_s, midnight(X - 1, before), midnight(X + 2, after)
    community = await community_at(midnight(X - 2, before), before)
    changes = {"parameters": {"utc_offset_min": after}, "starts_at": change}
    await community.do("operator", "configure", changes)
    await community.do("operator", "advance_clock", {"at": midnight(X, before) + HOUR // 2})
    await use_each_hour(community, begin, midnight(X, before))
    early = None
    if hours[0] == 24:
        early = await settled(community, X - 1)
    await community.do("operator", "advance_clock", {"at": end})
    await use_each_hour(community, midnight(X, before), end)
    days = [(await settled(community, day))[1] for day in (X - 1, X, X + 1)]
    assert days == [100 * count for count in hours]
    assert sum(days) == (end - begin) // HOUR * 100
    assert early in (None, (1, days[0]))
    assert (await settled(community, X - 1)) == (0, days[0])


async def test_a_day_is_settled_by_the_offset_of_its_time_long_afterwards() -> None:
    """Also once the versions then in force have left the community's own record."""
    community = await community_at(midnight(X, 660), 660)
    await use_each_hour(community, midnight(X, 660), midnight(X + 1, 660))
    later = midnight(X + 1, 600) + 3 * AT_HAND_S
    for at in (later - 2 * AT_HAND_S, later):
        await community.do("operator", "advance_clock", {"at": at})
        await community.do("operator", "configure", {"parameters": {"utc_offset_min": 600}})
    assert await settled(community, X) == (1, 2_400)


async def test_an_old_interval_keeps_the_tariff_of_its_time() -> None:
    """A reading and its correction, begun under a version that has left the community's record, and a gap."""
    community = await community_at(midnight(X, 660), 660)
    start = midnight(X, 660)
    reading = {"home": "h1", "interval_start": start, "interval_end": start + HOUR, "generation_wh": 0}
    await community.do("h1", "report_reading", reading | {"use_wh": 500})
    for days in (1, 12):
        await community.do("operator", "advance_clock", {"at": start + days * DAY_S})
        await community.do("operator", "configure", {"parameters": {"tou": [[0, 24, 300_000]]}})
    correction = {"home": "h1", "interval_start": start, "use_wh": 700, "generation_wh": 0}
    await community.do("operator", "correct_reading", correction | {"reason": "misread"})
    late = {"interval_start": start + HOUR, "interval_end": start + 2 * HOUR}
    read = await community.do("h1", "report_reading", reading | late | {"use_wh": 100})
    assert read["need_wh"] == 100
    done = await community.do("operator", "settle_day", {"day": X})
    estimate_wh = 22 * 1_500
    assert done["bills"][0]["amount_naud"] == (700 + 100 + estimate_wh) * 250_000


@pytest.mark.parametrize(("clock", "at"), [("simulated", 0), ("live", -HOUR)])
async def test_no_change_of_the_offset_moves_a_billed_day(clock: str, at: int) -> None:
    """Neither one from the very end of the day, nor one with an older timestamp on a live channel."""
    end = midnight(X + 1, 660)
    community = Community(clock, utc_offset_min=660)
    community.now = midnight(X, 660)
    await community.found()
    await community.add_home("h1", "consumer")
    settled_after_s = 930 if clock == "live" else 0
    if clock == "simulated":
        await community.do("operator", "advance_clock", {"at": end})
    await community.do("operator", "settle_day", {"day": X}, at=end + settled_after_s)
    for offset_min in (600, 720) if at else (600,):
        changes: dict[str, Any] = {"parameters": {"utc_offset_min": offset_min}}
        assert await community.refused("operator", "configure", changes, at=end + at) == "clock_runs_back"
    changes = {"parameters": {"utc_offset_min": 600}, "starts_at": end + HOUR}
    await community.do("operator", "configure", changes, at=end)


def versions_of(offsets: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Records of parameters with these offsets, as the audit reads them."""
    return [
        {"version": number, "starts_at": at, "parameters": {"utc_offset_min": minutes}}
        for number, (at, minutes) in enumerate(offsets, 1)
    ]


changes_of_offset = st.lists(
    st.tuples(st.integers(-3 * DAY_S, 3 * DAY_S), st.integers(-1440, 1440)), min_size=1, max_size=5
)


@given(changes=changes_of_offset, day=st.integers(-3, 3))
def test_the_audit_finds_the_same_days(changes: list[tuple[int, int]], day: int) -> None:
    """Two implementations: one from the rule's words, one from the local day of each instant."""
    offsets = sorted(((X * DAY_S + at, minutes) for at, minutes in changes), key=lambda one: one[0])
    versions = versions_of(offsets)
    begin = day_start(X + day, offsets)
    assert first_instant(versions, X + day) == begin
    assert local_day(versions, begin - 1) < X + day <= local_day(versions, begin)


@given(changes=changes_of_offset, time_s=st.integers(-3 * DAY_S, 3 * DAY_S))
def test_local_days_partition_time(changes: list[tuple[int, int]], time_s: int) -> None:
    """Each instant lies in exactly one local day, whatever changes of offset come."""
    offsets = sorted(((X * DAY_S + at, minutes) for at, minutes in changes), key=lambda one: one[0])
    instant = X * DAY_S + time_s
    day = market_day(instant, offsets)
    assert day_start(day, offsets) <= instant < day_start(day + 1, offsets)
    assert [one for one in range(day - 6, day + 7) if day_start(one, offsets) <= instant][-1] == day
    starts = [day_start(one, offsets) for one in range(day - 6, day + 7)]
    assert starts == sorted(starts)
    assert local_day(versions_of(offsets), instant) == day
