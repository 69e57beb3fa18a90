# SPDX-License-Identifier: Apache-2.0
"""A day of many communities on one machine, each on a channel of its own: what one community costs.

``COMMUNITIES=10 HOMES=1000 pytest tests/benchmarks/test_many_communities.py -s`` for other sizes: HOMES are those of
each community, PERIOD is the length of a period in minutes, BACKEND is ``embedded`` or ``native``. It prints the time,
and by process what the day used: processor time, memory, disk.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from commonwatt_loadgen.forward.ledger_run import simulate_forward_on_ledger
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.throughput.resources import network_processes
from commonwatt_network.down import down
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .message_load import bytes_of, processor_s, quiet, short, with_homes

COMMUNITIES = int(os.environ.get("COMMUNITIES", "3"))
HOMES = int(os.environ.get("HOMES", "20"))
PERIOD_MIN = int(os.environ.get("PERIOD", "30"))
BACKEND = os.environ.get("BACKEND", "embedded")
CORES = os.cpu_count() or 1


@pytest.mark.timeout(14_400)
async def test_a_day_of_many_communities(tmp_path: Path) -> None:
    require_backend(BACKEND)
    directory = tmp_path / ".commonwatt"
    try:
        nodes = (await up(directory, with_homes(HOMES, COMMUNITIES), BACKEND, quiet)).nodes
        network = network_processes(directory)
        assert network, "`commonwatt network status` did not answer in time: the machine has too much to do"
        before = {name: processor_s(process) for name, process in network.items()}
        own_s, load = time.process_time(), [os.getloadavg()[0]]
        run = SimulationOptions(network_file=nodes.layout.network_file, out=tmp_path / "out")
        summary = await simulate_forward_on_ledger(ForwardOptions(run, period=PERIOD_MIN), lambda *_: None)
        own_s = time.process_time() - own_s
        load.append(os.getloadavg()[0])
        used_s = {name: processor_s(process) - before[name] for name, process in network.items()}
        told = [*_used(network, used_s, own_s), *_on_disk(nodes)]
    finally:
        down(directory)
    speed = summary["performance"]
    batches = speed["by_transaction"]["submit_messages"]["count"]
    print(
        f"\n{COMMUNITIES} communities of {HOMES} homes, 1 day of periods of {PERIOD_MIN} minutes, {BACKEND}, "
        f"{CORES} cores, load average {load[0]:.0f} to {load[1]:.0f}: {speed['elapsed_s']:.0f} s; "
        f"{speed['transactions']:,} transactions, "
        f"{batches:,} of them batches; p95 {speed['commit_latency_ms']['p95']:.0f} ms; {speed['retries']} tried again"
    )
    for line in told:
        print(f"  {line}")
    assert len(summary["communities"]) == COMMUNITIES
    assert speed["by_transaction"]["settle_period"]["count"] >= 24 * 60 // PERIOD_MIN * COMMUNITIES


def _used(network: Mapping[str, psutil.Process], used_s: Mapping[str, float], own_s: float) -> Iterator[str]:
    """Processor time and memory; the communities' processes of one kind are one line."""
    kinds: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, process in network.items():
        kind = _kind(short(name))
        kinds[kind].append((used_s[name], process.memory_info().rss / 1e6))
    for kind, found in sorted(kinds.items()):
        seconds, megabytes = (sum(one) for one in zip(*found, strict=True))
        yield (
            f"{kind}: {len(found)} process(es), {seconds:.1f} s and {megabytes:.0f} MB in all; "
            f"{seconds / COMMUNITIES:.1f} s and {megabytes / COMMUNITIES:.0f} MB for each community"
        )
    total_s = sum(used_s.values())
    yield (
        f"the network's processes: {total_s:.0f} s, {total_s / COMMUNITIES:.1f} s for each community and day, so a "
        f"core that is half used carries {43_200 * COMMUNITIES / total_s:,.0f} such communities by processor time"
    )
    memory_mb = psutil.Process().memory_info().rss / 1e6
    network_mb = sum(process.memory_info().rss for process in network.values()) / 1e6
    yield (
        f"the homes, which sign and decide: {own_s:.0f} s and {memory_mb:.0f} MB, {own_s / COMMUNITIES:.1f} s for each "
        f"community; with the network {memory_mb + network_mb:,.0f} MB of {psutil.virtual_memory().total / 1e6:,.0f}"
    )


def _kind(name: str) -> str:
    """``peer0.community7`` is a community's peer, ``market.grid`` the grid's chaincode."""
    first, _, organization = name.partition(".")
    if not organization or first == "embedded":
        return name
    of = "the grid's" if organization == "grid" else "a community's"
    return f"{of} {'chaincode' if first == 'market' else 'peer'}"


def _on_disk(nodes: Nodes) -> Iterator[str]:
    for peer, channels in ((nodes.gateway_peer("newtown"), 1), (nodes.gateway_peer("grid"), COMMUNITIES)):
        size = sum(bytes_of(peer.ledger).values())
        yield (
            f"{peer.name}: {size / 1e6:.1f} MB of ledger, {size / channels / 1e6:.1f} MB for each community, "
            f"{size / channels / HOMES / 1e3:.0f} kB for each home and day"
        )
    orderer = nodes.orderers[0]
    size = sum(bytes_of(orderer.ledger).values())
    yield f"{orderer.name}: {size / 1e6:.1f} MB, {size / COMMUNITIES / 1e6:.1f} MB for each community"
