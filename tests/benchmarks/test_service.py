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
from typing import Any

import aiohttp
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
    connector = aiohttp.TCPConnector(ssl=context, limit=200, keepalive_timeout=30)
    try:
        async with aiohttp.ClientSession(url, connector=connector) as http:
            while (await http.get("/healthz")).status != 200:  # noqa: ASYNC110 - it gives no notice
                await asyncio.sleep(0.1)
            await rounds(street, http, url.removeprefix("https://"), psutil.Process(process.pid))
    finally:
        process.terminate()
        await process.wait()


async def asked(http: aiohttp.ClientSession, method: str, path: str, **more: Any) -> Any:
    async with http.request(method, f"/api/v1/{path}", **more) as answer:
        value = await answer.json(content_type=None)
        assert answer.status == 200, value
        return value


async def rounds(street: Town, http: aiohttp.ClientSession, name: str, service: psutil.Process) -> None:
    network = street.network
    authors = [Author(network.signing[one], Unkept(), network.net, CHANNEL, one) for one in network.homes]
    slots = asyncio.Semaphore(50)

    async def token(number: int, author: Author) -> str:
        headers = {"X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        async with slots:
            challenge = (await asked(http, "GET", "challenge", headers=headers))["challenge"]
            message = author.login(name, challenge).decode()
            return str(
                (await asked(http, "POST", "login", json={"message": message}, headers=headers))["token"]
            )

    started = time.monotonic()
    tokens = await asyncio.gather(*(token(n, one) for n, one in enumerate(authors)))
    print(
        f"\n{len(authors)} homes logged in within {time.monotonic() - started:.1f} s; load {os.getloadavg()[0]:.1f}"
    )
    memory, admitted = [], []
    for _ in range(ROUNDS):
        period = await street.next_period()

        async def bid(author: Author, held: str, period: int = period) -> tuple[float, str]:
            await asyncio.sleep(random.uniform(0, WITHIN_S))
            message = author.request(period, 300, 200_000).decode()
            headers = {"Authorization": f"Bearer {held}"}
            begun = time.monotonic()
            [one] = (await asked(http, "POST", "messages", json={"messages": [message]}, headers=headers))[
                "results"
            ]
            assert one["result"] == "admitted", one
            return time.monotonic() - begun, one["digest"]

        used_s = sum(service.cpu_times()[:2])
        told = await asyncio.gather(*(bid(a, t) for a, t in zip(authors, tokens, strict=True)))
        for held, (_, digest) in zip(tokens, told, strict=True):
            headers, result = {"Authorization": f"Bearer {held}"}, "pending"
            while result == "pending":
                path = f"receipts/{digest}?wait_s=30&proof=0"
                result = (await asked(http, "GET", path, headers=headers))["result"]
            assert result == "written"
        admitted += [seconds for seconds, _ in told]
        memory.append(service.memory_info().rss / 1e6)
        used_s = sum(service.cpu_times()[:2]) - used_s
        print(
            f"  admission {percentiles([seconds for seconds, _ in told])}; {memory[-1]:.0f} MB, {used_s:.1f} s of a "
            f"processor, load {os.getloadavg()[0]:.1f}"
        )
    print(f"admission receipt: {percentiles(admitted)}")
    async with http.get("/metrics") as answer:
        print("from receipt to ledger, messages by seconds at most:")
        print(
            "".join(f"  {line}\n" for line in (await answer.text()).split("\n") if "message_seconds" in line)
        )
    print(f"memory of the service after each round: {', '.join(f'{one:.0f}' for one in memory)} MB")
    assert statistics.quantiles(admitted, n=100)[94] <= 2.0
    assert memory[-1] <= 1.1 * memory[min(1, len(memory) - 1)] + 5  # by the second round every pool is made
