# SPDX-License-Identifier: Apache-2.0
"""The exchange's round between communities, given as JSON: what they left over, and the links between them."""

from collections.abc import Mapping
from typing import Any

from commonwatt_chaincode.market.exchange.clearing import Link, clear_round
from commonwatt_chaincode.market.exchange.residual import Level, Residual

from commonwatt_audit.case_members import LARGEST, BadCase, integer, objects, text


def cleared(case: Mapping[str, Any]) -> dict[str, Any]:
    """The round of {"market", "period", "residuals", "links"}; BadCase for anything else.

    ``accounts`` say what each community owes the exchange, in nAUD; negative: it receives.
    """
    residuals = [
        Residual(text(one, "community"), _levels(one, "requests", "limit"), _levels(one, "offers", "price"))
        for one in objects(case, "residuals")
    ]
    links = [
        Link(text(one, "seller"), text(one, "buyer"), integer(one, "limit_wh", 0), integer(one, "fee", 0))
        for one in objects(case, "links")
    ]
    try:
        result = clear_round(integer(case, "period", 0), residuals, links)
    except ValueError as error:
        raise BadCase(str(error)) from None
    return {
        "trades": [
            {
                "seller": one.seller,
                "buyer": one.buyer,
                "offered": one.offered_uaud_per_kwh,
                "limit": one.limit_uaud_per_kwh,
                "wh": one.energy_wh,
                "price": one.price_uaud_per_kwh,
                "fee": one.fee_uaud_per_kwh,
            }
            for one in result.trades
        ],
        "accounts": {name: result.account_naud(name) for name in sorted(one.community for one in residuals)},
        "fee_naud": result.fee_naud,
    }


def _levels(residual: Mapping[str, Any], side: str, price: str) -> tuple[Level, ...]:
    return tuple(
        Level(integer(one, price, -LARGEST), integer(one, "wh", 1)) for one in objects(residual, side)
    )
