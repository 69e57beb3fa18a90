# SPDX-License-Identifier: Apache-2.0
"""The audit's own rules on the published vectors: 60 periods with their clearing and settlement."""

import json
from pathlib import Path
from typing import Any

import pytest
from commonwatt_audit.forward.clearing import Order, cleared
from commonwatt_audit.forward.prices import Prices
from commonwatt_audit.forward.settlement import Metered, Terms, settled

VECTORS = Path(__file__).parents[3] / "vectors" / "forward_vectors.json"
CASES = json.loads(VECTORS.read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_a_period_is_cleared_and_settled_as_published(case: Any) -> None:
    tariff, sharing = case["tariff"], case["sharing"]
    prices = Prices("", tariff["tou"], tariff["feed_in"], tariff.get("local_fee", 0), sharing.get("price"))
    clearing = cleared(
        [Order(one["id"], one["home"], one["wh"], one["limit"]) for one in case["requests"]],
        [Order(one["id"], one["home"], one["wh"], one["price"]) for one in case["offers"]],
        prices,
        case["pricing"],
    )
    assert case["clearing"] == {
        "price": clearing.price,
        "traded_wh": clearing.traded_wh,
        "bought": clearing.bought,
        "sold": clearing.sold,
    }
    lines = settled(
        [Metered(**home) for home in case["homes"]], Terms(prices, clearing.price, sharing["mode"])
    )
    assert case["settlement"] == {
        "grid_naud": sum(line.grid_naud + line.fee_naud for line in lines.values()),
        "shared_wh": sum(line.shared_in_wh for line in lines.values()),
        "lines": {home: line._asdict() for home, line in lines.items()},
    }
