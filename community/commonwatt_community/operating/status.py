# SPDX-License-Identifier: Apache-2.0
"""`commonwatt community status`: how a community stands, from the ledger alone, in a few lines."""

from collections.abc import Iterator, Mapping
from typing import Any

from commonwatt_community.market.forward import ForwardMarket

from .due import Community, is_settled
from .reading import Ledger, date_of, local_time

RECENT_D = 7


async def standing(market: ForwardMarket) -> dict[str, Any]:
    """What `commonwatt community status --json` prints.

    Raises:
        Refused: the caller may not read, or the channel is not configured.
    """
    ledger = Ledger(market)
    community, now_s = await ledger.community()
    running = community.period_at(now_s)
    configuration = community.configuration
    state = await market.get_period(running.id)
    days = []
    first = community.first_day()
    if first is not None:
        today = community.day_at(now_s)
        days = [
            await _day(ledger, community, day, now_s)
            for day in range(max(first, today - RECENT_D), today + 1)
        ]
    return {
        "configuration": configuration.version,
        "network": configuration.net,
        "clock": configuration.clock,
        "homes": _homes(community, running.id),
        "running_period": {
            "period": running.id,
            "from": local_time(community, running),
            "minutes": running.length_min,
            "traded_wh": None if state.cleared is None else state.cleared.traded_wh,
            "price_uaud_per_kwh": None if state.cleared is None else state.cleared.price_uaud_per_kwh,
            "grid_price_uaud_per_kwh": state.prices.tou,
        },
        "days": days,
    }


def sentences(found: Mapping[str, Any]) -> Iterator[str]:
    """The same in words."""
    running, homes = found["running_period"], found["homes"]
    yield (
        f"configuration {found['configuration']}, network {found['network']}, {found['clock']} clock, "
        f"periods of {running['minutes']} min, the one from {running['from']} runs"
    )
    yield (
        f"{homes['registered']} homes: {homes['take_part']} take part, {homes['later']} from a later period on, "
        f"{homes['waiting']} wait for their key or the grid, {homes['ended']} have ended"
    )
    traded, price = running["traded_wh"], running["price_uaud_per_kwh"]
    cleared = "was not cleared" if traded is None else f"traded {traded:,} Wh"
    at = "" if price is None else f" at {price / 10_000:.2f} c/kWh"
    grid = running["grid_price_uaud_per_kwh"] / 10_000
    yield f"the running period {cleared}{at}; the grid's price is {grid:.2f} c/kWh"
    for day in found["days"]:
        billed = "billed" if day["billed"] else "not billed yet"
        yield (
            f"{day['date']}: {day['settled']} of {day['periods']} periods settled, "
            f"{day['uncleared']} without clearing, {billed}"
        )


async def _day(ledger: Ledger, community: Community, day: int, now_s: int) -> dict[str, Any]:
    book = await ledger.day(community, day, now_s)
    periods = [one for one in community.periods(day) if one.end_s <= now_s and community.members(one.id)]
    listed = [book.listed.get(one.id) for one in periods]
    parts = [number for number, homes in enumerate(community.bill_parts(day)) if homes]
    return {
        "date": str(date_of(day)),
        "periods": len(periods),
        "settled": sum(1 for one in listed if is_settled(one)),
        "uncleared": sum(1 for one in listed if one is None or one.cleared is None),
        "billed": bool(parts) and set(parts) <= book.billed,
    }


def _homes(community: Community, period: int) -> dict[str, int]:
    homes = community.homes
    return {
        "registered": len(homes),
        "take_part": len(community.members(period)),
        "later": sum(
            1 for home in homes if home.versions and not home.takes_part(period) and home.to_period is None
        ),
        "waiting": sum(1 for home in homes if not home.versions),
        "ended": sum(1 for home in homes if home.to_period is not None and home.to_period <= period),
    }
