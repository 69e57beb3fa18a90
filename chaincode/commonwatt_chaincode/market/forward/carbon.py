# SPDX-License-Identifier: Apache-2.0
"""Carbon quotas: a home above its quota of the day pays, and what is paid is shared among those below theirs.

Emissions are in mg: Wh times g per kWh. Only what a home took from the grid counts. Energy of neighbours counts 0:
where it came from the grid before, through a battery, it counted at the home that took it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from ..tariff import DAY_MIN, HOUR_MIN
from .bills import CarbonLine, Settled
from .periods import Offsets, Period, local_minute_at
from .readings import MEASURED

MG_PER_G = 1_000
SHARE_PARTS = 2
"""A share is at most half of what the home pays the grid, so that another Wh from the grid never comes free."""

Hours = tuple[int, int, int]
"""From which local hour until before which a kWh of the grid emits how many g."""


@dataclass(frozen=True, slots=True)
class Carbon:
    """What every home may emit on a local day, the price of a kg above it, and what the grid's energy emits."""

    quota_g_per_day: int
    price_uaud_per_kg: int
    intensity: tuple[Hours, ...]

    @property
    def quota_mg(self) -> int:
        """The quota in the unit of emissions."""
        return self.quota_g_per_day * MG_PER_G


class CarbonDay(NamedTuple):
    """A home's local day. ``grid_naud`` is what the grid charged it for energy, less what the grid paid it.

    ``shares``: every period of the day is measured, and the grid confirmed the connection point.
    """

    home: str
    emitted_mg: int
    grid_naud: int
    shares: bool


class Level(NamedTuple):
    """What divides the payments: homes whose bound does not bind share ``pot_naud``, each for its part of ``below_mg``.

    So a home's share follows from its own day and this.
    """

    pot_naud: int
    below_mg: int


@dataclass(frozen=True, slots=True)
class CarbonSettlement:
    """Lines by home; ``fund_naud`` is what nobody gets. All amounts sum to it."""

    lines: dict[str, CarbonLine]
    fund_naud: int


def check_carbon(carbon: Carbon) -> None:
    """ValueError unless the hours cover the day one after another and nothing is negative."""
    if carbon.quota_g_per_day < 0 or carbon.price_uaud_per_kg < 0:
        raise ValueError("carbon: the quota or its price is negative")
    hour = 0
    for from_hour, to_hour, g_per_kwh in carbon.intensity:
        if from_hour != hour or to_hour <= from_hour or g_per_kwh < 0:
            raise ValueError(
                f"intensity: {from_hour} h to {to_hour} h does not follow {hour} h, or is negative"
            )
        hour = to_hour
    if hour * HOUR_MIN != DAY_MIN:
        raise ValueError(f"intensity: the hours end at {hour} h, not at 24 h")


def g_per_kwh(period: Period, carbon: Carbon, offsets: Offsets, published: Mapping[int, int]) -> int:
    """What a period's energy of the grid emits: what the grid published for it by its id, else what its hour says."""
    return published.get(period.id, g_per_kwh_at(local_minute_at(period, offsets), carbon))


def g_per_kwh_at(minute: int, carbon: Carbon) -> int:
    """What the rule says of the hour of a local minute of the day."""
    return next(grams for _, to_hour, grams in carbon.intensity if minute < to_hour * HOUR_MIN)


def carbon_day(
    home: str, periods: Sequence[Period], lines: Sequence[Settled], grams: Mapping[int, int]
) -> CarbonDay:
    """A home's day, of its settled ``periods``; ``grams`` are g per kWh by period id."""
    return CarbonDay(
        home,
        sum(one.line.grid_in_wh * grams[one.period.id] for one in lines),
        sum(one.line.grid_naud for one in lines),
        len(lines) == len(periods) and all(one.quality == MEASURED for one in lines),
    )


def paid_naud(day: CarbonDay, carbon: Carbon) -> int:
    """What a home above the quota pays, also one that nobody measured: else a silent meter would save it."""
    return carbon.price_uaud_per_kg * max(0, day.emitted_mg - carbon.quota_mg) // 1_000


def level_of(days: Iterable[CarbonDay], carbon: Carbon) -> Level:
    """How the payments of all homes are shared. Pure: the order of the homes changes nothing.

    Those who share and are below get in proportion to how far, each at most half of its own charge of the grid. A part
    that one home cannot take goes to the others. So those whose bound binds come first, and take nothing from the
    others'
    shares. ValueError for a home twice, or below zero.
    """
    days = tuple(days)
    if len({day.home for day in days}) != len(days):
        raise ValueError("a home has two days")
    if any(day.emitted_mg < 0 for day in days):
        raise ValueError("an emission is negative")
    pot_naud = sum(paid_naud(day, carbon) for day in days)
    waiting = sorted(
        (Fraction(_bound_naud(day), below_mg), below_mg, _bound_naud(day))
        for day in days
        if (below_mg := _below_mg(day, carbon))
    )
    left_mg = sum(below_mg for _, below_mg, _ in waiting)
    for _, below_mg, bound_naud in waiting:
        if bound_naud * left_mg > pot_naud * below_mg:
            break
        pot_naud -= bound_naud
        left_mg -= below_mg
    return Level(pot_naud, left_mg)


def carbon_line(day: CarbonDay, carbon: Carbon, level: Level) -> CarbonLine:
    """What a home pays, or gets, of a level that was made for all homes of the day."""
    share_naud, below_mg = 0, _below_mg(day, carbon)
    if below_mg:
        share_naud = _bound_naud(day)
        if level.below_mg:
            share_naud = min(share_naud, level.pot_naud * below_mg // level.below_mg)
    return CarbonLine(day.emitted_mg, carbon.quota_mg, paid_naud(day, carbon) - share_naud)


def settle_carbon(days: Iterable[CarbonDay], carbon: Carbon) -> CarbonSettlement:
    """Settle a local day. Floors and what nobody can take go to the fund. ValueError as for ``level_of``."""
    days = sorted(days)
    level = level_of(days, carbon)
    lines = {day.home: carbon_line(day, carbon, level) for day in days}
    return CarbonSettlement(lines, sum(line.amount_naud for line in lines.values()))


def _below_mg(day: CarbonDay, carbon: Carbon) -> int:
    """How far a home that shares is below the quota."""
    return max(0, carbon.quota_mg - day.emitted_mg) if day.shares else 0


def _bound_naud(day: CarbonDay) -> int:
    """The most that a home gets."""
    return max(0, day.grid_naud) // SHARE_PARTS
