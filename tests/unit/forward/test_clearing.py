# SPDX-License-Identifier: Apache-2.0
"""A period from its window to its clearing."""

from typing import Any

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.forward.salts import salt
from commonwatt_chaincode.messages.message import read

from .neighbourhood import CLOCK_ERROR_S, CLOSES_BEFORE_S, GRACE_S, MIDNIGHT, NOON, Neighbourhood

ASK = {"period": NOON}


async def trade(town: Neighbourhood) -> None:
    town.in_window(NOON)
    results = await town.bids(
        NOON,
        town.request("h1", NOON, 500, 250_000),
        town.request("h2", NOON, 300, 280_000),
        town.offer("p1", NOON, 400, 100_000),
        town.offer("p2", NOON, 200, 60_000),
    )
    assert results == ["written"] * 4


async def test_bids_are_cleared_at_one_price(newtown: Neighbourhood) -> None:
    await trade(newtown)
    await newtown.close(NOON)
    cleared = await newtown.do("h1", "clear_period", ASK)
    assert cleared["price_uaud_per_kwh"] == (300_000 - 20_000 + 60_000) // 2
    assert (cleared["traded_wh"], cleared["requested_wh"], cleared["offered_wh"]) == (600, 800, 600)
    span = {"from_period": NOON, "to_period": NOON + 5}
    assert (await newtown.ask("h2", "get_prices", span))["prices"][0]["traded_wh"] == 600
    everything = await newtown.ask("operator", "list_awards", span)
    awards = {one["home"]: one for one in everything["periods"][0]["awards"]}
    assert {home: one["bought_wh"] - one["sold_wh"] for home, one in awards.items()} == {
        "h1": 300,
        "h2": 300,
        "p1": -400,
        "p2": -200,
    }
    own = await newtown.ask("h1", "list_awards", span)
    assert own["periods"][0]["awards"] == [awards["h1"]]
    period = await newtown.ask("h1", "get_period", ASK)
    assert period["cleared"]["traded_wh"] == 600
    assert (period["gate"]["state"], period["band"], period["settled"]) == ("closed", "shoulder", None)
    assert [one["period"] for one in (await newtown.ask("h1", "list_periods", span))["periods"]] == [NOON]


