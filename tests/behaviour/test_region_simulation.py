# SPDX-License-Identifier: Apache-2.0
"""`simulate --link-fee` on a region's ledger: all flows and money of the same days in this process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import read_network_file
from commonwatt_loadgen.forward.ledger_run import simulate_forward_on_ledger
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.region import region_in_process
from commonwatt_loadgen.forward.region_ledger import channel_of_exchange
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import quiet

HOMES = 6
COMMUNITIES = ("newtown", "enmore", "glebe")


def region_of(homes: int) -> object:
    """The sample region with so many homes in each community."""
    base = load_topology("region")
    communities = {name: base.organizations[name].model_copy(update={"homes": homes}) for name in COMMUNITIES}
    return base.model_copy(update={"organizations": {**base.organizations, **communities}})


@pytest.mark.parametrize("backend", ["embedded", pytest.param("native", marks=pytest.mark.long)])
@pytest.mark.timeout(1_800)
def test_a_region_on_the_ledger_is_the_region_in_process(backend: str, tmp_path: Path) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        made = asyncio.run(up(directory, region_of(HOMES), backend, quiet))  # type: ignore[arg-type]
        path = made.nodes.layout.network_file
        run = SimulationOptions(
            seed=5, share_percent=67, forecast="yesterday", network_file=path, out=tmp_path / "out"
        )
        options = ForwardOptions(run=run, period=60, link_fee=1.0)
        told: list[tuple[str, int, int]] = []
        summary = asyncio.run(simulate_forward_on_ledger(options, lambda *news: told.append(news)))
        network = read_network_file(path)
    finally:
        down(directory)
    users = {one.channel: one.homes for one in network.communities}
    assert [one["channel"] for one in summary["communities"]] == list(users)
    expected = region_in_process(options, run.trace_set()[0], summary["communities"], users)
    assert json.loads(json.dumps(summary["exchange"])) == json.loads(json.dumps(expected))
    assert expected["traded_wh"] > 0
    assert expected["money_balances"]
    assert expected["energy_balances"]
    assert sorted(told) == sorted((name, 1, 1) for name in users)
    counts = {name: one["count"] for name, one in summary["performance"]["by_transaction"].items()}
    assert counts["bring_residual"] == counts["import_residual"], "what is brought is imported"
    assert 0 < counts["clear_round"] <= 24


def test_a_network_without_an_exchange_is_told_how_to_get_one(tmp_path: Path) -> None:
    content = {
        "name": "x",
        "backend": "embedded",
        "organizations": {},
        "channels": {"newtown": {"organizations": [], "chaincodes": [], "market": "forward"}},
    }
    file = tmp_path / "network.json"
    file.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="0 channels with `market: exchange`.*--topology region"):
        channel_of_exchange(read_network_file(file, homes=False))
