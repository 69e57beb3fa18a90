# SPDX-License-Identifier: Apache-2.0
"""Replay of readings, and of the rounds that readings open."""

from typing import Any

from commonwatt_chaincode.market.battery import Account, after_gap, battery_of
from commonwatt_chaincode.market.settlement import settle_interval as settled
from commonwatt_chaincode.market.tariff import band_at, local_minute, lowest_tou, tou_at

from commonwatt_audit.bids import request_writes
from commonwatt_audit.possible import require_possible, require_possible_day
from commonwatt_audit.rounds import new_round
from commonwatt_audit.rules import (
    COMMUNITY,
    account_of,
    account_record,
    first_instant,
    local_day,
    market_time,
    of_home,
    parameters_of,
    readings_between,
    require_home,
    require_operator,
    round_key,
    version_at,
    versions_of,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require

DAY_S = 86_400
AHEAD_S = 2 * DAY_S


def settle_interval(world: World, recorded: Recorded) -> Writes:
    """A reading; where it leaves a need and a bid comes in time, also the round in which that need is traded."""
    argument = recorded.argument
    writes, reading, now = _reading(world, recorded)
    version = version_at(world, reading["interval_start"])
    parameters, bids = parameters_of(version), argument["bid"]
    require(
        not bids or parameters.auction == "per_request", "it opens a round where the operator opens rounds"
    )
    in_time = 0 <= now - reading["interval_end"] <= parameters.report_within_s
    if not (bids and in_time and reading["need_wh"]):
        return writes
    start, home = reading["interval_start"], reading["home"]
    minute = local_minute(start, parameters.utc_offset_min)
    round_ = new_round(world, version, f"{start:011d}-{home}", minute, now, now)
    writes |= request_writes(recorded, round_, start, reading["need_wh"])
    return {**writes, round_key(round_["id"]): {**round_, "transaction": recorded.transaction_id}}


def report_reading(world: World, recorded: Recorded) -> Writes:
    """A reading for which nothing is bid."""
    writes, _, _ = _reading(world, recorded)
    return writes


def _reading(world: World, recorded: Recorded) -> tuple[Writes, Json, int]:
    """What a reading writes, the reading, and the market time at which it was taken."""
    argument, transaction = recorded.argument, recorded.transaction_id
    home, start, end = argument["home"], argument["interval_start"], argument["interval_end"]
    registration = require_home(world, recorded, home, "home", "meter")
    before = world.need(f"account/{home}")
    now = _time_of(world, recorded, end)
    version = version_at(world, start)
    parameters = parameters_of(version)
    by_meter = recorded.attributes.get("role") == "meter"
    require(by_meter or parameters.readings_by == "home", "the meter alone reports on this channel")
    require(end >= now - parameters.correct_within_d * DAY_S, f"the interval ended at {end}, too long ago")
    require(start >= registration["registered_at"] - DAY_S, f"{home} was registered long after the interval")
    _require_length(version, start, end)
    late = start < before["metered_until"]
    if late:
        near = readings_between(world, home, start - DAY_S, end)
        free = all(one["interval_end"] <= start or end <= one["interval_start"] for one in near)
        require(free, f"{home} had reported a part of the interval from {start}")
    reading, account = _settled(version, registration, before, argument, late)
    require_possible(parameters, registration, reading)
    after = _with_generation(world, registration, before, reading, late)
    after["metered_until"] = max(before["metered_until"], end)
    writes: Writes = {f"reading/{home}/{start:011d}/0001": {**reading, "transaction": transaction}}
    if not late or after != before:
        writes[f"account/{home}"] = account_record(after, account, transaction)
    return writes, reading, now


def _time_of(world: World, recorded: Recorded, end: int) -> int:
    now = market_time(world, recorded)
    if world.need(COMMUNITY)["clock"] == "simulated":
        require(end <= now + AHEAD_S, f"the interval ends at {end}, the clock stands at {now}")
        return max(now, end)
    require(end <= now, f"the interval ends at {end}, after the market time, {now}")
    return now


def _require_length(version: Json, start: int, end: int) -> None:
    parameters, length_s = parameters_of(version), end - start
    whole = length_s > 0 and length_s % 60 == 0 and length_s <= 60 * parameters.st_max
    require(whole, f"the interval from {start} to {end} is not of whole minutes, or too long")
    if parameters.cut_at_bands:
        first = local_minute(start, parameters.utc_offset_min)
        last = local_minute(end - 1, parameters.utc_offset_min)
        one_band = band_at(parameters.tou, first) == band_at(parameters.tou, last) and first <= last
        require(one_band, f"the tariff changes between {start} and {end}")


def _settled(
    version: Json, registration: Json, before: Json, argument: Json, late: bool
) -> tuple[Json, Account]:
    """The reading, and the account's energy after it."""
    start, end = argument["interval_start"], argument["interval_end"]
    parameters = parameters_of(version)
    tou = tou_at(parameters.tou, local_minute(start, parameters.utc_offset_min))
    use_wh, generation_wh = argument["use_wh"], argument["generation_wh"]
    grid_charge_wh = argument.get("grid_charge_wh", 0)
    may_charge = parameters.storage_from_grid and tou == lowest_tou(parameters.tou) and not late
    require(not grid_charge_wh or may_charge, "its battery charges from the grid and may not")
    account = account_of(before)
    flows: dict[str, Any] = {"own_wh": 0, "charged_wh": 0}
    flows |= {"need_wh": max(0, use_wh - generation_wh), "spill_wh": max(0, generation_wh - use_wh)}
    if not late:
        battery = battery_of(parameters, registration["storage_wh"])
        if 0 <= before["metered_until"] < start:
            account = after_gap(battery, account, -(-(start - before["metered_until"]) // 60))
        interval = settled(battery, account, (end - start) // 60, use_wh, generation_wh, grid_charge_wh)
        flows = {name: getattr(interval, name) for name in ("own_wh", "need_wh", "charged_wh", "spill_wh")}
        account = interval.account
    reading: Json = {
        "home": argument["home"],
        "interval_start": start,
        "interval_end": end,
        "version": 1,
        "use_wh": use_wh,
        "generation_wh": generation_wh,
        **flows,
        "grid_charge_wh": grid_charge_wh,
        "parameters_version": version["version"],
        "tou_uaud_per_kwh": tou,
        "feed_in_uaud_per_kwh": parameters.feed_in,
        "spill_price_uaud_per_kwh": parameters.feed_in if parameters.spill_policy == "FEED_IN" else 0,
        "reason": "",
    }
    return reading, account


def _with_generation(world: World, registration: Json, before: Json, reading: Json, late: bool) -> Json:
    """The account's record with the generation of the reading's local day, which the panels must be able to give."""
    versions = versions_of(world)
    day = local_day(versions, reading["interval_start"])
    if late:
        sofar_wh = _generated_wh(world, versions, registration["home"], day)
    else:
        sofar_wh = before["generation_wh"] if before["day"] == day else 0
    total_wh = sofar_wh + reading["generation_wh"]
    require_possible_day(registration, total_wh)
    return {**before} if day < before["day"] else {**before, "day": day, "generation_wh": total_wh}


def _generated_wh(world: World, versions: list[Json], home: str, day: int) -> int:
    start, end = first_instant(versions, day), first_instant(versions, day + 1)
    return sum(int(one["generation_wh"]) for one in readings_between(world, home, start, end))


def correct_reading(world: World, recorded: Recorded) -> Writes:
    """Another version of a reading: battery flows stay, the grid bears the difference."""
    argument, transaction = recorded.argument, recorded.transaction_id
    home, start = argument["home"], argument["interval_start"]
    registration = world.need(f"home/{home}")
    if recorded.attributes.get("role") == "operator":
        require_operator(world, recorded)
    else:
        require_home(world, recorded, home, "meter")
    known = of_home(world, "reading", home, start, start + 1)
    require(bool(known), f"{home} reported no interval from {start}")
    former = known[-1]
    parameters = parameters_of(world.need(f"parameters/{former['parameters_version']:06d}"))
    earliest = market_time(world, recorded) - parameters.correct_within_d * DAY_S
    require(former["interval_end"] >= earliest, f"the interval from {start} ended too long ago")
    net_wh = argument["use_wh"] - argument["generation_wh"] - former["own_wh"] + former["charged_wh"]
    reading = {
        **former,
        "version": former["version"] + 1,
        "use_wh": argument["use_wh"],
        "generation_wh": argument["generation_wh"],
        "need_wh": max(0, net_wh),
        "spill_wh": max(0, -net_wh),
        "reason": argument["reason"],
        "transaction": transaction,
    }
    require_possible(parameters, registration, reading)
    versions = versions_of(world)
    day = local_day(versions, start)
    total_wh = _generated_wh(world, versions, home, day) + reading["generation_wh"] - former["generation_wh"]
    require_possible_day(registration, total_wh)
    writes: Writes = {f"reading/{home}/{start:011d}/{reading['version']:04d}": reading}
    account = world.need(f"account/{home}")
    if account["day"] == day:
        writes[f"account/{home}"] = {**account, "generation_wh": total_wh, "transaction": transaction}
    return writes
