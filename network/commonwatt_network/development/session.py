# SPDX-License-Identifier: Apache-2.0
"""`commonwatt chaincode dev`: the network up, and each save of a chaincode's code in force a moment later."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client import ClientError

from commonwatt_network.backends.backend import Phase
from commonwatt_network.backends.registry import DEFAULT, backend_called
from commonwatt_network.channels.deploy import Deployed
from commonwatt_network.development.redeployment import redeploy
from commonwatt_network.development.saves import saves_in
from commonwatt_network.errors import NetworkError, NoNetworkError, UsageError
from commonwatt_network.model.layout import PRIVATE_FILE, Layout, make_private
from commonwatt_network.model.state import read_state
from commonwatt_network.model.topology import Topology, load_topology
from commonwatt_network.model.topology_chaincode import Chaincode
from commonwatt_network.programs import processes, readiness
from commonwatt_network.programs.chaincode_code import changed_code, code_of
from commonwatt_network.up import Up, up

TOPOLOGY = "topology.yaml"
OLD_SERVERS_GRACE_S = 3.0
SHOWN = 3

Say = Callable[[str], None]


@dataclass
class Followed:
    """A chaincode whose files are watched, and the process ids of its servers by name.

    `live`: the code that is in force, `tried`: the code that was deployed last, with or without success.
    """

    name: str
    settings: Chaincode
    live: Mapping[str, str]
    tried: Mapping[str, str]
    pids: dict[str, int]


async def develop(directory: Path, source: str | None, backend: str | None, phase: Phase, say: Say) -> None:
    """Bring the network up and deploy every change of its chaincodes' code, until it is cancelled.

    `source`: the topology's file. Raises UsageError, and NoNetworkError when the network is deleted meanwhile.
    """
    topology = _topology(source)
    file = Path(source or TOPOLOGY).resolve()  # noqa: ASYNC240  nothing else goes on yet
    layout = Layout(directory)
    state = read_state(layout)
    chosen = backend_called(backend or (state.backend if state else DEFAULT))
    if chosen.in_containers:
        raise UsageError(
            f"the {chosen.name} network runs chaincode from images; `chaincode dev` needs embedded or native"
        )
    settings = _followed(topology)
    folders = sorted({entry.folder for entry in settings.values() if entry.folder is not None})
    with alone(layout):
        async with aclosing(saves_in(folders)) as saves:
            await anext(saves)  # it watches from now on
            while True:
                changed = set(changed_code(layout, topology))
                code = {name: code_of(entry) for name, entry in settings.items()}
                result = await _up(layout, topology, backend, phase, say)
                if result is not None:
                    break
                await _next(saves)
            followed = _served(layout, settings, code, result)
            for each in followed:
                if each.name in changed:  # servers that ran already may have what was there before
                    say(f"{each.name} has changed since it was deployed")
                    await _deploy(layout, each, time.monotonic(), say)
                else:
                    channels = result.deployed.items()
                    say(
                        _live(
                            each.name, {name: here[each.name] for name, here in channels if each.name in here}
                        )
                    )
            say(f"following {', '.join(map(str, folders))}; end with Ctrl-C")
            async for paths in saves:
                if not paths:
                    _look_around(layout, followed, say)
                    continue
                noticed_s = time.monotonic()
                if file in paths:
                    say(f"{file.name} changed: `commonwatt apply FILE` changes the running network")
                for each in followed:
                    await _save(layout, each, paths, noticed_s, say)


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Keep two of these from one network. Raises UsageError when another one follows it."""
    try:
        make_private(layout.directory)
        descriptor = os.open(layout.development_lock_file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    except OSError as error:
        raise UsageError(f"{layout.directory} cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another `commonwatt chaincode dev` follows the network in {layout.directory}; end it first, or use "
                "another folder (--directory)"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _topology(source: str | None) -> Topology:
    if source is None and not Path(TOPOLOGY).exists():
        raise UsageError(
            f"there is no {TOPOLOGY} here; make a project with `commonwatt chaincode new NAME`, or name a topology "
            "with --topology FILE"
        )
    return load_topology(source or TOPOLOGY)


def _followed(topology: Topology) -> dict[str, Chaincode]:
    """The deployed chaincodes that run from files here."""
    deployed = {name for channel in topology.channels.values() for name in channel.chaincodes}
    found = {
        name: entry
        for name, entry in topology.chaincodes.items()
        if name in deployed and entry.folder is not None and not entry.runs_elsewhere
    }
    if not found:
        raise UsageError(
            "no channel of the topology has a chaincode whose code is here: give one a `module` or a `command`"
        )
    return found


async def _up(layout: Layout, topology: Topology, backend: str | None, phase: Phase, say: Say) -> Up | None:
    """The network, up with what code was deployed; None where it does not start, which is said. Raises UsageError."""
    try:
        return await up(layout.directory, topology, backend, phase, changed_code=True)
    except UsageError:
        raise
    except (NetworkError, ClientError) as error:
        say(f"{_told(error)}\nthe network is not up; the next save tries again")
        return None


async def _next(saves: AsyncIterator[frozenset[Path]]) -> None:
    while not await anext(saves):
        pass


def _served(
    layout: Layout, settings: Mapping[str, Chaincode], code: Mapping[str, Mapping[str, str]], result: Up
) -> list[Followed]:
    running = processes.running(layout)
    followed = []
    for name, entry in settings.items():
        servers = [server.name for server in result.nodes.chaincode_servers if server.chaincode == name]
        pids = {server: running[server][0].pid for server in servers if server in running}
        followed.append(Followed(name, entry, code[name], code[name], pids))
    return followed


async def _save(layout: Layout, each: Followed, paths: frozenset[Path], noticed_s: float, say: Say) -> None:
    """Deploy the chaincode if what was saved is its code."""
    folder = each.settings.folder
    assert folder is not None
    try:
        code = code_of(each.settings)
    except UsageError as error:  # a file went between two looks: its save goes on
        say(str(error))
        return
    saved = sorted(str(path.relative_to(folder)) for path in paths if folder in path.parents)
    if code == each.tried and (code or not saved):
        return
    each.tried = code
    if code and code == each.live:
        say(f"{each.name} is again as it is live")
        return
    shown = [path for path in saved if path in code] or saved or ["its code"]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    say(f"{', '.join(shown[:SHOWN])}{more} changed: deploying {each.name}")
    await _deploy(layout, each, noticed_s, say)


async def _deploy(layout: Layout, each: Followed, noticed_s: float, say: Say) -> None:
    try:
        result = await redeploy(layout, each.name, each.tried)
    except NoNetworkError:
        raise
    except (NetworkError, ClientError) as error:
        say(f"{_told(error)}\nnot deployed: the version that was live goes on; the next save tries again")
        return
    each.live, each.pids = each.tried, dict(result.pids)
    say(f"{_live(each.name, result.deployed)}, {time.monotonic() - noticed_s:.1f} s after the save")
    await asyncio.to_thread(processes.stop, result.old, OLD_SERVERS_GRACE_S)


def _live(chaincode: str, deployed: Mapping[str, Deployed]) -> str:
    where = ", ".join(f"sequence {entry.sequence} on {channel}" for channel, entry in deployed.items())
    return f"live: {chaincode} {next(iter(deployed.values())).version}, {where}"


def _look_around(layout: Layout, followed: Sequence[Followed], say: Say) -> None:
    """Say which servers have ended by themselves, each once. Raises NoNetworkError when the network was deleted."""
    if not layout.state_file.exists():
        raise NoNetworkError(layout.directory)
    for each in followed:
        ended = [name for name, pid in each.pids.items() if readiness.has_ended(pid)]
        for name in ended:
            del each.pids[name]
        if ended:
            each.live = each.tried = {}  # whatever is saved next is deployed
            words = f"{' and '.join(ended)} ended"
            say(
                f"{_told(readiness.failure(words, layout, ended[0]))}\nthe next save starts {each.name} again; "
                "`commonwatt network up` starts a network that was stopped"
            )


def _told(error: Exception | str) -> str:
    """What went wrong, without the advice to repeat the command: it goes on."""
    return str(error).removesuffix(f"\n{readiness.REPEAT}")
