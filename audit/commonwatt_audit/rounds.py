# SPDX-License-Identifier: Apache-2.0
"""Replay of rounds: prices when they open, the award when they close."""

from collections import defaultdict
from typing import Any

from commonwatt_chaincode.market.battery import battery_of, settle_offer
from commonwatt_chaincode.market.clearing import Clearing, clear
from commonwatt_chaincode.market.history import history_entry
from commonwatt_chaincode.market.orders import Offer, Request
from commonwatt_chaincode.market.parameters import as_json
from commonwatt_chaincode.market.prices import prices_after, sell_price
from commonwatt_chaincode.market.tariff import local_minute, tou_at

from commonwatt_audit.administration import moved
from commonwatt_audit.rules import (
    CLOCK,
    COMMUNITY,
    PRICE,
    account_of,
    account_record,
    later,
    parameters_of,
    prices_of,
    prices_record,
    request_key,
    require_operator,
    round_key,
    round_time,
    running_round,
    version_at,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require


def open_round(world: World, recorded: Recorded) -> Writes:
    """A new round with the tariff and the suggested price of its minute."""
    require_operator(world, recorded)
    argument, transaction = recorded.argument, recorded.transaction_id
    community, clock = world.need(COMMUNITY), world.need(CLOCK)
    live = community["clock"] == "live"
    now = later(clock["time"], recorded.timestamp_s if live else argument.get("at", clock["time"]))
    version = version_at(world, now)
    parameters, prices = parameters_of(version), prices_of(world.get(PRICE))
    minute = argument.get("minute", local_minute(now, parameters.utc_offset_min))
    number = clock["last_round"] + 1
    return {
        CLOCK: {"time": now, "last_round": number, "transaction": transaction},
        round_key(number): {
            "number": number,
            "state": "OPEN",
            "clock": community["clock"],
            "community": community["mspid"],
            "minute": minute,
            "tou_uaud_per_kwh": tou_at(parameters.tou, minute),
            "sell_price_uaud_per_kwh": sell_price(parameters, prices, minute),
            "opened_at": now,
            "offers_from": now + parameters.t_request_s,
            "closes_at": now + parameters.t_request_s + parameters.t_offer_s,
            "time": now,
            "parameters_version": version["version"],
            "parameters": as_json(parameters),
            "prices": prices_record(prices),
            "transaction": transaction,
        },
    }


def close_round(world: World, recorded: Recorded) -> Writes:
    """The award of a round, with all that it changes: prices, accounts, requests, sales."""
    argument, transaction = recorded.argument, recorded.transaction_id
    number = argument["round"]
    round_ = running_round(world, number)
    if "at" in argument:
        require_operator(world, recorded)
        round_ = moved(round_, argument["at"])
    now = round_time(round_, recorded)
    require(now >= round_["closes_at"], f"round {number} was closed at {now}, before its deadline")
    bids = [bid for bid in world.under(f"bid/{number:08d}") if bid["state"] == "OPEN"]
    clearing = _clear(bids, round_["tou_uaud_per_kwh"])
    state = "CLEARED" if clearing.requests else "VOID"
    writes: Writes = {
        round_key(number): {**round_, "state": state, "transaction": transaction},
        f"result/{number:08d}": {
            "round": number,
            "state": state,
            "minute": round_["minute"],
            "closed_at": now,
            "transaction": transaction,
            **_award(clearing),
        },
    }
    if clearing.requests:
        writes |= _prices(world, round_, clearing, transaction)
    writes |= _accounts(world, round_, clearing, transaction)
    writes |= _trades(bids, clearing, number, transaction)
    return writes


def _clear(bids: list[Json], tou: int) -> Clearing:
    def order(kind: type[Any], bid: Json) -> Any:
        return kind(bid["id"], bid["home"], bid["energy_wh"], bid["price_uaud_per_kwh"])

    return clear(
        [order(Request, bid) for bid in bids if bid["kind"] == "R"],
        [order(Offer, bid) for bid in bids if bid["kind"] == "O"],
        tou,
    )


def _award(clearing: Clearing) -> Json:
    totals = clearing.totals
    return {
        "fills": [fill._asdict() for fill in clearing.fills],
        "requests": [line._asdict() for line in clearing.requests],
        "offers": [line._asdict() for line in clearing.offers],
        "totals": {name: getattr(totals, name) for name in type(totals).__dataclass_fields__},
    }


def _prices(world: World, round_: Json, clearing: Clearing, transaction: str) -> Writes:
    before, totals = prices_of(world.get(PRICE)), clearing.totals
    parameters = parameters_of(round_)
    limits = {line.request: round_["tou_uaud_per_kwh"] for line in clearing.requests}
    entry = history_entry(parameters, clearing.fills, limits, ())
    after = prices_after(before, entry, totals.redundancy_wh, parameters.window)
    if not clearing.fills and after == before:
        return {}
    return {PRICE: {"prices": prices_record(after), "round": round_["number"], "transaction": transaction}}


def _accounts(world: World, round_: Json, clearing: Clearing, transaction: str) -> Writes:
    battery = battery_of(parameters_of(round_), 0)
    writes: Writes = {}
    for offer in clearing.offers:
        record = world.need(f"account/{offer.home}")
        after = settle_offer(battery, account_of(record), offer.energy_wh, offer.sold_wh)
        writes[f"account/{offer.home}"] = account_record(after, record["metered_until"], transaction)
    return writes


def _trades(bids: list[Json], clearing: Clearing, number: int, transaction: str) -> Writes:
    starts = {bid["id"]: bid["interval_start"] for bid in bids}
    writes: Writes = {}
    for line in clearing.requests:
        start = starts[line.request]
        writes[request_key(start, line.home)] = {
            **line._asdict(),
            "round": number,
            "interval_start": start,
            "transaction": transaction,
        }
    sold: defaultdict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for fill in clearing.fills:
        sums = sold[starts[fill.request], fill.seller, fill.offer]
        sums[0] += fill.energy_wh
        sums[1] += fill.amount_naud
    for (start, home, offer), (sold_wh, revenue_naud) in sold.items():
        writes[f"sale/{start:011d}/{home}/{number:08d}"] = {
            "offer": offer,
            "round": number,
            "home": home,
            "interval_start": start,
            "sold_wh": sold_wh,
            "revenue_naud": revenue_naud,
            "transaction": transaction,
        }
    return writes
