# SPDX-License-Identifier: Apache-2.0
"""Several worker processes behind one address."""

import asyncio
import contextlib
import os
import signal

import psutil
import pytest
from commonwatt_chaincode.shim import ConfigurationError, Stub
from commonwatt_chaincode.shim.testing import WirePeer
from fabric_protos.peer import proposal_response_pb2

from .conftest import ServerProcess, Serving

STARTING_S = (
    60.0  # three interpreters start before the first stream is taken: on a busy machine one after another
)


def workers_of(pid: int) -> list[int]:
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # ended since, or a zombie
            if any("spawn_main" in part for part in child.cmdline()):
                found.append(child.pid)
    return found


async def test_one_stream_keeps_every_worker_busy_and_loses_nothing(
    server_process: ServerProcess, address: str
) -> None:
    process = server_process(CHAINCODE_TLS_DISABLED="true", CHAINCODE_WORKERS="2")
    async with WirePeer(
        address, collections=["secrets"], write_batch=100, register_timeout_s=STARTING_S
    ) as peer:
        before = {pid: psutil.Process(pid).cpu_times().user for pid in workers_of(process.pid)}
        assert len(before) == 2
        done = await asyncio.gather(*(peer.invoke("put_many", f"k{i}", 150) for i in range(200)))
        answers = [proposal_response_pb2.Response.FromString(completed.payload) for completed in done]
        assert {(answer.status, answer.payload) for answer in answers} == {(200, b"150")}
        assert not peer.dropped
        after = {pid: psutil.Process(pid).cpu_times().user for pid in before}
        assert all(after[pid] > before[pid] for pid in before)


async def test_a_worker_that_dies_is_answered_for_and_replaced(
    server_process: ServerProcess, address: str
) -> None:
    process = server_process(CHAINCODE_TLS_DISABLED="true", CHAINCODE_WORKERS="2")
    async with WirePeer(address, register_timeout_s=STARTING_S) as peer:
        first = set(workers_of(process.pid))
        waiting = [asyncio.ensure_future(peer.invoke("wait", "300")) for _ in range(2)]
        await peer.invoke("get", "k")
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        for completed in await asyncio.wait_for(asyncio.gather(*waiting), STARTING_S):
            answer = proposal_response_pb2.Response.FromString(completed.payload)
            assert answer.status == 500
            assert "worker process of this transaction died" in answer.message
        async with asyncio.timeout(STARTING_S):
            while True:
                completed = await peer.invoke("get", "k")
                if proposal_response_pb2.Response.FromString(completed.payload).status == 200:
                    break
        assert not first & set(workers_of(process.pid))


async def test_stopping_finishes_what_is_in_flight_and_leaves_no_process(
    server_process: ServerProcess, address: str
) -> None:
    process = server_process(CHAINCODE_TLS_DISABLED="true", CHAINCODE_WORKERS="2")
    async with WirePeer(address, register_timeout_s=STARTING_S) as peer:
        workers = workers_of(process.pid)
        waiting = asyncio.ensure_future(peer.invoke("wait", "1"))
        await peer.invoke("get", "k")
        process.send_signal(signal.SIGTERM)
        answer = proposal_response_pb2.Response.FromString((await waiting).payload)
        assert answer.payload == b"waited"
    assert await asyncio.to_thread(process.wait, STARTING_S) == 0
    assert not [pid for pid in workers if psutil.pid_exists(pid)]


async def test_a_program_that_cannot_be_sent_to_workers_is_told(serving: Serving) -> None:
    async def handler(stub: Stub) -> object:
        return None

    with pytest.raises(ConfigurationError, match="workers cannot be sent this chaincode"):
        async with serving(handler, workers=2):
            raise AssertionError("it started")
