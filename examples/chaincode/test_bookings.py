# SPDX-License-Identifier: Apache-2.0
"""The contract in memory, and on a network of two organisations in the test's own process."""

import asyncio
import sys
from pathlib import Path

from bookings import Bookings
from commonwatt_chaincode.shim.testing import MemoryLedger, caller
from commonwatt_client import ClientError
from commonwatt_network.model.topology import load_topology
from commonwatt_network.testing import run_embedded_network

HERE = Path(__file__).parent
ADA = caller("ada", "EastMSP", {"hf.EnrollmentID": "ada"})
BOB = caller("bob", "WestMSP", {"hf.EnrollmentID": "bob"})


async def test_an_hour_has_one_booking() -> None:
    ledger = MemoryLedger(Bookings())
    assert (await ledger.submit("book", "c1", 500_000, 3, creator=ADA)).status == 200
    refused = await ledger.submit("book", "c1", 499_999, 2, creator=BOB)
    assert refused.message == "taken: hour 500000 of c1 is EastMSP/ada's"
    assert (await ledger.submit("give_back", "c1", 500_000, creator=BOB)).message.startswith("not_yours")
    assert (await ledger.submit("give_back", "c1", 500_000, creator=ADA)).status == 200
    assert (await ledger.submit("book", "c1", 499_999, 2, creator=BOB)).status == 200
    assert (await ledger.submit("book", "c1", 1, 13, creator=BOB)).message.startswith("bad_hours")


async def test_two_neighbours_at_the_same_moment(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path, load_topology(HERE / "topology.yaml")) as network:
        await network.deploy("bookings", [sys.executable, str(HERE / "bookings.py")])
        async with network.connect("east", "ada") as east, network.connect("west", "bob") as west:
            both = [one.get_network("houses").get_contract("bookings") for one in (east, west)]
            tried = await asyncio.gather(
                *(one.submit("book", arguments=["c1", "7", "1"]) for one in both), return_exceptions=True
            )
            assert sum(isinstance(one, ClientError) for one in tried) == 1
            network.level()
            listed = [await one.evaluate("list_bookings", arguments=["c1"]) for one in both]
            assert listed[0] == listed[1]
            assert listed[0].count(b'"by"') == 1
