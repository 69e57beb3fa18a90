# SPDX-License-Identifier: Apache-2.0
"""The embedded network's HTTP/2 beside h2, grpclib and grpcio: processor time of the server for each call.

Each implementation serves the same method over TLS in a process of its own; a grpcio client keeps 200 calls in flight.
Then a stranger's 49 kB of SETTINGS frames (2,730 changes of the window, while 2,400 streams are open) come to each.
Alternating rounds; the medians are printed. h2 and grpclib come with `uv sync --group transports`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
import pytest
from commonwatt_network.trust.certificates import create_authority, issue_tls

from .transports.serve import PATH

IMPLEMENTATIONS = ("own", "h2", "grpclib", "grpc_aio")
CALLS = int(os.environ.get("CALLS", "10000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
IN_FLIGHT = 200
REQUEST = b"r" * 1500
STREAMS, ENTRIES, FRAMES = 2_400, 2_730, 3


@contextmanager
def served(implementation: str, tls: Path) -> Iterator[tuple[int, psutil.Process]]:
    """A server's port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        Path(__file__).parent / "transports" / "serve.py",
        implementation,
        str(port),
        tls,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            if server.stdout.readline().strip() != "ready":
                pytest.skip(f"{implementation} is not installed: uv sync --group transports")
            yield port, psutil.Process(server.pid)
        finally:
            server.kill()


def tls_files(folder: Path) -> bytes:
    """Write `server.crt` and `server.key` into the folder; the authority's certificate."""
    authority = create_authority("tlsca", "Benchmark")
    pair = issue_tls(authority, "server", ["127.0.0.1", "localhost"], 1)
    (folder / "server.crt").write_bytes(pair.certificate_pem)
    (folder / "server.key").write_bytes(pair.key_pem)
    return authority.certificate_pem


async def call_all(port: int, authority: bytes) -> None:
    options = [("grpc.ssl_target_name_override", "localhost")]
    credentials = grpc.ssl_channel_credentials(authority)
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        echo = channel.unary_unary(PATH)
        left = iter(range(CALLS))

        async def caller() -> None:
            for _ in left:
                assert len(await echo(REQUEST)) == 200

        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))


def processor_s(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def flood(port: int, process: psutil.Process) -> float:
    """Processor seconds that the SETTINGS cost the server."""
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as line:
        line.settimeout(30)
        line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        path = PATH.encode()
        literal = b"\x83\x87" + b"\x04" + bytes([len(path)]) + path + b"\x01\x09localhost"
        literal += b"\x0f\x10\x10application/grpc" + b"\x00\x02te\x08trailers"
        line.sendall(b"".join(frame(1, 4, 2 * number + 1, literal) for number in range(STREAMS)))
        time.sleep(1)
        before = processor_s(process)
        entries = b"".join(b"\0\x04" + (65_535 + place % 2).to_bytes(4, "big") for place in range(ENTRIES))
        try:
            for _ in range(FRAMES):
                line.sendall(frame(4, 0, 0, entries[:16_380]))
            used, still = processor_s(process), 0
            deadline = time.monotonic() + 60
            while still < 5 and time.monotonic() < deadline:  # until the server has nothing left to do
                time.sleep(0.2)
                now = processor_s(process)
                still = still + 1 if now - used < 0.02 else 0
                used = now
        except OSError:  # the server has ended the connection
            used = processor_s(process)
    return used - before


@pytest.mark.timeout(1800)
def test_transports_side_by_side(tmp_path: Path) -> None:
    for name in ("h2", "grpclib"):
        pytest.importorskip(name, reason="uv sync --group transports installs h2 and grpclib")
    authority = tls_files(tmp_path)
    used: dict[str, list[float]] = {name: [] for name in IMPLEMENTATIONS}
    flooded: dict[str, list[float]] = {name: [] for name in IMPLEMENTATIONS}
    for _ in range(ROUNDS):
        for name in IMPLEMENTATIONS:
            with served(name, tmp_path) as (port, process):
                before = processor_s(process)
                asyncio.run(call_all(port, authority))
                used[name].append(1000 * (processor_s(process) - before) / CALLS)
                flooded[name].append(flood(port, process))
    for name in IMPLEMENTATIONS:
        calls = ", ".join(f"{value:.3f}" for value in used[name])
        print(
            f"\n{name}: {statistics.median(used[name]):.3f} ms of the server's processor per call ({calls}); "
            f"{statistics.median(flooded[name]):.2f} s for 49 kB of SETTINGS with {STREAMS:,} streams open"
        )
    assert statistics.median(used["own"]) < statistics.median(used["grpc_aio"])
