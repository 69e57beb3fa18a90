# SPDX-License-Identifier: Apache-2.0
"""Chaincode servers that do not serve: heard in one line, with what they said last, before anything is deployed."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from commonwatt_client import EvaluateError
from commonwatt_client.errors import ErrorCode
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, settle
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs import chaincode_start, processes
from commonwatt_network.programs.chaincode_servers import package, server_program
from commonwatt_network.programs.chaincode_start import Server, wait_serving
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.programs.readiness import NotReadyError
from commonwatt_network.testing import run_embedded_network
from commonwatt_network.trust.identity import ensure_identities

PROBE = Path(__file__).parent / "chaincode" / "probe.py"
SERVES = [sys.executable, str(PROBE)]
LISTENS = "import os, socket, time; s = socket.create_server(('127.0.0.1', int({port}))); print('here'); time.sleep(60)"
PLAINTEXT = (
    "import os; os.environ['CHAINCODE_TLS_DISABLED'] = 'true'\n"
    "for name in ('TLS_CERT', 'TLS_KEY', 'CLIENT_CA_CERT', 'CLIENT_CERTS'): del os.environ[f'CHAINCODE_{name}']\n"
    f"os.execv({sys.executable!r}, {SERVES!r})"
)
RENAMED = f"import os; os.environ['CHAINCODE_ID'] = 'another:1'; os.execv({sys.executable!r}, {SERVES!r})"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Identities and folders of a network of which nothing runs."""
    nodes = settle(default_topology(homes=1), Layout(tmp_path_factory.mktemp("network")), 12_000)
    ensure_identities(nodes)
    return nodes


@asynccontextmanager
async def started(nodes: Nodes, command: list[str], name: str) -> AsyncIterator[Server]:
    """A program in a chaincode server's place; it is ended again."""
    address = f"127.0.0.1:{choose_first_port(1, nodes.layout.directory / name)}"
    packed = package(nodes.layout, "newtown", "probe_1.0", address)
    program = server_program(
        nodes.layout, "newtown", mspid="NewtownMSP", name=name, command=command, address=address,
        package_id=packed.package_id,
    )  # fmt: skip
    pid = processes.start(program, nodes.layout, "test")
    try:
        yield Server(name, packed, pid)
    finally:
        processes.stop(processes.running(nodes.layout).get(name, []), grace_s=1)


async def refusal(nodes: Nodes, command: list[str], name: str) -> tuple[str, float]:
    """What is said of the program, and after how many seconds."""
    async with started(nodes, command, name) as server:
        began = time.monotonic()
        with pytest.raises(NotReadyError) as refused:
            await wait_serving(nodes.layout, [server])
        return str(refused.value), time.monotonic() - began


async def test_a_server_that_serves_is_waited_for(nodes: Nodes) -> None:
    async with started(nodes, SERVES, "serves") as server:
        await wait_serving(nodes.layout, [server])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('no disk'); sys.exit(3)", "ended with exit code 3 while it started"),
        (
            "import os; print('no disk', flush=True); os.kill(os.getpid(), 9)",
            "ended by SIGKILL while it started",
        ),
        ("no disk", "ended with exit code 1 while it started"),
    ],
    ids=["exits", "is killed", "no Python"],
)
async def test_one_that_ends_is_heard_at_once_with_its_last_lines(nodes: Nodes, code: str, said: str) -> None:
    message, took_s = await refusal(nodes, [sys.executable, "-c", code], f"ends{abs(hash(code))}")
    assert said in message
    assert "no disk" in message.split("its last lines")[1]
    assert took_s < 2


async def test_one_that_listens_elsewhere_is_told_where(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaincode_start, "ELSEWHERE_S", 0.5)
    port = choose_first_port(1, nodes.layout.directory / "other")
    command = [sys.executable, "-c", LISTENS.replace("{port}", str(port))]
    message, _ = await refusal(nodes, command, "elsewhere")
    assert f"elsewhere listens at 127.0.0.1:{port}, not at 127.0.0.1:" in message
    assert "let it take CHAINCODE_SERVER_ADDRESS" in message


async def test_one_that_never_listens_is_not_waited_for(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaincode_start, "IDLE_S", 1.5)
    message, took_s = await refusal(nodes, [sys.executable, "-c", "import time; time.sleep(60)"], "sleeps")
    assert "for sleeps to listen on 127.0.0.1:" in message
    assert took_s < 30


