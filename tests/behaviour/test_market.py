"""The market on a running network: who may do what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from .trading import SALT, Market, market_of


@pytest.fixture
async def market(network: Any) -> AsyncIterator[Market]:
    """Two consumers and a prosumer registered, and callers of every kind connected."""
    async with market_of(network) as market:
        yield market


READING = {"home": "home001", "interval_start": 0, "interval_end": 60, "use_wh": 1, "generation_wh": 0}
OFFER = {"round": 1, "home": "home001", "energy_wh": 1, "price_uaud_per_kwh": 150_000}
REQUEST = {"home": "home001", "energy_wh": 1, "interval_start": 0, "bid": False}
BID = {"round": 1, "home": "home001"}

FORBIDDEN = {
    "configure": {"parameters": {"beta": 20_000}},
    "register_home": {"home": "h9", "home_class": "consumer", "meter_salt": SALT, "meter_hash": "0" * 64},
    "advance_clock": {"at": 9_999_999_999},
    "open_round": {},
    "settle_day": {"day": 1},
}


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("grid", "forbidden"),
        ("home001", "forbidden"),
        ("home002", "forbidden"),
        ("meter", "forbidden"),
        ("stranger", "forbidden"),
        ("expired", "access denied"),
        ("other community", "access denied"),
    ],
)
async def test_nobody_else_does_the_operators_work(market: Market, who: str, code: str) -> None:
    for name, argument in FORBIDDEN.items():
        assert await market.refused(who, name, argument) == code, name


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("operator", "forbidden"),
        ("grid", "forbidden"),
        ("home002", "not_your_meter"),
        ("meter", "forbidden"),
        ("stranger", "forbidden"),
        ("expired", "access denied"),
        ("other community", "access denied"),
    ],
)
async def test_nobody_else_speaks_for_a_home(market: Market, who: str, code: str) -> None:
    for name, argument in {
        "submit_request": REQUEST,
        "submit_offer": OFFER,
        "cancel_request": BID,
        "withdraw_offer": BID,
    }.items():
        assert await market.refused(who, name, argument) == code, name
    if who != "meter":
        assert await market.refused(who, "report_reading", READING) == code
