# SPDX-License-Identifier: Apache-2.0
"""What a local day's emissions cost and earn, computed a second time: by the level to which bounds are filled."""

from collections.abc import Iterable, Sequence

from commonwatt_audit.world import Json, require


def check_quota(rule: Json) -> None:
    """Difference unless a quota can be: 24 hours without a hole, nothing negative."""
    hours = [hour for begin, end, _ in rule["intensity"] for hour in range(begin, end)]
    require(
        hours == list(range(24)) and all(begin < end for begin, end, _ in rule["intensity"]),
        "the hours of its intensity are not those of a day",
    )
    figures = [rule["quota_g_per_day"], rule["price_uaud_per_kg"], *(one[2] for one in rule["intensity"])]
    require(min(figures) >= 0, "its quota, price or intensity is negative")


def grams_at(rule: Json, local_minute: int) -> int:
    """g per kWh at a local minute, where the grid published nothing else."""
    return int(next(grams for begin, end, grams in rule["intensity"] if begin <= local_minute // 60 < end))


def payment_naud(day: Json, rule: Json) -> int:
    """What a home above its quota pays."""
    excess_mg = day["emitted_mg"] - 1_000 * rule["quota_g_per_day"]
    return excess_mg * int(rule["price_uaud_per_kg"]) // 1_000 if excess_mg > 0 else 0


def level_of(days: Sequence[Json], rule: Json) -> Json:
    """The money and the mg below of those homes that get less than their bound.

    Homes are taken out, round by round, as long as their bound is no more than their part of what is left.
    """
    left = [(_room_mg(day, rule), _bound_naud(day)) for day in days if _room_mg(day, rule)]
    pot_naud = sum(payment_naud(day, rule) for day in days)
    while True:
        whole_mg = sum(room_mg for room_mg, _ in left)
        full = [one for one in left if one[1] * whole_mg <= pot_naud * one[0]]
        if not full:
            return {"pot_naud": pot_naud, "below_mg": whole_mg}
        left = [one for one in left if one not in full]
        pot_naud -= sum(bound_naud for _, bound_naud in full)


def line_of(day: Json, rule: Json, level: Json) -> Json:
    """A home's line as its bill has it."""
    amount_naud, room_mg = payment_naud(day, rule), _room_mg(day, rule)
    if room_mg and level["below_mg"]:
        part_naud = level["pot_naud"] * room_mg // level["below_mg"]
        amount_naud -= min(part_naud, _bound_naud(day))
    elif room_mg:
        amount_naud -= _bound_naud(day)
    quota_mg = 1_000 * rule["quota_g_per_day"]
    return {"emitted_mg": day["emitted_mg"], "quota_mg": quota_mg, "amount_naud": amount_naud}


def sums_of(days: Iterable[Json], rule: Json) -> Json:
    """The sums of some homes that a part's record holds."""
    days = list(days)
    return {
        "homes": len(days),
        "emitted_mg": sum(day["emitted_mg"] for day in days),
        "paid_naud": sum(payment_naud(day, rule) for day in days),
    }


def _room_mg(day: Json, rule: Json) -> int:
    if not day["shares"]:
        return 0
    return int(max(0, 1_000 * rule["quota_g_per_day"] - day["emitted_mg"]))


def _bound_naud(day: Json) -> int:
    """Half of what the grid charged the home."""
    return int(max(0, day["grid_naud"]) // 2)
