# SPDX-License-Identifier: Apache-2.0
"""The determinism guard's second servers in a background network."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import settle
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.programs import second_servers
from commonwatt_network.programs.chaincode_servers import server_programs
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.trust.identity import ensure_identities
from commonwatt_network.up import up


def guarded() -> Topology:
    return default_topology(homes=1).model_copy(update={"determinism_guard": True})


def test_the_first_organisations_server_runs_once_more_where_all_but_the_ledger_differs(
    tmp_path: Path,
) -> None:
    nodes = settle(guarded(), Layout(tmp_path), 12_000)
    ensure_identities(nodes)
    first = server_programs(nodes)[0]
    (second,) = second_servers.second_programs(nodes)
    assert (second.name, second.serves, second.command) == ("market.newtown.second", (), first.command)
    differing = {name for name, value in second.environment.items() if first.environment.get(name) != value}
    assert differing == {
        "CHAINCODE_SERVER_ADDRESS", "CORE_CHAINCODE_ADDRESS", "PYTHONHASHSEED", "TZ", "PYTHONPATH",
    }  # fmt: skip
    (note,) = second_servers.folder(nodes.layout).iterdir()
    assert (note.name, note.read_text()) == (
        first.environment["CHAINCODE_ID"],
        second.environment["CHAINCODE_SERVER_ADDRESS"],
    )
    assert second_servers.second_programs(nodes) == [second]


def test_a_second_server_takes_no_port_of_a_network_that_does_not_listen_yet(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    first = choose_first_port(1, second_servers.folder(layout))
    nodes = settle(guarded(), layout, first)
    ensure_identities(nodes)
    (second,) = second_servers.second_programs(nodes)
    address = second.environment["CHAINCODE_SERVER_ADDRESS"]
    assert first in nodes.ports()
    assert int(address.rpartition(":")[2]) not in nodes.ports()


async def test_fabrics_own_peers_cannot_run_a_proposal_twice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="determinism_guard: true needs the embedded network"):
        await up(tmp_path / ".commonwatt", guarded(), "native", lambda _: nullcontext())
    assert not (tmp_path / ".commonwatt" / "state.json").exists()
