# SPDX-License-Identifier: Apache-2.0
"""Versions of the configuration: what counts from when, and what is never changed behind anybody's back."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.ledger import FORWARD_CONFIGURATION

from .neighbourhood import BANDS, DAY, FIRST, MIDNIGHT, NOON, OPENS_BEFORE_S, TARIFF, Neighbourhood

EARLIEST = MIDNIGHT - 1_440 + 65
"""The first period whose window is not open: the community is founded a day before, at midnight."""


def test_both_contracts_know_where_a_forward_market_stands() -> None:
    assert keys.CONFIGURATION == FORWARD_CONFIGURATION


async def test_the_first_configuration(bare: Neighbourhood) -> None:
    done = await bare.submit("operator", "configure", FIRST | {"holidays": [20_500, 20_447]})
    known = (await bare.ask("operator", "get_configuration", {}))["configuration"]
    assert done.json() == {"version": 1, "net": done.transaction_id[:32], "from_period": 0}
    assert (known["clock"], known["rules"][0]["readings_by"]) == ("live", "meter")
    assert known["rules"][0]["times"]["closes_before_s"] == 300
    assert (known["lengths"], known["offsets"]) == ([[0, 5]], [[0, 660]])
    assert [one["day"] for one in known["holidays"]] == [20_447, 20_500]
    assert known["tariffs"][0]["published_s"] == known["tariffs"][0]["from_day"] == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"replaces": 1}, "other_version"),
        ({"tariff": None}, "bad_argument"),
        ({"period_min": None}, "bad_argument"),
        ({"utc_offset_min": None}, "bad_argument"),
        ({"period_min": 7}, "bad_argument"),
        ({"from_period": NOON}, "bad_argument"),
        ({"at_s": 5}, "clock_not_simulated"),
        ({"readings_by": "home"}, "bad_argument"),
        ({"period_min": 60}, ""),
        ({"period_min": 1}, "bad_argument"),  # asks for better clocks
        ({"times": {"closes_before_s": 149}}, "bad_argument"),
        ({"times": {"opens_before_s": 300}}, "bad_argument"),
        (
            {"times": {"opens_before_s": 86_401}},
            "bad_argument",
        ),  # a recovered key would count in an open window
        ({"tariff": TARIFF | {"local_fee": 240_001}}, "bad_argument"),
        ({"tariff": {"schedules": []}}, "bad_argument"),
        ({"tariff": {"schedules": [{"days": {"weekdays": [1]}, "bands": BANDS}]}}, "bad_argument"),
    ],
)
async def test_a_first_configuration_that_is_none(bare: Neighbourhood, change: Any, code: str) -> None:
    if code:
        assert await bare.refused("operator", "configure", FIRST | change) == code
    else:
        await bare.found(**change)


async def test_a_change_counts_from_a_window_that_is_not_open(newtown: Neighbourhood) -> None:
    change = {"replaces": 1, "pricing": "uniform"}
    assert (
        await newtown.refused("operator", "configure", change | {"from_period": EARLIEST - 5}) == "too_late"
    )
    assert (
        await newtown.refused("operator", "configure", change | {"from_period": EARLIEST + 1}) == "bad_period"
    )
    assert (await newtown.do("operator", "configure", change))["from_period"] == EARLIEST
    assert await newtown.refused("operator", "configure", change) == "other_version"
    known = (await newtown.ask("h1", "get_configuration", {}))["configuration"]
    assert [(one["from_period"], one["pricing"]) for one in known["rules"]] == [
        (0, "mid_market"),
        (EARLIEST, "uniform"),
    ]


async def test_neither_the_old_nor_the_new_windows_are_open_that_a_change_concerns(
    newtown: Neighbourhood,
) -> None:
    longer = {"replaces": 1, "times": {"opens_before_s": 7_200}}
    assert await newtown.refused("operator", "configure", longer | {"from_period": EARLIEST}) == "too_late"
    first = (await newtown.do("operator", "configure", longer))["from_period"]
    assert first == EARLIEST + 60
    shorter = {"replaces": 2, "times": {"opens_before_s": 600}}
    assert (await newtown.do("operator", "configure", shorter))["from_period"] == first


async def test_the_length_of_periods_changes_at_a_local_midnight(newtown: Neighbourhood) -> None:
    change = {"replaces": 1, "period_min": 15, "from_period": MIDNIGHT + 5}
    assert await newtown.refused("operator", "configure", change) == "bad_period"
    await newtown.do("operator", "configure", change | {"from_period": MIDNIGHT})
    assert (await newtown.ask("h1", "get_period", {"period": MIDNIGHT - 5}))["length_min"] == 5
    assert (await newtown.ask("h1", "get_period", {"period": MIDNIGHT}))["length_min"] == 15
    assert await newtown.refused("h1", "get_period", {"period": MIDNIGHT + 5}) == "bad_period"


async def test_bands_end_at_boundaries_of_the_lengths_to_come(newtown: Neighbourhood) -> None:
    bands = [{**BANDS[0], "to_min": 965}, {**BANDS[1], "from_min": 965}]
    tariff = {"schedules": [{**TARIFF["schedules"][0], "bands": bands}]}
    await newtown.do("operator", "configure", {"replaces": 1, "tariff": tariff})
    longer = {"replaces": 2, "period_min": 15, "from_period": MIDNIGHT}
    assert await newtown.refused("operator", "configure", longer) == "bad_argument"


async def test_summer_time_ends(newtown: Neighbourhood) -> None:
    """At 3 in the morning clocks go back an hour: the day has 25 hours, and no period moves."""
    change = {"replaces": 1, "utc_offset_min": 600, "from_period": MIDNIGHT + 180}
    await newtown.do("operator", "configure", change)
    assert (await newtown.ask("h1", "get_period", {"period": MIDNIGHT + 1_495}))["day"] == DAY
    assert (await newtown.ask("h1", "get_period", {"period": MIDNIGHT + 1_500}))["day"] == DAY + 1


@pytest.mark.parametrize("later_s", [0, 1])
async def test_a_tariff_is_never_of_a_window_that_is_open(newtown: Neighbourhood, later_s: int) -> None:
    """Not even in the second in which it opens: bids come in it."""
    dear = {
        "schedules": [{**TARIFF["schedules"][0], "bands": [{**BANDS[0], "to_min": 1_440, "tou": 700_000}]}]
    }
    assert (
        await newtown.refused("operator", "configure", {"replaces": 1, "tariff": dear | {"from_day": 0}})
        == "too_late"
    )
    newtown.at(NOON, later_s - OPENS_BEFORE_S)
    await newtown.do("operator", "configure", {"replaces": 1, "tariff": dear | {"from_day": DAY}})
    prices = [
        (await newtown.ask("h1", "get_period", {"period": period}))["prices"]["tou"]
        for period in (NOON, NOON + 5)
    ]
    assert prices == [300_000, 700_000]


async def test_sharing_keys_count_from_a_window_that_is_not_open(newtown: Neighbourhood) -> None:
    early = {"from_period": EARLIEST - 5, "keys": {"h1": 10}}
    assert await newtown.refused("operator", "set_sharing_keys", early) == "too_late"
    assert await newtown.refused(
        "operator", "set_sharing_keys", {"from_period": EARLIEST, "keys": {"h9": 1}}
    ) == ("unknown_home")
    await newtown.do("operator", "set_sharing_keys", early | {"from_period": EARLIEST})
    for period, keys_there in ((EARLIEST - 5, {}), (EARLIEST, {"h1": 10}), (EARLIEST + 5, {"h1": 10})):
        answer = await newtown.ask("grid", "get_sharing_keys", {"period": period})
        assert answer["keys"] == keys_there


async def test_holidays_are_published_once(newtown: Neighbourhood) -> None:
    await newtown.do("operator", "configure", {"replaces": 1, "holidays": [20_447]})
    newtown.now += 60
    await newtown.do("operator", "configure", {"replaces": 2, "holidays": [20_447, 20_448]})
    holidays = (await newtown.ask("h1", "get_configuration", {}))["configuration"]["holidays"]
    assert [(one["day"], newtown.now - one["published_s"]) for one in holidays] == [(20_447, 60), (20_448, 0)]


@pytest.mark.parametrize("change", [{"clock": "live"}, {"at_s": 5}, {"trust_homes": True}])
async def test_what_is_for_the_first_configuration_alone(newtown: Neighbourhood, change: Any) -> None:
    assert await newtown.refused("operator", "configure", {"replaces": 1} | change) == "bad_argument"


async def test_homes_measure_for_themselves_on_a_live_channel_where_they_are_trusted(
    bare: Neighbourhood,
) -> None:
    await bare.found()
    assert (
        await bare.refused("operator", "configure", {"replaces": 1, "readings_by": "home"}) == "bad_argument"
    )


async def test_nobody_moves_a_live_clock(newtown: Neighbourhood) -> None:
    assert await newtown.refused("operator", "advance_clock", {"to_s": 2 * 10**9}) == "clock_not_simulated"
