# SPDX-License-Identifier: Apache-2.0
"""Replay of gates that close and of clearings."""

import json
from collections.abc import Iterable

from commonwatt_audit.messages import Statement
from commonwatt_audit.world import Json, Recorded, require

from . import bids, clearing, times
from .anomalies import Anomalies, Kind
from .calendar import Period
from .homes import connection_at
from .ledger import UNKNOWN, Ledger, Outcome, Unseen
from .places import BID, READING, indexed
from .residuals import pools_of, residual_of
from .salts import salt
from .situation import (
    GRID,
    OPERATOR,
    Situation,
    require_grid,
    require_member,
    require_operator,
    require_role,
    situation,
)

CLOSED, FROZEN = "closed", "frozen"


def close_gate(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The gate, never before its time; of one that is closed already nothing is written."""
    role = require_member(recorded)
    now = situation(ledger, recorded)
    period = now.period(recorded.argument["period"])
    key = f"gate/{period.start_min:09d}"
    if ledger.get(key) is not None:
        return Outcome({}, {})
    operator = role == OPERATOR and recorded.mspid == now.mspid
    due_s = times.may_close_s(period, now.times(period), operator)
    require(now.now_s >= due_s, f"it closes the gate at {now.now_s}, and its caller may from {due_s}")
    return Outcome({key: gate_record(recorded, period, CLOSED, now.now_s)}, {})


def gate_record(recorded: Recorded, period: Period, state: str, at_s: int) -> Json:
    """A gate as the ledger holds it."""
    return {
        "period": period.start_min,
        "state": state,
        "at_s": at_s,
        "transaction": recorded.transaction_id,
    }


def clear_period(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> Outcome:
    """The awards of a period whose gate is closed and that has not begun."""
    require_member(recorded)
    now = situation(ledger, recorded)
    period = now.period(recorded.argument["period"])
    number = period.start_min
    gate = ledger.get(f"gate/{number:09d}")
    require(gate is not None and gate["state"] == CLOSED, f"the gate of period {number} is not closed")
    require(ledger.get(f"cleared/{number:09d}") is None, f"period {number} was cleared before")
    alone = bool(recorded.argument.get("alone", False))
    if alone:
        overseer = require_operator if require_role(recorded, OPERATOR, GRID) == OPERATOR else require_grid
        overseer(recorded, now.mspid)
    on_exchange = not alone and "exchange" in now.rules(number)
    require(now.now_s < period.start_s, f"it clears period {number} at {now.now_s}, after its start")
    if next(indexed(ledger, READING, number), None) is not None:
        anomalies.notice(Kind.CLEARED_BEHIND_READINGS, "community", number)
    prices, pricing = now.prices(period), now.rules(number)["pricing"]
    record: Json = {
        "period": number,
        "pricing": pricing,
        **prices.as_json(),
        "transaction": recorded.transaction_id,
    }
    key, place = f"cleared/{number:09d}", f"awards/{number:09d}"
    try:
        standing = _standing(ledger, number)
    except Unseen:
        ledger.unchecked["awards of clearings"] += 1
        shown = dict.fromkeys((*_SUMS, "exchange") if on_exchange else _SUMS, UNKNOWN)
        _check_sums(recorded, key)
        return Outcome({key: {**record, **shown}}, {place: UNKNOWN})
    return _cleared(ledger, now, recorded, period, record, standing, on_exchange, anomalies)


_SUMS = (
    "price_uaud_per_kwh",
    "traded_wh",
    "requested_wh",
    "offered_wh",
    "requests",
    "offers",
    "refused",
)


def _check_sums(recorded: Recorded, key: str) -> None:
    """Hold the public sums of a clearing to what they keep for any bids. Difference where they do not."""
    record = json.loads(recorded.writes.get(key) or b"{}")
    require(set(_SUMS) <= set(record), f"{key} lacks sums")
    price, traded_wh = record["price_uaud_per_kwh"], record["traded_wh"]
    require((price is None) == (traded_wh == 0), "a clearing has a price exactly where something trades")
    least_wh = min(record["requested_wh"], record["offered_wh"])
    require(0 <= traded_wh <= least_wh, "it clears more than was asked for, or than was offered")
    if price is not None:
        dearest = record["tou"] - record["local_fee"]
        require(record["feed_in"] <= price <= dearest, f"the price {price} is beyond the tariff")
        halfway = (dearest + record["feed_in"]) // 2
        require(record["pricing"] != "mid_market" or price == halfway, f"the price {price} is not {halfway}")


def _standing(ledger: Ledger, period: int) -> list[Statement]:
    """The last bid of each home."""
    last: dict[str, tuple[int, str]] = {}
    for key, place in indexed(ledger, BID, period):
        last[place.home] = max(last.get(place.home, (0, "")), (place.seq, key))
    return [ledger.said(key) for _, (_, key) in sorted(last.items())]


def _cleared(
    ledger: Ledger,
    now: Situation,
    recorded: Recorded,
    period: Period,
    record: Json,
    standing: list[Statement],
    on_exchange: bool,
    anomalies: Anomalies,
) -> Outcome:
    number, prices = period.start_min, now.prices(period)
    homes = [str(said.payload["home"]) for said in standing]
    gate_s = times.gate_s(period, now.times(period))
    registrations = {home: ledger.get(f"home/{home}") for home in homes}
    connections = {
        home: connection_at(known, number) for home, known in registrations.items() if known is not None
    }
    judged = bids.judged(
        standing,
        period,
        prices,
        {home: known for home, known in connections.items() if known is not None},
        caps_at(ledger, homes, period, gate_s),
    )
    found = clearing.cleared(judged.requests, judged.offers, prices, record["pricing"])
    _note(period, judged, found, anomalies)
    lines = []
    for said in standing:
        if said.typ == "cw-withdraw":
            continue
        home = str(said.payload["home"])
        order = f"{number}-{'R' if said.typ == 'cw-request' else 'O'}-{home}"
        lines.append(
            {
                "home": home,
                "id": order,
                "bought_wh": found.bought.get(order, 0),
                "sold_wh": found.sold.get(order, 0),
                "code": judged.refused.get(order, ""),
                "salt": salt(str(said.payload["nonce"]), "award", number),
            }
        )
    awards: Json = {"period": number, "price_uaud_per_kwh": found.price, "awards": lines}
    sums: Json = {
        "price_uaud_per_kwh": found.price,
        "traded_wh": found.traded_wh,
        "requested_wh": sum(one.energy_wh for one in judged.requests),
        "offered_wh": sum(one.energy_wh for one in judged.offers),
        "requests": len(judged.requests),
        "offers": len(judged.offers),
        "refused": len(judged.refused),
    }
    if on_exchange:
        awards["exchange"] = pools_of(judged.requests, judged.offers, found)
        sums["exchange"] = residual_of(recorded.channel, awards["exchange"])
    return Outcome({f"cleared/{number:09d}": {**record, **sums}}, {f"awards/{number:09d}": awards})


def caps_at(ledger: Ledger, homes: Iterable[str], period: Period, gate_s: int) -> dict[str, bids.Caps]:
    """What the grid allowed each of some homes in a period, by its own envelopes and by those for everybody."""
    found = {}
    for home in homes:
        published = [*_envelopes_on(ledger, period, "*"), *_envelopes_on(ledger, period, home)]
        if published:
            found[home] = bids.caps_of(published, home, period, gate_s)
    return found


def _envelopes_on(ledger: Ledger, period: Period, whose: str) -> list[Json]:
    """What was published for the period's day of UTC."""
    record = ledger.get(f"envelope/{period.start_min // 1_440:06d}/{whose}")
    return list(record["envelopes"]) if record is not None else []


def _note(period: Period, judged: bids.Judged, found: clearing.Clearing, anomalies: Anomalies) -> None:
    if not found.traded_wh:
        return
    buyers = [one.home for one in judged.requests if found.bought[one.id]]
    sellers = [one.home for one in judged.offers if found.sold[one.id]]
    pair = (buyers[0], sellers[0]) if len(buyers) == len(sellers) == 1 else None
    bidders = {one.home for one in (*judged.requests, *judged.offers)}
    anomalies.cleared(period.start_min, bidders, found.marginal, pair)
