# SPDX-License-Identifier: Apache-2.0
"""The community's service on networks: a home logs in, has messages carried, and reads what is its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from commonwatt_community.market.commit_receipts import Pins, committed
from commonwatt_community.market.receipts import keys_of_carrier, promise
from commonwatt_community.market.refused import Refused

from .conftest import BACKENDS
from .forward_network import CHANNEL
from .served import CARRIER, Town, town


@pytest.fixture(scope="module", params=BACKENDS)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(request.param, tmp_path_factory.mktemp(f"service-{request.param}")) as begun:
        yield begun


def pins(street: Town) -> Pins:
    layout = street.network.nodes.layout
    return Pins.of(
        {
            mspid: tuple(one.read_bytes() for one in (layout.msp(name) / "cacerts").iterdir())
            for mspid, name in (("NewtownMSP", "newtown"), ("GridMSP", "grid"))
        }
    )


async def test_a_home_logs_in_bids_and_gets_both_receipts(street: Town) -> None:
    home = street.network.homes[0]
    period = await street.next_period()
    async with street.serving() as running, street.client(running, home) as (client, author):
        bid = author.request(period, 300, 200_000)
        admitted = await client.admit(bid)
        assert admitted.result == "admitted"
        keys = keys_of_carrier(await client.get_keys("carrier", CARRIER), street.network.net, CHANNEL)
        promised = promise(admitted.receipt or b"", bid, keys, time.time())
        assert promised.digest == admitted.digest
        assert (await client.carry(bid)).written
        proof = await client.endorsed_status("bid", period, home, 1, admitted.digest)
        committed(proof, bid, "home", CHANNEL, pins(street), time.time())
        [standing] = await client.list_messages("bid", period)
        assert standing.message.encode() == bid
        assert (await client.get_home(home)).home == home
        with pytest.raises(Refused, match="not_yours"):
            await client.get_home(street.network.homes[1])
