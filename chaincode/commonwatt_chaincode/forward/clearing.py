# SPDX-License-Identifier: Apache-2.0
"""Clearing a period between its gate and its start: the bids that stand, judged and awarded.

It writes neither the gate nor a bid; whatever could change the result is read: the gate, the index, the bidders'
registrations, the envelopes, the configuration. Freezing the readings writes the gate, so a clearing that is held back
until then is void.
"""

from typing import Any

from ..market.exchange.residual import Pools, pools_of, residual
from ..market.forward import bids as rules
from ..market.forward.bids import Bid, Judged
from ..market.forward.clearing import Clearing, clear
from ..market.forward.envelopes import caps_of
from ..market.forward.gates import gate_s
from ..market.forward.periods import Period
from ..messages.fields import OFFER, REQUEST
from ..messages.message import BID
from ..shim import Stub
from . import keys
from .access import require_member, require_operator_or_grid
from .arguments import ClearPeriod
from .records import CLOSED, Award, Awards, Cleared, Gate, as_json, decode_optional, encode
from .refusals import Code, refuse
from .salts import salt
from .state import (
    Indexed,
    Place,
    Situation,
    connections,
    envelopes_of,
    index,
    messages_at,
    registration,
    situation,
)

AWARD = "award"
"""The kind in an award's salt."""


async def clear_period(stub: Stub, arguments: ClearPeriod) -> dict[str, Any]:
    """Clear a period whose gate is closed and that has not begun.

    Operator and grid may keep it from the exchange, as they do while they do not reach it.
    """
    require_member(stub)
    now = await situation(stub)
    if arguments.alone:
        require_operator_or_grid(stub, now.configuration)
    period = now.period(arguments.period)
    gate, cleared = await stub.get_states([keys.gate_key(period.id), keys.cleared_key(period.id)])
    _require_due(now, period, decode_optional(Gate, gate), cleared)
    standing = await _standing(stub, period)
    judged = await _judged(stub, now, period, standing)
    prices = now.tariff(period).prices
    pricing = now.rules(period).pricing
    clearing = clear(judged.requests, judged.offers, prices, pricing)
    pools = None if arguments.alone else _pools(now, period, judged, clearing)
    record = Cleared(
        period=period.id,
        pricing=pricing,
        tou=prices.tou,
        feed_in=prices.feed_in,
        local_fee=prices.local_fee,
        price_uaud_per_kwh=clearing.price_uaud_per_kwh,
        traded_wh=clearing.traded_wh,
        requested_wh=sum(one.energy_wh for one in judged.requests),
        offered_wh=sum(one.energy_wh for one in judged.offers),
        requests=len(judged.requests),
        offers=len(judged.offers),
        refused=len(judged.refused),
        transaction=stub.transaction_id,
        exchange=None if pools is None else residual(stub.channel_id, pools),
    )
    awards = Awards(
        period.id, clearing.price_uaud_per_kwh, _awards(period, standing, judged, clearing), pools
    )
    await stub.put_state(keys.cleared_key(period.id), encode(record))
    await stub.put_private_data(keys.COLLECTION, keys.awards_key(period.id), encode(awards))
    told = {
        "period": period.id,
        "price_uaud_per_kwh": record.price_uaud_per_kwh,
        "traded_wh": record.traded_wh,
    }
    stub.set_event("cleared", encode(told))
    return dict(as_json(record))


def _require_due(now: Situation, period: Period, gate: Gate | None, cleared: bytes | None) -> None:
    if gate is None:
        raise refuse(Code.GATE_OPEN, f"the gate of period {period.id} is not closed")
    if gate.state != CLOSED:
        raise refuse(Code.ALREADY_FROZEN, f"the readings of period {period.id} are frozen")
    if cleared is not None:
        raise refuse(Code.ALREADY_CLEARED, f"period {period.id} is cleared")
    if now.now_s >= period.start_s:
        raise refuse(
            Code.TOO_LATE, f"period {period.id} began at {period.start_s}: it is settled without contracts"
        )


async def _standing(stub: Stub, period: Period) -> list[Indexed]:
    """The last bid of each home; earlier ones are not read."""
    places = await index(stub, BID, period)
    last: dict[str, Place] = {}
    for place in places:
        if place.home not in last or place.seq > last[place.home].seq:
            last[place.home] = place
    return await messages_at(stub, {place: places[place] for place in last.values()})


async def _judged(stub: Stub, now: Situation, period: Period, standing: list[Indexed]) -> Judged:
    homes = [one.place.home for one in standing]
    values = await stub.get_states([keys.registration_key(home) for home in homes]) if homes else []
    registered = {
        home: registration(value) for home, value in zip(homes, values, strict=True) if value is not None
    }
    envelopes = await envelopes_of(stub, period)
    closes_s = gate_s(period, now.rules(period).times)
    return rules.judge(
        [_bid(one) for one in standing],
        period,
        now.tariff(period).prices,
        connections(registered, period),
        caps_of(envelopes, homes, period, closes_s),
    )


def _pools(now: Situation, period: Period, judged: Judged, clearing: Clearing) -> Pools | None:
    """What the clearing leaves over for the exchange; None where the community is on none."""
    return None if now.rules(period).exchange is None else pools_of(judged, clearing)


def _bid(one: Indexed) -> Bid:
    said = one.message.payload
    if one.message.typ == REQUEST:
        return Bid(
            one.place.home, one.place.seq, rules.REQUEST, said["energy_wh"], said["limit_uaud_per_kwh"]
        )
    if one.message.typ == OFFER:
        return Bid(one.place.home, one.place.seq, rules.OFFER, said["energy_wh"], said["price_uaud_per_kwh"])
    return Bid(one.place.home, one.place.seq, rules.WITHDRAWAL)


def _awards(period: Period, standing: list[Indexed], judged: Judged, clearing: Clearing) -> tuple[Award, ...]:
    """What each bid came to, by home; a withdrawal comes to nothing and has no line."""
    awards = []
    for one in sorted(standing, key=lambda one: one.place.home):
        bid = _bid(one)
        if bid.kind == rules.WITHDRAWAL:
            continue
        order = rules.bid_id(period.id, bid)
        awards.append(
            Award(
                bid.home,
                order,
                clearing.bought_wh.get(order, 0),
                clearing.sold_wh.get(order, 0),
                judged.refused.get(order, ""),
                salt(one.message.payload["nonce"], AWARD, period.id),
            )
        )
    return tuple(awards)
