# SPDX-License-Identifier: Apache-2.0
"""The portal's figures, against docs/market.md."""

import json
from collections.abc import Sequence
from typing import Any

from commonwatt_community.market.results import Award, ClearedPrice, HomeLine, PeriodAwards
from commonwatt_community.portal.reading import DAY_KEPT_S, HomeReader
from commonwatt_community.portal.summary import Co2Factor, Known, summary

from ....support.market_month import FIRST_DAY, MarketMonth

TODAY = FIRST_DAY + 10


class Market:
    """The month, with a day that runs: its hours until 18:00 are settled."""

    def __init__(self, month: MarketMonth, hours: int = 18) -> None:
        self.month = month
        self.hours = hours
        self.asked: list[str] = []
        self.get_configuration = month.get_configuration
        self.get_home = month.get_home

    async def get_bill(self, home: str, day: int) -> Any:
        self.asked.append(f"bill {day}")
        return await self.month.get_bill(home, day)

    async def list_lines(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> Sequence[HomeLine]:
        self.asked.append(f"lines {(from_period + 600) // 1440}")
        yesterday = await self.month.list_lines(from_period - 1440, to_period - 1440, home)
        return [
            HomeLine(**{**vars(one), "period": one.period + 1440, "final": False})
            for one in yesterday[: self.hours]
        ]

    async def get_prices(self, from_period: int, to_period: int) -> tuple[ClearedPrice, ...]:
        return (ClearedPrice(from_period, 111_000, 500, 200_000, 50_000, 20_000),)

    async def list_awards(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[PeriodAwards, ...]:
        assert home is not None
        ids = (f"{from_period}-O-{home}", f"{from_period + 60}-R-{home}")
        return (
            PeriodAwards(from_period, 130_000, (Award(home, ids[0], 0, 700, ""),)),
            PeriodAwards(from_period + 60, None, (Award(home, ids[1], 0, 0, "price_out_of_bounds"),)),
        )


async def test_today_and_this_month(eleventh: MarketMonth) -> None:
    known = await HomeReader(Market(eleventh)).read("bo")  # type: ignore[arg-type]
    told = summary(known, Co2Factor(660, "a test"))
    # bo's hours until 18:00 on docs/market.md: 1300 Wh and 2000 Wh sold, 1500 Wh shared, 1100 Wh to the grid
    today = told["today"]
    assert (today["sold_wh"], today["shared_out_wh"], today["grid_out_wh"], today["breach_wh"]) == (
        3_300,
        1_500,
        1_100,
        300,
    )
    assert today["grid_in_wh"] == 700
    # 7 night hours at 2 c, 16.9 c, 22.8 c and 26 c received, 110 c supply
    assert today["amount_naud"] == round((7 * 2 - 16.9 - 22.8 - 26 + 110) * 10**7)
    assert [row["hour"] for row in today["hours"]] == list(range(18))
    assert today["hours"][9]["sold_wh"] == 1_300
    assert today["settled_to_s"] == (TODAY * 1_440 - 600 + 18 * 60) * 60
    month = told["month"]
    assert month["billed_days"] == 10
    assert month["amount_naud"] == 10 * round(13.3 * 10**7) + today["amount_naud"]
    assert month["saved_naud"] == 10 * round(73.8 * 10**7) + today["saved_naud"]
    assert [row["day"] for row in month["days"]] == list(range(1, 12))
    assert told["co2"]["given_g"] == (10 * (3_300 + 2_700 + 1_500) + 4_800) * 660 // 1_000
    assert told["co2"]["source"] == "a test"
    assert (told["has_panels"], told["has_battery"], told["offset_min"]) == (True, True, 600)
    json.dumps(told)


async def test_a_day_without_lines_costs_nothing_yet(eleventh: MarketMonth) -> None:
    told = summary(await HomeReader(Market(eleventh, hours=0)).read("ada"))  # type: ignore[arg-type]
    assert told["today"]["amount_naud"] == 0
    assert told["today"]["settled_to_s"] is None
    assert told["co2"] is None


async def test_trades_are_the_newest_first_and_say_why_a_bid_was_refused(eleventh: MarketMonth) -> None:
    trades = summary(await HomeReader(Market(eleventh)).read("bo"))["trades"]  # type: ignore[arg-type]
    assert [(one["code"], one["sold_wh"], one["offers"]) for one in trades] == [
        ("price_out_of_bounds", 0, False),
        ("", 700, True),
    ]


async def test_a_month_asks_for_bills_and_for_lines_of_open_days_alone(eleventh: MarketMonth) -> None:
    market, now = Market(eleventh), 0.0
    reader = HomeReader(market, lambda: now)  # type: ignore[arg-type]
    await reader.read("ada")
    assert sorted(market.asked) == [*(f"bill {FIRST_DAY + day}" for day in range(10)), f"lines {TODAY}"]
    market.asked.clear()
    await reader.read("ada")
    assert market.asked == [f"lines {TODAY}"]
    reader.forget()
    market.asked.clear()
    await reader.read("ada")
    assert len(market.asked) == 11
    now = DAY_KEPT_S + 1
    market.asked.clear()
    await reader.read("ada")
    assert len(market.asked) == 11


async def test_an_empty_month(eleventh: MarketMonth) -> None:
    home = await eleventh.get_home("ada")
    standing = await eleventh.get_configuration()
    told = summary(Known(home, standing.now_s, standing.configuration))
    assert told["month"]["amount_naud"] == 0
    assert told["month"]["billed_days"] == 0
    assert told["prices"]
