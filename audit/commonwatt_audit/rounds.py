# SPDX-License-Identifier: Apache-2.0
"""Replay of rounds: prices when they open, when they may close, and the award."""

from collections import defaultdict
from typing import Any

from commonwatt_chaincode.market.battery import battery_of, settle_offer
from commonwatt_chaincode.market.clearing import Clearing, clear
from commonwatt_chaincode.market.orders import Offer, Request
from commonwatt_chaincode.market.parameters import Parameters, as_json
from commonwatt_chaincode.market.prices import PriceState, sell_price
from commonwatt_chaincode.market.tariff import local_minute, tou_at

from commonwatt_audit.administration import moved
from commonwatt_audit.rules import (
    CLOCK,
    COMMUNITY,
    NUMBERS,
    PRICE,
    account_of,
    account_record,
    later,
    market_time,
    parameters_of,
    prices_of,
    prices_record,
    request_key,
    require_operator,
    round_key,
    round_time,
    running_round,
    shelf,
    version_at,
)
from commonwatt_audit.world import Json, Recorded, World, Writes, require


def open_round(world: World, recorded: Recorded) -> Writes:
    """A new round of many requests, with the tariff and the suggested price of its minute."""
    require_operator(world, recorded)
    argument, transaction = recorded.argument, recorded.transaction_id
    now = market_time(world, recorded)
    writes: Writes = {}
    if world.need(COMMUNITY)["clock"] == "simulated":
        now = later(now, argument.get("at", now))
        writes[CLOCK] = {"time": now, "transaction": transaction}
    else:
        require("minute" not in argument and "at" not in argument, "it chooses the time of a live round")
    version = version_at(world, now)
    parameters = parameters_of(version)
    require(
        parameters.auction == "fixed_rounds", "rounds of this channel are opened by the need of an interval"
    )
    minute = argument.get("minute", local_minute(now, parameters.utc_offset_min))
    number = 1 + (world.get(NUMBERS) or {"last_round": 0})["last_round"]
    offers_from = now + parameters.t_request_s
    round_ = new_round(world, version, f"{number:08d}", minute, now, offers_from)
    return {
        **writes,
        NUMBERS: {"last_round": number, "transaction": transaction},
        round_key(round_["id"]): {**round_, "transaction": transaction},
    }


def new_round(world: World, version: Json, round_id: str, minute: int, now: int, offers_from: int) -> Json:
    """A round as it stands on the ledger when it opens."""
    community, prices, parameters = world.need(COMMUNITY), prices_of(world.get(PRICE)), parameters_of(version)
    return {
        "id": round_id,
        "state": "OPEN" if now < offers_from else "OFFERS",
        "clock": community["clock"],
        "community": community["mspid"],
        "minute": minute,
        "tou_uaud_per_kwh": tou_at(parameters.tou, minute),
        "sell_price_uaud_per_kwh": sell_price(parameters, prices, minute),
        "opened_at": now,
        "offers_from": offers_from,
        "closes_at": offers_from + parameters.t_offer_s,
        "time": now,
        "parameters_version": version["version"],
        "parameters": as_json(parameters),
        "prices": prices_record(prices),
    }


def close_round(world: World, recorded: Recorded) -> Writes:
    """The award of a round, with all that it changes: prices, accounts, requests, sales."""
    argument, transaction = recorded.argument, recorded.transaction_id
    round_id = argument["round"]
    round_ = running_round(world, round_id)
    now = _closing_time(round_, recorded)
    if "at" in argument:
        round_ = moved(round_, argument["at"])
    bids = [bid for bid in world.under(f"bid/{round_id}") if bid["state"] == "OPEN"]
    clearing = _clear(bids, round_["tou_uaud_per_kwh"])
    state = "CLEARED" if clearing.requests else "VOID"
    writes: Writes = {
        round_key(round_id): {**round_, "state": state, "transaction": transaction},
        f"result/{shelf(round_id)}/{round_id}": {
            "round": round_id,
            "state": state,
            "minute": round_["minute"],
            "closed_at": now,
            "transaction": transaction,
            **_award(clearing),
        },
    }
    if clearing.requests:
        writes |= _prices(world, round_, bids, clearing, transaction)
    writes |= _accounts(world, round_, clearing, transaction)
    writes |= _trades(world, bids, clearing, round_id, transaction)
    return writes


