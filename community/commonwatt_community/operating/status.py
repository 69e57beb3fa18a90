# SPDX-License-Identifier: Apache-2.0
"""`commonwatt community status`: how a community stands, from the ledger alone, in a few lines."""

from collections.abc import Iterator

from commonwatt_community.market.forward import ForwardMarket

from .due import Community, is_settled
from .reading import Ledger, date_of, local_time

RECENT_D = 7


async def status(market: ForwardMarket) -> list[str]:
    """The lines.

    Raises:
        Refused: the caller may not read, or the channel is not configured.
    """
    ledger = Ledger(market)
    community, now_s = await ledger.community()
    running = community.period_at(now_s)
    lines = list(_homes(community, running.id))
    configuration = community.configuration
    lines.insert(
        0,
        f"configuration {configuration.version}, network {configuration.net}, {configuration.clock} clock, "
        f"periods of {running.length_min} min, the one from {local_time(community, running)} runs",
    )
    state = await market.get_period(running.id)
    cleared = "was not cleared" if state.cleared is None else f"traded {state.cleared.traded_wh:,} Wh"
    price = None if state.cleared is None else state.cleared.price_uaud_per_kwh
    at = "" if price is None else f" at {price / 10_000:.2f} c/kWh"
    lines.append(
        f"the running period {cleared}{at}; the grid's price is {state.prices.tou / 10_000:.2f} c/kWh"
    )
    first = community.first_day()
    if first is None:
        return lines
    today = community.day_at(now_s)
    for day in range(max(first, today - RECENT_D), today + 1):
        book = await ledger.day(community, day, now_s)
        periods = [one for one in community.periods(day) if one.end_s <= now_s and community.members(one.id)]
        listed = [book.listed.get(one.id) for one in periods]
        settled = sum(1 for one in listed if is_settled(one))
        uncleared = sum(1 for one in listed if one is None or one.cleared is None)
        parts = [number for number, homes in enumerate(community.bill_parts(day)) if homes]
        billed = "billed" if parts and set(parts) <= book.billed else "not billed yet"
        lines.append(
            f"{date_of(day)}: {settled} of {len(periods)} periods settled, {uncleared} without clearing, {billed}"
        )
    return lines


def _homes(community: Community, period: int) -> Iterator[str]:
    taking_part = len(community.members(period))
    coming = sum(
        1
        for home in community.homes
        if home.versions and not home.takes_part(period) and home.to_period is None
    )
    proposed = sum(1 for home in community.homes if not home.versions)
    ended = sum(1 for home in community.homes if home.to_period is not None and home.to_period <= period)
    yield (
        f"{len(community.homes)} homes: {taking_part} take part, {coming} from a later period on, {proposed} wait for "
        f"their key or the grid, {ended} have ended"
    )
