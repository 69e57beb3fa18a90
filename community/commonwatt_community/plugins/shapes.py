# SPDX-License-Identifier: Apache-2.0
"""Flaws of an object as a strategy, a forecast, a battery plan, a meter or a mechanism; None: no visible
flaw.

A factory is called once: a strategy or forecast that cannot be made is found before a home trades by it.
"""

from collections.abc import Callable
from typing import Any

from commonwatt_chaincode.market.forward.bids import Order
from commonwatt_chaincode.market.forward.prices import Prices

from commonwatt_community.hems.forward.connection_point import Store
from commonwatt_community.hems.forward.forecast import Past
from commonwatt_community.hems.forward.plan import Plan
from commonwatt_community.mechanisms import UnlawfulClearingError, cleared

Check = Callable[[Any], str | None]


def strategy_flaw(factory: Any) -> str | None:
    """A strategy is what `factory()` makes."""
    if not callable(factory):
        return "is nothing that can be called to make a strategy"
    return _without_methods(factory(), "strategy", ("ask", "bid", "sold"), ("needs_suggested_bid", bool))


def forecast_flaw(factory: Any) -> str | None:
    """A forecast is what `factory()` makes; it predicts as many periods as it is asked for, with nothing known yet."""
    if not callable(factory):
        return "is nothing that can be called to make a forecast"
    forecast = factory()
    flaw = _without_methods(forecast, "forecast", ("expect",), ("days", int))
    if flaw:
        return flaw
    if not 1 <= forecast.days <= 3660:
        return f"has `days` {forecast.days}, which must be within 1..3660"
    expected = forecast.expect([0, 30, 60], Past(forecast.days), lambda minute: 0)
    if not isinstance(expected, list) or [type(wh) for wh in expected] != [int] * 3:
        return "does not predict three periods as a list of three integers, in Wh"
    return None


def battery_flaw(planner: Any) -> str | None:
    """A battery plan is a function itself."""
    if not callable(planner):
        return "is no function that plans a battery"
    plan = planner(Store(0, 1000, 500, 1_000_000, 1_000_000), 0, [0, 0], [1, 1])
    if not isinstance(plan, Plan):
        return "does not return a `Plan`"
    if plan.import_wh < 0 or plan.export_wh < 0 or (plan.import_wh and plan.export_wh):
        return f"plans {plan.import_wh} Wh of import and {plan.export_wh} Wh of export in one period"
    return None


def meter_flaw(factory: Any) -> str | None:
    """A meter is what `factory(settings)` makes for the settings of a home, which no check can know."""
    return (
        None if callable(factory) else "is nothing that can be called with a home's settings to make a meter"
    )


def mechanism_flaw(mechanism: Any) -> str | None:
    """A mechanism is a function itself; it is tried on a market of two buyers and two sellers, and on an empty one."""
    if not callable(mechanism):
        return "is no function that clears a period"
    prices = Prices(tou=300_000, feed_in=100_000)
    requests = [Order("1-R-a", "a", 400, 300_000), Order("1-R-b", "b", 300, 210_000)]
    offers = [Order("1-O-c", "c", 250, 100_000), Order("1-O-d", "d", 200, 190_000)]
    try:
        cleared(mechanism, requests, offers, prices)
        cleared(mechanism, [], [], prices)
    except UnlawfulClearingError as broken:
        return f"clears against the law: {broken}"
    return None


def _without_methods(made: Any, one: str, methods: tuple[str, ...], member: tuple[str, type]) -> str | None:
    for name in methods:
        if not callable(getattr(made, name, None)):
            return f"makes {type(made).__name__}, which is no {one}: it has no method `{name}`"
    name, kind = member
    if type(getattr(made, name, None)) is not kind:
        return f"makes {type(made).__name__}, which is no {one}: `{name}` must be of type {kind.__name__}"
    return None
