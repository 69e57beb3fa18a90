# SPDX-License-Identifier: Apache-2.0
"""Signed private messages from homes to both peers' ledgers: how many a second by batch size, where the time goes,
what a message takes on a peer's disk, and how long a peer takes that begins anew."""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import shutil
import statistics
import time
from pathlib import Path

import pytest
from commonwatt_client import EvaluateError, GatewayError
from commonwatt_client.network_file import read_network_file
from commonwatt_community.market.carrier import Carrier, Limits
from commonwatt_community.market.forward import ForwardMarket
from commonwatt_loadgen.forward.parties import Parties, parties_of
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.run import make_ready
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.programs import processes
from commonwatt_network.up import up

from ..support.fabric import require_backend
from ..unit.forward.neighbourhood import NOON, Neighbourhood
from .message_load import all_private, bytes_of, grown, loaded, quiet, running, with_homes

HOMES = 100
SIZES = (100, 250, 500, 1_000)
CHANNEL = "newtown"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["embedded", "native"])
def test_messages_a_second_by_batch_size(tmp_path: Path, backend: str) -> None:
    require_backend(backend)
    print(f"\n{backend}, {HOMES} homes, two endorsing organisations, all on this machine:")
    with running(tmp_path / ".commonwatt", with_homes(HOMES), backend) as nodes:
        peer = nodes.gateway_peer("grid")
        loaded(nodes, 500, seconds=2)  # homes registered, programs warm
        before, count, best = bytes_of(peer.ledger), 0, (0.0, 0)
        for size in SIZES:
            found = loaded(nodes, size)
            count += found.messages
            best = max(best, (found.per_s, size))
            print(f"  batches of {size:,}: {found.told()}")
        print(f"  best: batches of {best[1]:,}")
        print(f"  ledger for each message and peer: {grown(before, bytes_of(peer.ledger), count)}")
        print(f"  {asyncio.run(all_private(nodes, CHANNEL)):,} private values are at both peers")
        print(f"  {asyncio.run(_carried(nodes))}")
        print(f"  {asyncio.run(_taken_anew(nodes, backend))}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["embedded", "native"])
@pytest.mark.parametrize("communities", [2, 4])
def test_several_communities_on_one_machine(tmp_path: Path, backend: str, communities: int) -> None:
    require_backend(backend)
    with running(tmp_path / ".commonwatt", with_homes(50, communities), backend) as nodes:
        loaded(nodes, 500, seconds=2)
        found = loaded(nodes, 500, in_flight=2 * communities)
        memory = ", ".join(f"{name} {mb:.0f}" for name, mb in found.memory_mb.items())
        print(f"\n{backend}, {communities} channels of 50 homes: {found.told()}\n  memory in MB: {memory}")


async def _carried(nodes: Nodes) -> str:
    """The same by `Carrier`, to which homes come one by one; messages are signed before."""
    options = LoadOptions(network_file=nodes.layout.network_file, in_flight=1, scenario="messages", batch=500)
    ready = await asyncio.to_thread(make_ready, options, 16)
    [workload] = ready.workloads
    calls = [workload.request(number) for number in range(12)]
    messages = [one for call in calls for one in (call.transient or {})["messages"].split(b"\n")]
    network = read_network_file(nodes.layout.network_file)
    [community] = network.communities
    async with parties_of(network, community) as first, parties_of(network, community) as second:
        markets: list[ForwardMarket] = [one for each in (first, second) for one in _markets(each)]
        begun, used_s = time.perf_counter(), time.process_time()
        async with Carrier(markets, Limits(most_messages=500)) as carrier:
            done = await asyncio.gather(*map(carrier.carry, messages))
        took_s = time.perf_counter() - begun
    assert all(one.written for one in done)
    used_ms = 1000 * (time.process_time() - used_s) / len(messages)
    return (
        f"by a carrier over {len(markets)} connections: {len(messages) / took_s:,.0f} messages/s, of which it uses "
        f"{1000 * used_ms:.0f} ms of processor time for 1,000"
    )


def _markets(parties: Parties) -> tuple[ForwardMarket, ForwardMarket]:
    return parties.operator, parties.grid


async def _taken_anew(nodes: Nodes, backend: str) -> str:
    """The grid's peer loses its folder, and takes blocks and private values from the others."""
    peer = nodes.gateway_peer("grid")
    async with peer_admin(nodes, peer) as admin:
        height = (await admin.get_chain_info(CHANNEL)).height
    held = sum(bytes_of(peer.ledger).values())
    processes.stop(processes.running(nodes.layout)["embedded" if backend == "embedded" else peer.name])
    shutil.rmtree(peer.ledger)
    begun = time.perf_counter()
    await up(nodes.layout.directory, None, None, quiet)
    async with asyncio.timeout(300):
        while True:
            try:
                async with peer_admin(nodes, peer) as admin:
                    if (await admin.get_chain_info(CHANNEL)).height >= height:
                        break
            except (GatewayError, EvaluateError):
                pass
            await asyncio.sleep(0.2)
    took_s = time.perf_counter() - begun
    return (
        f"a new peer takes {height:,} blocks, {held / 1e6:.0f} MB, in {took_s:.1f} s, the start of the network "
        f"included: {held / 1e6 / took_s:.1f} MB/s"
    )


@pytest.mark.parametrize("size", [1_000])
async def test_a_batch_in_one_endorsers_chaincode(size: int) -> None:
    """The chaincode's part, without a network, and which functions take it."""
    town = Neighbourhood()
    await town.found(trust_homes=True)
    homes = [f"h{number:04d}" for number in range(size)]
    await town.add(*homes, alg="ES256", pv_w=6_000)
    town.in_window(NOON)
    sent = {"messages": b"\n".join(town.request(home, NOON, 100, 200_000) for home in homes)}

    async def submit() -> None:
        done = await town.endorse("carrier", "submit_messages", {"kind": "bid", "period": NOON}, sent)
        assert done.json()["results"] == ["written"] * size

    await submit()
    taken_ms = []
    for _ in range(7):
        begun = time.process_time()
        await submit()
        taken_ms.append(1000 * (time.process_time() - begun))
    print(
        f"\na batch of {size:,} in one endorser's chaincode: {statistics.median(taken_ms):.0f} ms (goal 150)"
    )
    profile = cProfile.Profile()
    profile.enable()
    await submit()
    profile.disable()
    told = io.StringIO()
    pstats.Stats(profile, stream=told).sort_stats("tottime").print_stats(12)
    print("\n".join(line for line in told.getvalue().splitlines() if line.strip())[:3_000])
