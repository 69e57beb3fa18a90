# SPDX-License-Identifier: Apache-2.0
"""Which bids a clearing takes: one a home, within tariff, connection and envelopes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from commonwatt_audit.messages import Statement
from commonwatt_audit.world import Json

from .calendar import Period
from .clearing import Order
from .prices import Prices

_PRICE_MEMBER = {"cw-request": "limit_uaud_per_kwh", "cw-offer": "price_uaud_per_kwh"}


class Judged(NamedTuple):
    """What takes part, and the code of each standing bid that does not, by its id."""

    requests: list[Order]
    offers: list[Order]
    refused: dict[str, str]


class Caps(NamedTuple):
    """The energy that envelopes allow; None: any."""

    import_wh: int | None = None
    export_wh: int | None = None


def judged(
    standing: Iterable[Statement],
    period: Period,
    prices: Prices,
    connections: Mapping[str, Json],
    caps: Mapping[str, Caps],
) -> Judged:
    """Judge the bids that stand at the gate, the last of each home."""
    found = Judged([], [], {})
    for said in sorted(standing, key=lambda one: str(one.payload["home"])):
        if said.typ == "cw-withdraw":
            continue
        home, energy_wh = str(said.payload["home"]), _number(said, "energy_wh")
        price = _number(said, _PRICE_MEMBER[said.typ])
        buys = said.typ == "cw-request"
        name = f"{period.start_min}-{'R' if buys else 'O'}-{home}"
        code = _refusal(buys, energy_wh, price, period, prices, connections.get(home))
        cap_wh = caps.get(home, Caps())[0 if buys else 1]
        taken_wh = energy_wh if cap_wh is None else min(cap_wh, energy_wh)
        if code or not taken_wh:
            found.refused[name] = code or "envelope_closed"
        else:
            (found.requests if buys else found.offers).append(Order(name, home, taken_wh, price))
    return found


def _refusal(
    buys: bool, energy_wh: int, price: int, period: Period, prices: Prices, connection: Json | None
) -> str:
    if connection is None:
        return "not_registered"
    power_w = connection["connection_w"] if buys else connection["pv_w"] + connection["battery_w"]
    if not buys and not power_w:
        return "nothing_to_offer_from"
    if energy_wh < 1 or energy_wh > period.carried_wh(power_w):
        return "energy_out_of_bounds"
    if price < prices.feed_in or price > prices.dearest:
        return "price_out_of_bounds"
    return ""


def caps_of(envelopes: Sequence[Json], home: str, period: Period, gate_s: int) -> Caps:
    """The smaller of the home's envelope and everybody's, of each the last that was published before the gate."""
    last: dict[bool, Json] = {}
    for one in envelopes:
        covers = one["from_period"] <= period.start_min < one["to_period"]
        whose = one["home"] is None
        if not covers or one["published_s"] >= gate_s or not (whose or one["home"] == home):
            continue
        if whose not in last or one["published_s"] >= last[whose]["published_s"]:
            last[whose] = one

    def smallest(side: str) -> int | None:
        bounds = [period.carried_wh(one[side]) for one in last.values() if one[side] is not None]
        return min(bounds) if bounds else None

    return Caps(smallest("import_w"), smallest("export_w"))


def _number(said: Statement, member: str) -> int:
    value = said.payload[member]
    assert isinstance(value, int)
    return value
