"""What is common to the replay of several transactions: callers, parameters, keys, accounts."""

from typing import Any

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_chaincode.market.prices import PriceState

from commonwatt_loadgen.verify.world import Json, Recorded, World, require

COMMUNITY, CLOCK, PRICE = "community", "clock", "price"

_parsed: dict[tuple[str, int], Parameters] = {}


def parameters_of(record: Json) -> Parameters:
    """The parameters of a version or round record."""
    number = record.get("version", record.get("parameters_version"))
    key = (str(record["parameters"]), int(number or 0))
    if key not in _parsed:
        _parsed[key] = changed(Parameters(), record["parameters"])
    return _parsed[key]


def version_at(community: Json, time_s: int) -> Json:
    """The version of the parameters that counts for what begins at a time."""
    started = [version for version in community["versions"] if version["starts_at"] <= time_s]
    found: Json = started[-1] if started else community["versions"][0]
    return found


def round_key(number: int) -> str:
    """A round."""
    return f"round/{number:08d}"


def bid_key(number: int, kind: str, home: str) -> str:
    """A home's request (R) or offer (O) in a round."""
    return f"bid/{number:08d}/{kind}/{home}"


def request_key(interval_start: int, home: str) -> str:
    """A home's request for an interval."""
    return f"request/{interval_start:011d}/{home}"


def account_of(record: Json) -> Account:
    """A home's account."""
    return Account(record["energy_wh"], record["reserved_wh"])


def account_record(account: Account, metered_until: int, transaction: str) -> Json:
    """A home's account as the ledger holds it."""
    return {
        "energy_wh": account.energy_wh,
        "reserved_wh": account.reserved_wh,
        "metered_until": metered_until,
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


def running_round(world: World, number: int) -> Json:
    """A round that is not closed."""
    record = world.need(round_key(number))
    require(record["state"] in ("OPEN", "OFFERS"), f"round {number} was closed before")
    return record


def round_time(record: Json, recorded: Recorded) -> int:
    """The market time of a transaction that concerns a round."""
    if record["clock"] == "simulated":
        return int(record["time"])
    require(recorded.timestamp_s >= record["opened_at"], "its timestamp lies before its round")
    return recorded.timestamp_s


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
    if role == "home":
        require(recorded.attributes.get("home.id") == home, f"its caller is not {home}")
    return registration


def later(now: int, then: Any) -> int:
    """A time that does not run back."""
    require(int(then) >= now, f"time {then} lies before the market time, {now}")
    return int(then)
