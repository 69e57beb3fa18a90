# SPDX-License-Identifier: Apache-2.0
"""Registrations: proposed by the operator, confirmed by the grid, counting from the next window."""

from __future__ import annotations

from .neighbourhood import MIDNIGHT, NOON, Neighbourhood
from .test_batches import BIDS, carried

FOUNDED = MIDNIGHT - 1_440
COUNTS = FOUNDED + 65


async def test_a_home_counts_once_grid_and_key_are_there(newtown: Neighbourhood) -> None:
    await newtown.do("operator", "register_home", {"home": "h3", "home_class": "consumer"})
    assert await newtown.refused("grid", "confirm_home", {"home": "h3"}) == "no_key"
    await newtown.give_key("home", "h3")
    newtown.in_window(COUNTS)
    assert await newtown.bids(COUNTS, newtown.request("h3", COUNTS, 5, 100_000)) == ["not_registered"]
    newtown.now = FOUNDED * 60
    assert await newtown.do("grid", "confirm_home", {"home": "h3"}) == {
        "homes": ["h3"],
        "from_period": COUNTS,
    }
    assert await newtown.refused("grid", "confirm_home", {"home": "h3"}) == "nothing_proposed"
    for period, result in ((COUNTS - 5, "not_registered"), (COUNTS, "written")):
        newtown.in_window(period)
        assert await newtown.bids(period, newtown.request("h3", period, 5, 100_000)) == [result]


async def test_another_connection_counts_from_the_next_window(newtown: Neighbourhood) -> None:
    await newtown.do("operator", "register_home", {"home": "h1", "home_class": "prosumer", "pv_w": 5_000})
    before = await newtown.ask("h1", "get_home", {"home": "h1"})
    assert [one["connection"]["pv_w"] for one in before["versions"]] == [0]
    assert before["proposed"]["pv_w"] == 5_000
    newtown.at(NOON)
    await newtown.do("grid", "confirm_home", {"home": "h1"})
    home = await newtown.ask("h1", "get_home", {"home": "h1"})
    assert [(one["from_period"], one["connection"]["pv_w"]) for one in home["versions"]] == [
        (COUNTS, 0),
        (NOON + 65, 5_000),
    ]


async def test_the_grid_confirms_what_it_saw(newtown: Neighbourhood) -> None:
    """The operator shows panels of 5 kW, and proposes 500 kW, or the end, before the grid confirms."""
    shown = {"home": "h1", "home_class": "prosumer", "pv_w": 5_000}
    for swapped in ("register_home", "end_home"):
        await newtown.do("operator", "register_home", shown)
        seen = (await newtown.ask("grid", "get_home", {"home": "h1"}))["transaction"]
        await newtown.do(
            "operator", swapped, shown | {"pv_w": 500_000} if swapped == "register_home" else {"home": "h1"}
        )
        for argument in (
            {"home": "h1", "transaction": seen},
            {"homes": ["h1"], "transactions": {"h1": seen}},
        ):
            assert await newtown.refused("grid", "confirm_home", argument) == "nothing_proposed"
    await newtown.do("operator", "register_home", shown)
    home = await newtown.ask("grid", "get_home", {"home": "h1"})
    assert home["proposed_end"] is None
    await newtown.do("grid", "confirm_home", {"homes": ["h1"], "transactions": {"h1": home["transaction"]}})
    home = await newtown.ask("grid", "get_home", {"home": "h1"})
    assert (home["versions"][-1]["connection"]["pv_w"], home["to_period"]) == (5_000, None)
    other = {"homes": ["h1"], "transactions": {"h2": home["transaction"]}}
    assert await newtown.refused("grid", "confirm_home", other) == "bad_argument"


async def test_two_hundred_at_once(newtown: Neighbourhood) -> None:
    many = [{"home": f"x{number}", "home_class": "consumer"} for number in range(201)]
    assert await newtown.refused("operator", "register_home", {"homes": many}) == "bad_argument"
    assert await newtown.refused("operator", "register_home", {"homes": [many[0]] * 2}) == "bad_argument"
    assert await newtown.refused("operator", "register_home", {"homes": []}) == "bad_argument"
    done = await newtown.submit("operator", "register_home", {"homes": many[:200]})
    assert len(done.writes) == 200
    assert len((await newtown.ask("grid", "list_homes", {}))["homes"]) == 204


async def test_an_end_counts_once_the_grid_confirms_it(newtown: Neighbourhood) -> None:
    newtown.at(NOON - 600)
    await newtown.do("operator", "end_home", {"home": "h1", "to_period": NOON})
    newtown.in_window(NOON)
    assert await newtown.bids(NOON, newtown.request("h1", NOON, 5, 100_000)) == ["written"]
    newtown.at(NOON - 600)
    await newtown.do("grid", "confirm_home", {"home": "h1"})
    newtown.in_window(NOON)
    assert await newtown.bids(NOON, newtown.request("h1", NOON, 5, 100_000)) == ["not_registered"]
    assert await newtown.refused("operator", "end_home", {"home": "h1"}) == "home_ended"
    again = {"home": "h1", "home_class": "consumer"}
    assert await newtown.refused("operator", "register_home", again) == "home_ended"


async def test_an_end_is_never_within_an_open_window(newtown: Neighbourhood) -> None:
    await newtown.do("operator", "end_home", {"home": "h1", "to_period": COUNTS})
    newtown.at(NOON)
    await newtown.do("grid", "confirm_home", {"home": "h1"})
    assert (await newtown.ask("h1", "get_home", {"home": "h1"}))["to_period"] == NOON + 65


async def test_a_new_registration_meets_no_batch_of_others(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    batch = await newtown.endorse(
        "carrier", "submit_messages", BIDS, carried(newtown.request("h1", NOON, 5, 100_000))
    )
    await newtown.add("h7")
    assert newtown.ledger.commit(batch) == "VALID"
