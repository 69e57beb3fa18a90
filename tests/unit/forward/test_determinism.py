# SPDX-License-Identifier: Apache-2.0
"""Two endorsers compute the same bytes, whatever their hash seed, clock, time zone and locale are."""

from __future__ import annotations

from commonwatt_chaincode.forward import ForwardMarket, keys
from commonwatt_chaincode.shim.testing import GuardedLedger

from .neighbourhood import CHANNEL, Neighbourhood
from .scenario import play


async def test_two_peers_read_and_write_the_same() -> None:
    ledger = GuardedLedger(ForwardMarket(), CHANNEL, name="market", collections=[keys.COLLECTION])
    async with ledger:
        town = Neighbourhood(ledger)
        await play(town)
    assert {name for _, name, _ in town.submitted} == set(ForwardMarket().transactions())
    assert sum(done.status < 400 for _, _, done in town.submitted) > 40
