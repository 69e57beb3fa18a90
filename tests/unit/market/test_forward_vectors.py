# SPDX-License-Identifier: Apache-2.0
"""The forward market's test vectors: 60 periods with their clearing and settlement."""

import json
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import Order
from commonwatt_chaincode.market.forward.clearing import clear
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Terms, settle

VECTORS = Path(__file__).parents[2] / "vectors" / "forward_vectors.json"
CASES = json.loads(VECTORS.read_text())["cases"]


def test_there_are_sixty() -> None:
    assert len({case["id"] for case in CASES}) == 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_a_period_is_cleared_and_settled_as_published(case: Any) -> None:
    prices = Prices(**case["tariff"])
    clearing = clear(
        [Order(one["id"], one["home"], one["wh"], one["limit"]) for one in case["requests"]],
        [Order(one["id"], one["home"], one["wh"], one["price"]) for one in case["offers"]],
        prices,
        case["pricing"],
    )
    assert case["clearing"] == {
        "price": clearing.price_uaud_per_kwh,
        "traded_wh": clearing.traded_wh,
        "bought": clearing.bought_wh,
        "sold": clearing.sold_wh,
    }
    sharing = case["sharing"]
    terms = Terms(prices, clearing.price_uaud_per_kwh, sharing["mode"], sharing.get("price"))
    settlement = settle([Metered(**home) for home in case["homes"]], terms)
    assert case["settlement"] == {
        "grid_naud": settlement.grid_naud,
        "shared_wh": settlement.shared_wh,
        "lines": {home: line._asdict() for home, line in settlement.lines.items()},
    }
