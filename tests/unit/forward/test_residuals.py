# SPDX-License-Identifier: Apache-2.0
"""What a community that is on an exchange leaves over, and what one that is on none keeps as it was."""

from __future__ import annotations

import pytest
from commonwatt_chaincode.forward import keys

from .neighbourhood import CLOSES_BEFORE_S, NOON, Neighbourhood, neighbourhood

ASK = {"period": NOON}
EXCHANGE = {"channel": "exchange", "chaincode": "market", "void_after_s": 3_600}


async def leave_over(town: Neighbourhood, *, alone: bool = False) -> None:
    """Clear a period in which three homes ask for more than the middle price takes of them."""
    town.in_window(NOON)
    requests = [town.request(home, NOON, 300, 100_000 + 1_000 * place) for place, home in enumerate(TRIO)]
    assert await town.bids(NOON, *requests, town.offer("p1", NOON, 400, 280_000)) == ["written"] * 4
    await town.close(NOON)
    await town.do("operator", "clear_period", {**ASK, "alone": True} if alone else ASK)


TRIO = ("h1", "h2", "h3")


@pytest.fixture
async def trading() -> Neighbourhood:
    return await neighbourhood(*TRIO, "p1", exchange=EXCHANGE)


async def test_a_residual_is_levels_of_three_homes_and_more(trading: Neighbourhood) -> None:
    assert await trading.refused("grid", "get_residual", ASK) == "not_cleared"
    await leave_over(trading)
    residual = await trading.ask("grid", "get_residual", ASK)
    assert residual == {
        "community": "newtown",
        "requests": [{"limit": 100_000, "wh": 900}],
        "offers": [],  # one home's offer would tell what it wants
    }
    cleared = (await trading.ask("h1", "get_period", ASK))["cleared"]
    assert cleared["exchange"]["requests"] == [{"price_uaud_per_kwh": 100_000, "energy_wh": 900}]


async def test_a_residual_is_brought_in_time(trading: Neighbourhood) -> None:
    await leave_over(trading)
    trading.at(NOON, 3_600 - CLOSES_BEFORE_S - 1)
    await trading.ask("operator", "get_residual", ASK)
    trading.at(NOON, 3_600 - CLOSES_BEFORE_S)
    assert await trading.refused("operator", "get_residual", ASK) == "too_late"


async def test_operator_and_grid_alone_keep_a_period_from_the_exchange(trading: Neighbourhood) -> None:
    assert await trading.refused("h1", "clear_period", {**ASK, "alone": True}) == "forbidden"
    await leave_over(trading, alone=True)
    assert await trading.refused("grid", "get_residual", ASK) == "no_exchange"


async def test_a_community_joins_and_leaves(trading: Neighbourhood) -> None:
    await trading.do("operator", "configure", {"replaces": 1, "from_period": NOON, "exchange": "none"})
    await leave_over(trading)
    assert await trading.refused("grid", "get_residual", ASK) == "no_exchange"
    wrong = {"replaces": 2, "from_period": NOON + 600, "exchange": EXCHANGE | {"channel": "newtown"}}
    assert await trading.refused("operator", "configure", wrong) == "bad_argument"


async def test_without_an_exchange_no_record_knows_of_one() -> None:
    town = await neighbourhood(*TRIO, "p1")
    await leave_over(town)
    assert await town.refused("grid", "get_residual", ASK) == "no_exchange"
    held = [town.ledger.get(key) for key in town.ledger.keys()]  # noqa: SIM118 - a ledger is no mapping
    held.append(town.ledger.get(keys.awards_key(NOON), keys.COLLECTION))
    assert len(held) > 5
    assert not [value for value in held if value is None or b"exchange" in value]
