# SPDX-License-Identifier: Apache-2.0
"""A June of three homes: the day of docs/market.md thirty times, with a correction and a demand charge.

Bills and lines come from the market's own rules; a `MarketMonth` answers as the contract's client does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from commonwatt_chaincode.market.forward.bills import (
    Adjustment,
    Bill,
    Settled,
    adjustment,
    bill,
    demand_charge,
)
from commonwatt_chaincode.market.forward.gates import Times
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.settlement import Line
from commonwatt_chaincode.market.forward.tariffs import Days, Demand
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import (
    Configuration,
    ConnectionVersion,
    Home,
    HomeLine,
    Rules,
    Standing,
)

from .market_day import Connection, Day, commands, the_day

FIRST_DAY, DAYS = 20605, 30
"""1 June 2026."""
DEMAND = Demand(Days((1, 2, 3, 4, 5)), 900, 1260, 8_000_000)
"""8 $ per kW of a month's highest import in the peak of a working day."""


@dataclass
class MarketMonth:
    """Bills and lines by home and day, and the configuration; `now_day` is the local day that runs."""

    day: Day
    now_day: int = FIRST_DAY + DAYS
    final: bool = False

    @property
    def configuration(self) -> Configuration:
        """One tariff, one clock offset."""
        rules = Rules(0, Times(), "mid_market", "dynamic", "meter", 1500, 24, 3600)
        return Configuration(
            1,
            "NewtownMSP",
            "live",
            "net",
            False,
            ((0, 60),),
            self.day.offsets,
            (rules,),
            (self.day.version,),
            (),
        )

    def settled(self, home: str, day: int) -> list[Settled]:
        """A home's settled periods of a local day."""
        shift = (day - self.day.told["day"]) * 1440
        return [
            Settled(
                Period(period.id + shift, period.length_min),
                self.day.tariff(hour).band.name,
                self.day.tariff(hour).prices,
                self.day.metered(hour, home),
                self.day.line(hour, home),
                "estimated" if self.day.metered(hour, home).estimated else "measured",
                self.final,
            )
            for hour, period in self.day.periods.items()
        ]

    def correction(self, home: str, day: int) -> tuple[Adjustment, ...]:
        """Cy's silent hour of 2 June, booked on the 5th."""
        if home != "cy" or day != FIRST_DAY + 4:
            return ()
        told = self.day.bills["later"]["bill"]["adjustments"][0]
        line = self.day.line("20", "cy")
        after = _corrected(line, told["change"])
        return (adjustment(told["period_id"], self.day.tariff("20").prices, line, after, told["reason"]),)

    async def get_configuration(self) -> Standing:
        """The rules; the clock stands at 6:00 of the day that runs."""
        offset_min = self.day.offsets[0][1]
        return Standing(self.configuration, (self.now_day * 1440 - offset_min + 360) * 60)

    async def get_home(self, home: str) -> Home:
        """Registered since 1 June."""
        if home not in self.day.homes:
            raise Refused("unknown_home", f"{home} is not registered", "get_home")
        connection = Connection(**self.day.told["homes"][home])
        first = FIRST_DAY * 1440 - self.day.offsets[0][1]
        return Home(home, "prosumer", 0, (ConnectionVersion(first, connection),), None, None, None)

    async def get_bill(self, home: str, day: int) -> Bill:
        """A day's bill, from the day after on."""
        if not FIRST_DAY <= day < min(self.now_day, FIRST_DAY + DAYS):
            raise Refused("unknown_bill", f"{home} has no bill of day {day}", "get_bill")
        demand = None
        if day == FIRST_DAY + DAYS - 1:
            month = [one for each in range(FIRST_DAY, FIRST_DAY + DAYS) for one in self.settled(home, each)]
            demand = demand_charge(month, DEMAND, (), self.day.offsets)
        supply_naud = self.day.version.supply_naud_per_day
        return bill(home, day, self.settled(home, day), supply_naud, self.correction(home, day), demand)

    async def list_lines(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[HomeLine, ...]:
        """The settled periods of a span."""
        assert home is not None
        found = []
        first = (from_period + self.day.offsets[0][1]) // 1440
        for day in range(max(first, FIRST_DAY), min(first + 2, self.now_day, FIRST_DAY + DAYS)):
            for hour, one in zip(self.day.periods, self.settled(home, day), strict=True):
                if not from_period <= one.period.id < to_period:
                    continue
                metered, line, prices = one.metered, one.line, one.prices
                found.append(
                    HomeLine(
                        one.period.id, one.period.length_min, home, 1, one.quality, "meter", 1,
                        metered.import_wh, metered.export_wh, metered.bought_wh, metered.sold_wh,
                        metered.export_cap_wh, 0, (), *line, one.final, one.band, *prices,
                        self.day.clearings[hour]["price"], "dynamic", prices.middle,
                    )
                )  # fmt: skip
        return tuple(found)


def _corrected(line: Line, change: Mapping[str, int]) -> Line:
    """The line before a correction, and the difference."""
    return Line(*(getattr(line, name) + change[name] for name in Line._fields))


def the_month(**given: int | bool) -> MarketMonth:
    """The month."""
    return replace(MarketMonth(the_day(commands())), **given)  # type: ignore[arg-type]
