# SPDX-License-Identifier: Apache-2.0
"""June of docs/market.md's three homes, and their statements."""

from collections.abc import Awaitable, Callable

import pytest
from commonwatt_community.statement import Statement, read_month, read_statement

from ....support.market_month import MarketMonth, the_month

StatementOf = Callable[[str], Awaitable[Statement]]


@pytest.fixture(scope="session")
def june() -> MarketMonth:
    """The month when it is over."""
    return the_month()


@pytest.fixture
def statement(june: MarketMonth) -> StatementOf:
    """A home's statement of June."""

    async def read(home: str) -> Statement:
        return await read_statement(june, home, read_month("2026-06"), community="newtown")

    return read
