"""A day traded on a running network equals the same day in-process, to the nAUD; a second one goes on from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_loadgen.hems.agent import HomeAgent
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.network_file import read_network_file
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import homes_of, simulate
from commonwatt_loadgen.simulate.summary import community_summary
from commonwatt_network.down import down
from commonwatt_network.topology import default_topology
from commonwatt_network.up import up


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.fixture
async def network_file(tmp_path: Path) -> Any:
    directory = tmp_path / ".commonwatt"
    try:
        result = await up(directory, default_topology(homes=4), "embedded", quiet)
        yield result.nodes.layout.network_file
    finally:
        down(directory)


async def test_the_ledger_and_this_process_trade_the_same_days(network_file: Path) -> None:
    options = SimulationOptions(
        seed=5,
        share_percent=50,
        strategies=("suggested", "shading"),
        network_file=network_file,
        out=network_file.parent / "out",
    )
    on_ledger = (await simulate(options, lambda *_: None))["communities"][0]

    traces, _ = options.trace_set()
    homes = homes_of(options, read_network_file(network_file).communities[0], traces, options.seed)
    rules = Parameters()
    agents = [HomeAgent(home, rules, options.seed) for home in homes]
    expected = community_summary(homes, [InProcessMarket(rules).run_day(agents, 0)], rules)
    assert {name: on_ledger[name] for name in expected} == expected
    assert expected["totals"]["fills"] > 5

    second = (await simulate(replace(options, seed=6, homes=3), lambda *_: None))["communities"][0]
    assert (on_ledger["first_day"], second["first_day"]) == ("2012-11-01", "2012-11-02")
    assert second["first_round"] == on_ledger["totals"]["requests"] + 1
