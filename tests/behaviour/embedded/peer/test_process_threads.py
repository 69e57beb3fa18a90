# SPDX-License-Identifier: Apache-2.0
"""What an embedded network does on threads of its own: nothing for gRPC."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from commonwatt_network.testing import TestNetwork


def thread_names(pid: int) -> set[str]:
    return {path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")}


def of_grpc(names: set[str]) -> set[str]:
    """The threads that grpcio's core starts with its first channel or server."""
    return {name for name in names if name.startswith(("grpc_", "event_engine", "resolver-", "default-exec"))}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are read from Linux's /proc")
async def test_a_process_that_has_run_a_transaction_has_no_thread_of_grpc(ledger: TestNetwork) -> None:
    folder = ledger.nodes.layout.configuration / "embedded"
    await ledger.network.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "commonwatt_network.embedded", str(folder / "embedded.json")
    )
    try:
        async with asyncio.timeout(20):
            while not (folder / "ready.json").exists():
                assert process.returncode is None
                await asyncio.sleep(0.02)
        async with ledger.connect("newtown") as gateway:
            await gateway.get_network("newtown").get_contract("kv").submit_transaction("put", "key", "value")
            assert of_grpc(thread_names(os.getpid()))  # the client's
            assert not of_grpc(thread_names(process.pid)), thread_names(process.pid)
    finally:
        process.terminate()
        await process.wait()
