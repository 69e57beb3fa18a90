# SPDX-License-Identifier: Apache-2.0
"""The 60 published periods on a ledger: bid, cleared, metered, settled in parts, and answered line by line."""

import json
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.market.forward import period_settlement

from .neighbourhood import Neighbourhood, flat_tariff

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "forward_vectors.json").read_text())["cases"]
P = 29_853_360
LARGE_W = 100_000


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
async def test_a_period_comes_to_what_is_published(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(period_settlement, "PART_HOMES", 1 + case["id"] % 9)
    street = Neighbourhood()
    street.now_s = P * 60 - 86_400
    sharing = case["sharing"]
    tariff = flat_tariff(**case["tariff"], sharing_price=sharing.get("price"))
    shape = {"period_min": 60, "utc_offset_min": 0, "pricing": case["pricing"], "sharing": sharing["mode"]}
    await street.found(tariff, **shape)
    homes = {one["home"]: one for one in case["homes"]}
    await street.add(*homes, connection_w=LARGE_W, pv_w=LARGE_W)
    if sharing["mode"] == "static":
        keys_ppm = {home: one["key_ppm"] for home, one in homes.items()}
        await street.do("operator", "set_sharing_keys", {"from_period": P, "keys": keys_ppm})
    bids = [street.request(one["home"], P, one["wh"], one["limit"]) for one in case["requests"]]
    bids += [street.offer(one["home"], P, one["wh"], one["price"]) for one in case["offers"]]
    await street.trade(P, bids)
    for home, one in homes.items():
        if one["export_cap_wh"] is not None:
            # Published in time and ordered late, so that these caps bound the meters alone, as the cases have it.
            street.now_s = P * 60 - 301
            bounds = {"from_period": P, "to_period": P + 60, "export_w": one["export_cap_wh"]}
            await street.do("grid", "set_envelope", {"home": home, **bounds})
    street.now_s = (P + 60) * 60
    await street.read(
        P, [street.reading(home, P, one["import_wh"], one["export_wh"]) for home, one in homes.items()]
    )
    await street.settle(P, 60)
    told = await street.ask("grid", "get_period", {"period": P})
    clearing, settlement = case["clearing"], case["settlement"]
    assert told["cleared"]["price_uaud_per_kwh"] == clearing["price"]
    assert told["cleared"]["traded_wh"] == clearing["traded_wh"]
    assert told["sums"]["grid_naud"] == settlement["grid_naud"]
    assert told["sums"]["shared_wh"] == settlement["shared_wh"]
    lines = await street.lines(P)
    assert lines.keys() == homes.keys()
    for home, line in lines.items():
        assert {name: line[name] for name in settlement["lines"][home]} == settlement["lines"][home]
        assert {name: line[name] for name in homes[home] if name != "key_ppm"} == {
            name: value for name, value in homes[home].items() if name != "key_ppm"
        }
