# SPDX-License-Identifier: Apache-2.0
"""What a statement asks of the market."""

from dataclasses import replace

import pytest
from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Home
from commonwatt_community.statement import read_month, read_statement, statement_html

from ....support.market_month import FIRST_DAY, MarketMonth

JUNE = read_month("2026-06")


async def test_a_running_month_says_what_is_billed(june: MarketMonth) -> None:
    told = await read_statement(replace(june, now_day=FIRST_DAY + 10), "ada", JUNE, community="newtown")
    assert told.billed == tuple(range(FIRST_DAY, FIRST_DAY + 10))
    assert told.unbilled == tuple(range(FIRST_DAY + 10, FIRST_DAY + 30))
    assert told.state == "provisional"


async def test_months_before_and_to_come_have_no_bill(june: MarketMonth) -> None:
    before = await read_statement(june, "ada", read_month("2026-05"), community="newtown")
    assert (before.billed, before.unbilled, before.total_cents) == ((), (), 0)  # ada was no member yet
    later = await read_statement(june, "ada", read_month("2026-07"), community="newtown")
    assert (later.billed, len(later.unbilled)) == ((), 31)


async def test_days_that_the_ledger_forgot_are_not_to_come(june: MarketMonth) -> None:
    class Forgetful(MarketMonth):
        async def get_home(self, home: str) -> Home:
            return replace(await super().get_home(home), forgotten_before=(FIRST_DAY + 30) * 1440 - 600)

        async def get_bill(self, home: str, day: int) -> Bill:
            raise Refused("unknown_bill", "forgotten", "get_bill")

    told = await read_statement(Forgetful(june.day), "ada", JUNE, community="newtown")
    assert (told.billed, told.unbilled) == ((), ())
    assert "holds no bill" in statement_html(told)


async def test_refusals_reach_the_caller(june: MarketMonth) -> None:
    with pytest.raises(Refused, match="unknown_home"):
        await read_statement(june, "dee", JUNE, community="newtown")

    class Closed(MarketMonth):
        async def get_bill(self, home: str, day: int) -> Bill:
            raise Refused("not_yours", "the records are another home's", "get_bill")

    with pytest.raises(Refused, match="not_yours"):
        await read_statement(Closed(june.day), "ada", JUNE, community="newtown")
