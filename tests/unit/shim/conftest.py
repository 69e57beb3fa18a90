# SPDX-License-Identifier: Apache-2.0
"""Chaincode servers to dial, and the test chaincode that they run."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest
from commonwatt_chaincode.shim import Contract, ServerConfig, serve
from commonwatt_chaincode.shim.testing import MemoryLedger
from commonwatt_chaincode.shim.testing.certificates import TlsFiles, tls_files
from commonwatt_network.programs.ports import choose_first_port

PROBE = Path(__file__).parents[2] / "behaviour" / "chaincode" / "probe.py"

ServerProcess = Callable[..., "subprocess.Popen[bytes]"]
Serving = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture(scope="session")
def probe_module() -> ModuleType:
    """The test chaincode's module."""
    spec = importlib.util.spec_from_file_location("probe", PROBE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["probe"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def probe(probe_module: ModuleType) -> Contract:
    contract: Contract = probe_module.Probe()
    return contract


@pytest.fixture
def ledger(probe: Contract) -> MemoryLedger:
    return MemoryLedger(probe, collections=["secrets"], others={"other": probe})


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A server's and a client's certificates of one CA."""
    return tls_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A free address, below the ports that the system hands to outgoing connections."""
    return f"127.0.0.1:{choose_first_port(1, tmp_path)}"


@pytest.fixture
def serving(probe: Contract, address: str) -> Serving:
    """Serve the test chaincode, or another program, in this process: ``async with serving() as address``."""

    @asynccontextmanager
    async def run(program: object = probe, **options: object) -> AsyncIterator[str]:
        stop = asyncio.Event()
        config = ServerConfig(address, "probe_1:hash", **{"plaintext": True, **options})  # type: ignore[arg-type]
        server = asyncio.ensure_future(serve(program, config, stop))  # type: ignore[arg-type]
        try:
            yield address
        finally:
            stop.set()
            await asyncio.wait_for(server, 20)

    return run


@pytest.fixture
def server_process(address: str) -> Iterator[ServerProcess]:
    """Start the test chaincode as its own process, with these environment variables besides the address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> subprocess.Popen[bytes]:
        variables = {
            **os.environ,
            "CHAINCODE_SERVER_ADDRESS": address,
            "CHAINCODE_ID": "probe_1:hash",
            **environment,
        }
        process = subprocess.Popen(
            [sys.executable, str(PROBE)], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
