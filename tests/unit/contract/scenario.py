# SPDX-License-Identifier: Apache-2.0
"""Every transaction once, with all that it read and wrote, one line of JSON each.

Run as a program it prints those lines, after one about the process that computed them.
"""

import asyncio
import json
import locale
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from commonwatt_chaincode.shim.testing import Invocation

from .community import Community, populated, registration


async def every_transaction() -> list[tuple[str, Invocation]]:
    """A day in both modes, with each transaction of the contract among the ones submitted, by name."""
    done: list[tuple[str, Invocation]] = []
    for clock, auction in (("simulated", "per_request"), ("live", "fixed_rounds")):
        community = await populated(clock, auction=auction, spill_policy="FEED_IN")
        for home in ("p1", "p2"):
            await community.charge(home, 3_000)
        for who, name, arguments, at in _steps(community, simulated=clock == "simulated"):
            invocation = await community.submit(who, name, arguments, at)
            assert invocation.status == 200, (name, invocation.message)
            done.append((name, invocation))
    return done


def _steps(community: Community, simulated: bool) -> Iterator[tuple[str, str, dict[str, Any], int]]:
    now = community.now
    offers_at, closes_at = now + 60, now + 120
    day = (now + 660 * 60) // 86_400
    request = {"round": 1, "energy_wh": 900, "interval_start": now - 60}
    bid = {"round": 1, "price_uaud_per_kwh": 150_000, "energy_wh": 500}
    reading = {"interval_start": now, "interval_end": now + 3_600, "use_wh": 7, "generation_wh": 0}
    yield "operator", "configure", {"parameters": {"beta": 20_001, "lam": -2_999}}, now
    yield "operator", "register_home", registration("h9", "consumer"), now
    yield "operator", "open_round", {"minute": 60} | ({"at": now} if simulated else {}), now
    if not simulated:
        yield "h2", "submit_request", request | {"home": "h2"}, now
        yield "h2", "cancel_request", {"round": 1, "home": "h2"}, now
    yield "h1", "submit_request", request | {"home": "h1"}, now
    if simulated:
        yield "operator", "advance_clock", {"at": offers_at, "round": 1}, now
    for home in ("p2", "p1"):
        yield home, "submit_offer", bid | {"home": home}, offers_at
    yield "p2", "withdraw_offer", {"round": 1, "home": "p2"}, offers_at
    yield "p2", "submit_offer", bid | {"home": "p2", "energy_wh": 700}, offers_at
    yield "operator", "close_round", {"round": 1} | ({"at": closes_at} if simulated else {}), closes_at
    grid_request = {"home": "h2", "energy_wh": 3, "bid": False, "interval_start": now}
    yield "h2", "submit_request", grid_request, closes_at
    for home in ("h1", "p1"):
        yield home, "report_reading", reading | {"home": home}, now + 3_600
    correction = reading | {"home": "p1", "use_wh": 8, "correction": True}
    yield "p1", "report_reading", correction, now + 3_600
    if simulated:
        yield "operator", "advance_clock", {"at": now + 86_400}, now
    yield "operator", "settle_day", {"day": day}, now + 86_400
    for name in ("suggested_price", "list_rounds", "list_trades", "get_parameters"):
        yield "h1", name, {}, now
    for name in ("get_home", "get_battery"):
        yield "p1", name, {"home": "p1"}, now
    yield "p1", "get_bill", {"home": "p1", "day": day}, now
    for name in ("get_round", "audit"):
        yield "grid", name, {"round": 1}, now


def lines(done: list[Invocation]) -> list[str]:
    """What endorsers compare: answers, events, read and write sets."""
    return [
        json.dumps(
            {
                "payload": invocation.payload.decode(),
                "event": [str(part) for part in invocation.event or ()],
                "reads": [[str(key), version] for key, version in invocation.reads.items()],
                "ranges": [str(read) for read in invocation.ranges],
                "writes": [[str(key), str(value)] for key, value in invocation.writes.items()],
            }
        )
        for invocation in done
    ]


def surroundings() -> str:
    """What this process has to itself: none of it may show in what follows."""
    locale.setlocale(locale.LC_ALL, "")
    return json.dumps(
        {
            "hash": hash("commonwatt"),
            "clock_s": [int(time.time()), int(datetime.now(UTC).timestamp()), time.time_ns() // 10**9],
            "zone": time.tzname,
            "locale": [locale.setlocale(locale.LC_ALL), locale.getencoding()],
        }
    )


if __name__ == "__main__":
    print(surroundings())
    print("\n".join(lines([invocation for _, invocation in asyncio.run(every_transaction())])))
