# SPDX-License-Identifier: Apache-2.0
"""Our client beside the official Node client: one network, the same load, alternating runs; memory; replay.

Prints committed transactions per second and the client's CPU time per transaction for both (and for fabric-sdk-py), the
resident memory over 20,000 submits, and how fast as many events are replayed from block 0. COUNT changes the 20,000.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ..behaviour.conftest import network  # noqa: F401
from ..behaviour.probe_network import COLLECTIONS, MEMBERS, PROBE, Probe
from ..interop.fabric_sdk_py.installed import query_and_invoke
from ..interop.node.installed import node_client, run_node_client

ALL = "AND('NewtownMSP.member', 'GridMSP.member')"
IN_FLIGHT = 200
PER_RUN = 1_500
ROUNDS = 2
ONE_BY_ONE = 60
COUNT = int(os.environ.get("COUNT", "20000"))


async def ready(network: Any, name: str, policy: str) -> None:  # noqa: F811
    network.deploy(PROBE, name, endorsement_policy=policy, collections=COLLECTIONS)
    async with network.connect() as gateway:
        await Probe(gateway, gateway.get_network("trials").get_contract(name)).answers()


def run_python_client(network: Any, folder: Path, chaincode: str, **settings: Any) -> Any:  # noqa: F811
    described = {"network": str(network.path), "channel": "trials", "chaincode": chaincode, **settings}
    file = folder / "settings.json"
    file.write_text(json.dumps(described))
    script = Path(__file__).parent / "client_load.py"
    ran = subprocess.run([sys.executable, script, file], capture_output=True, text=True, timeout=800)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.timeout(900)
async def test_beside_the_node_client(network: Any, tmp_path: Path) -> None:  # noqa: F811
    node_client()
    await ready(network, "both", ALL)
    settings = {"transaction": "put", "count": PER_RUN, "inFlight": IN_FLIGHT}
    runs: dict[str, list[Any]] = {"ours": [], "node": []}
    for _ in range(ROUNDS):
        runs["ours"].append(run_python_client(network, tmp_path, "both", **settings))
        runs["node"].append(run_node_client("load", network, tmp_path, "both", **settings))
    rates = {}
    for name, results in runs.items():
        committed = sum(result["committed"] for result in results)
        rates[name] = committed / sum(result["seconds"] for result in results)
        cpu_ms = 1000 * sum(result["cpu_s"] for result in results) / committed
        each = ", ".join(f"{result['committed'] / result['seconds']:.0f}" for result in results)
        print(
            f"\n{network.backend} ({network.version}), {IN_FLIGHT} in flight, {name}: {rates[name]:.0f} committed/s "
            f"(runs {each}), client CPU {cpu_ms:.2f} ms per transaction"
        )
        assert all(result["failed"] == 0 for result in results)
    print(f"{network.backend}: ours / node = {rates['ours'] / rates['node']:.2f}")


@pytest.mark.timeout(900)
async def test_beside_fabric_sdk_py(network: Any, tmp_path: Path) -> None:  # noqa: F811
    """One at a time, as that SDK needs it, with one endorser; its figure is of the 1.4 protocol."""
    await ready(network, "one", MEMBERS)
    theirs = query_and_invoke(network, tmp_path, "one", f"s{secrets.token_hex(4)}", count=ONE_BY_ONE)
    ours = run_python_client(network, tmp_path, "one", transaction="put", count=ONE_BY_ONE, inFlight=1)
    for name, result in (("ours", ours), ("fabric-sdk-py", theirs)):
        print(
            f"\n{network.backend} ({network.version}), one at a time, {name}: {ONE_BY_ONE / result['seconds']:.1f} "
            f"committed/s, client CPU {1000 * result['cpu_s'] / ONE_BY_ONE:.2f} ms per transaction"
        )


@pytest.mark.timeout(900)
async def test_memory_and_replay(network: Any, tmp_path: Path) -> None:  # noqa: F811
    if network.backend != "embedded":
        pytest.skip("memory and replay are the client's own: one backend tells enough")
    await ready(network, "one", MEMBERS)
    result = run_python_client(
        network, tmp_path, "one", transaction="announce", count=COUNT, inFlight=IN_FLIGHT
    )
    assert result["failed"] == 0
    megabytes = [value / 2**20 for value in result["memory_bytes"]]
    print(
        f"\n{COUNT} submits in {result['seconds']:.0f} s: client memory {megabytes[0]:.0f} MB after a tenth, "
        f"{megabytes[-1]:.0f} MB at the end, client CPU {1000 * result['cpu_s'] / COUNT:.2f} ms per transaction"
    )
    async with network.connect() as gateway:
        began = time.perf_counter()
        transactions = set()
        async with gateway.get_network("trials").chaincode_events(
            "one", start_block=0, timeout_s=300
        ) as events:
            received = 0
            async for event in events:
                received += 1
                transactions.add(event.transaction_id)
                if received == COUNT:
                    break
        seconds = time.perf_counter() - began
    assert len(transactions) == COUNT
    print(f"{COUNT} events replayed from block 0 in {seconds:.1f} s, none missed, none twice")
    assert megabytes[-1] - megabytes[0] < 15
