# SPDX-License-Identifier: Apache-2.0
"""The page that lists where strangers' bytes are read, and these tests, name every call that a network serves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from commonwatt_network.embedded.orderer.server import OrdererServer
from commonwatt_network.embedded.peer.server import PeerServer
from commonwatt_network.testing import run_embedded_network

from .places import CALLS, OPERATIONS_PATHS, ORDERER_CALLS, PEER_CALLS

PAGE = Path(__file__).parents[4] / "network" / "README.md"


def routes_of(server: Any) -> set[str]:
    """The paths that an HTTP server answers."""
    return {resource.canonical for resource in server._runner.app.router.resources()}


async def test_the_list_of_places_is_complete(tmp_path: Path) -> None:
    section = PAGE.read_text().split("## Where strangers' bytes are read")[1]
    listed = set(re.findall(r"`(/[^`]+)`", section))
    async with run_embedded_network(tmp_path / "network") as network:
        peers, orderers, http = set(), set(), set()
        for server in network.network._servers:
            if isinstance(server, PeerServer):
                assert server._server is not None
                peers |= set(server._server._methods)
                assert routes_of(server._operations) == OPERATIONS_PATHS
            else:
                assert isinstance(server, OrdererServer)
                assert server._server is not None
                orderers |= set(server._server._methods)
                http |= set().union(*map(routes_of, server._http_servers))
    assert peers == set(PEER_CALLS)
    assert orderers == set(ORDERER_CALLS)
    assert listed == set(CALLS) | OPERATIONS_PATHS | http
