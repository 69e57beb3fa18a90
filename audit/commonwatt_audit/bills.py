# SPDX-License-Identifier: Apache-2.0
"""Replay of bills: every metered need once, and time without a reading as an estimate."""

from collections.abc import Iterator
from itertools import pairwise

from commonwatt_chaincode.market.billing import Bill
from commonwatt_chaincode.market.tariff import local_minute, tou_at

from commonwatt_audit.rules import (
    COMMUNITY,
    first_instant,
    market_time,
    of_home,
    parameters_of,
    readings_between,
    require_operator,
    version_at,
    versions_of,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require

DAY_S, HOUR_S = 86_400, 3_600
REMEMBERED_S = 28 * DAY_S
_SUMMED = ("use_wh", "generation_wh", "own_wh", "need_wh", "charged_wh", "spill_wh", "grid_charge_wh")
_NAMES = tuple(Bill.__dataclass_fields__)


def settle_day(world: World, recorded: Recorded) -> Writes:
    """The bills of a day that is over; those that stay the same are not written."""
    require_operator(world, recorded)
    argument, transaction, day = recorded.argument, recorded.transaction_id, recorded.argument["day"]
    versions = versions_of(world)
    start, end = first_instant(versions, day), first_instant(versions, day + 1)
    now, due_at = market_time(world, recorded), _due_at(world, end)
    require(now >= due_at, f"day {day} is settled at {now}, before {due_at}")
    wanted = argument.get("home")
    homes = [world.need(f"home/{wanted}")] if wanted is not None else list(world.under("home"))
    writes: Writes = {}
    for registration in homes:
        home = registration["home"]
        amounts = _bill(world, registration, start, end)
        key = f"bill/{day:06d}/{home}"
        known = world.get(key)
        if known is None or known["bill"] != amounts:
            writes[key] = {
                "home": home,
                "day": day,
                "version": 1 if known is None else known["version"] + 1,
                "bill": amounts,
                "transaction": transaction,
            }
    return writes


def _due_at(world: World, end: int) -> int:
    if world.need(COMMUNITY)["clock"] == "simulated":
        return end
    parameters = parameters_of(version_at(world, end - 1))
    beyond_s = 0 if parameters.cut_at_bands else 60 * parameters.st_max
    return end + beyond_s + parameters.report_within_s + parameters.clock_error_s


def _bill(world: World, registration: Json, start: int, end: int) -> Json:
    """A home's day, line by line."""
    home = registration["home"]
    sums = dict.fromkeys(_NAMES, 0)
    requests = {one["interval_start"]: one for one in of_home(world, "request", home, start, end)}
    for request in requests.values():
        require(request["state"] != "OPEN", f"round {request['round']} still ran when its day was settled")
    around = readings_between(world, home, start - DAY_S, end)
    for reading in around:
        if reading["interval_start"] < start:
            continue
        request = requests.get(reading["interval_start"], {"bought_wh": 0, "bought_naud": 0})
        _add_reading(sums, reading, request["bought_wh"], request["bought_naud"])
    for sale in of_home(world, "sale", home, start, end):
        sums["sales"] += 1
        sums["sold_wh"] += sale["sold_wh"]
        sums["revenue_naud"] += sale["revenue_naud"]
    for seconds, energy_wh, tou in _unmetered(world, registration, around, start, end):
        sums["unmetered_s"] += seconds
        sums["unmetered_wh"] += energy_wh
        sums["unmetered_amount_naud"] += energy_wh * tou
    paid = ("p2p_amount_naud", "grid_amount_naud", "grid_charge_amount_naud", "unmetered_amount_naud")
    earned = ("revenue_naud", "spill_credit_naud", "over_credit_naud")
    sums["amount_naud"] = sum(sums[name] for name in paid) - sum(sums[name] for name in earned)
    sums["traditional_naud"] += sums["unmetered_amount_naud"]
    return sums


def _add_reading(sums: Json, reading: Json, bought_wh: int, bought_naud: int) -> None:
    tou, feed_in = reading["tou_uaud_per_kwh"], reading["feed_in_uaud_per_kwh"]
    left_wh = reading["need_wh"] - bought_wh
    sums["intervals"] += 1
    for name in _SUMMED:
        sums[name] += reading[name]
    sums["bought_p2p_wh"] += bought_wh
    sums["p2p_amount_naud"] += bought_naud
    sums["bought_grid_wh"] += max(0, left_wh)
    sums["grid_amount_naud"] += max(0, left_wh) * tou
    sums["over_wh"] += max(0, -left_wh)
    sums["over_credit_naud"] += max(0, -left_wh) * feed_in
    sums["grid_charge_amount_naud"] += reading["grid_charge_wh"] * tou
    sums["spill_credit_naud"] += reading["spill_wh"] * reading["spill_price_uaud_per_kwh"]
    sums["traditional_naud"] += reading["use_wh"] * tou - reading["generation_wh"] * feed_in


def _unmetered(
    world: World, registration: Json, around: list[Json], start: int, end: int
) -> Iterator[tuple[int, int, int]]:
    """Seconds, Wh and tariff of each stretch of the day without a reading, from the registration on."""
    begin = max(start, registration["registered_at"])
    if begin >= end:
        return
    versions = versions_of(world)
    covered = [(one["interval_start"], one["interval_end"]) for one in around]
    edges = {begin, end}
    edges.update(edge for span in covered for edge in span if begin < edge < end)
    edges.update(one["starts_at"] for one in versions if begin < one["starts_at"] < end)
    edges.update(_hours(versions, begin, end))
    bare = [
        (one, other)
        for one, other in pairwise(sorted(edges))
        if not any(first <= one and other <= last for first, last in covered)
    ]
    highest_w = _highest_w(world, registration["home"], start) if bare else {}
    for one, other in bare:
        parameters = parameters_of(_version(versions, one))
        minute = local_minute(one, parameters.utc_offset_min)
        power_w = highest_w.get(minute // 60, parameters.estimate_w)
        yield other - one, power_w * (other - one) // HOUR_S, tou_at(parameters.tou, minute)


def _hours(versions: list[Json], begin: int, end: int) -> Iterator[int]:
    """The instants of a stretch at which a local hour begins."""
    instant = begin
    while instant < end:
        offset_s = 60 * parameters_of(_version(versions, instant)).utc_offset_min
        changes = [one["starts_at"] for one in versions if instant < one["starts_at"] < end]
        instant = min([instant + HOUR_S - (instant + offset_s) % HOUR_S, *changes])
        if instant < end:
            yield instant


def _highest_w(world: World, home: str, start: int) -> dict[int, int]:
    """The highest mean power of an interval that touched each local hour in the 28 days before `start`."""
    versions, highest = versions_of(world), dict[int, int]()
    for reading in readings_between(world, home, start - REMEMBERED_S, start):
        first, last = reading["interval_start"], reading["interval_end"]
        offset_s = 60 * parameters_of(_version(versions, first)).utc_offset_min
        power_w = reading["use_wh"] * HOUR_S // (last - first)
        for instant in {*range(first, last, HOUR_S), last - 1}:
            hour = (instant + offset_s) // HOUR_S % 24
            highest[hour] = max(highest.get(hour, 0), power_w)
    return highest


def _version(versions: list[Json], time_s: int) -> Json:
    started = [one for one in versions if one["starts_at"] <= time_s]
    return started[-1] if started else versions[0]
