# SPDX-License-Identifier: Apache-2.0
"""Carbon quotas: a home above its quota of the day pays, and what is paid is shared among those below theirs.

Emissions are in mg: Wh times g per kWh. Only what a home took from the grid counts. Energy of neighbours counts 0:
where it came from the grid before, through a battery, it counted at the home that took it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from ..tariff import DAY_MIN, HOUR_MIN

MG_PER_G = 1_000
SHARE_PARTS = 2
"""A share is at most half of what the home pays the grid, so that another Wh from the grid never comes free."""


class Intensity(NamedTuple):
    """What a kWh of the grid emits from one local hour until before another."""

    from_hour: int
    to_hour: int
    g_per_kwh: int


class Quota(NamedTuple):
    """What every home may emit on a local day, and the price of a kg above it, in µAUD."""

    g_per_day: int
    price_uaud_per_kg: int


class CarbonDay(NamedTuple):
    """A home's local day. ``grid_naud`` is what the grid charged it for energy, less what the grid paid it.

    ``shares``: every period of the day is measured, and the grid confirmed the connection point.
    """

    home: str
    emitted_mg: int
    grid_naud: int
    shares: bool


class CarbonLine(NamedTuple):
    """``amount_naud`` is what the home pays, negative if it receives."""

    emitted_mg: int
    amount_naud: int


@dataclass(frozen=True, slots=True)
class CarbonSettlement:
    """Lines by home; ``fund_naud`` is what nobody gets. All amounts sum to it."""

    lines: dict[str, CarbonLine]
    fund_naud: int


def check_intensity(table: Sequence[Intensity]) -> None:
    """ValueError unless the hours cover the day one after another and nothing is negative."""
    hour = 0
    for one in table:
        if one.from_hour != hour or one.to_hour <= one.from_hour or one.g_per_kwh < 0:
            raise ValueError(
                f"intensity: {one.from_hour} h to {one.to_hour} h does not follow {hour} h, or is negative"
            )
        hour = one.to_hour
    if hour * HOUR_MIN != DAY_MIN:
        raise ValueError(f"intensity: the hours end at {hour} h, not at 24 h")


def emitted_mg(grid_in_wh: Iterable[tuple[int, int]], table: Sequence[Intensity]) -> int:
    """What a home's day emitted, from (local minute of the period's start, Wh from the grid)."""
    check_intensity(table)
    total_mg = 0
    for minute, energy_wh in grid_in_wh:
        if not 0 <= minute < DAY_MIN or energy_wh < 0:
            raise ValueError(f"minute {minute}: outside the day, or its energy is negative")
        total_mg += energy_wh * next(one.g_per_kwh for one in table if minute < one.to_hour * HOUR_MIN)
    return total_mg


def settle_carbon(days: Iterable[CarbonDay], quota: Quota) -> CarbonSettlement:
    """Settle a local day. Pure: the order of the homes changes nothing.

    Every home above the quota pays, also one that nobody measured: else a silent meter would save the payment. Those
    who share and are below get in proportion to how far, each at most half of its own charge of the grid; what one
    cannot take goes to the others. Floors and what nobody can take go to the fund. ValueError for a home twice, or
    below zero.
    """
    days = sorted(days)
    if len({day.home for day in days}) != len(days):
        raise ValueError("a home has two days")
    if min(quota) < 0 or any(day.emitted_mg < 0 for day in days):
        raise ValueError("a quota, its price or an emission is negative")
    quota_mg = quota.g_per_day * MG_PER_G
    paid_naud = {
        day.home: quota.price_uaud_per_kg * max(0, day.emitted_mg - quota_mg) // 1_000 for day in days
    }
    below = [
        (day.home, quota_mg - day.emitted_mg, max(0, day.grid_naud) // SHARE_PARTS)
        for day in days
        if day.shares and day.emitted_mg < quota_mg
    ]
    got_naud = _shared(below, sum(paid_naud.values()))
    lines = {
        day.home: CarbonLine(day.emitted_mg, paid_naud[day.home] - got_naud.get(day.home, 0)) for day in days
    }
    return CarbonSettlement(lines, sum(line.amount_naud for line in lines.values()))


def _shared(below: Iterable[tuple[str, int, int]], pot_naud: int) -> dict[str, int]:
    """Divide a pot over (home, weight, cap) in proportion to weights; those come first whom their cap binds.

    So a home that may get nothing takes nothing from the others' shares.
    """
    waiting = sorted(below, key=lambda one: (Fraction(one[2], one[1]), one[0]))
    weights = sum(weight for _, weight, _ in waiting)
    shares: dict[str, int] = {}
    for place, (home, weight, cap_naud) in enumerate(waiting):
        if cap_naud * weights > pot_naud * weight:
            shares |= {name: pot_naud * part // weights for name, part, _ in waiting[place:]}
            break
        shares[home] = cap_naud
        pot_naud -= cap_naud
        weights -= weight
    return shares
