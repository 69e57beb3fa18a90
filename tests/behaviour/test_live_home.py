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


async def test_a_home_sells_on_events(tmp_path: Path) -> None:
    directory = tmp_path / ".commonwatt"
    try:
        path = (await up(directory, default_topology(homes=2), "embedded", quiet)).nodes.layout.network_file
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
                str(path),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            assert hems.stdout is not None
            try:
                assert b"sells on newtown" in await asyncio.wait_for(hems.stdout.readline(), 60)
                offered = []
                for at in (midnight + TEN, midnight + TEN + 600):
                    opened = await do(operator, "open_round", {"at": at})
                    number = opened["round"]
                    request = {
                        "round": number,
                        "home": "home002",
                        "energy_wh": 900,
                        "interval_start": at - 3600,
                    }
                    await do(buyer, "submit_request", request)
                    offered.append((await asyncio.wait_for(hems.stdout.readline(), 60)).decode())
                    cleared = await do(operator, "close_round", {"round": number, "at": opened["closes_at"]})
                    assert cleared["offers"][0]["home"] == "home001"
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
