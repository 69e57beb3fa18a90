# SPDX-License-Identifier: Apache-2.0
"""June of docs/market.md's three homes, in the middle of the month."""

from dataclasses import replace

import pytest

from ....support.market_month import FIRST_DAY, MarketMonth, the_month


@pytest.fixture(scope="session")
def eleventh() -> MarketMonth:
    """11 June, 6:00: ten days are billed."""
    return replace(the_month(), now_day=FIRST_DAY + 10)
