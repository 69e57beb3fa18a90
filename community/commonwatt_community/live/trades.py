# SPDX-License-Identifier: Apache-2.0
"""A line for each period that is cleared, as the ledger tells it."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from commonwatt_client import GatewayError
from commonwatt_client.network_file import NetworkFile

from ..founding.folder import Folder
from ..home.lines import cents
from ..market.refused import Refused
from ..market.results import ClearedPrice

_EVERY_S = 2.0
_LOOKS_BACK_MIN, _LOOKS_AHEAD_MIN = 5, 5


async def tell_trades(
    folder: Folder, network: NetworkFile, say: Callable[[str], None] = lambda line: print(line, flush=True)
) -> None:
    """Say what was traded, period after period, until cancelled."""
    async with folder.operator(network) as market:
        said = int(time.time()) // 60 - 1
        while True:
            now = int(time.time()) // 60
            try:
                prices = await market.get_prices(max(said + 1, now - _LOOKS_BACK_MIN), now + _LOOKS_AHEAD_MIN)
            except (Refused, GatewayError):
                prices = ()  # the operator says what is wrong
            for one in prices:
                say(_words(one))
                said = one.period
            await asyncio.sleep(_EVERY_S)


def _words(cleared: ClearedPrice) -> str:
    at = f"{datetime.fromtimestamp(cleared.period * 60).astimezone():%H:%M}"
    if cleared.price_uaud_per_kwh is None:
        return f"{at}: no trade"
    return (
        f"{at}: neighbours trade {cleared.traded_wh:,} Wh at {cents(cleared.price_uaud_per_kwh)} "
        f"(the grid sells at {cents(cleared.tou)} and buys at {cents(cleared.feed_in)})"
    )
