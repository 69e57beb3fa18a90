# SPDX-License-Identifier: Apache-2.0
"""`commonwatt operate` as a process beside a real network: killed at any moment, two at once, days away, clock off.

The channel's clock is simulated where a test is in a hurry: the operator reads market time of the ledger in any case.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from commonwatt_client import RetryPolicy, connect_network_file
from commonwatt_client.network_file import read_network_file
from commonwatt_community.founding.folder import open_folder
from commonwatt_community.market.forward import ForwardMarket, market_of
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.operating.operate import Options, operate
from commonwatt_community.operating.reading import Ledger
from commonwatt_community.operating.telling import Telling
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import BACKENDS, quiet, run_apart
from .forward_network import CHANNEL, ForwardNetwork

COMMAND = Path(sys.executable).with_name("commonwatt")
COMMUNITY = """
name: newtown
channel: newtown
organization: newtown
clock: {clock}
grid: {{organization: grid, user: operator}}
period_min: {period_min}
utc_offset_min: 600
times: {times}
tariff:
  schedules:
    - days: {{weekdays: [0, 1, 2, 3, 4, 5, 6], holidays: true}}
      bands: [{{name: all day, from_min: 0, to_min: 1440, tou: 300000, feed_in: 60000}}]
"""
HOMES = "id,class,pv_w\nh1,consumer,\nh2,prosumer,60000\nh3,prosumer,60000\n"


@dataclass
class Living:
    """A network with a community's folder beside it, and its homes."""

    network: ForwardNetwork
    folder: Path
    authors: dict[str, Author] = field(default_factory=dict)
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A verb in the community's folder."""
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def environment(self) -> dict[str, str]:
        return {**os.environ, "COMMONWATT_NETWORK": str(self.network.path)}

    def found(self, clock: str, period_min: int, times: Mapping[str, int]) -> None:
        """`community new` and `homes add`; homes enrol by files."""
        said = COMMUNITY.format(clock=clock, period_min=period_min, times=json.dumps(dict(times)))
        (self.folder / "community.yaml").write_text(said)
        (self.folder / "homes.csv").write_text(HOMES)
        for words in (["community", "new", "community.yaml"], ["homes", "add", "homes.csv"]):
            done = self.run(*words)
            assert done.returncode == 0, done.stderr
        (self.folder / "enrolments").mkdir()
        for file in sorted((self.folder / "bundles").glob("*.json")):
            bundle = json.loads(file.read_text())
            home = bundle["home"]
            journal = self.stack.enter_context(Journal(self.folder / "homes" / f"{home}.journal"))
            key = make_key(self.folder / "homes" / f"{home}.pem")
            author = self.authors[home] = Author(key, journal, bundle["net"], bundle["channel"], home)
            request = {"code": bundle["code"], "possession": author.brings_key(key.public, 1).decode()}
            (self.folder / "enrolments" / f"{home}.json").write_text(json.dumps(request))

    def operate(self, name: str = "one", *more: str) -> subprocess.Popen[str]:
        """Start an operator; what it says goes to a file."""
        log = (self.folder / f"{name}.log").open("a")
        process = subprocess.Popen(
            [COMMAND, "operate", *more],
            cwd=self.folder,
            env=self.environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        log.close()
        self.running.append(process)
        return process

    def said(self, name: str = "one") -> list[str]:
        """What an operator said, in lines."""
        return (self.folder / f"{name}.log").read_text().splitlines()

    def close(self) -> None:
        """End what was started."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.stack.close()


def kill(process: subprocess.Popen[str]) -> None:
    """As a machine that loses power."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def made(backend: str, clock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """The sample topology on a clock, with a folder for the community."""
    require_backend(backend)
    folder = tmp_path_factory.mktemp(f"operating-{backend}")
    directory = folder / ".commonwatt"
    topology = load_topology("forward")
    channel = topology.channels[CHANNEL].model_copy(
        update={"clock": clock, "clock_error_s": 5 if clock == "live" else None}
    )
    topology = topology.model_copy(update={"channels": {CHANNEL: channel}})
    living = None
    try:
        nodes = run_apart(lambda: up(directory, topology, backend, quiet)).nodes
        living = Living(ForwardNetwork(nodes, folder / "keys"), folder)
        yield living
    finally:
        if living is not None:
            living.close()
        down(directory)


@pytest.fixture(params=["embedded", pytest.param("native", marks=pytest.mark.long)])
def simulated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A channel whose clock the test moves."""
    yield from made(request.param, "simulated", tmp_path_factory)


@pytest.fixture(params=BACKENDS)
def alive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A channel on a live clock."""
    yield from made(request.param, "live", tmp_path_factory)


@asynccontextmanager
async def calling(living: Living, who: str) -> AsyncIterator[ForwardMarket]:
    """The market as a user calls it."""
    organization, _, user = who.partition("/")
    network = read_network_file(living.network.path)
    async with connect_network_file(network.path, organization, user, retry=RetryPolicy()) as gateway:
        yield market_of(gateway, network, CHANNEL)


async def until(
    what: str, condition: Callable[[], Awaitable[bool]], living: Living, within_s: float = 120
) -> None:
    """Wait for something on the ledger."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110 - a ledger gives no notice of what is not there
                await asyncio.sleep(0.2)
    except TimeoutError:
        logs = {file.name: file.read_text()[-2_000:] for file in living.folder.glob("*.log")}
        pytest.fail(f"{what} did not come: {logs}")


async def seen(condition: Callable[[], bool]) -> None:
    """Wait for a line."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - lines come one by one
            await asyncio.sleep(0.05)


TIMES = {
    "opens_before_s": 3_600,
    "closes_before_s": 300,
    "clock_error_s": 30,
    "gate_grace_s": 60,
    "readings_due_s": 7_200,
    "resettle_every_s": 3_600,
}


@pytest.mark.timeout(500)
async def test_a_community_is_operated_whenever_the_operator_is_killed(simulated: Living) -> None:
    """Founded, enrolled, traded, settled over a local midnight, and billed, with kills between and two at once."""
    living = simulated
    living.found("simulated", 60, TIMES)
    draw = random.Random(7)
    async with calling(living, "newtown/operator") as operator, calling(living, "grid/carrier") as carrier:
        # The clock of a channel begins with the machine's: it goes to a local evening.
        now_s = (await operator.get_configuration()).now_s
        midnight_s = now_s - (now_s + 36_000) % 86_400 + 2 * 86_400
        await operator.advance_clock(midnight_s - 6 * 3_600)
        one = living.operate("one")

        async def confirmed() -> bool:
            return all(home.versions for home in await operator.list_homes())

        await until("the homes' confirmation", confirmed, living)
        first = max(home.versions[0].from_period for home in await operator.list_homes())
        two = living.operate("two")
        periods = range(first + 60, midnight_s // 60, 120)
        for period in periods:
            await operator.advance_clock(period * 60 - 1_000)
            bids = [
                living.authors["h1"].request(period, 900, 250_000),
                living.authors["h2"].offer(period, 500, 100_000),
                living.authors["h3"].offer(period, 300, 120_000),
            ]
            assert set((await carrier.submit_messages("bid", period, bids)).results) == {"written"}
            if draw.random() < 0.5:
                kill(one)
                one = living.operate("one")
            await operator.advance_clock(period * 60 - 260)

            async def cleared(period: int = period) -> bool:
                return (await operator.get_period(period)).cleared is not None

            await until(f"the clearing of {period}", cleared, living)
            await operator.advance_clock((period + 60) * 60 + 30)
            readings = [living.authors[home].reading(period, wh, 0) for home, wh in (("h1", 950), ("h2", 10))]
            readings.append(living.authors["h3"].reading(period, 0, 700))
            assert set((await carrier.submit_messages("reading", period, readings)).results) == {"written"}
            kill(one)
            kill(two)
            one, two = living.operate("one"), living.operate("two")
        day = (midnight_s + 36_000) // 86_400 - 1
        # Nobody reported the periods between: they are settled once readings are due.
        await operator.advance_clock(midnight_s + TIMES["readings_due_s"] + 60)

        async def billed() -> bool:
            return await Ledger(operator).has_bill("h1", day)

        await until("the bill", billed, living)
        listed = {one.period: one for one in await operator.list_periods(first, midnight_s // 60)}
        for period in periods:
            state = listed[period]
            assert state.settled is not None
            assert state.cleared is not None
            assert state.cleared.traded_wh == 800
            assert state.settled.version == 1  # a batch that is written again makes no new one
        # Days away: nobody reports, and nothing is left undone for long.
        kill(one)
        kill(two)
        await operator.advance_clock(midnight_s + 86_400 + TIMES["readings_due_s"] + 60)
        living.operate("one")

        async def caught_up() -> bool:
            return await Ledger(operator).has_bill("h1", day + 1)

        await until("the bill of the day before", caught_up, living, 180)
    replay = await living.network.audited()
    assert not replay.ledger.unchecked
    assert not any("Traceback" in line for name in ("one", "two") for line in living.said(name))


@pytest.mark.long
def test_an_identity_without_rights_stops_with_one_line(simulated: Living) -> None:
    living = simulated
    living.found("simulated", 60, TIMES)
    for wrong, words in (
        ("operator: carrier", "does not operate the channel"),
        ("organization: grid", "does not operate the channel"),
    ):
        folder = living.folder / wrong.replace(": ", "-")
        folder.mkdir()
        for name in ("codes.key", "operator.pem"):
            (folder / name).write_bytes((living.folder / name).read_bytes())
            (folder / name).chmod(0o600)
        said = (living.folder / "community.yaml").read_text()
        key = wrong.partition(":")[0]
        said = "\n".join(line for line in said.splitlines() if not line.startswith(key))
        (folder / "community.yaml").write_text(f"{said}\n{wrong}\n")
        ended = living.run("operate", str(folder))
        assert ended.returncode in (1, 2), (wrong, ended.stderr)
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


LIVE_TIMES = {
    "opens_before_s": 100,
    "closes_before_s": 45,
    "clock_error_s": 5,
    "gate_grace_s": 5,
    "readings_due_s": 60,
    "resettle_every_s": 60,
}


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_minutes_of_a_live_market_under_kills(alive: Living) -> None:
    """1-minute periods for two minutes; each of two operators is killed every few seconds. Nothing is lost."""
    living = alive
    living.found("live", 1, LIVE_TIMES)
    operators = [living.operate("one"), living.operate("two")]
    draw = random.Random(11)
    async with calling(living, "newtown/operator") as operator, calling(living, "newtown/carrier") as carrier:

        async def confirmed() -> bool:
            return all(home.versions for home in await operator.list_homes())

        await until("the homes' confirmation", confirmed, living, 120)
        first = max(home.versions[0].from_period for home in await operator.list_homes())
        last = first + 1
        bid: set[int] = set()
        reported: set[int] = set()
        works_from = [0.0, 0.0]
        starts = [1, 1]
        while time.time() < (last + 1) * 60 + 20:
            now_s = time.time()
            for period in range(first, last + 1):
                if period not in bid and period * 60 - 95 < now_s < period * 60 - 55:
                    bid.add(period)
                    messages = [
                        living.authors["h1"].request(period, 50, 250_000),
                        living.authors["h2"].offer(period, 30, 100_000),
                    ]
                    await carrier.submit_messages("bid", period, messages)
                if period not in reported and now_s > (period + 1) * 60 + 1:
                    reported.add(period)
                    messages = [author.reading(period, 20, 0) for author in living.authors.values()]
                    await carrier.submit_messages("reading", period, messages)
            for place, name in enumerate(("one", "two")):
                begun = sum(line.startswith("operates ") for line in living.said(name))
                if begun < starts[place]:
                    continue  # it is starting: one that never works proves nothing
                works_from[place] = works_from[place] or now_s
                if now_s > works_from[place] + draw.uniform(2, 12):
                    kill(operators[place])
                    operators[place] = living.operate(name)
                    works_from[place], starts[place] = 0.0, starts[place] + 1
            await asyncio.sleep(0.5)

        assert min(starts) > 3

        async def settled() -> bool:
            found = await operator.list_periods(first, last + 1)
            return len(found) == last - first + 1 and all(one.settled is not None for one in found)

        await until("all settlements", settled, living)
        for one in await operator.list_periods(first, last + 1):
            assert one.cleared is not None, one
            assert one.gate is not None
            assert one.settled is not None
            assert one.settled.version == 1
            assert one.cleared.traded_wh == 30
    replay = await living.network.audited()
    assert not replay.ledger.unchecked


@pytest.mark.long
async def test_a_clock_that_is_off_is_told_and_waited_for(
    alive: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = alive
    living.found("live", 1, LIVE_TIMES)
    lines: list[str] = []
    alarms: list[str] = []
    right = time.time_ns
    folder = open_folder(living.folder)
    telling = Telling(say=lines.append, warn=alarms.append)
    work = asyncio.create_task(
        operate(folder, folder.network(str(living.network.path)), Options(telling=telling))
    )
    await seen(lambda: bool(lines))
    monkeypatch.setattr(time, "time_ns", lambda: right() + 60 * 10**9)
    await seen(lambda: bool(alarms))
    assert alarms[0].startswith("ALARM clock_differs: this machine's clock is off: the proposal is dated")
    assert "ahead of" in alarms[0]
    monkeypatch.setattr(time, "time_ns", right)
    await seen(lambda: "this machine's clock is right again" in lines)
    assert len([one for one in alarms if "clock_differs" in one]) == 1
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
