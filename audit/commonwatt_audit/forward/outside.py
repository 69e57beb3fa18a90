# SPDX-License-Identifier: Apache-2.0
"""What homes trade with other communities: a round's trades judged, and divided among homes a second time."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from commonwatt_audit.world import Json, require

from .order import Draw, equally, in_proportion

TRADE = (
    "seller",
    "buyer",
    "offered_uaud_per_kwh",
    "limit_uaud_per_kwh",
    "energy_wh",
    "price_uaud_per_kwh",
    "fee_uaud_per_kwh",
)


class Outside(NamedTuple):
    """Energy and money of trades with others, in the order in which records name them."""

    imported_wh: int = 0
    exported_wh: int = 0
    amount_naud: int = 0
    fee_naud: int = 0


NOTHING = Outside()


def summed(some: Iterable[Outside]) -> Outside:
    """The sums of several."""
    imported = exported = amount = fee = 0
    for one in some:
        imported, exported = imported + one.imported_wh, exported + one.exported_wh
        amount, fee = amount + one.amount_naud, fee + one.fee_naud
    return Outside(imported, exported, amount, fee)


def as_member(one: Outside) -> Json:
    """The member of a record; without trades a record has none."""
    return {} if one == NOTHING else {"exchange": one._asdict()}


def check_trades(left: Json, trades: Sequence[Json]) -> Outside:
    """What the trades come to for the community. Difference for trades that its residual does not allow."""
    own = left["community"]
    rest = {
        (side, level["price_uaud_per_kwh"]): level["energy_wh"]
        for side in ("requests", "offers")
        for level in left[side]
    }
    money = []
    for one in trades:
        require(set(one) == set(TRADE), "a trade of the exchange has other members than trades have")
        require(all(type(one[name]) is int for name in TRADE[2:]), "a trade's figures are no whole numbers")
        require((one["seller"] == own) != (one["buyer"] == own), f"a trade is not between {own} and others")
        buys = one["buyer"] == own
        offered, limit, fee = (one[f"{name}_uaud_per_kwh"] for name in ("offered", "limit", "fee"))
        place = ("requests", limit) if buys else ("offers", offered)
        wh = one["energy_wh"]
        require(0 < wh <= rest.get(place, 0), f"{wh} Wh at {place[1]} are traded, and less is left over")
        rest[place] -= wh
        require(fee >= 0 and limit - fee > offered, "a trade gains nothing")
        price = one["price_uaud_per_kwh"]
        require(price == (limit + offered - fee) // 2, f"a trade's price {price} is not halfway")
        money.append(Outside(wh, 0, wh * (price + fee), wh * fee) if buys else Outside(0, wh, -wh * price, 0))
    return summed(money)


def divided(own: str, pools: Json, trades: Sequence[Json]) -> dict[str, Outside]:
    """Each home's part, by name: the best bids of a level first, its money by the Wh."""
    ids = [order["id"] for side in ("requests", "offers") for pool in pools[side] for order in pool["orders"]]
    draw = Draw(ids)
    found: dict[str, Outside] = {}
    for side, price_of, sign in (
        ("requests", "limit_uaud_per_kwh", 1),
        ("offers", "offered_uaud_per_kwh", -1),
    ):
        mine = [one for one in trades if one["buyer" if sign > 0 else "seller"] == own]
        for pool in pools[side]:
            of_level = [one for one in mine if one[price_of] == pool["price_uaud_per_kwh"]]
            found |= _level(pool["orders"], of_level, sign, draw)
    return dict(sorted(found.items()))


def _level(orders: Sequence[Json], trades: Sequence[Json], sign: int, draw: Draw) -> dict[str, Outside]:
    energy_wh = sum(one["energy_wh"] for one in trades)
    if not energy_wh:
        return {}
    carried_naud = sum(one["energy_wh"] * one["fee_uaud_per_kwh"] for one in trades) if sign > 0 else 0
    traded_naud = sum(one["energy_wh"] * one["price_uaud_per_kwh"] for one in trades) + carried_naud
    got = _by_merit(orders, energy_wh, sign, draw)
    amounts, fees = (_by_wh(got, energy_wh, naud, draw) for naud in (traded_naud, carried_naud))
    return {
        home: Outside(wh, 0, amounts[home], fees[home]) if sign > 0 else Outside(0, wh, -amounts[home], 0)
        for home, wh in got.items()
    }


def _by_merit(orders: Sequence[Json], energy_wh: int, sign: int, draw: Draw) -> dict[str, int]:
    got: dict[str, int] = {}
    ranked = sorted(orders, key=lambda one: -sign * int(one["price_uaud_per_kwh"]))
    for _, group in groupby(ranked, key=lambda one: one["price_uaud_per_kwh"]):
        wanted = {one["id"]: one["energy_wh"] for one in group}
        given_wh = min(energy_wh, sum(wanted.values()))
        energy_wh -= given_wh
        for name, wh in equally(wanted, given_wh, draw).items():
            if wh:
                got[name] = wh
    homes = {one["id"]: one["home"] for one in orders}
    return {homes[name]: wh for name, wh in got.items()}


def _by_wh(got: dict[str, int], energy_wh: int, naud: int, draw: Draw) -> dict[str, int]:
    mean, rest = divmod(naud, energy_wh)
    more = in_proportion(got, rest, draw)
    return {home: mean * wh + more[home] for home, wh in got.items()}
