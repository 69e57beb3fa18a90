# SPDX-License-Identifier: Apache-2.0
"""The forward market's rules on a period given as JSON: its bids to clear, its homes to settle."""

from collections.abc import Mapping
from typing import Any

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import Order
from commonwatt_chaincode.market.forward.clearing import MID_MARKET, clear
from commonwatt_chaincode.market.forward.prices import Prices, check_prices
from commonwatt_chaincode.market.forward.settlement import Terms, settle

from commonwatt_audit.case_members import LARGEST, BadCase, flag, integer, object_of, objects, text


def cleared(case: Mapping[str, Any]) -> dict[str, Any]:
    """The clearing of {"market", "pricing"?, "tariff", "requests", "offers"}; BadCase for anything else."""
    prices = prices_of(case)
    pricing = text(case, "pricing") if "pricing" in case else MID_MARKET
    try:
        clearing = clear(
            _orders(case, "requests", "limit"), _orders(case, "offers", "price"), prices, pricing
        )
    except ValueError as error:
        raise BadCase(str(error)) from None
    return {
        "price": clearing.price_uaud_per_kwh,
        "traded_wh": clearing.traded_wh,
        "bought": clearing.bought_wh,
        "sold": clearing.sold_wh,
    }


def settled(case: Mapping[str, Any]) -> dict[str, Any]:
    """The settlement of {"market", "tariff", "sharing", "homes", "clearing": {"price"}}; BadCase for anything else.

    Without a clearing nothing was traded.
    """
    if case.get("market") != "forward":
        raise BadCase("market must be forward")
    terms = _terms(case)
    try:
        settlement = settle([metered_of(home) for home in objects(case, "homes")], terms)
    except ValueError as error:
        raise BadCase(str(error)) from None
    return {
        "grid_naud": settlement.grid_naud,
        "shared_wh": settlement.shared_wh,
        "lines": {home: line._asdict() for home, line in settlement.lines.items()},
    }


def _terms(case: Mapping[str, Any]) -> Terms:
    sharing = object_of(case, "sharing")
    clearing = object_of(case, "clearing") if "clearing" in case else {}
    return Terms(
        prices_of(case),
        _price_or_none(clearing, "price"),
        text(sharing, "mode"),
        _price_or_none(sharing, "price"),
    )


def prices_of(case: Mapping[str, Any]) -> Prices:
    """The member "tariff" of a case, its prices in their order."""
    tariff = object_of(case, "tariff")
    prices = Prices(
        integer(tariff, "tou", -LARGEST),
        integer(tariff, "feed_in", -LARGEST),
        integer({"local_fee": 0} | tariff, "local_fee", 0),
    )
    try:
        check_prices(prices)
    except ValueError as error:
        raise BadCase(f"tariff: {error}") from None
    return prices


def _orders(case: Mapping[str, Any], side: str, price: str) -> list[Order]:
    return [
        Order(text(one, "id"), text(one, "home"), integer(one, "wh", 1), integer(one, price, -LARGEST))
        for one in objects(case, side)
    ]


def metered_of(home: Mapping[str, Any]) -> Metered:
    """A home's contract and registers."""
    cap_wh = home.get("export_cap_wh")
    return Metered(
        text(home, "home"),
        integer(home, "bought_wh", 0),
        integer(home, "sold_wh", 0),
        integer(home, "import_wh", 0),
        integer(home, "export_wh", 0),
        None if cap_wh is None else integer(home, "export_cap_wh", 0),
        integer({"key_ppm": 0} | dict(home), "key_ppm", 0, PPM),
        flag(home, "estimated", default=False),
    )


def _price_or_none(members: Mapping[str, Any], name: str) -> int | None:
    return None if members.get(name) is None else integer(members, name, -LARGEST)
