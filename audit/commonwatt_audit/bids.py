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
    request_key,
    require_home,
    round_key,
    round_time,
    running_round,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require


def submit_request(world: World, recorded: Recorded) -> Writes:
    """A request that bids in a round, or buys from the grid at once."""
    argument, transaction = recorded.argument, recorded.transaction_id
    home, start, energy_wh = argument["home"], argument["interval_start"], argument["energy_wh"]
    require_home(world, recorded, home, "home")
    key = request_key(start, home)
    require(world.get(key) is None, f"{home} had a request for {start}")
    record: Json = {
        "request": "",
        "round": 0,
        "home": home,
        "interval_start": start,
        "energy_wh": energy_wh,
        "p2p_energy_wh": 0,
        "grid_energy_wh": 0,
        "p2p_amount_naud": 0,
        "grid_amount_naud": 0,
        "amount_naud": 0,
        "state": "OPEN",
        "transaction": transaction,
    }
    return _bid(world, recorded, key, record)


def _bid(world: World, recorded: Recorded, key: str, record: Json) -> Writes:
    argument, number = recorded.argument, recorded.argument["round"]
    home, start, energy_wh = record["home"], record["interval_start"], record["energy_wh"]
    round_ = running_round(world, number)
    parameters, tou = parameters_of(round_), round_["tou_uaud_per_kwh"]
    now = round_time(round_, recorded)
    require(round_["state"] == "OPEN" and now < round_["offers_from"], f"round {number} took no requests")
    minute = local_minute(start, parameters.utc_offset_min)
    same_band = band_at(parameters.tou, minute) == band_at(parameters.tou, round_["minute"])
    require(same_band and start <= now, f"the interval from {start} does not belong into round {number}")
    limit: int = {"limit_uaud_per_kwh": tou, **argument}["limit_uaud_per_kwh"]
    require(parameters.feed_in <= limit <= tou, f"the limit {limit} is out of bounds")
    require(1 <= energy_wh <= parameters.max_request_wh, f"{energy_wh} Wh are out of bounds")
    identifier = request_id(number, home)
    writes: Writes = {
        key: record | {"request": identifier, "round": number},
        bid_key(number, "R", home): _bid_record("R", identifier, number, home, energy_wh, limit, start)
        | {"transaction": recorded.transaction_id},
    }
    if parameters.auction == "per_request":
        writes[round_key(number)] = {**round_, "state": "OFFERS", "transaction": recorded.transaction_id}
    return writes


def _bid_record(
    kind: str, identifier: str, number: int, home: str, energy_wh: int, price: int, start: int
) -> Json:
    return {
        "kind": kind,
        "id": identifier,
        "round": number,
        "home": home,
        "energy_wh": energy_wh,
        "price_uaud_per_kwh": price,
        "interval_start": start,
        "state": "OPEN",
    }


def cancel_request(world: World, recorded: Recorded) -> Writes:
    """A request taken back while its round took requests."""
    number, home = recorded.argument["round"], recorded.argument["home"]
    require_home(world, recorded, home, "home")
    round_ = running_round(world, number)
    key = bid_key(number, "R", home)
    bid = world.need(key)
    taking = round_["state"] == "OPEN" and round_time(round_, recorded) < round_["offers_from"]
    require(taking and bid["state"] == "OPEN", f"the request of {home} stood")
    return {
        key: {**bid, "state": "CANCELLED", "transaction": recorded.transaction_id},
        request_key(bid["interval_start"], home): None,
    }


def submit_offer(world: World, recorded: Recorded) -> Writes:
    """An offer within the tariff and within what the home may sell."""
    argument, transaction = recorded.argument, recorded.transaction_id
    number, home, energy_wh = argument["round"], argument["home"], argument["energy_wh"]
    registration = require_home(world, recorded, home, "home")
    round_ = _taking_offers(world, recorded, number)
    parameters, price = parameters_of(round_), argument["price_uaud_per_kwh"]
    in_bounds = parameters.feed_in <= price <= round_["tou_uaud_per_kwh"]
    require(in_bounds, f"the price {price} is out of bounds")
    require(registration["home_class"] == "prosumer", f"{home} is a consumer")
    battery = battery_of(parameters, registration["storage_wh"])
    free, metered_until = _without_offer(world, round_, home)
    most_wh = sellable_wh(battery, free)
    require(1 <= energy_wh <= most_wh, f"{home} offers {energy_wh} Wh and may sell {most_wh} Wh")
    identifier = offer_id(number, home)
    return {
        bid_key(number, "O", home): _bid_record("O", identifier, number, home, energy_wh, price, 0)
        | {"transaction": transaction},
        f"account/{home}": account_record(reserve(battery, free, energy_wh), metered_until, transaction),
    }


def withdraw_offer(world: World, recorded: Recorded) -> Writes:
    """An offer taken back before its deadline."""
    number, home = recorded.argument["round"], recorded.argument["home"]
    require_home(world, recorded, home, "home")
    round_ = _taking_offers(world, recorded, number)
    key = bid_key(number, "O", home)
    offer = world.need(key)
    require(offer["state"] == "OPEN", f"{home} had no open offer")
    free, metered_until = _without_offer(world, round_, home)
    return {
        key: {**offer, "state": "WITHDRAWN", "transaction": recorded.transaction_id},
        f"account/{home}": account_record(free, metered_until, recorded.transaction_id),
    }


def _taking_offers(world: World, recorded: Recorded, number: int) -> Json:
    round_ = running_round(world, number)
    now = round_time(round_, recorded)
    begun = round_["state"] == "OFFERS" or now >= round_["offers_from"]
    require(begun and now < round_["closes_at"], f"round {number} took no offers")
    return round_


def _without_offer(world: World, round_: Json, home: str) -> tuple[Account, int]:
    """The home's account as if it had no offer in this round, and until when it is metered."""
    record = world.need(f"account/{home}")
    account = account_of(record)
    offer = world.get(bid_key(round_["number"], "O", home))
    if offer is not None and offer["state"] == "OPEN":
        account = settle_offer(battery_of(parameters_of(round_), 0), account, offer["energy_wh"], 0)
    return account, record["metered_until"]
