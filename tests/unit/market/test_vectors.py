# SPDX-License-Identifier: Apache-2.0
"""The published test vectors: 100 rounds and 50 price cases with expected results."""

import json
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.market.clearing import clear
from commonwatt_chaincode.market.orders import Offer, Request
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.prices import PriceState, buy_price, sell_price
from commonwatt_chaincode.market.tariff import Band, tou_at

VECTORS = Path(__file__).parents[2] / "vectors" / "market_vectors.json"


@pytest.fixture(scope="module")
def vectors() -> Any:
    return json.loads(VECTORS.read_text())


@pytest.fixture(scope="module")
def parameters(vectors: Any) -> Parameters:
    return Parameters(
        tou=tuple(Band(*band) for band in vectors["tou"]), feed_in=vectors["feed_in"], **vectors["params"]
    )


def test_rounds_clear_as_published(vectors: Any, parameters: Parameters) -> None:
    assert len(vectors["rounds"]) == 100
    for case in vectors["rounds"]:
        result = clear(
            [Request(r["id"], r["user"], r["energy"], r["price"], r["bid"]) for r in case["requests"]],
            [Offer(o["id"], o["user"], o["energy"], o["price"]) for o in case["offers"]],
            tou_at(parameters.tou, case["minute"]),
        )
        expected = case["result"]
        assert [tuple(fill) for fill in result.fills] == [tuple(fill.values()) for fill in expected["fills"]]
        assert [tuple(row) for row in result.requests] == [
            tuple(row.values()) for row in expected["requests"]
        ]
        assert [tuple(row) for row in result.offers] == [tuple(row.values()) for row in expected["offers"]]
        assert result.totals.__class__(*expected["totals"].values()) == result.totals


def test_prices_are_as_published(vectors: Any, parameters: Parameters) -> None:
    assert len(vectors["prices"]) == 50
    for case in vectors["prices"]:
        history = tuple(case["history"])
        state = PriceState(hist_s=history, hist_b=history, redundancy_wh=case["energy"])
        assert sell_price(parameters, state, case["minute"]) == case["sell"]
        assert buy_price(parameters, state, case["energy"], case["minute"]) == case["buy"]
