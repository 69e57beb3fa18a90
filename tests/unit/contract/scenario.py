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
    round_id = f"{now - 3_600:011d}-h1" if simulated else "00000001"
    offers_at, closes_at = now + 60, now + 120
    day = (now + 660 * 60) // 86_400
    bid = {"round": round_id, "price_uaud_per_kwh": 150_000, "energy_wh": 500}
    hour = {"interval_start": now - 3_600, "interval_end": now, "use_wh": 900, "generation_wh": 0}
    reading = {"interval_start": now, "interval_end": now + 3_600, "use_wh": 7, "generation_wh": 0}
    yield "operator", "configure", {"parameters": {"beta": 20_001, "lam": -2_999}}, now
    yield "operator", "register_home", registration("h9", "consumer"), now
    if simulated:
        yield "h1", "settle_interval", hour | {"home": "h1", "bid": True}, now
        yield "h2", "settle_interval", hour | {"home": "h2", "bid": False}, now
    else:
        yield "operator", "open_round", {}, now
        for home in ("h1", "h2"):
            yield home, "report_reading", hour | {"home": home}, now
            request = {"round": round_id, "home": home, "interval_start": now - 3_600}
            yield home, "submit_request", request, now
        yield "h2", "cancel_request", {"round": round_id, "home": "h2"}, now
    if simulated:
        yield "operator", "advance_clock", {"at": now + 30, "round": round_id}, now
    for home in ("p2", "p1"):
        yield home, "submit_offer", bid | {"home": home}, offers_at
    yield "p2", "withdraw_offer", {"round": round_id, "home": "p2"}, offers_at
    yield "p2", "submit_offer", bid | {"home": "p2", "energy_wh": 700}, offers_at
    at, due = ({"at": closes_at}, closes_at) if simulated else ({}, closes_at + 30)
    yield "operator", "close_round", {"round": round_id} | at, due
    for home in ("h1", "p1"):
        yield home, "report_reading", reading | {"home": home}, now + 3_600
    correction = {"home": "p1", "interval_start": now, "use_wh": 8, "generation_wh": 0, "reason": "misread"}
    yield "meter of p1", "correct_reading", correction, now + 3_600
    if simulated:
        yield "operator", "advance_clock", {"at": now + 86_400}, now
    yield "operator", "settle_day", {"day": day}, now + 86_400
    for name in ("suggested_price", "list_rounds", "list_trades", "get_parameters"):
        yield "h1", name, {}, now
    for name in ("get_home", "get_battery", "list_readings"):
        yield "p1", name, {"home": "p1"}, now
    yield "p1", "get_bill", {"home": "p1", "day": day}, now
    yield "grid", "get_prices", {}, now
    for name in ("get_round", "audit"):
        yield "grid", name, {"round": round_id}, now


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
