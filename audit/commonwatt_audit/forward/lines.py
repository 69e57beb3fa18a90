# SPDX-License-Identifier: Apache-2.0
"""Settled lines: how the ledger holds them, and which of them stand."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from commonwatt_audit.world import Json

from .calendar import Calendar, Period
from .ledger import Ledger
from .outside import NOTHING, Outside
from .prices import Prices
from .readings import ESTIMATED, SUBSTITUTED
from .settlement import Line, Metered, Terms, resettled

PART_HOMES = BILL_HOMES = 200
"""The homes of one part of a settlement, and of a day's bills."""


class SettledLine(NamedTuple):
    """A home's settled period, in the order in which the ledger holds its values.

    `version` is the one in which it last changed; `seq` 0: no reading stands behind it.
    """

    home: str
    version: int
    quality: str
    author: str
    seq: int
    reading_version: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    export_cap_wh: int | None
    key_ppm: int
    exceeded: tuple[str, ...]
    line: Line
    salt: str
    outside: Outside = NOTHING

    @property
    def metered(self) -> Metered:
        """The contract and meter that it rests on."""
        return Metered(
            self.home,
            self.bought_wh,
            self.sold_wh,
            self.import_wh,
            self.export_wh,
            self.export_cap_wh,
            self.key_ppm,
            self.quality == ESTIMATED,
            self.outside,
        )


def parts_of(homes: Iterable[str]) -> list[list[str]]:
    """The homes of each part of a settlement, by name; where there are none, one part of none."""
    return _sliced(homes, PART_HOMES)


def bill_parts_of(homes: Iterable[str]) -> list[list[str]]:
    """The same of a day's bills."""
    return _sliced(homes, BILL_HOMES)


def _sliced(homes: Iterable[str], size: int) -> list[list[str]]:
    """As few slices as can be, that differ by one home at most: the first k // n homes end the first of n slices."""
    ordered = sorted(homes)
    count = -(-len(ordered) // size) or 1
    ends = [number * len(ordered) // count for number in range(count + 1)]
    return [ordered[ends[number] : ends[number + 1]] for number in range(count)]


def place_of_lines(period: int, version: int, part: int) -> str:
    """Where a part's lines stand."""
    return f"lines/{period:09d}/{version:04d}/{part:04d}"


def stored(header: Json, lines: Iterable[SettledLine]) -> Json:
    """A part's lines as the ledger holds them: each an array."""
    return {**header, "lines": [_values(one) for one in lines]}


def lines_at(ledger: Ledger, period: int, version: int, part: int) -> dict[str, SettledLine]:
    """A part's lines by home. Unseen where they were not shown."""
    found = ledger.private_record(place_of_lines(period, version, part))
    return {one[0]: _line(one) for one in found["lines"]}


_OUTSIDE_AT = SettledLine._fields.index("outside")


def _values(one: SettledLine) -> list[Any]:
    """What a home traded with other communities is the last value, where it did."""
    values: list[Any] = [*one[: _OUTSIDE_AT - 2], list(one.line), one.salt]
    return values if one.outside == NOTHING else [*values, list(one.outside)]


def _line(values: list[Any]) -> SettledLine:
    exceeded, line, its_salt = values[_OUTSIDE_AT - 3 : _OUTSIDE_AT]
    outside = Outside(*values[_OUTSIDE_AT]) if len(values) > _OUTSIDE_AT else NOTHING
    known = [*values[: _OUTSIDE_AT - 3], tuple(exceeded), Line(*line), its_salt]
    return SettledLine._make([*known, outside])


def with_gap(line: SettledLine, gap: Mapping[str, int] | None, terms: Terms) -> SettledLine:
    """A line by what the running totals say of its period; a line of a reading stays."""
    if line.seq or gap is None:
        return line
    read = line.metered._replace(import_wh=gap["import_wh"], export_wh=gap["export_wh"], assumed=False)
    return line._replace(
        quality=SUBSTITUTED,
        import_wh=read.import_wh,
        export_wh=read.export_wh,
        line=resettled(read, line.line, terms),
    )


def gap_of(ledger: Ledger, period: int, home: str) -> Json | None:
    """What a gap was spread over a home's period; None without one, Unseen where it was not shown."""
    key = f"gap/{period:09d}/{home}"
    return ledger.private_record(key) if ledger.get(key) is not None else None


def terms_of(found: Json) -> tuple[Prices, Terms]:
    """What a part was settled at, of its stored lines."""
    price = found["prices"]
    prices = Prices(
        found["band"],
        price["tou"],
        price["feed_in"],
        price["local_fee"],
        found["sharing_price_uaud_per_kwh"],
    )
    return prices, Terms(prices, found["price_uaud_per_kwh"], found["sharing"])


def alike(calendar: Calendar, period: Period, looked_back_days: int = 28) -> Iterable[Period]:
    """The periods of the last days that share a local minute with a period, the earliest first."""
    first, day = calendar.local_minute(period.start_s), calendar.day_at(period.start_s)
    for past_day in range(day - looked_back_days - 1, day + 1):
        for earlier in calendar.periods(past_day):
            minute = calendar.local_minute(earlier.start_s)
            if minute < first + period.length_min and first < minute + earlier.length_min:
                yield earlier
