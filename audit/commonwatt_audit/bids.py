# SPDX-License-Identifier: Apache-2.0
"""Replay of requests and offers: that each was allowed, and what it holds back."""

from commonwatt_chaincode.market.battery import Account, battery_of, reserve, sellable_wh, settle_offer
from commonwatt_chaincode.market.orders import offer_id, request_id
from commonwatt_chaincode.market.tariff import band_at, local_minute

from commonwatt_audit.rules import (
    account_of,
    account_record,
    bid_key,
    parameters_of,
    readings_between,
    request_key,
    require_home,
    round_time,
    running_round,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require


def submit_request(world: World, recorded: Recorded) -> Writes:
    """A request in a round of many, for what a reported interval still needs."""
    argument, round_id = recorded.argument, recorded.argument["round"]
    home, start = argument["home"], argument["interval_start"]
    require_home(world, recorded, home, "home")
    round_ = running_round(world, round_id)
    now = round_time(round_, recorded)
    require(round_["state"] == "OPEN" and now < round_["offers_from"], f"round {round_id} took no requests")
    reported = readings_between(world, home, start, start + 1)
    require(bool(reported), f"{home} reported no interval from {start}")
    _require_band(round_, reported[0], now)
    known = world.get(request_key(start, home))
    bid = world.get(bid_key(round_id, "R", home))
    free = all(one is None or one["state"] != "OPEN" for one in (known, bid))
    require(free, f"{home} had a request for {start}, or in round {round_id}")
    left_wh = reported[0]["need_wh"] - (known or {"bought_wh": 0})["bought_wh"]
    energy_wh = argument.get("energy_wh", left_wh)
    require(1 <= energy_wh <= left_wh, f"{energy_wh} Wh are requested, {left_wh} Wh are left of the need")
    return request_writes(recorded, round_, start, energy_wh, known)


def _require_band(round_: Json, reading: Json, now: int) -> None:
    parameters, age_s = parameters_of(round_), now - reading["interval_end"]
    in_time = -2 * parameters.clock_error_s <= age_s <= parameters.report_within_s
    require(in_time, f"the interval ended {age_s} s before the request")
    minute = local_minute(reading["interval_start"], parameters.utc_offset_min)
    same = band_at(parameters.tou, minute) == band_at(parameters.tou, round_["minute"])
    same = same and reading["tou_uaud_per_kwh"] == round_["tou_uaud_per_kwh"]
    require(same, f"the interval from {reading['interval_start']} has another tariff than its round")


def request_writes(
    recorded: Recorded, round_: Json, start: int, energy_wh: int, known: Json | None = None
) -> Writes:
    """A request as its round's bid and as its interval's record; `known` is what the interval bought before."""
    argument, round_id, transaction = recorded.argument, round_["id"], recorded.transaction_id
    home, parameters, tou = argument["home"], parameters_of(round_), round_["tou_uaud_per_kwh"]
    limit: int = {"limit_uaud_per_kwh": tou, **argument}["limit_uaud_per_kwh"]
    require(parameters.feed_in <= limit <= tou, f"the limit {limit} is out of bounds")
    require(1 <= energy_wh <= parameters.max_request_wh, f"{energy_wh} Wh are out of bounds")
    identifier = request_id(round_id, home)
    known = known or {"bought_wh": 0, "bought_naud": 0}
    record = {
        "request": identifier,
        "round": round_id,
        "home": home,
        "interval_start": start,
        "energy_wh": energy_wh,
        "bought_wh": known["bought_wh"],
        "bought_naud": known["bought_naud"],
        "state": "OPEN",
        "transaction": transaction,
    }
    bid = _bid_record("R", identifier, round_id, home, energy_wh, limit, start, transaction)
    return {request_key(start, home): record, bid_key(round_id, "R", home): bid}


def _bid_record(
    kind: str,
    identifier: str,
    round_id: str,
    home: str,
    energy_wh: int,
    price: int,
    start: int,
    transaction: str,
) -> Json:
    return {
        "kind": kind,
        "id": identifier,
        "round": round_id,
        "home": home,
        "energy_wh": energy_wh,
        "price_uaud_per_kwh": price,
        "interval_start": start,
        "state": "OPEN",
        "transaction": transaction,
    }


def cancel_request(world: World, recorded: Recorded) -> Writes:
    """A request taken back while its round took requests."""
    round_id, home = recorded.argument["round"], recorded.argument["home"]
    require_home(world, recorded, home, "home")
    round_ = running_round(world, round_id)
    key = bid_key(round_id, "R", home)
    bid = world.need(key)
    taking = round_["state"] == "OPEN" and round_time(round_, recorded) < round_["offers_from"]
    require(taking and bid["state"] == "OPEN", f"the request of {home} stood")
    cancelled = {"state": "CANCELLED", "transaction": recorded.transaction_id}
    record_key = request_key(bid["interval_start"], home)
    return {key: {**bid, **cancelled}, record_key: {**world.need(record_key), **cancelled}}


def submit_offer(world: World, recorded: Recorded) -> Writes:
    """An offer within the tariff and within what the home may sell."""
    argument, transaction = recorded.argument, recorded.transaction_id
    round_id, home, energy_wh = argument["round"], argument["home"], argument["energy_wh"]
    registration = require_home(world, recorded, home, "home")
    round_ = _taking_offers(world, recorded, round_id)
    parameters, price = parameters_of(round_), argument["price_uaud_per_kwh"]
    in_bounds = parameters.feed_in <= price <= round_["tou_uaud_per_kwh"]
    require(in_bounds, f"the price {price} is out of bounds")
    require(registration["home_class"] == "prosumer", f"{home} is a consumer")
    battery = battery_of(parameters, registration["storage_wh"])
    record, free = _without_offer(world, round_, home)
    earliest = round_["opened_at"] - 60 * parameters.st_max - parameters.report_within_s
    require(record["metered_until"] >= earliest, f"{home} is metered until {record['metered_until']} only")
    most_wh = sellable_wh(battery, free)
    require(1 <= energy_wh <= most_wh, f"{home} offers {energy_wh} Wh and may sell {most_wh} Wh")
    identifier = offer_id(round_id, home)
    return {
        bid_key(round_id, "O", home): _bid_record(
            "O", identifier, round_id, home, energy_wh, price, 0, transaction
        ),
        f"account/{home}": account_record(record, reserve(battery, free, energy_wh), transaction),
    }


def withdraw_offer(world: World, recorded: Recorded) -> Writes:
    """An offer taken back before its deadline."""
    round_id, home = recorded.argument["round"], recorded.argument["home"]
    require_home(world, recorded, home, "home")
    round_ = _taking_offers(world, recorded, round_id)
    key = bid_key(round_id, "O", home)
    offer = world.need(key)
    require(offer["state"] == "OPEN", f"{home} had no open offer")
    record, free = _without_offer(world, round_, home)
    return {
        key: {**offer, "state": "WITHDRAWN", "transaction": recorded.transaction_id},
        f"account/{home}": account_record(record, free, recorded.transaction_id),
    }


def _taking_offers(world: World, recorded: Recorded, round_id: str) -> Json:
    round_ = running_round(world, round_id)
    now = round_time(round_, recorded)
    begun = round_["state"] == "OFFERS" or now >= round_["offers_from"]
    require(begun and now < round_["closes_at"], f"round {round_id} took no offers")
    return round_


def _without_offer(world: World, round_: Json, home: str) -> tuple[Json, Account]:
    """The home's account record, and its energy as if it had no offer in this round."""
    record = world.need(f"account/{home}")
    account = account_of(record)
    offer = world.get(bid_key(round_["id"], "O", home))
    if offer is not None and offer["state"] == "OPEN":
        account = settle_offer(battery_of(parameters_of(round_), 0), account, offer["energy_wh"], 0)
    return record, account
