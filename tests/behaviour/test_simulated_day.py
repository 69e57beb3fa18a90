# SPDX-License-Identifier: Apache-2.0
"""Days traded on a running network equal the same days in-process, to the nAUD, in every community at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.network_file import read_network_file
from commonwatt_loadgen.simulate.inprocess import community_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.model.topology_parts import Batch
from commonwatt_network.up import up

HOMES = 4
CHEAPEST = 177_000  # µAUD/kWh, 22 to 7 h
OPTIONS = SimulationOptions(
    seed=8,
    homes=HOMES,
    share_percent=50,
    strategies=("suggested", "shading"),
    pv="equation",
    disutility=20,
    storage_from_grid=True,
)


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.fixture
async def network_file(tmp_path: Path) -> Any:
    directory = tmp_path / ".commonwatt"
    base = default_topology(communities=2, homes=HOMES)
    channels = {
        name: channel.model_copy(update={"batch": Batch(timeout_ms=5)})
        for name, channel in base.channels.items()
    }
    try:
        result = await up(
            directory,
            base.model_copy(update={"channels": channels, "determinism_guard": True}),
            "embedded",
            quiet,
        )
        yield result.nodes.layout.network_file
    finally:
        down(directory)


@pytest.mark.long
async def test_communities_trade_at_once_what_each_trades_in_this_process(network_file: Path) -> None:
    options = replace(OPTIONS, network_file=network_file, out=network_file.parent / "out")
    communities = (await simulate(options, lambda *_: None))["communities"]

    traces, _ = options.trace_set()
    for place, (channel, on_ledger) in enumerate(zip(("newtown", "glebe"), communities, strict=True)):
        users = read_network_file(network_file).communities[place].homes
        expected = community_in_process(options, traces, place, users=users)
        assert on_ledger == json.loads(json.dumps({**expected, "channel": channel}))
        _check_grid_energy(on_ledger)
    homes = [home for one in communities for home in one["homes"] if home["grid_charge_wh"]]
    assert any(home["own_wh"] + home["sold_wh"] > home["charged_wh"] for home in homes)
    assert communities[0]["homes"] != communities[1]["homes"]
    assert all(one["totals"]["fills"] > 10 for one in communities)

    again = replace(options, seed=9, homes=1, disutility=None)
    second = (await simulate(again, lambda *_: None))["communities"]
    for first, one in zip(communities, second, strict=True):
        assert (first["first_day"], one["first_day"]) == ("2012-11-01", "2012-11-02")
        left_wh = {home["home"]: home["battery_end_wh"] for home in first["homes"]}
        assert one["totals"]["battery_begin_wh"] == sum(left_wh[home["home"]] for home in one["homes"])


def _check_grid_energy(community: dict[str, Any]) -> None:
    """Batteries bought in the cheapest band alone, and gave back what they did not keep."""
    for hour in community["hours"]:
        assert hour["grid_charge_wh"] == 0 or hour["tou_uaud_per_kwh"] == CHEAPEST
    bought = [home for home in community["homes"] if home["grid_charge_wh"]]
    assert bought
    for home in bought:
        assert home["grid_charge_amount_naud"] == home["grid_charge_wh"] * CHEAPEST
        given_wh = home["own_wh"] + home["sold_wh"]
        assert given_wh + home["battery_end_wh"] == home["charged_wh"] + home["grid_charge_wh"]
    dear = [hour for hour in community["hours"] if hour["tou_uaud_per_kwh"] > CHEAPEST]
    assert sum(hour["own_wh"] for hour in dear) > 0
