# SPDX-License-Identifier: Apache-2.0
"""Replay of what the operator sets up."""

from commonwatt_chaincode.market.battery import Account, battery_of
from commonwatt_chaincode.market.parameters import Parameters, as_json, changed

from commonwatt_audit.rules import (
    CLOCK,
    COMMUNITY,
    account_record,
    first_instant,
    later,
    market_time,
    parameters_of,
    require_operator,
    round_key,
    running_round,
    version_at,
    versions_of,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require

KEPT_S = 8 * 86_400


def configure(world: World, recorded: Recorded) -> Writes:
    """A new version of the parameters; the first founds the community."""
    require_operator(world, recorded)
    argument, transaction = recorded.argument, recorded.transaction_id
    community = world.get(COMMUNITY)
    writes: Writes = {}
    if community is None:
        kind = argument.get("clock", "live")
        community = {"mspid": recorded.mspid, "clock": kind, "versions": []}
        now = recorded.timestamp_s
        if kind == "simulated":
            now = argument.get("at", 0)
            writes[CLOCK] = {"time": now, "transaction": transaction}
    else:
        now = market_time(world, recorded)
    starts_at = later(now, argument.get("starts_at", now))
    versions = community["versions"]
    basis = parameters_of(version_at(world, starts_at)) if versions else Parameters()
    version: Json = {
        "version": 1 + max((one["version"] for one in versions), default=0),
        "starts_at": starts_at,
        "parameters": as_json(changed(basis, argument.get("parameters", {}))),
        "transaction": transaction,
    }
    if parameters_of(version).utc_offset_min != basis.utc_offset_min:
        _require_billed_days_stand(world, version)
    ordered = sorted([*versions, version], key=lambda one: (one["starts_at"], one["version"]))
    past = sum(one["starts_at"] <= now - KEPT_S for one in ordered)
    kept = ordered[max(0, past - 1) :]
    writes[COMMUNITY] = {**community, "versions": kept, "transaction": transaction}
    writes[f"parameters/{version['version']:06d}"] = version
    return writes


def _require_billed_days_stand(world: World, version: Json) -> None:
    before = versions_of(world)
    after = sorted([*before, version], key=lambda one: (one["starts_at"], one["version"]))
    for day in {bill["day"] for bill in world.under("bill")}:
        for edge in (day, day + 1):
            same = not before or first_instant(before, edge) == first_instant(after, edge)
            require(same, f"it changes the bounds of day {day}, which is billed")


def register_home(world: World, recorded: Recorded) -> Writes:
    """A registration and, for a new home, its empty account."""
    require_operator(world, recorded)
    argument, transaction = recorded.argument, recorded.transaction_id
    now = market_time(world, recorded)
    parameters = parameters_of(version_at(world, now))
    prosumer, home = argument["home_class"] == "prosumer", argument["home"]
    known = world.get(f"home/{home}")
    registration: Json = {
        "home": home,
        "mspid": argument.get("mspid", recorded.mspid),
        "owner": argument.get("owner", ""),
        "home_class": argument["home_class"],
        "pv_w": argument.get("pv_w", parameters.pv_w if prosumer else 0),
        "storage_wh": argument.get("storage_wh", parameters.storage_wh if prosumer else 0),
        "connection_w": argument.get("connection_w", parameters.connection_w),
        "registered_at": known["registered_at"] if known else now,
        "transaction": known["transaction"] if known else transaction,
    }
    writes: Writes = {}
    if registration != known:
        writes[f"home/{home}"] = {**registration, "transaction": transaction}
    if known is None:
        empty_wh = battery_of(parameters, registration["storage_wh"]).e_min_wh
        nothing_yet = {"metered_until": -1, "day": -1, "generation_wh": 0}
        writes[f"account/{home}"] = account_record(nothing_yet, Account(empty_wh), transaction)
    return writes


def advance_clock(world: World, recorded: Recorded) -> Writes:
    """The channel's clock, or a round's."""
    require_operator(world, recorded)
    argument, transaction = recorded.argument, recorded.transaction_id
    require(world.need(COMMUNITY)["clock"] == "simulated", "it moves a live clock")
    if "round" not in argument:
        clock = world.need(CLOCK)
        return {CLOCK: {**clock, "time": later(clock["time"], argument["at"]), "transaction": transaction}}
    round_ = moved(running_round(world, argument["round"]), argument["at"])
    return {round_key(argument["round"]): {**round_, "transaction": transaction}}


def moved(round_: Json, at: int) -> Json:
    """A round with its own clock moved on."""
    time_s = later(round_["time"], at)
    due = round_["state"] in ("OPEN", "OFFERS") and time_s >= round_["offers_from"]
    return {**round_, "time": time_s, "state": "OFFERS" if due else round_["state"]}