async def test_one_that_computes_before_it_listens_is_waited_for(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaincode_start, "IDLE_S", 1.5)
    code = (
        "import os, time; end = time.monotonic() + 4\nwhile time.monotonic() < end: pass\n"
        f"os.execv({sys.executable!r}, {SERVES!r})"
    )
    async with started(nodes, [sys.executable, "-c", code], "computes") as server:
        await wait_serving(nodes.layout, [server])


async def test_one_that_registers_under_another_id_is_told_the_right_one(nodes: Nodes) -> None:
    message, _ = await refusal(nodes, [sys.executable, "-c", RENAMED], "renamed")
    assert "renamed registers as 'another:1'; let it take CHAINCODE_ID, which is probe_1.0:" in message


async def test_one_without_tls_is_told_so(nodes: Nodes) -> None:
    message, _ = await refusal(nodes, [sys.executable, "-c", PLAINTEXT], "plaintext")
    assert "plaintext does not speak TLS as peers do" in message


async def test_one_that_listens_and_says_nothing_is_told_so(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaincode_start, "DIAL_S", 1.0)
    message, _ = await refusal(nodes, [sys.executable, "-c", LISTENS.replace("{port}", "{port}")], "mute")
    assert "mute does not speak TLS as peers do (context deadline exceeded)" in message


async def test_a_server_elsewhere_is_asked_before_anything_is_deployed(nodes: Nodes, tmp_path: Path) -> None:
    other = settle(default_topology(homes=1), Layout(tmp_path), 12_000)
    ensure_identities(other)
    free = f"127.0.0.1:{choose_first_port(1, tmp_path)}"
    gone = Server("assets.newtown", package(nodes.layout, "newtown", "probe_1.0", free), None)
    with pytest.raises(NotReadyError) as refused:
        await wait_serving(nodes.layout, [gone])
    assert f"assets.newtown at {free} cannot be reached" in str(refused.value)
    assert f"start it with CHAINCODE_ID={gone.package.package_id}" in str(refused.value)
    async with started(nodes, SERVES, "trusted") as server:
        address = next(
            each.environ()["CHAINCODE_SERVER_ADDRESS"] for each in processes.running(nodes.layout)["trusted"]
        )
        await wait_serving(nodes.layout, [server])
        strange = Server("assets.newtown", package(other.layout, "newtown", "probe_1.0", address), None)
        with pytest.raises(NotReadyError, match="was not issued by the authority given"):
            await wait_serving(other.layout, [strange])


# The fixtures and the networks in the background wait by the same function.


async def test_the_fixture_says_at_once_what_a_dying_server_said(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path) as network:
        began = time.monotonic()
        with pytest.raises(NotReadyError, match="(?s)assets.* ended with exit code 3 while .*no disk"):
            await network.deploy("assets", [sys.executable, "-c", "print('no disk'); raise SystemExit(3)"])
        assert time.monotonic() - began < 2 + 1  # and the start of Python
        with pytest.raises(UsageError, match="its command no-such-program is no program on PATH"):
            await network.deploy("assets", ["no-such-program"])


async def test_one_that_dies_while_it_is_deployed_is_heard_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commonwatt_network.channels import deploy

    async with run_embedded_network(tmp_path) as network:

        async def never(*_: object, **__: object) -> None:
            for process in network._processes:
                process.send_signal(signal.SIGKILL)
            await asyncio.sleep(60)

        monkeypatch.setattr(deploy, "deploy", never)
        began = time.monotonic()
        with pytest.raises(NotReadyError, match="(?s)probe.* ended .* started; its last lines .*serves on"):
            await network.deploy("probe", SERVES, guard=False)
        assert time.monotonic() - began < 20


async def test_a_dead_server_is_answered_for_at_once_with_advice(tmp_path: Path) -> None:
    async with run_embedded_network(tmp_path) as network:
        await network.deploy("probe", SERVES, guard=False)
        async with network.connect("newtown", "operator") as gateway:
            contract = gateway.get_network("newtown").get_contract("probe")
            await contract.evaluate_transaction("get", "k")
            for process in network._processes:
                process.kill()
                process.wait()
            for _ in range(2):  # the stream that ended; then the dial that is refused
                began = time.monotonic()
                with pytest.raises(EvaluateError) as failed:
                    await contract.evaluate_transaction("get", "k")
                assert time.monotonic() - began < 2
            assert failed.value.code is ErrorCode.CHAINCODE_UNAVAILABLE
            assert "connect: connection refused" in str(failed.value)
            assert "commonwatt network up" in failed.value.advice