def _closing_time(round_: Json, recorded: Recorded) -> int:
    """The market time of a closing that was due for its caller."""
    role, at = recorded.attributes.get("role"), recorded.argument.get("at")
    require(role in ("operator", "grid", "home", "meter"), f"its caller has role {role}")
    operator = role == "operator" and recorded.mspid == round_["community"]
    parameters, due_at = parameters_of(round_), int(round_["closes_at"])
    if round_["clock"] == "live":
        require(at is None, "it sets the time of a live round")
        due_at += parameters.clock_error_s
    require(at is None or operator, "its caller is not the operator and sets the time")
    if not operator:
        due_at += parameters.grace_s
    now = round_time(round_, recorded) if at is None else later(round_["time"], at)
    require(now >= due_at, f"round {round_['id']} was closed at {now}, before {due_at}")
    return now


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


def _prices(world: World, round_: Json, bids: list[Json], clearing: Clearing, transaction: str) -> Writes:
    record = world.get(PRICE)
    before, pairs = prices_of(record), (record or {"pairs": []})["pairs"]
    parameters, redundancy_wh = parameters_of(round_), clearing.totals.redundancy_wh
    entry = _entry(parameters, pairs, bids, clearing)
    if entry is None:
        if before.redundancy_wh == redundancy_wh:
            return {}
        after = PriceState(before.hist_s, before.hist_b, redundancy_wh)
    else:
        seller_price, buyer_price, new_pairs = entry
        window = parameters.window
        pairs = [*pairs, new_pairs][-window:]
        after = PriceState(
            (*before.hist_s, seller_price)[-window:], (*before.hist_b, buyer_price)[-window:], redundancy_wh
        )
    return {
        PRICE: {
            "prices": prices_record(after),
            "pairs": pairs,
            "round": round_["id"],
            "transaction": transaction,
        }
    }


def _entry(
    parameters: Parameters, past: list[list[list[str]]], bids: list[Json], clearing: Clearing
) -> tuple[int, int, list[list[str]]] | None:
    """Mean price, mean limit and pairs that a round adds to the history; None where too little counts."""
    limits = {bid["id"]: bid["price_uaud_per_kwh"] for bid in bids if bid["kind"] == "R"}
    lately = {tuple(pair) for pairs in past[-parameters.window :] for pair in pairs}
    energy_wh = paid_naud = offered_naud = 0
    met: set[tuple[str, str]] = set()
    for fill in clearing.fills:
        pair = (min(fill.buyer, fill.seller), max(fill.buyer, fill.seller))
        if parameters.distinct_pairs and pair in lately:
            continue
        met.add(pair)
        energy_wh += fill.energy_wh
        paid_naud += fill.energy_wh * fill.price_uaud_per_kwh
        offered_naud += fill.energy_wh * limits[fill.request]
    if energy_wh < max(1, parameters.history_min_wh):
        return None
    named = [list(pair) for pair in sorted(met)] if parameters.distinct_pairs else []
    return paid_naud // energy_wh, offered_naud // energy_wh, named


def _accounts(world: World, round_: Json, clearing: Clearing, transaction: str) -> Writes:
    battery = battery_of(parameters_of(round_), 0)
    writes: Writes = {}
    for offer in clearing.offers:
        record = world.need(f"account/{offer.home}")
        after = settle_offer(battery, account_of(record), offer.energy_wh, offer.sold_wh)
        writes[f"account/{offer.home}"] = account_record(record, after, transaction)
    return writes


def _trades(world: World, bids: list[Json], clearing: Clearing, round_id: str, transaction: str) -> Writes:
    starts = {bid["id"]: bid["interval_start"] for bid in bids}
    writes: Writes = {}
    for line in clearing.requests:
        key = request_key(starts[line.request], line.home)
        known = world.get(key) or {"bought_wh": 0, "bought_naud": 0}
        writes[key] = {
            "request": line.request,
            "round": round_id,
            "home": line.home,
            "interval_start": starts[line.request],
            "energy_wh": line.energy_wh,
            "bought_wh": known["bought_wh"] + line.p2p_energy_wh,
            "bought_naud": known["bought_naud"] + line.p2p_amount_naud,
            "state": line.state,
            "transaction": transaction,
        }
    sold: defaultdict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for fill in clearing.fills:
        sums = sold[starts[fill.request], fill.seller, fill.offer]
        sums[0] += fill.energy_wh
        sums[1] += fill.amount_naud
    for (start, home, offer), (sold_wh, revenue_naud) in sold.items():
        writes[f"sale/{home}/{start:011d}/{round_id}"] = {
            "offer": offer,
            "round": round_id,
            "home": home,
            "interval_start": start,
            "sold_wh": sold_wh,
            "revenue_naud": revenue_naud,
            "transaction": transaction,
        }
    return writes
