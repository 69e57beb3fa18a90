# SPDX-License-Identifier: Apache-2.0
"""A pilot's community as processes: two operators, two services, 20 homes with meters, and what kills them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import psutil
import yaml
from commonwatt_client import GatewayError, RetryPolicy, connect_network_file
from commonwatt_client.network_file import read_network_file
from commonwatt_community.founding.adding import add_homes, with_ids
from commonwatt_community.founding.codes import LIFE_S
from commonwatt_community.founding.confirming import confirm, ready
from commonwatt_community.founding.folder import open_folder
from commonwatt_community.founding.homes_file import read_homes
from commonwatt_community.founding.new import found
from commonwatt_community.home.new import new_by_peer, new_by_service, read_bundle
from commonwatt_community.market.forward import ForwardMarket, market_of
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import load_key
from commonwatt_network.errors import NetworkError
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import Topology, load_topology
from commonwatt_network.model.topology_parts import OrdererOrganization, Orderers
from commonwatt_network.programs import processes
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.programs.readiness import find_leader
from commonwatt_network.up import up
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from ..support.homes import home_id
from ..support.living_homes import write_trace
from ..support.mosquitto import Mosquitto
from .conftest import quiet
from .forward_network import CHANNEL

TIMES = {
    "opens_before_s": 100,
    "closes_before_s": 55,
    "clock_error_s": 10,
    "gate_grace_s": 5,
    "readings_due_s": 60,
    "resettle_every_s": 60,
}
BY_SERVICE = range(1, 11)  # the last three of them trust no service, and have the dropping one first
DISTRUSTFUL = range(8, 11)
STRAIGHT = range(11, 16)
BY_MQTT = range(16, 19)
BY_MODBUS = range(19, 21)
FAR_OFF_S = 60.0
CLOCKS_S = {11: 5.0, 12: -5.0, 13: FAR_OFF_S}
OFFLINE, TWO_TONGUED, WRONG = 5, 15, 20
HOMES = range(1, 21)
SELLERS = range(3, 21, 3)
SUN_W, USE_W = 3_000, 600
BACK_WITHIN_S = 300  # a node that was killed, on a busy machine
_BASE = 40_000
_METER = [203, 105, *[0] * 105]
_EXPORTS, _IMPORTS, _SCALE = 38, 46, 54  # registers of model 203, from its first one on


def topology(backend: str) -> Topology:
    """The sample `forward` on a live clock; on real Fabric three orderers."""
    base = load_topology("forward")
    channels = {CHANNEL: base.channels[CHANNEL].model_copy(update={"clock": "live", "clock_error_s": 30})}
    changes: dict[str, Any] = {"channels": channels}
    if backend == "native":
        organizations = {"orderers": OrdererOrganization(mspid="OrdererMSP", nodes=3)}
        changes["orderers"] = Orderers(organizations=organizations)
    return base.model_copy(update=changes)


@dataclass
class Pilot:
    """The community; `midnight` is the first period of a local day in the middle of the run."""

    folder: Path
    directory: Path
    backend: str
    midnight: int
    stack: AsyncExitStack
    nodes: Nodes = field(init=False)
    launcher: asyncio.subprocess.Process = field(init=False)
    ids: dict[int, str] = field(default_factory=dict)
    running: dict[str, psutil.Process] = field(default_factory=dict)
    wanted: dict[str, dict[str, Any]] = field(default_factory=dict)
    launching: asyncio.Lock = field(default_factory=asyncio.Lock)
    faults: list[str] = field(default_factory=list)
    modbus: dict[int, AsyncModbusTcpClient] = field(default_factory=dict)
    wh: dict[int, list[float]] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    ports: dict[str, int] = field(default_factory=dict)
    devices: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.nodes.layout.network_file

    # Founding

    async def begin(self) -> None:
        """Network, services, operators and homes; returns when the grid has confirmed all homes."""
        self.nodes = (await up(self.directory, topology(self.backend), self.backend, quiet)).nodes
        # Below the ephemeral range: while a service is killed, no connection that begins takes its port.
        names = ("honest", "dropping", "relay", "mqtt", *(f"modbus {number}" for number in BY_MODBUS))
        first = choose_first_port(len(names), self.folder, self.nodes.ports())
        self.ports = {name: first + place for place, name in enumerate(names)}
        self._write_community()
        await self.launch()
        folder = open_folder(self.folder)
        network = folder.network()
        async with self.market() as operator:
            await found(folder, folder.mspid(network), operator, print)
            await asyncio.gather(
                self._serve("honest", "newtown"),
                self._serve("dropping", "grid", lies=True),
            )
            shutil.copy(self.folder / "honest" / "service.crt", self.folder / "service.crt")
            file = self.folder / "homes.csv"
            added = with_ids(folder, file, read_homes(file))
            await add_homes(folder, added, operator, print, LIFE_S)
        self.ids = {number: one.home for number, one in zip(HOMES, added, strict=True)}
        await self._meters()
        for name in ("operator one", "operator two"):
            await self.start(name, "operate", str(self.folder))
        for number in HOMES:
            await self._enrol(number)
            how = {"clock": str(self.clock_file(number))} if number in CLOCKS_S else {}
            await self.start(f"home {number}", "home", "run", str(self.home_file(number)), **how)
        async with self.market() as operator, self.market("grid/operator") as grid:
            await seen(lambda: self._has_begun(operator), 300, "the homes' keys and meters")
            await confirm(grid, list(self.ids.values()), print)

    async def _has_begun(self, operator: ForwardMarket) -> bool:
        """Whether every home has its key, and its agent counts: from then on it misses no period."""
        for number in HOMES:
            words = "clock differs" if CLOCKS_S.get(number) == FAR_OFF_S else "I count, and bid once it has"
            if words not in self.log(f"home {number}").read_text():
                return False
        return len(await ready(operator, await operator.list_homes())) == len(self.ids)

    def _write_community(self) -> None:
        offset_min = -self.midnight % 1_440
        content = {
            "name": CHANNEL,
            "channel": CHANNEL,
            "organization": "newtown",
            "network": str(self.path),
            "service": {"url": f"https://127.0.0.1:{self.ports['honest']}", "certificate": "service.crt"},
            "period_min": 1,
            "utc_offset_min": offset_min if offset_min <= 840 else offset_min - 1_440,
            "times": TIMES,
            "tariff": {
                "schedules": [
                    {
                        "days": {"weekdays": list(range(7)), "holidays": True},
                        "bands": [
                            {"name": "day", "from_min": 0, "to_min": 720, "tou": 300_000, "feed_in": 60_000},
                            {
                                "name": "eve",
                                "from_min": 720,
                                "to_min": 1_440,
                                "tou": 500_000,
                                "feed_in": 80_000,
                            },
                        ],
                    }
                ]
            },
        }
        (self.folder / "community.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        rows = ["id,class,pv_w"]
        for number in HOMES:
            known = home_id("newtown", number - STRAIGHT.start + 1) if number in STRAIGHT else ""
            rows.append(f"{known},prosumer,5000" if number in SELLERS else f"{known},consumer,")
        (self.folder / "homes.csv").write_text("\n".join([*rows, ""]))

    async def _serve(self, name: str, organization: str, **how: Any) -> None:
        port = self.ports[name]
        own = ["--folder", str(self.folder / name), "--port", str(port), "--carrier", name]
        names = ["--name", f"127.0.0.1:{port}"]
        if name == "honest":
            names += ["--name", f"127.0.0.1:{self.ports['relay']}"]
            own += ["--residents-key", str(self.folder / "residents.key")]
        await self.start(name, "serve", "--user", f"carrier@{organization}", *own, *names, **how)
        possession = self.folder / name / "receipts-key.jws"
        await seen(lambda: _is(possession.exists()), 60, f"{possession}")
        async with self.market(f"{organization}/operator") as market:
            await market.set_carrier_key(f"{organization.title()}MSP.{name}", possession.read_bytes())

    async def _enrol(self, number: int) -> None:
        path = self.home_file(number)
        path.parent.mkdir(parents=True)
        if number in STRAIGHT:
            user = f"home{number - STRAIGHT.start + 1:03d}"
            file = await new_by_peer(str(self.path), "newtown", user, None, path, "replay")
            possession = file.read_bytes().strip()
            async with self.market() as operator:
                await operator.set_key("home", self.ids[number], possession)
        else:
            bundle = read_bundle(self.folder / "bundles" / f"{self.ids[number]}.json")
            carriers = self._carriers(number, path.parent)
            about = {"home": bundle.home, "net": bundle.net, "channel": bundle.channel}
            files = {"key": "message_key.pem", "journal": "home.journal"}
            path.write_text(
                yaml.safe_dump(
                    {**about, **files, **carriers, "meter": {"kind": "replay", "file": "trace.csv"}}
                )
            )
            await new_by_service(bundle, path, "replay")
        settings = yaml.safe_load(path.read_text())
        settings.pop("page", None)
        settings |= {"meter": self._meter(number), "forecast": "persistence", "bid_before_gate_s": 20}
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
        if number not in (*BY_MQTT, *BY_MODBUS):
            sun_w = SUN_W + 60 * number if number in SELLERS else 0
            write_trace(path.parent / "trace.csv", USE_W + 60 * number, sun_w)
        if number in CLOCKS_S:
            self.clock_file(number).write_text(str(CLOCKS_S[number]))

    def _carriers(self, number: int, folder: Path) -> dict[str, Any]:
        def of(name: str, port: str, mspid: str) -> dict[str, str]:
            authority = str(self.folder / name / "service.crt")
            carrier = {"service": f"https://127.0.0.1:{self.ports[port]}", "authority": authority}
            return {**carrier, "carrier": f"{mspid}.{name}"}

        honest = of("honest", "relay" if number == OFFLINE else "honest", "NewtownMSP")
        if number not in DISTRUSTFUL:
            del honest["carrier"]
            return {"carriers": [honest]}
        pins = {
            mspid: [str(one) for one in (self.nodes.layout.msp(name) / "cacerts").iterdir()]
            for mspid, name in (("NewtownMSP", "newtown"), ("GridMSP", "grid"))
        }
        return {"carriers": [of("dropping", "dropping", "GridMSP"), honest], "pins": pins}

    # Meters

    def _meter(self, number: int) -> dict[str, Any]:
        if number in BY_MQTT:
            topics = {
                "imports": {"topic": f"home{number}/meter", "path": "E.In"},
                "exports": {"topic": f"home{number}/meter", "path": "E.Out"},
            }
            return {
                "kind": "mqtt",
                "broker": {"host": "127.0.0.1", "port": self.ports["mqtt"]},
                "unit": "Wh",
                **topics,
            }
        if number in BY_MODBUS:
            port = self.ports[f"modbus {number}"]
            return {"kind": "modbus", "host": "127.0.0.1", "port": port, "every_s": 1}
        return {"kind": "replay", "file": "trace.csv", "every_s": 2}

    async def _meters(self) -> None:
        """Brokers and devices that show what their homes use, from now on."""
        self.broker = await self.stack.enter_async_context(Mosquitto(self.folder, self.ports["mqtt"]))
        for number in BY_MODBUS:
            port = self.ports[f"modbus {number}"]
            registers = [0x5375, 0x6E53, 1, 66, *[0] * 66, *_METER, 0xFFFF, 0]
            data = SimData(_BASE, values=registers, datatype=DataType.REGISTERS)
            server = ModbusTcpServer(SimDevice(1, simdata=[data]), address=("127.0.0.1", port))
            await server.serve_forever(background=True)
            self.stack.push_async_callback(server.shutdown)
            client = self.modbus[number] = AsyncModbusTcpClient("127.0.0.1", port=port)
            assert await client.connect()
            self.stack.callback(client.close)
        for name, work in {"counting": self._count(), "relay": self._relay()}.items():
            task = asyncio.create_task(work, name=name)
            self.devices.append(task)
            self.stack.push_async_callback(_cancelled, task)

    async def _count(self) -> None:
        self.wh = {number: [10_000.0, 10_000.0] for number in (*BY_MQTT, *BY_MODBUS)}
        then = time.monotonic()
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            hours, then = (now - then) / 3_600, now
            for number, total in self.wh.items():
                net_w = USE_W + 60 * number - (SUN_W + 60 * number if number in SELLERS else 0)
                total[net_w < 0] += abs(net_w) * hours
            for number, client in self.modbus.items():
                import_wh, export_wh = map(int, self.wh[number])
                if number in self.broken:
                    import_wh += 9_000_000
                first = _BASE + 2 + 68
                with suppress(ModbusException):  # a busy machine answers late; the next second says it again
                    await client.write_registers(
                        first + _EXPORTS, list(divmod(export_wh, 65_536)), device_id=1
                    )
                    await client.write_registers(
                        first + _IMPORTS, list(divmod(import_wh, 65_536)), device_id=1
                    )
            try:
                async with aiomqtt.Client("127.0.0.1", self.ports["mqtt"], timeout=2) as broker:
                    for number in BY_MQTT:
                        import_wh, export_wh = self.wh[number]
                        said = {"E": {"In": round(import_wh, 3), "Out": round(export_wh, 3)}}
                        await broker.publish(f"home{number}/meter", json.dumps(said))
            except aiomqtt.MqttError:
                pass  # the broker comes back

    async def _relay(self) -> None:
        """The line of one home to its service."""
        self.connected = True
        writers: set[asyncio.StreamWriter] = set()

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while self.connected and (some := await reader.read(65_536)):
                    writer.write(some)
                    await writer.drain()
            except OSError:
                pass
            finally:
                writer.close()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            if not self.connected:
                writer.close()
                return
            try:
                back, forth = await asyncio.open_connection("127.0.0.1", self.ports["honest"])
            except OSError:
                writer.close()
                return
            await asyncio.gather(pump(reader, forth), pump(back, writer))

        server = await asyncio.start_server(serve, "127.0.0.1", self.ports["relay"])
        async with server:
            while True:
                await asyncio.sleep(0.2)
                if not self.connected:
                    for writer in writers:
                        writer.close()
                    writers.clear()

    # Processes

    @property
    def other_words(self) -> Path:
        """The journal of somebody who has the key of home `TWO_TONGUED`."""
        return self.folder / "two-tongued.journal"

    def home_file(self, number: int) -> Path:
        return self.folder / "homes" / f"{number:02d}" / "home.yaml"

    def clock_file(self, number: int) -> Path:
        return self.home_file(number).with_name("clock")

    def log(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-')}.log"

    async def launch(self) -> None:
        """The program from which all others are forked."""
        self.launcher = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).parents[1] / "support" / "launcher.py"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env={**os.environ, "COMMONWATT_NETWORK": str(self.path), "PYTHONUNBUFFERED": "1"},
        )
        self.stack.push_async_callback(self.end)

    async def start(self, name: str, *words: str, **how: Any) -> None:
        """Start a verb as a process; `how`: see the launcher."""
        wanted = self.wanted[name] = {"words": words, "log": str(self.log(name)), **how}
        assert self.launcher.stdin is not None
        assert self.launcher.stdout is not None
        async with self.launching:
            self.launcher.stdin.write(json.dumps(wanted).encode() + b"\n")
            await self.launcher.stdin.drain()
            self.running[name] = psutil.Process(int(await self.launcher.stdout.readline()))

    async def restart(self, name: str) -> None:
        """Kill -9, as a machine that loses power; then start it again."""
        process = self.running.pop(name)
        assert process.is_running(), f"{name} ended by itself: {self.log(name).read_text()[-2_000:]}"
        process.kill()
        await asyncio.to_thread(process.wait, 30)
        wanted = self.wanted[name]
        await self.start(
            name, *wanted["words"], **{key: wanted[key] for key in ("clock", "lies") if key in wanted}
        )

    async def end(self) -> None:
        """End all that runs but for the network."""
        left, self.running = list(self.running.values()), {}
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = await asyncio.to_thread(psutil.wait_procs, left, 30)
        for process in alive:
            process.kill()
        if self.launcher.returncode is None:
            self.launcher.kill()
            await self.launcher.wait()

    # Faults

    async def kill_node(self, name: str) -> None:
        """Kill -9 a program of the network with its workers; `network up` brings it back."""
        group = processes.running(self.nodes.layout)[name]
        for process in group:
            process.kill()
        await asyncio.to_thread(psutil.wait_procs, group, 10)
        until = time.monotonic() + BACK_WITHIN_S
        while True:
            try:
                # In a loop of its own: it blocks at times, and the devices of this loop must answer meanwhile.
                await asyncio.to_thread(lambda: asyncio.run(up(self.directory, None, None, quiet)))
            # A start, or the first transaction, took too long on a busy machine: people repeat the command.
            except (GatewayError, NetworkError) as error:
                if time.monotonic() > until:
                    raise
                self.faults.append(f"network up tries again: {str(error).partition(chr(10))[0]}")
            else:
                return

    async def kill_leader(self) -> None:
        leaders: list[str] = []

        async def is_led() -> bool:
            leaders.extend(filter(None, [await find_leader(self.nodes, CHANNEL)]))
            return bool(leaders)

        await seen(is_led, BACK_WITHIN_S, "an orderer that leads")
        await self.kill_node(leaders[0])

    def kills(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """The faults, in the order in which they come round."""
        found: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("operator one", lambda: self.restart("operator one")),
            ("honest service", lambda: self.restart("honest")),
            ("home 14", lambda: self.restart("home 14")),
            ("home 3", lambda: self.restart("home 3")),
            ("operator two", lambda: self.restart("operator two")),
            ("home 17", lambda: self.restart("home 17")),
        ]
        if self.backend == "native":
            nodes = [
                ("peer0.newtown", lambda: self.kill_node("peer0.newtown")),
                ("the orderers' leader", self.kill_leader),
                ("peer0.grid", lambda: self.kill_node("peer0.grid")),
            ]
        else:
            nodes = [("the network's process", lambda: self.kill_node("embedded"))]
        for place, one in enumerate(nodes):
            found.insert(1 + 2 * place, one)
        return found

    async def harass(self, until_s: float, every_s: float) -> None:
        """One fault after another; beside them a home offline, a broker away, a wrong meter, a clock that is mended."""
        length_s = until_s - time.time()

        async def beside() -> None:
            await asyncio.sleep(0.15 * length_s)
            self.connected = False
            self.faults.append(f"home {OFFLINE} is offline")
            self.broken.add(WRONG)
            await asyncio.sleep(0.05 * length_s)
            await self.broker.stop()
            await asyncio.sleep(min(20, 0.05 * length_s))
            await self.broker.start()
            self.broken.discard(WRONG)
            self.clock_file(13).write_text("0")
            self.faults.append("the clock of home 13 is mended")
            await asyncio.sleep(min(600, 0.3 * length_s))
            self.connected = True
            self.faults.append(f"home {OFFLINE} is back")

        aside = asyncio.gather(beside(), self._equivocate())
        place, kills = 0, self.kills()
        while time.time() < until_s:
            began = time.time()
            name, kill = kills[place % len(kills)]
            self.faults.append(f"kill -9 {name}")
            await kill()
            place += 1
            await asyncio.sleep(max(0.0, min(every_s - (time.time() - began), until_s - time.time())))
        await aside
        assert not [task for task in self.devices if task.done()], "meters or the relay ended"

    async def _equivocate(self) -> None:
        """Let somebody who has a home's key say other words under the seq of its next bid, mostly before it does."""

        async def bids() -> bool:
            return "I offer" in self.log(f"home {TWO_TONGUED}").read_text()

        await seen(bids, 600, f"a bid of home {TWO_TONGUED}")
        period = (int(time.time()) + TIMES["opens_before_s"]) // 60 + 1
        await asyncio.sleep(max(0.0, period * 60 - TIMES["opens_before_s"] + 3 - time.time()))
        settings = yaml.safe_load(self.home_file(TWO_TONGUED).read_text())
        key = load_key(self.home_file(TWO_TONGUED).with_name(settings["key"]))
        with Journal(self.other_words) as journal:
            author = Author(key, journal, settings["net"], CHANNEL, settings["home"])
            other = author.request(period, 1, 250_000)
        async with self.market("newtown/carrier") as carrier:
            assert (await carrier.submit_messages("bid", period, [other])).results == ("written",)
        self.faults.append(f"home {TWO_TONGUED} says other words under the seq of its bid for {period}")

    # The ledger

    def market(self, who: str = "newtown/operator") -> _Market:
        return _Market(self.path, who)


@dataclass
class _Market:
    """The market as a user calls it, for a block."""

    path: Path
    who: str

    async def __aenter__(self) -> ForwardMarket:
        organization, _, user = self.who.partition("/")
        self._gateway = connect_network_file(self.path, organization, user, retry=RetryPolicy())
        return market_of(await self._gateway.__aenter__(), read_network_file(self.path), CHANNEL)

    async def __aexit__(self, *exc_info: object) -> None:
        await self._gateway.__aexit__(*exc_info)  # type: ignore[arg-type]


async def seen(condition: Callable[[], Awaitable[bool]], within_s: float, what: str) -> None:
    """Wait for something."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110 - nobody gives notice of what is not there
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {within_s:.0f} s") from None


async def _is(value: bool) -> bool:
    return value


async def _cancelled(task: asyncio.Task[None]) -> None:
    while not task.done():  # pymodbus takes a cancellation within a call for an error of its own
        task.cancel()
        await asyncio.wait([task], timeout=1)
