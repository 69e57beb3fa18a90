# SPDX-License-Identifier: Apache-2.0
"""Our chaincode library beside the official Node library: one network, the same transaction, alternating runs.

Prints, for each library: transactions per second of a peer played over loopback TLS (the chaincode alone), committed
transactions per second on a network with two endorsing organisations, and the chaincode's CPU time per transaction.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from commonwatt_chaincode.shim.testing import WirePeer, caller
from commonwatt_chaincode.shim.testing.certificates import TlsFiles, tls_files
from commonwatt_client import Contract
from commonwatt_network.programs import processes

from ..behaviour.conftest import network  # noqa: F401
from ..behaviour.probe_network import COLLECTIONS, PROBE, Probe
from ..interop.node_chaincode.installed import node_chaincode

BOTH = "AND('NewtownMSP.member', 'GridMSP.member')"
MEMBERS = ("newtown", "grid")
IN_FLIGHT = 64
ROUNDS = 50_000  # hashes of one transaction that computes: about 20 ms


def _cpu_s(of: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in of)


@contextmanager
def _server(script: Path, tls: TlsFiles, environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as free:
        port = next(port for port in range(12_250, 12_300) if free.connect_ex(("127.0.0.1", port)))
    address = f"127.0.0.1:{port}"
    variables = {
        **os.environ,
        "CHAINCODE_SERVER_ADDRESS": address,
        "CHAINCODE_ID": "bench:1",
        "CHAINCODE_TLS_CERT": str(tls.server_cert),
        "CHAINCODE_TLS_KEY": str(tls.server_key),
        "CHAINCODE_CLIENT_CA_CERT": str(tls.ca_cert),
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, str(script)], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("name", "workers"),
    [("ours", 1), ("Node fabric-shim", 1), ("ours, 2 workers", 2)],
    ids=["ours", "node", "workers"],
)
async def test_the_chaincode_alone(name: str, workers: int, tmp_path: Path) -> None:
    script = node_chaincode() if "Node" in name else PROBE
    tls = tls_files(tmp_path)
    credentials = grpc.ssl_channel_credentials(
        tls.ca_cert.read_bytes(), tls.client_key.read_bytes(), tls.client_cert.read_bytes()
    )
    creator, count = caller(role="home"), 2_000
    with _server(script, tls, {"CHAINCODE_WORKERS": str(workers)}) as (address, server):
        async with WirePeer(address, credentials, register_timeout_s=30) as peer:
            turns = asyncio.Semaphore(IN_FLIGHT)

            async def put(number: int) -> None:
                async with turns:
                    await peer.invoke("put", f"k{number}", "v" * 200, creator=creator)

            await asyncio.gather(*(put(number) for number in range(300)))
            family = [server, *server.children(recursive=True)]
            cpu, start = _cpu_s(family), time.perf_counter()
            await asyncio.gather(*(put(number) for number in range(count)))
            took = time.perf_counter() - start
            print(
                f"\nchaincode alone, {name}: {count / took:.0f} transactions/s, "
                f"{(_cpu_s(family) - cpu) / count * 1_000:.2f} ms CPU each"
            )


async def test_workers_where_transactions_compute(tmp_path: Path) -> None:
    """One and two worker processes in alternating runs; a gain needs a second core that is idle."""
    tls, count, runs = tls_files(tmp_path), 60, 3
    credentials = grpc.ssl_channel_credentials(
        tls.ca_cert.read_bytes(), tls.client_key.read_bytes(), tls.client_cert.read_bytes()
    )
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(runs):
        for workers in rates:
            with _server(PROBE, tls, {"CHAINCODE_WORKERS": str(workers)}) as (address, server):
                async with WirePeer(address, credentials, register_timeout_s=30) as peer:
                    await asyncio.gather(*(peer.invoke("compute", ROUNDS) for _ in range(4)))
                    family = [server, *server.children(recursive=True)]
                    psutil.cpu_percent()
                    cpu, start = _cpu_s(family), time.perf_counter()
                    await asyncio.gather(*(peer.invoke("compute", ROUNDS) for _ in range(count)))
                    took = time.perf_counter() - start
                    used_s = _cpu_s(family) - cpu
                    rates[workers].append(count / took)
                    idle = (psutil.cpu_count() or 1) * (1 - psutil.cpu_percent() / 100)
                    print(
                        f"\n{workers} workers: {count / took:.0f} transactions/s of {used_s / count * 1000:.0f} ms "
                        f"CPU; {used_s / took:.2f} cores used, {idle:.1f} of {psutil.cpu_count()} idle meanwhile"
                    )
    pairs = [two / one for one, two in zip(*rates.values(), strict=True)]
    print(f"two workers / one, pair by pair: {', '.join(f'{ratio:.2f}' for ratio in pairs)}")


async def _submit_many(contract: Contract, count: int) -> None:
    prefix, turns = secrets.token_hex(4), asyncio.Semaphore(IN_FLIGHT)

    async def put(number: int) -> None:
        async with turns:
            await contract.submit("put", arguments=[f"{prefix}{number}", "v" * 200], retry=True)

    await asyncio.gather(*(put(number) for number in range(count)))


async def test_on_one_network(network: Any) -> None:  # noqa: F811
    count = 600
    scripts = {"ours": ("probe", PROBE), "Node fabric-shim": ("node", node_chaincode())}
    for chaincode, script in scripts.values():
        network.deploy(script, chaincode, endorsement_policy=BOTH, collections=COLLECTIONS)
    async with network.connect("newtown", "operator") as gateway:
        for run in range(2):
            for name, (chaincode, _) in scripts.items():
                contract = gateway.get_network("trials").get_contract(chaincode)
                await Probe(gateway, contract).answers()
                found = processes.running(network.nodes.layout)
                family = [
                    process for organization in MEMBERS for process in found[f"{chaincode}.{organization}"]
                ]
                await _submit_many(contract, 100)
                cpu, start = _cpu_s(family), time.perf_counter()
                await _submit_many(contract, count)
                took = time.perf_counter() - start
                each_ms = (_cpu_s(family) - cpu) / count / len(MEMBERS) * 1_000
                print(
                    f"\n{network.backend} run {run + 1}, {name}: {count / took:.0f} committed/s, "
                    f"{each_ms:.2f} ms chaincode CPU per endorsement"
                )
