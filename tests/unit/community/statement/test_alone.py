# SPDX-License-Identifier: Apache-2.0
"""Savings by bills and by lines, against docs/market.md."""

import pytest
from commonwatt_community.statement.alone import saved_on_bands, saved_on_lines

from ....support.market_month import FIRST_DAY, MarketMonth


@pytest.mark.parametrize(("home", "saved_c"), [("ada", 49.2), ("bo", 73.8), ("cy", 39.8)])
async def test_a_bill_and_its_lines_save_the_same(june: MarketMonth, home: str, saved_c: float) -> None:
    bill = await june.get_bill(home, FIRST_DAY)
    first = FIRST_DAY * 1440 - 600
    lines = await june.list_lines(first, first + 1440, home)
    assert len(lines) == 24
    assert saved_on_bands(bill.bands) == saved_on_lines(lines) == round(saved_c * 10) * 10**6
