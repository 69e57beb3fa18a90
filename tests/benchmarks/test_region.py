# SPDX-License-Identifier: Apache-2.0
"""A day of a region, with its exchange and without: what the exchange adds in transactions and processor time.

``COMMUNITIES=10 HOMES=100 pytest tests/benchmarks/test_region.py -s`` for other sizes: HOMES are those of each
community, PERIOD is the length of a period in minutes, BACKEND is ``embedded`` or ``native``. Each of the two days runs
on a network of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from commonwatt_community.operating.anchoring import EVERY_S
from commonwatt_loadgen.forward.ledger_run import simulate_forward_on_ledger
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.throughput.resources import network_processes
from commonwatt_network.down import down
from commonwatt_network.model.topology import Topology, load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .message_load import processor_s, quiet

COMMUNITIES = int(os.environ.get("COMMUNITIES", "3"))
HOMES = int(os.environ.get("HOMES", "8"))
PERIOD_MIN = int(os.environ.get("PERIOD", "30"))
BACKEND = os.environ.get("BACKEND", "embedded")
ONCE = ("found", "register_community", "set_link", "configure", "register_home", "confirm_home", "set_key")
MOST_TRANSACTIONS = 4.0
PROCESSOR_GOAL = 0.10


class Day(NamedTuple):
    """What a day took: of the network's processes, and transactions by name without those that set it up."""

    processor_s: float
    elapsed_s: float
    transactions: Counter[str]
    summary: dict[str, Any]


def region_of(homes: int, communities: int) -> Topology:
    """The sample region with so many communities of so many homes."""
    base = load_topology("region")
    one, channel = base.organizations["newtown"], base.channels["newtown"]
    names = ["newtown", "enmore", "glebe", *(f"community{number}" for number in range(4, communities + 1))]
    names = names[:communities]
    exchange = base.channels["exchange"].model_copy(update={"organizations": ["grid", *names]})
    changed = {
        "organizations": {
            **{name: one.model_copy(update={"homes": homes}) for name in names},
            "grid": base.organizations["grid"],
        },
        "channels": {
            **{name: channel.model_copy(update={"organizations": [name, "grid"]}) for name in names},
            "exchange": exchange,
        },
    }
    return Topology.model_validate(base.model_copy(update=changed).model_dump(exclude_unset=True))


async def day_of(folder: Path, link_fee: float | None) -> Day:
    """A day on a new network."""
    directory = folder / ".commonwatt"
    try:
        nodes = (await up(directory, region_of(HOMES, COMMUNITIES), BACKEND, quiet)).nodes
        network = network_processes(directory)
        assert network, "`commonwatt network status` did not answer in time: the machine has too much to do"
        before = {name: processor_s(process) for name, process in network.items()}
        run = SimulationOptions(network_file=nodes.layout.network_file, out=folder / "out")
        options = ForwardOptions(run, period=PERIOD_MIN, link_fee=link_fee)
        summary = await simulate_forward_on_ledger(options, lambda *_: None)
        used_s = sum(processor_s(process) - before[name] for name, process in network.items())
    finally:
        down(directory)
    speed = summary["performance"]
    counts = Counter(
        {name: one["count"] for name, one in speed["by_transaction"].items() if name not in ONCE}
    )
    return Day(used_s, speed["elapsed_s"], counts, summary)


@pytest.mark.timeout(14_400)
async def test_what_an_exchange_adds(tmp_path: Path) -> None:
    require_backend(BACKEND)
    alone = await day_of(tmp_path / "alone", None)
    trading = await day_of(tmp_path / "trading", 1.0)
    periods = 24 * 60 // PERIOD_MIN
    added = trading.transactions.total() - alone.transactions.total()
    each = added / COMMUNITIES / periods
    share = 1 - alone.processor_s / trading.processor_s
    exchange = trading.summary["exchange"]
    print(
        f"\n{COMMUNITIES} communities of {HOMES} homes, 1 day of periods of {PERIOD_MIN} minutes, {BACKEND}, "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.0f}: {alone.elapsed_s:.0f} s alone, "
        f"{trading.elapsed_s:.0f} s with the exchange; {exchange['traded_wh'] / 1000:.1f} kWh between communities\n"
        f"  transactions: {alone.transactions.total():,} alone, {added:,} more with the exchange, {each:.2f} for each "
        f"community and period (goal {MOST_TRANSACTIONS:g}; an operator's anchors add one in two hours, the grid's "
        f"attestations one a settlement): {dict(sorted((trading.transactions - alone.transactions).items()))}\n"
        f"  the network's processes: {alone.processor_s:.0f} s alone, {trading.processor_s:.0f} s with the exchange: "
        f"{share:.1%} of it (goal {PROCESSOR_GOAL:.0%})"
    )
    anchors = 24 * 3_600 / EVERY_S / periods
    assert each + anchors + 1 <= MOST_TRANSACTIONS
    assert exchange["money_balances"]
    assert exchange["energy_balances"]