async def test_the_highest_seq_counts_in_whatever_order(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    await newtown.bids(
        NOON,
        newtown.request("h1", NOON, 900, 250_000, seq=3),
        newtown.request("h1", NOON, 100, 250_000, seq=1),
        newtown.offer("p1", NOON, 700, 60_000),
        newtown.request("h2", NOON, 100, 250_000, seq=1),
        newtown.withdrawal("h2", NOON, seq=2),
    )
    await newtown.bids(NOON, newtown.request("h1", NOON, 50, 250_000, seq=2))
    await newtown.close(NOON)
    cleared = await newtown.do("operator", "clear_period", ASK)
    assert (cleared["requested_wh"], cleared["requests"]) == (900, 1)


async def test_a_bid_beyond_tariff_or_connection_is_refused_at_clearing(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    await newtown.bids(
        NOON,
        newtown.request("h1", NOON, 100, 280_001),
        newtown.request("h2", NOON, 2_001, 280_000),
        newtown.offer("p1", NOON, 750, 60_000),
        newtown.offer("p2", NOON, 751, 60_000),
    )
    await newtown.close(NOON)
    assert (await newtown.do("operator", "clear_period", ASK))["refused"] == 3
    span = {"from_period": NOON, "to_period": NOON + 5}
    awards = (await newtown.ask("grid", "list_awards", span))["periods"][0]["awards"]
    assert {one["home"]: one["code"] for one in awards} == {
        "h1": "price_out_of_bounds",
        "h2": "energy_out_of_bounds",
        "p1": "",
        "p2": "energy_out_of_bounds",
    }


async def test_an_envelope_caps_bids(newtown: Neighbourhood) -> None:
    envelope = {"from_period": NOON - 60, "to_period": NOON + 60, "export_w": 1_200}
    await newtown.do("grid", "set_envelope", envelope)
    await newtown.do("grid", "set_envelope", envelope | {"home": "p2", "export_w": 0})
    await trade(newtown)
    await newtown.close(NOON)
    cleared = await newtown.do("operator", "clear_period", ASK)
    assert cleared["offered_wh"] == 100
    own = await newtown.ask("p2", "get_envelopes", {"period": NOON})
    assert own["caps"] == {"import_wh": None, "export_wh": 0}
    assert len((await newtown.ask("p1", "get_envelopes", {"period": NOON}))["envelopes"]) == 1
    assert len((await newtown.ask("grid", "get_envelopes", {"period": NOON}))["envelopes"]) == 2


async def test_each_award_has_a_salt_of_its_bids_nonce(newtown: Neighbourhood) -> None:
    await trade(newtown)
    await newtown.close(NOON)
    await newtown.do("operator", "clear_period", ASK)
    messages = (await newtown.ask("h1", "list_messages", {"kind": "bid", "period": NOON}))["messages"]
    nonce = read(messages[0]["message"].encode()).payload["nonce"]
    span = {"from_period": NOON, "to_period": NOON + 5}
    award = (await newtown.ask("h1", "list_awards", span))["periods"][0]["awards"][0]
    assert award["salt"] == salt(nonce, "award", NOON)


async def test_nothing_trades_without_bids(newtown: Neighbourhood) -> None:
    newtown.at(NOON, -CLOSES_BEFORE_S + CLOCK_ERROR_S)
    assert await newtown.refused("operator", "clear_period", ASK) == "gate_open"
    await newtown.close(NOON)
    cleared = await newtown.do("operator", "clear_period", ASK)
    assert (cleared["price_uaud_per_kwh"], cleared["traded_wh"]) == (None, 0)
    assert await newtown.refused("operator", "clear_period", ASK) == "already_cleared"


@pytest.mark.parametrize(
    ("who", "early_s"),
    [("operator", CLOCK_ERROR_S), ("h1", CLOCK_ERROR_S + GRACE_S), ("grid", CLOCK_ERROR_S + GRACE_S)],
)
async def test_who_closes_when(newtown: Neighbourhood, who: str, early_s: int) -> None:
    newtown.at(NOON, -CLOSES_BEFORE_S + early_s - 1)
    assert await newtown.refused(who, "close_gate", ASK) == "too_early"
    newtown.now += 1
    gate = await newtown.do(who, "close_gate", ASK)
    done = await newtown.submit("p1", "close_gate", ASK)
    assert (done.json(), done.writes) == (gate, {})


async def test_a_period_that_began_is_not_cleared(newtown: Neighbourhood) -> None:
    await trade(newtown)
    await newtown.close(NOON)
    newtown.at(NOON)
    assert await newtown.refused("operator", "clear_period", ASK) == "too_late"


@pytest.mark.parametrize("wrong", ["gone", "other"])
async def test_a_private_value_that_is_not_here_is_never_no_bid(newtown: Neighbourhood, wrong: str) -> None:
    await trade(newtown)
    await newtown.close(NOON)
    place = next(
        one
        for one in newtown.ledger.state.values
        if one.collection and "/p1/" in one.key and one.key[0] == "m"
    )
    value, version = newtown.ledger.state.values[place]
    if wrong == "gone":
        del newtown.ledger.state.values[place]
    else:
        newtown.ledger.state.values[place] = (value.replace(b".", b"-", 1), version)
    assert await newtown.refused("operator", "clear_period", ASK) == "data_not_here"


async def test_no_period_starts_there(newtown: Neighbourhood) -> None:
    newtown.at(NOON, -200)
    for name in ("close_gate", "clear_period", "get_period"):
        assert await newtown.refused("operator", name, {"period": NOON + 1}) == "bad_period"


async def test_the_day_of_a_simulated_channel() -> None:
    town = Neighbourhood()
    await town.found(clock="simulated", at_s=MIDNIGHT * 60 - 7_200)
    await town.add("h1")
    await town.add("p1", pv_w=5_000)
    town.now = 0  # nobody looks at timestamps

    async def advance(time_s: int) -> Any:
        return await town.do("operator", "advance_clock", {"to_s": time_s})

    await advance(NOON * 60 - 3_600)
    assert await town.bids(
        NOON, town.request("h1", NOON, 100, 200_000), town.offer("p1", NOON, 90, 100_000)
    ) == [
        "written",
        "written",
    ]
    await advance(NOON * 60 - CLOSES_BEFORE_S + CLOCK_ERROR_S)
    await town.do("operator", "close_gate", ASK)
    assert (await town.do("operator", "clear_period", ASK))["traded_wh"] == 90
    assert await town.refused("operator", "advance_clock", {"to_s": NOON * 60 - 3_600}) == "clock_runs_back"
    await advance(NOON * 60 + 300)
    assert await town.readings(NOON, town.reading("h1", NOON, 120)) == ["written"]
    assert town.ledger.get(keys.index_key("reading", NOON, 1, "h1", "home", 1))
