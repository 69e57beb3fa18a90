# SPDX-License-Identifier: Apache-2.0
"""What is common to the replay of several transactions: callers, parameters, keys, accounts."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_chaincode.market.prices import PriceState

from commonwatt_audit.world import Json, Recorded, World, require

COMMUNITY, CLOCK, NUMBERS, PRICE = "community", "clock", "numbers", "price"

_parsed: dict[tuple[str, int], Parameters] = {}


def parameters_of(record: Json) -> Parameters:
    """The parameters of a version or round record."""
    number = record.get("version", record.get("parameters_version"))
    key = (str(record["parameters"]), int(number or 0))
    if key not in _parsed:
        _parsed[key] = changed(Parameters(), record["parameters"])
    return _parsed[key]


def version_at(world: World, time_s: int) -> Json:
    """The version of the parameters that counts for what begins at a time: the last that started by then."""
    ordered = versions_of(world)
    started = [version for version in ordered if version["starts_at"] <= time_s]
    return started[-1] if started else ordered[0]


def versions_of(world: World) -> list[Json]:
    """Every version of the parameters by its start; the later made one counts where two start together.

    These are the versions' own records; the community's record leaves out those long past.
    """
    return sorted(world.under("parameters"), key=lambda one: (one["starts_at"], one["version"]))


def local_day(versions: Sequence[Json], time_s: int) -> int:
    """The local day to which an instant belongs: the latest that any instant up to it has reached.

    Local time that is put back does not return to a day that is over.
    """
    reached = []
    for place, version in enumerate(versions):
        if place and version["starts_at"] > time_s:
            break
        last = time_s
        if place + 1 < len(versions):
            last = min(time_s, versions[place + 1]["starts_at"] - 1)
        if not place or last >= version["starts_at"]:
            reached.append((last + parameters_of(version).utc_offset_min * 60) // 86_400)
    return max(reached)


def first_instant(versions: Sequence[Json], day: int) -> int:
    """The first instant that belongs to a local day or a later one, searched for: days only move forward."""
    around = range((day - 2) * 86_400, (day + 3) * 86_400)
    return around[bisect_left(around, day, key=lambda instant: local_day(versions, instant))]


def round_key(round_id: str) -> str:
    """A round."""
    return f"round/{shelf(round_id)}/{round_id}"


def shelf(round_id: str) -> str:
    """Rounds that the operator opens have a number of eight digits, rounds of one need the need's own name."""
    return "fixed" if len(round_id) == 8 else "own"


def bid_key(round_id: str, kind: str, home: str) -> str:
    """A home's request (R) or offer (O) in a round."""
    return f"bid/{round_id}/{kind}/{home}"


def request_key(interval_start: int, home: str) -> str:
    """A home's request for an interval."""
    return f"request/{home}/{interval_start:011d}"


def of_home(world: World, kind: str, home: str, from_s: int, to_s: int) -> list[Json]:
    """A home's readings, requests or sales (`kind`) of intervals that began in [from_s, to_s)."""
    return list(world.between(f"{kind}/{home}/{max(0, from_s):011d}", f"{kind}/{home}/{max(0, to_s):011d}"))


def readings_between(world: World, home: str, from_s: int, to_s: int) -> list[Json]:
    """A home's intervals that began in [from_s, to_s), each as last corrected."""
    latest = {one["interval_start"]: one for one in of_home(world, "reading", home, from_s, to_s)}
    return list(latest.values())


def account_of(record: Json) -> Account:
    """A home's account."""
    return Account(record["energy_wh"], record["reserved_wh"], record["sold_wh"])


def account_record(record: Json, account: Account, transaction: str) -> Json:
    """A home's account with other energy, as the ledger holds it."""
    return {
        **record,
        "energy_wh": account.energy_wh,
        "reserved_wh": account.reserved_wh,
        "sold_wh": account.sold_wh,
        "transaction": transaction,
    }


def prices_of(record: Json | None) -> PriceState:
    """The price history in force."""
    if record is None:
        return PriceState()
    prices = record["prices"]
    return PriceState(tuple(prices["hist_s"]), tuple(prices["hist_b"]), prices["redundancy_wh"])


def prices_record(prices: PriceState) -> Json:
    """A price history as the ledger holds it."""
    return {
        "hist_s": list(prices.hist_s),
        "hist_b": list(prices.hist_b),
        "redundancy_wh": prices.redundancy_wh,
    }


def market_time(world: World, recorded: Recorded) -> int:
    """The channel's clock where it is simulated, else the transaction's timestamp."""
    if world.need(COMMUNITY)["clock"] == "simulated":
        return int(world.need(CLOCK)["time"])
    return recorded.timestamp_s


def running_round(world: World, round_id: str) -> Json:
    """A round that is not closed."""
    record = world.need(round_key(round_id))
    require(record["state"] in ("OPEN", "OFFERS"), f"round {round_id} was closed before")
    return record


def round_time(record: Json, recorded: Recorded) -> int:
    """The market time of a transaction that concerns a round."""
    if record["clock"] == "simulated":
        return int(record["time"])
    opened_at = int(record["opened_at"])
    earliest = opened_at - parameters_of(record).clock_error_s
    require(recorded.timestamp_s >= earliest, "its timestamp lies before its round")
    return max(opened_at, recorded.timestamp_s)


def require_operator(world: World, recorded: Recorded) -> None:
    """The community's own operator."""
    community = world.get(COMMUNITY)
    require(recorded.attributes.get("role") == "operator", "its caller is not an operator")
    require(community is None or community["mspid"] == recorded.mspid, "its caller is of another community")


def require_home(world: World, recorded: Recorded, home: str, *roles: str) -> Json:
    """The registration of the home that the caller is, or whose meter it is."""
    registration = world.need(f"home/{home}")
    role = recorded.attributes.get("role")
    require(role in roles, f"its caller has role {role}")
    require(recorded.mspid == registration["mspid"], "its caller is of another organisation")
    require(recorded.attributes.get("home.id") == home, f"its caller does not speak for {home}")
    return registration


def later(now: int, then: Any) -> int:
    """A time that does not run back."""
    require(int(then) >= now, f"time {then} lies before the market time, {now}")
    return int(then)
