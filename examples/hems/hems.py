# SPDX-License-Identifier: Apache-2.0
"""A home energy manager: it bids for a period what the last one came to, and reports what the meter counted.

    SERVICE=https://energy.newtown.example:8443 HOME_ID=h-4f2a NET=4q3k CHANNEL=newtown python hems.py

Beside it lie `home.pem` and `service.crt`, and `meter.json` with the meter's running totals, which another program
writes anew: {"import_wh": 120400, "export_wh": 9100}.
"""

import asyncio
import json
import os
from pathlib import Path

from commonwatt_community.api import ServiceClient
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import load_key

LOOK_EVERY_S = 2.0


def totals_wh() -> tuple[int, int]:
    """What the meter has counted so far: import and export."""
    counted = json.loads(Path("meter.json").read_text())
    return counted["import_wh"], counted["export_wh"]


async def trade(service: ServiceClient, home: Author) -> None:
    """Until it is ended: once a period is over, report it, then bid for the next one that takes bids."""
    running, before = 0, (0, 0)
    while True:
        market = await service.get_configuration()
        length_min = market.configuration.lengths[-1][1]
        period = market.now_s // 60 // length_min * length_min
        if period != running:
            counted = totals_wh()
            print("period", period, flush=True)
            if running == period - length_min:  # after a pause nobody knows which period used what
                imported, exported = counted[0] - before[0], counted[1] - before[1]
                await say(service, "reading", home.reading(running, imported, exported))
                closes_s = market.configuration.rules_of(period).times.closes_before_s
                ahead = (market.now_s + closes_s) // 60 // length_min * length_min + length_min
                grid = (await service.get_period(ahead)).prices
                if imported > exported:
                    await say(service, "request", home.request(ahead, imported - exported, grid.tou))
                elif exported > imported:
                    await say(service, "offer", home.offer(ahead, exported - imported, grid.feed_in))
            running, before = period, counted
        await asyncio.sleep(LOOK_EVERY_S)


async def say(service: ServiceClient, kind: str, message: bytes) -> None:
    """Have a message carried to the ledger. The journal has it already."""
    print(kind, (await service.carry(message)).result, flush=True)


async def main() -> None:
    """Log in with the home's key, and trade."""
    url, home, net, channel = (os.environ[name] for name in ("SERVICE", "HOME_ID", "NET", "CHANNEL"))
    with Journal(Path("home.journal")) as journal:
        author = Author(load_key(Path("home.pem")), journal, net, channel, home)
        async with ServiceClient(url, Path("service.crt").read_bytes(), author) as service:
            await trade(service, author)


if __name__ == "__main__":
    asyncio.run(main())
