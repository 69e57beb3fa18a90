# SPDX-License-Identifier: Apache-2.0
"""What operators, grids and odd calendars try against days, months and envelopes, and what it comes to."""

import pytest
from commonwatt_chaincode.market.forward.bills import DemandCharge

from .neighbourhood import COMMUNITY, DAY_S, EVERY_DAY, MIDNIGHT_S, Neighbourhood, flat_tariff
from .test_bills import DAY, FEED_IN, TOU, P, bill, hourly, settle_hours

EVENING = {"from_min": 17 * 60, "to_min": 19 * 60}


async def test_a_day_that_the_calendar_leaps_over_stops_no_bill() -> None:
    """As Samoa did: from UTC-10 to UTC+14 at midnight."""
    street = Neighbourhood()
    await street.found(
        flat_tariff(TOU, FEED_IN, 20_000, supply_naud_per_day=7), period_min=60, utc_offset_min=-600
    )
    await street.add("a", "b", pv_w=5_000)
    day = (street.now_s - 36_000) // DAY_S + 2
    first = (day * DAY_S + 36_000) // 60
    leap = {"replaces": 1, "from_period": first + 1_440, "utc_offset_min": 840}
    await street.do("operator", "configure", leap)
    await settle_hours(street, first, 48)
    await street.do("operator", "settle_day", {"day": day})
    late = first + 5 * 60
    await street.set_key("operator", COMMUNITY)
    await street.read(late, [street.reading("a", late, 5, author="operator")])
    street.now_s += 60
    await street.settle(late, 60)
    assert await street.refused("operator", "settle_day", {"day": day + 1}) == "bad_argument"
    assert (await street.evaluate("a", "get_bill", {"home": "a", "day": day + 1})).message.startswith(
        "unknown_bill"
    )
    await street.do("operator", "settle_day", {"day": day + 2})
    for number in (day, day + 2):
        one = await bill(street, "a", number)
        assert sum(count for _, count in one["qualities"]) == 24
        assert one["supply_naud"] == 7


async def test_no_change_of_the_offset_takes_an_envelope_away() -> None:
    """An operator that moves midnight moves a period into another local day: the grid's envelope stays."""
    street = await hourly()
    late = P + 23 * 60
    await street.do("grid", "set_envelope", {"from_period": late, "to_period": late + 60, "export_w": 100})
    await street.do("operator", "configure", {"replaces": 1, "from_period": P + 180, "utc_offset_min": 660})
    answer = await street.ask("a", "get_envelopes", {"period": late})
    assert answer["caps"]["export_wh"] == 100
    street.now_s = (late + 60) * 60
    await street.read(late, [street.reading("a", late, 0, 500), street.reading("b", late, 0)])
    await street.settle(late, 60)
    assert (await street.lines(late))["a"]["breach_wh"] == 400


async def test_nobody_pays_for_a_peak_what_was_published_after_it() -> None:
    """On the last day of a month the operator publishes a demand charge, or calls the day of the peak a holiday."""
    first = P - 29 * 1_440  # 1 November
    demand = {"days": {"weekdays": EVERY_DAY["weekdays"]}, **EVENING, "price_uaud_per_kw": 500}
    street = await hourly(flat_tariff(TOU, FEED_IN, 20_000, demand=demand), now_s=first * 60 - 2 * DAY_S)
    dear = flat_tariff(TOU, FEED_IN, 20_000, demand={**demand, "price_uaud_per_kw": 500_000})
    peak_day = DAY - 10
    for number in range(-29, 1):
        for hour in (
            range(24) if number == 0 else (17, 18)
        ):  # bills ask for the window's hours of the other days
            period = P + 1_440 * number + 60 * hour
            street.now_s = (period + 60) * 60
            peak = hour == 18 and number == -10
            await street.read(
                period, [street.reading("a", period, 3_000 if peak else 10), street.reading("b", period, 0)]
            )
            await street.settle(period, 60)
            if (number, hour) == (-5, 17):
                change = {"replaces": 1, "tariff": {**dear, "from_day": DAY - 2}, "holidays": [peak_day]}
                await street.do("operator", "configure", change)
    await street.do("operator", "settle_day", {"day": DAY})
    assert (await bill(street, "a", DAY))["demand"] == DemandCharge(3_000, 3_000 * 500)._asdict()


async def test_a_tariff_that_is_held_back_meets_no_period_that_is_cleared(street: Neighbourhood) -> None:
    """Nobody bids for the period before, so its gate stays open; prices that no contract fits would stop settlement."""
    street.now_s = P * 60 - 3_600
    dear = flat_tariff(900_000, 850_000, 0, from_day=DAY)
    held = await street.evaluate("operator", "configure", {"replaces": 1, "tariff": dear})
    assert held.status == 200
    await street.trade(P, [street.request("a", P, 400), street.offer("b", P, 400)])
    assert street.ledger.commit(held) == "PHANTOM_READ_CONFLICT"
    await street.settle(P)
    assert (await street.lines(P))["a"]["tou"] == TOU


async def test_lengths_that_are_past_bind_nothing_to_come() -> None:
    """Minutes ask for better clocks; half hours that came after them do not."""
    street = await Neighbourhood().found(
        period_min=1, times={"clock_error_s": 10, "gate_grace_s": 10, "closes_before_s": 60}
    )
    times = {"clock_error_s": 30, "closes_before_s": 300}
    await street.do("operator", "configure", {"replaces": 1, "from_period": P, "period_min": 30})
    early = {"replaces": 2, "times": times}
    assert await street.refused("operator", "configure", early) == "bad_argument"  # minutes are still to come
    street.now_s = MIDNIGHT_S + DAY_S
    await street.do("operator", "configure", early)


async def test_a_last_part_is_no_single_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums of a part are everybody's: those of one home would be its reading."""
    street = await Neighbourhood().found()
    homes = [f"h{number:03}" for number in range(201)]
    await street.add(*homes[:200])
    await street.add(homes[200])
    street.now_s = MIDNIGHT_S + 1_800
    await street.read(P, [street.reading(home, P, 777) for home in homes])
    await street.do("operator", "freeze_period", {"period": P})
    answers = [await street.do(homes[0], "settle_period", {"period": P, "part": part}) for part in (0, 1)]
    assert [(one["homes"], one["parts"]) for one in answers] == [(100, 2), (101, 2)]


async def test_a_meters_key_that_comes_later_rewrites_nothing(street: Neighbourhood) -> None:
    """An operator gives a home a meter, of a key of its own, and lets it say what the home drew last year."""
    street.now_s = MIDNIGHT_S + 1_800
    await street.read(P, [street.reading(home, P, 500) for home in "abc"])
    await street.settle(P)
    await street.set_key("meter", "a")
    street.now_s += 60
    assert await street.say("reading", P, [street.reading("a", P, 9_000, author="meter")]) == [
        "key_not_in_force"
    ]
    running = P + 60
    street.now_s = (running + 30) * 60
    assert await street.say("reading", running, [street.reading("a", running, 9, author="meter")]) == [
        "key_not_in_force"
    ]
    following = P + 120
    street.now_s = (following + 30) * 60
    await street.read(following, [street.reading("a", following, 9, author="meter")])


async def test_a_meters_key_that_comes_before_the_home_counts_reads_all_of_it() -> None:
    street = await Neighbourhood().found()
    await street.add("a", confirm=False)
    await street.set_key("meter", "a")
    keys = await street.ask("a", "get_keys", {"author": "meter", "home": "a"})
    assert keys["versions"][0]["from_period"] == 0
