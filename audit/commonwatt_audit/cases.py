# SPDX-License-Identifier: Apache-2.0
"""The market's rules on single cases given as JSON: one round to clear, one pair of prices to suggest."""

from collections.abc import Mapping
from typing import Any

from commonwatt_chaincode.market.clearing import Clearing, clear
from commonwatt_chaincode.market.orders import Offer, Request
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_chaincode.market.prices import PriceState, buy_price, sell_price
from commonwatt_chaincode.market.tariff import DAY_MIN, tou_at

from commonwatt_audit import exchange_cases, forward_cases
from commonwatt_audit.case_members import LARGEST, BadCase, flag, integer, objects, text


def cleared(case: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a round: {"minute", "requests", "offers"} and optionally "params", "feed_in", "tou".

    With "market": "forward" it is the clearing of a period, with "exchange" the round between communities.
    Members are those of the published test vectors; BadCase for anything else.
    """
    market = case.get("market", "ex_post")
    if market == "forward":
        return forward_cases.cleared(case)
    if market == "exchange":
        return exchange_cases.cleared(case)
    if market != "ex_post":
        raise BadCase("market must be ex_post, forward or exchange")
    parameters = _parameters(case)
    tou = tou_at(parameters.tou, integer(case, "minute", 0, DAY_MIN - 1))
    requests = [
        Request(
            text(one, "id"),
            text(one, "user"),
            integer(one, "energy", 1),
            integer(one, "price", 0),
            flag(one, "bid"),
        )
        for one in objects(case, "requests")
    ]
    offers = [
        Offer(text(one, "id"), text(one, "user"), integer(one, "energy", 1), integer(one, "price", 0))
        for one in objects(case, "offers")
    ]
    ids = [*(request.id for request in requests), *(offer.id for offer in offers)]
    if len(set(ids)) != len(ids):
        raise BadCase("two requests or offers have one id")
    for request in requests:
        if request.bidding:
            _check_price(request.id, request.limit_uaud_per_kwh, parameters.feed_in, tou)
    for offer in offers:
        _check_price(offer.id, offer.price_uaud_per_kwh, parameters.feed_in, tou)
    return _result(clear(requests, offers, tou))


def prices(case: Mapping[str, Any]) -> dict[str, int]:
    """p_S with `energy` as redundancy and p_B for `energy`, both on the price history `history`."""
    parameters = _parameters(case)
    minute, energy_wh = integer(case, "minute", 0, DAY_MIN - 1), integer(case, "energy", 0)
    history = case.get("history")
    if not isinstance(history, list) or not all(type(price) is int for price in history):
        raise BadCase("history must be a list of integers")
    if not all(0 <= price <= LARGEST for price in history):
        raise BadCase(f"history must hold prices within 0..{LARGEST}")
    state = PriceState(hist_s=tuple(history), hist_b=tuple(history), redundancy_wh=energy_wh)
    return {
        "sell": sell_price(parameters, state, minute),
        "buy": buy_price(parameters, state, energy_wh, minute),
    }


def _result(clearing: Clearing) -> dict[str, Any]:
    totals = clearing.totals
    return {
        "fills": [
            {
                "request": fill.request,
                "offer": fill.offer,
                "buyer": fill.buyer,
                "seller": fill.seller,
                "energy": fill.energy_wh,
                "price": fill.price_uaud_per_kwh,
                "amount": fill.amount_naud,
            }
            for fill in clearing.fills
        ],
        "requests": [
            {
                "id": bought.request,
                "user": bought.home,
                "energy": bought.energy_wh,
                "p2p_energy": bought.p2p_energy_wh,
                "grid_energy": bought.grid_energy_wh,
                "p2p_amount": bought.p2p_amount_naud,
                "grid_amount": bought.grid_amount_naud,
                "amount": bought.amount_naud,
                "state": bought.state,
            }
            for bought in clearing.requests
        ],
        "offers": [
            {
                "id": sold.offer,
                "user": sold.home,
                "energy": sold.energy_wh,
                "sold": sold.sold_wh,
                "released": sold.released_wh,
                "revenue": sold.revenue_naud,
                "state": sold.state,
            }
            for sold in clearing.offers
        ],
        "totals": {
            "p2p_energy": totals.p2p_energy_wh,
            "p2p_amount": totals.p2p_amount_naud,
            "grid_energy": totals.grid_energy_wh,
            "grid_amount": totals.grid_amount_naud,
            "tou": totals.tou_uaud_per_kwh,
            "price_s": totals.price_s_uaud_per_kwh,
            "price_b": totals.price_b_uaud_per_kwh,
            "redundancy": totals.redundancy_wh,
        },
    }


def _parameters(case: Mapping[str, Any]) -> Parameters:
    changes = case.get("params", {})
    if not isinstance(changes, dict):
        raise BadCase("params must be an object of parameters")
    heads = {name: case[name] for name in ("feed_in", "tou") if name in case}
    try:
        return changed(Parameters(), {**changes, **heads})
    except ValueError as error:
        raise BadCase(str(error)) from None


def _check_price(order_id: str, price: int, feed_in: int, tou: int) -> None:
    if not feed_in <= price <= tou:
        raise BadCase(f"price of {order_id[:80]} is {price}, outside {feed_in} (feed-in) to {tou} (tariff)")
