# SPDX-License-Identifier: Apache-2.0
"""A residual's way back: imported once, settled as contracts are, and billed; and what a lying exchange achieves."""

from __future__ import annotations

from typing import Any

import pytest

from .neighbourhood import DAY, MIDNIGHT, NOON, Neighbourhood
from .region import ASK, Region, region

SPAN = {"from_period": NOON, "to_period": NOON + 60}
IMPORTS = {"h1": 300, "h2": 100, "h3": 350}
EXPORTS = {"p1": 202, "p2": 0, "p3": 300}


@pytest.fixture
async def both() -> Region:
    return await region()


async def freeze(town: Neighbourhood) -> None:
    """Every home delivers about what it promised, and one of them nothing."""
    town.at(NOON, 3_700)
    said = [
        town.reading(home, NOON, IMPORTS.get(home, 0), EXPORTS.get(home, 0))
        for home in town.signers
        if home in IMPORTS or home in EXPORTS
    ]
    assert await town.readings(NOON, *said) == ["written"] * 3
    await town.do("operator", "freeze_period", ASK)


async def settle(town: Neighbourhood) -> tuple[Any, list[Any]]:
    assert (await town.do("h1" if "h1" in town.signers else "p1", "settle_period", ASK))["settled"]
    sums = (await town.ask("grid", "get_period", ASK))["sums"]
    return sums, (await town.ask("grid", "list_lines", SPAN))["lines"]


async def test_what_is_traded_between_communities_is_settled_in_both(both: Region) -> None:
    await both.until_the_round()
    for town in both.towns.values():
        assert await town.refused("operator", "import_residual", ASK) == "round_open"
    await both.clear_round()
    amounts = grid = account = fees = energy = 0
    for town, home in ((both.newtown, "h1"), (both.sunnytown, "p1")):
        imported = await town.do(home, "import_residual", ASK)
        assert await town.do("operator", "import_residual", ASK) == imported
        trade = imported["trades"][0]
        price = (250_000 + 80_000 - 7_001) // 2
        assert (trade["energy_wh"], trade["price_uaud_per_kwh"]) == (710, price)
        own = (await town.ask(home, "list_awards", SPAN))["periods"][0]["exchange"]
        assert [one["home"] for one in own] == [home]
        await freeze(town)
        sums, lines = await settle(town)
        assert sums["exchange"] == imported["sums"]
        amounts += sum(one["amount_naud"] for one in lines)
        grid += sums["grid_naud"]
        account += sums["exchange"]["amount_naud"]
        fees += sums["exchange"]["fee_naud"]
        energy += sums["exchange"]["imported_wh"] - sums["exchange"]["exported_wh"]
    assert account == fees == 710 * 7_001
    assert amounts == grid + fees
    assert energy == 0


async def test_nobody_settles_before_the_import(both: Region) -> None:
    await both.until_the_round()
    await freeze(both.newtown)
    assert await both.newtown.refused("operator", "settle_period", ASK) == "not_imported"
    await both.clear_round(void=True)
    assert (await both.newtown.do("operator", "import_residual", ASK))["state"] == "void"
    sums, _ = await settle(both.newtown)
    assert "exchange" not in sums


async def test_a_community_that_is_cut_off_trades_on_alone_and_joins_again(both: Region) -> None:
    town = both.newtown
    del town.ledger.channels["exchange"]
    await both.until_the_round(alone=True)
    assert await town.refused("operator", "import_residual", ASK) == "no_exchange"
    await freeze(town)
    sums, _ = await settle(town)
    assert "exchange" not in sums
    town.ledger.channels["exchange"] = both.exchange
    later = NOON + 120
    await both.until_the_round(later)
    await both.clear_round(later)
    assert (await town.do("operator", "import_residual", {"period": later}))["sums"]["imported_wh"] == 710


async def test_bills_have_a_line_of_other_communities_with_the_links_fee_in_their_tax(both: Region) -> None:
    await both.until_the_round()
    await both.clear_round()
    town = both.newtown
    await town.do("operator", "import_residual", ASK)
    town.at(MIDNIGHT + 1_440 + 2 * 1_440, 400)
    for period in range(MIDNIGHT, MIDNIGHT + 1_440, 60):
        await town.do("operator", "freeze_period", {"period": period})
        await town.do("operator", "settle_period", {"period": period})
    await town.do("operator", "settle_day", {"day": DAY})
    bill = await town.ask("h1", "get_bill", {"home": "h1", "day": DAY})
    (traded,) = [one["exchange"] for one in bill["bands"] if "exchange" in one]
    own = (await town.ask("h1", "list_awards", SPAN))["periods"][0]["exchange"][0]
    assert traded == {name: own[name] for name in traded}
    charged = sum(one["grid_in_naud"] + one["fee_naud"] for one in bill["bands"])
    assert bill["taxable_naud"] == charged + traded["fee_naud"]


LIES: tuple[dict[str, Any], ...] = (
    {"account_naud": 1},
    {"channel": "sunnytown"},
    {"period": NOON + 60},
    {"state": "void"},
    {"state": "open"},
    {"trades": [], "account_naud": 5},
    {"trades": None},
)
TRADE = {
    "seller": "sunnytown",
    "buyer": "newtown",
    "offered": 80_000,
    "limit": 250_000,
    "wh": 1,
    "price": 165_000,
    "fee": 0,
}
LYING_TRADES: tuple[dict[str, Any], ...] = (
    {"wh": 1_004},
    {"wh": 0},
    {"wh": -5},
    {"limit": 260_000, "price": 170_000},
    {"price": 200_000},
    {"fee": -2, "price": 165_001},
    {"offered": 250_000, "price": 250_000},
    {"buyer": "sunnytown"},
    {"seller": "newtown"},
    {"seller": "newtown", "buyer": "sunnytown"},
)


async def test_an_exchange_that_lies_is_not_believed(both: Region) -> None:
    await both.until_the_round()
    for lies in (*LIES, *({"trades": [TRADE | one]} for one in LYING_TRADES)):
        if trades := lies.get("trades"):
            bought = sum(
                one["wh"] * (one["price"] + one["fee"]) for one in trades if one["buyer"] == "newtown"
            )
            sold = sum(one["wh"] * one["price"] for one in trades if one["seller"] == "newtown")
            lies |= {"account_naud": bought - sold}
        await both.clear_round(lies=lies)
        assert await both.newtown.refused("operator", "import_residual", ASK) == "bad_round", lies
    await both.clear_round(lies={"trades": [TRADE], "account_naud": 165_000})
    assert (await both.newtown.do("operator", "import_residual", ASK))["sums"]["amount_naud"] == 165_000
