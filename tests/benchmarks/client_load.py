# SPDX-License-Identifier: Apache-2.0
"""Our client under load in a process of its own: `python client_load.py SETTINGS.json` prints one JSON object.

Settings: network (network.json), channel, chaincode, transaction, count, inFlight; value, where not "x".
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from commonwatt_client import ClientError, Contract, connect_network_file


async def load(contract: Contract, settings: dict[str, Any]) -> dict[str, Any]:
    """Submit `count` transactions, `inFlight` at a time, and wait for each commit."""
    process = psutil.Process()
    remaining = iter(range(settings["count"]))
    names = count()
    value = settings.get("value", "x")
    result: dict[str, Any] = {"committed": 0, "failed": 0, "memory_bytes": []}

    async def worker() -> None:
        for _ in remaining:
            try:
                await contract.submit_transaction(settings["transaction"], f"p{next(names)}", value)
                result["committed"] += 1
            except ClientError:
                result["failed"] += 1
            if result["committed"] % max(1, settings["count"] // 10) == 0:
                result["memory_bytes"].append(process.memory_info().rss)

    await contract.evaluate_transaction("get", "absent")
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(settings["inFlight"])))
    result["seconds"] = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    result["cpu_s"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result


async def main(settings: dict[str, Any]) -> None:
    async with connect_network_file(settings["network"], "newtown", "operator") as gateway:
        contract = gateway.get_network(settings["channel"]).get_contract(settings["chaincode"])
        print(json.dumps(await load(contract, settings)))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
