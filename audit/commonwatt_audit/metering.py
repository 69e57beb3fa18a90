# SPDX-License-Identifier: Apache-2.0
"""Replay of readings and bills."""

from collections import defaultdict

from commonwatt_chaincode.market.battery import Account, battery_of
from commonwatt_chaincode.market.billing import Metered, Sale, bill
from commonwatt_chaincode.market.settlement import settle_interval
from commonwatt_chaincode.market.tariff import local_minute, lowest_tou, tou_at

from commonwatt_audit.rules import (
    CLOCK,
    COMMUNITY,
    account_of,
    account_record,
    first_instant,
    local_day,
    parameters_of,
    require_home,
    require_operator,
    version_at,
    versions_of,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require


def report_reading(world: World, recorded: Recorded) -> Writes:
    """An interval that continues the last, or the correction of one, with its effect on the account."""
    argument, transaction = recorded.argument, recorded.transaction_id
    home, start, end = argument["home"], argument["interval_start"], argument["interval_end"]
    registration = require_home(world, recorded, home, "home", "meter")
    record = world.need(f"account/{home}")
    versions = [one for one in world.under(f"reading/{start:011d}") if one["home"] == home]
    correction = argument.get("correction", False)
    if correction:
        require(
            bool(versions) and versions[-1]["interval_end"] == end, f"{home} has no such reading to correct"
        )
        former = versions[-1]
        account = Account(former["energy_before_wh"], former["reserved_before_wh"])
        capacity_wh = former["capacity_wh"]
    else:
        due = record["metered_until"]
        require(due < 0 or start == due, f"{home} is metered until {due}, the interval begins at {start}")
        account, capacity_wh = account_of(record), registration["storage_wh"]
    reading, after = _settled(world, argument, account, capacity_wh)
    reading |= {"version": len(versions) + 1, "transaction": transaction}
    writes: Writes = {f"reading/{start:011d}/{home}/{reading['version']:04d}": reading}
    if not correction:
        writes[f"account/{home}"] = account_record(after, end, transaction)
    return writes


def _settled(world: World, argument: Json, account: Account, capacity_wh: int) -> tuple[Json, Account]:
    start, end = argument["interval_start"], argument["interval_end"]
    version = version_at(world, start)
    parameters = parameters_of(version)
    tou = tou_at(parameters.tou, local_minute(start, parameters.utc_offset_min))
    grid_charge_wh = argument.get("grid_charge_wh", 0)
    may_charge = parameters.storage_from_grid and tou == lowest_tou(parameters.tou)
    require(not grid_charge_wh or may_charge, "its battery charges from the grid and may not")
    interval = settle_interval(
        battery_of(parameters, capacity_wh),
        account,
        (end - start) // 60,
        argument["use_wh"],
        argument["generation_wh"],
        grid_charge_wh,
    )
    reading: Json = {
        "home": argument["home"],
        "interval_start": start,
        "interval_end": end,
        "use_wh": argument["use_wh"],
        "generation_wh": argument["generation_wh"],
        "own_wh": interval.own_wh,
        "need_wh": interval.need_wh,
        "charged_wh": interval.charged_wh,
        "spill_wh": interval.spill_wh,
        "grid_charge_wh": interval.grid_charge_wh,
        "energy_before_wh": account.energy_wh,
        "reserved_before_wh": account.reserved_wh,
        "capacity_wh": capacity_wh,
        "parameters_version": version["version"],
        "tou_uaud_per_kwh": tou,
        "feed_in_uaud_per_kwh": parameters.feed_in,
        "spill_price_uaud_per_kwh": parameters.feed_in if parameters.spill_policy == "FEED_IN" else 0,
    }
    return reading, interval.account


def settle_day(world: World, recorded: Recorded) -> Writes:
    """The bills of a day that is over; those that stay the same are not written."""
    require_operator(world, recorded)
    argument, transaction, day = recorded.argument, recorded.transaction_id, recorded.argument["day"]
    community, clock = world.need(COMMUNITY), world.need(CLOCK)
    now = clock["time"] if community["clock"] == "simulated" else max(clock["time"], recorded.timestamp_s)
    versions = versions_of(world)
    require(local_day(versions, now) > day, f"day {day} is settled at {now}, before its end")
    sales, readings = _lines(world, first_instant(versions, day), first_instant(versions, day + 1))
    wanted = argument.get("home")
    writes: Writes = {}
    for registration in world.under("home"):
        home = registration["home"]
        if wanted not in (None, home):
            continue
        computed = bill(readings[home].values(), sales[home])
        amounts = {name: getattr(computed, name) for name in type(computed).__dataclass_fields__}
        key = f"bill/{day:06d}/{home}"
        known = world.get(key)
        if known is None or known["bill"] != amounts:
            version = 1 if known is None else known["version"] + 1
            writes[key] = {
                "home": home,
                "day": day,
                "version": version,
                "bill": amounts,
                "transaction": transaction,
            }
    return writes


def _lines(
    world: World, from_s: int, to_s: int
) -> tuple[dict[str, list[Sale]], dict[str, dict[int, Metered]]]:
    sales: defaultdict[str, list[Sale]] = defaultdict(list)
    readings: defaultdict[str, dict[int, Metered]] = defaultdict(dict)
    for line in world.under("sale"):
        if from_s <= line["interval_start"] < to_s:
            sales[line["home"]].append(Sale(line["sold_wh"], line["revenue_naud"]))
    for line in world.under("reading"):
        if from_s <= line["interval_start"] < to_s:
            metered = Metered(*(line[name] for name in Metered._fields))
            readings[line["home"]][line["interval_start"]] = metered
    return sales, readings
