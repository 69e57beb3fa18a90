# SPDX-License-Identifier: Apache-2.0
"""A thousand homes at one service: how long a bid takes to its receipts, and whether memory stays flat.

`HOMES=1000 ROUNDS=5 pytest tests/benchmarks/test_service.py -s`. Every home bids in every period of five minutes; here
all bids of a period come within `WITHIN_S` seconds. The service is a process of its own, on the embedded network.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil
import pytest
from commonwatt_community.messages.author import Author

from ..behaviour.forward_network import CHANNEL
from ..behaviour.served import Town, town

HOMES = int(os.environ.get("HOMES", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
WITHIN_S = float(os.environ.get("WITHIN_S", "30"))


def percentiles(seconds: Sequence[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49]:.3f} s, p95 {cuts[94]:.3f} s, p99 {cuts[98]:.3f} s, most {max(seconds):.3f} s"


class Unkept:
    """In place of a journal's file: this program ends with its homes."""

    def highest_seq(self, net: str, channel: str, home: str, period: int, kind: str) -> int:
        return 0

    def write(self, compact: bytes) -> None:
        return


@pytest.mark.timeout(1_800)
def test_a_thousand_homes(tmp_path: Path) -> None:
    with town("embedded", tmp_path, HOMES) as street:
        asyncio.run(measured(street))


async def measured(street: Town) -> None:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("commonwatt")),
        *("serve", "--network", str(street.network.path), "--folder", str(street.folder / "service")),
        *("--port", "0", "--proxy", "127.0.0.1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[0]
    context = ssl.create_default_context(cafile=str(street.folder / "service" / "service.crt"))
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    try:
        async with httpx.AsyncClient(
            base_url=url, verify=context, timeout=120, limits=limits, trust_env=False
        ) as http:
            while (await http.get("/healthz")).status_code != 200:  # noqa: ASYNC110 - it gives no notice
                await asyncio.sleep(0.1)
            await rounds(street, http, url.removeprefix("https://"), psutil.Process(process.pid))
    finally:
        process.terminate()
        await process.wait()


async def rounds(street: Town, http: httpx.AsyncClient, name: str, service: psutil.Process) -> None:
    network = street.network
    authors = [Author(network.signing[one], Unkept(), network.net, CHANNEL, one) for one in network.homes]
    slots = asyncio.Semaphore(50)

    async def token(number: int, author: Author) -> str:
        headers = {"X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        async with slots:
            challenge = (await http.get("/api/v1/challenge", headers=headers)).json()["challenge"]
            message = author.login(name, challenge).decode()
            got = await http.post("/api/v1/login", json={"message": message}, headers=headers)
        return str(got.json()["token"])

    started = time.monotonic()
    tokens = await asyncio.gather(*(token(n, one) for n, one in enumerate(authors)))
    print(
        f"\n{len(authors)} homes logged in within {time.monotonic() - started:.1f} s; load {os.getloadavg()[0]:.1f}"
    )
    memory = []
    all_admitted: list[float] = []
    all_written: list[float] = []
    for _ in range(ROUNDS):
        period = await street.next_period()

        async def bid(author: Author, held: str, period: int = period) -> tuple[float, float]:
            await asyncio.sleep(random.uniform(0, WITHIN_S))
            message = author.request(period, 300, 200_000).decode()
            headers = {"Authorization": f"Bearer {held}"}
            begun = time.monotonic()
            got = (await http.post("/api/v1/messages", json={"messages": [message]}, headers=headers)).json()
            [result] = got["results"]
            assert result["result"] == "admitted", got
            admitted_s = time.monotonic() - begun
            path = f"/api/v1/receipts/{result['digest']}?wait_s=30&proof=0"
            got = (await http.get(path, headers=headers)).json()
            assert got["result"] == "written", got
            return admitted_s, time.monotonic() - begun

        told = await asyncio.gather(*(bid(a, t) for a, t in zip(authors, tokens, strict=True)))
        all_admitted += [one for one, _ in told]
        all_written += [one for _, one in told]
        memory.append(service.memory_info().rss / 1e6)
        print(f"  admission {percentiles([a for a, _ in told])}; memory {memory[-1]:.0f} MB")
    print(f"admission receipt: {percentiles(all_admitted)}")
    print(f"on the ledger:     {percentiles(all_written)}; load {os.getloadavg()[0]:.1f}")
    print(f"memory of the service after each round: {', '.join(f'{one:.0f}' for one in memory)} MB")
    assert statistics.quantiles(all_admitted, n=100)[94] <= 2.0
    assert memory[-1] <= memory[0] * 1.2 + 10
