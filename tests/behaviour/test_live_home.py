"""`commonwatt hems` on a running network: it sells as requests are opened, what it holds and no more."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commonwatt_client import connect_network_file
from commonwatt_network.down import down
from commonwatt_network.topology import default_topology
from commonwatt_network.up import up

TEN = 36_000  # seconds to ten o'clock


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


class Line:
    """A home's line to its peer, which can be cut and joined again."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._host, int(self._port))
        ends = {writer, there_writer}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            self._open -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(1 << 16):
                writer.write(piece)
        except OSError:
            pass  # cut
        writer.close()


async def test_a_home_sells_on_events_and_goes_on_after_its_line_was_cut(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    try:
        path = (await up(directory, default_topology(homes=2), "embedded", quiet)).nodes.layout.network_file
        content = json.loads(path.read_text())
        peer = content["organizations"]["newtown"]["peers"][0]
        line = Line(peer["address"])
        await line.join()
        peer["address"] = f"127.0.0.1:{line.port}"
        of_the_home = tmp_path / "network.json"
        of_the_home.write_text(json.dumps(content))
        async with (
            connect_network_file(path, "newtown", "operator") as operator,
            connect_network_file(path, "newtown", "home001") as seller,
            connect_network_file(path, "newtown", "home002") as buyer,
        ):

            async def do(user: Any, transaction: str, argument: dict[str, Any]) -> dict[str, Any]:
                market = user.get_network("newtown").get_contract("market")
                outcome = await market.submit(transaction, arguments=(json.dumps(argument),), retry=True)
                return dict(json.loads(outcome.result))

            market = operator.get_network("newtown").get_contract("market")
            midnight = json.loads(await market.evaluate_transaction("get_parameters", "{}"))["market_time"]
            users = json.loads(path.read_text())["organizations"]["newtown"]["users"]
            for home, kind in (("home001", "prosumer"), ("home002", "consumer")):
                meter = users[home]["attributes"]["meter.id"]
                hashed = hashlib.sha256(bytes(16) + meter.encode()).hexdigest()
                about = {"home": home, "home_class": kind, "meter_salt": "00" * 16, "meter_hash": hashed}
                await do(operator, "register_home", about)
            reading = {"home": "home001", "use_wh": 0}
            reading |= {"interval_start": midnight, "interval_end": midnight + 3600}
            await do(seller, "report_reading", {**reading, "generation_wh": 1500})

            hems = await asyncio.create_subprocess_exec(
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
                for at in (midnight + TEN, midnight + TEN + 600):
                    if offered:  # the home loses its peer, and a round opens meanwhile
                        await line.cut()
                    opened = await do(operator, "open_round", {"at": at})
                    number = opened["round"]
                    request = {
                        "round": number,
                        "home": "home002",
                        "energy_wh": 900,
                        "interval_start": at - 3600,
                    }
                    await do(buyer, "submit_request", request)
                    if offered:
                        await line.join()
                    offered.append((await asyncio.wait_for(hems.stdout.readline(), 60)).decode())
                    cleared = await do(operator, "close_round", {"round": number, "at": opened["closes_at"]})
                    assert cleared["offers"][0]["home"] == "home001"
            finally:
                if hems.returncode is None:
                    hems.send_signal(signal.SIGINT)
                _, said = await hems.communicate()
                await line.cut()
            assert said.decode() == ""
            assert hems.returncode == 0
            assert "1500 Wh" in offered[0]
            assert "600 Wh" in offered[1]
    finally:
        down(directory)
