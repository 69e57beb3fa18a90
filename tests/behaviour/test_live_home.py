# SPDX-License-Identifier: Apache-2.0
"""`commonwatt hems` on a running network: it sells as requests are opened, what it holds and no more."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Self

import pytest
from commonwatt_client.network_file import read_network_file
from commonwatt_loadgen.simulate.calls import OPERATOR
from commonwatt_loadgen.simulate.gateway import GatewayCalls
from commonwatt_loadgen.simulate.latency import Latencies
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import BACKENDS

TO_ONE = 7_200  # seconds from the clock's start, which is at 11 o'clock, to one o'clock
SLOW_S, SLOW_PIECES = 0.4, 2  # the handshakes of TLS and HTTP/2 last longer than a second
# As a script's shell starts what it runs in the background.
IGNORING_SIGINT = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


class Line:
    """A home's line to its peer, which can be cut and mended; each connection's first messages are slow."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None] | None] = set()
        self._is_cut = False
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*(task for task in self._carrying if task))

    def cut(self) -> None:
        """Reset every connection, and each new one, until the line is mended."""
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Carry connections again."""
        self._is_cut = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._carrying.add(asyncio.current_task())
        there_reader, there_writer = await asyncio.open_connection(self._host, int(self._port))
        ends = {writer, there_writer}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            self._open -= ends
            self._carrying.discard(asyncio.current_task())

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces = 0
        try:
            while piece := await reader.read(1 << 16):
                pieces += 1
                if pieces <= SLOW_PIECES:
                    await asyncio.sleep(SLOW_S)
                writer.write(piece)
        except OSError:
            pass  # cut
        writer.close()


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_home_sells_on_events_and_goes_on_after_its_line_was_cut(
    backend: str, tmp_path: Path
) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    try:
        path = (await up(directory, default_topology(homes=2), backend, quiet)).nodes.layout.network_file
        content = json.loads(path.read_text())
        peer = content["organizations"]["newtown"]["peers"][0]
        of_the_home = tmp_path / "network.json"
        community = read_network_file(path).communities[0]
        async with Line(peer["address"]) as line, AsyncExitStack() as stack:
            market = GatewayCalls(path, community, Latencies())
            stack.push_async_callback(market.close)
            do = market.submit
            peer["address"] = line.address
            of_the_home.write_text(json.dumps(content))
            start = (await market.evaluate(OPERATOR, "get_parameters", {}))["market_time"]
            first, second = community.homes
            for home, kind in ((first, "prosumer"), (second, "consumer")):
                await do(OPERATOR, "register_home", {"home": home, "home_class": kind})
            reading = {"home": first, "use_wh": 0}
            reading |= {"interval_start": start + TO_ONE - 3600, "interval_end": start + TO_ONE}
            await do(first, "report_reading", {**reading, "generation_wh": 1500})

            hems = await asyncio.create_subprocess_exec(
                *IGNORING_SIGINT,
                str(Path(sys.executable).with_name("commonwatt")),
                "hems",
                "home001",
                "--network-file",
                str(of_the_home),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            assert hems.stdout is not None
            try:
                assert b"sells on newtown" in await asyncio.wait_for(hems.stdout.readline(), 60)
                offered = []
                for at in (start + TO_ONE, start + TO_ONE + 600):
                    if offered:  # the home loses its peer, and a round opens meanwhile
                        line.cut()
                    interval = {"interval_start": at - 600, "interval_end": at, "generation_wh": 0}
                    need = {"home": second, "use_wh": 900, "bid": True} | interval
                    opened = await do(second, "settle_interval", need)
                    line.mend()
                    offered.append((await asyncio.wait_for(hems.stdout.readline(), 60)).decode())
                    cleared = await do(
                        OPERATOR, "close_round", {"round": opened["round"], "at": opened["closes_at"]}
                    )
                    assert cleared["offers"][0]["home"] == first
            finally:
                if hems.returncode is None:
                    hems.send_signal(signal.SIGINT)
                try:
                    _, said = await asyncio.wait_for(hems.communicate(), 30)
                except TimeoutError:
                    hems.kill()
                    raise
            assert said.decode() == ""
            assert hems.returncode == 0
            assert "1500 Wh" in offered[0]
            assert "600 Wh" in offered[1]
    finally:
        down(directory)
