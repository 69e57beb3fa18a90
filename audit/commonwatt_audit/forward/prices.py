# SPDX-License-Identifier: Apache-2.0
"""What a period costs: the tariff that was published when its window opened, and the band at its start."""

from collections.abc import Sequence
from typing import NamedTuple

from commonwatt_audit.world import Json

from .calendar import Calendar, Period


class Prices(NamedTuple):
    """In µAUD per kWh. `sharing` is the band's own price of shared energy, None where it has none."""

    band: str
    tou: int
    feed_in: int
    local_fee: int
    sharing: int | None

    @property
    def dearest(self) -> int:
        """What a neighbour's energy may cost without the fee."""
        return self.tou - self.local_fee

    @property
    def halfway(self) -> int:
        """Between the feed-in price and the dearest."""
        return (self.tou - self.local_fee + self.feed_in) // 2

    @property
    def of_sharing(self) -> int:
        """The price of shared energy."""
        return self.halfway if self.sharing is None else self.sharing

    def as_json(self) -> Json:
        """As records hold them."""
        return {"tou": self.tou, "feed_in": self.feed_in, "local_fee": self.local_fee}


def version_on(tariffs: Sequence[Json], day: int, known_s: int) -> Json:
    """The tariff of a local day of those published by a time: the latest start, of these the last published."""
    known = [one for one in tariffs if one["from_day"] <= day and one["published_s"] <= known_s]
    if not known:
        raise ValueError(f"no tariff of day {day} was published in time")
    return max(known, key=lambda one: (one["from_day"], one["published_s"]))


def is_holiday(holidays: Sequence[Json], day: int, known_s: int) -> bool:
    """Whether the ledger knew by a time that a local day is a holiday."""
    return any(one["day"] == day and one["published_s"] <= known_s for one in holidays)


def prices_of(configuration: Json, calendar: Calendar, period: Period, known_s: int) -> Prices:
    """The prices of a period as they were known at a time. ValueError where there was no tariff."""
    day = calendar.day_at(period.start_s)
    version = version_on(configuration["tariffs"], day, known_s)
    holiday = is_holiday(configuration["holidays"], day, known_s)
    minute = calendar.local_minute(period.start_s)
    for schedule in version["schedules"]:
        if not counts_on(schedule["days"], day, holiday):
            continue
        for band in schedule["bands"]:
            if band["from_min"] <= minute < band["to_min"]:
                fee = version["local_fee"]
                return Prices(band["name"], band["tou"], band["feed_in"], fee, band["sharing_price"])
    raise ValueError(f"the tariff of day {day} has no band at minute {minute}")


def counts_on(days: Json, day: int, holiday: bool) -> bool:
    """Whether a local day is among these days; 1 January 1970 was a Thursday, and Sunday is 0."""
    return bool(days["holidays"]) if holiday else (day + 4) % 7 in days["weekdays"]
