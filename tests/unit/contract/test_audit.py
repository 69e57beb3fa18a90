# SPDX-License-Identifier: Apache-2.0
"""What `audit` answers is enough to recompute a round's price and award, with no other look at the ledger."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from commonwatt_chaincode.ledger import award
from commonwatt_chaincode.market.clearing import clear
from commonwatt_chaincode.market.orders import Offer, Request
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_chaincode.market.prices import PriceState, sell_price

HOUR = 3600


async def round_with_ties(live: Any, number: int, withdrawn: bool) -> None:
    """Equal limits, equal prices, a request taken back and, if so wished, an offer withdrawn."""
    round_id, start = f"{number:08d}", live.now - 120 * number
    for home in ("h1", "h2"):
        interval = {"home": home, "interval_start": start, "interval_end": start + 60}
        await live.do(home, "report_reading", interval | {"use_wh": 400, "generation_wh": 0})
    opened = await live.do("operator", "open_round", {})
    for home in ("h1", "h2"):
        request = {"round": round_id, "home": home, "interval_start": start}
        await live.do(home, "submit_request", request, at=opened["opened_at"])
    await live.do("h2", "cancel_request", {"round": round_id, "home": "h2"}, at=opened["opened_at"])
    for home in ("p1", "p2"):
        offer = {"round": round_id, "home": home, "energy_wh": 300, "price_uaud_per_kwh": 150_000}
        await live.do(home, "submit_offer", offer, at=opened["offers_from"])
    if withdrawn:
        await live.do("p1", "withdraw_offer", {"round": round_id, "home": "p1"}, at=opened["offers_from"])
    await live.do("operator", "close_round", {"round": round_id}, at=opened["closes_at"] + 30)


async def test_an_award_is_recomputed_from_the_audit_alone(live: Any) -> None:
    for home in ("p1", "p2"):
        await live.charge(home, 3_000)
    live.now += 240
    await round_with_ties(live, 1, withdrawn=False)
    await round_with_ties(live, 2, withdrawn=True)  # its suggested price builds on the first one's
    for number, states in ((1, {"OPEN", "CANCELLED"}), (2, {"OPEN", "CANCELLED", "WITHDRAWN"})):
        seen = await live.ask("grid", "audit", {"round": f"{number:08d}"})
        terms, result = seen["round"], seen["result"]
        parameters = changed(Parameters(), seen["parameters"])
        basis = {
            name: tuple(each) if isinstance(each, list) else each
            for name, each in seen["price_basis"].items()
        }
        price = sell_price(parameters, PriceState(**basis), terms["minute"])
        assert price == terms["sell_price_uaud_per_kwh"]

        standing = [bid for bid in seen["bids"] if bid["state"] == "OPEN"]
        assert {bid["state"] for bid in seen["bids"]} == states
        ids = sorted(bid["id"] for bid in standing)
        assert seen["seed"] == sha256("|".join(ids).encode()).hexdigest()
        assert seen["keys"] == {
            each: int(sha256(f"{seen['seed']}|{each}".encode()).hexdigest()[:12], 16) for each in ids
        }
        orders: dict[str, list[Any]] = {"R": [], "O": []}
        for bid in standing:
            kind = {"R": Request, "O": Offer}[bid["kind"]]
            orders[bid["kind"]].append(
                kind(bid["id"], bid["home"], bid["energy_wh"], bid["price_uaud_per_kwh"])
            )
        recomputed = award(clear(orders["R"], orders["O"], terms["tou_uaud_per_kwh"]))
        assert {name: result[name] for name in recomputed} == recomputed
        assert recomputed["fills"]
