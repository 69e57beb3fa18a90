# SPDX-License-Identifier: Apache-2.0
"""What this machine can run, and what is missing for the rest: one line each, with the fix."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from commonwatt_client import ClientError

from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.channels.private_data import count_private
from commonwatt_network.consortium.examination import examine_host
from commonwatt_network.consortium.host import open_host
from commonwatt_network.consortium.standing import host_standing
from commonwatt_network.errors import UsageError
from commonwatt_network.finding import Finding
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Peer
from commonwatt_network.model.state import read_state
from commonwatt_network.programs.fabric import OLDEST, FabricNotFoundError, find_fabric
from commonwatt_network.programs.ports import PortInUseError, choose_first_port
from commonwatt_network.programs.readiness import Host
from commonwatt_network.status import NetworkStatus, network_status, wide_readers

MEMORY_NEEDED_BYTES = 1 << 30
DISK_NEEDED_BYTES = 1 << 30
OPEN_FILES_NEEDED = 1024
PORTS_NEEDED = 100


def examine(directory: Path) -> list[Finding]:
    """Everything that decides what can be run with the network folder `directory`."""
    return [
        _python(),
        _memory(),
        _disk(directory),
        _open_files(),
        _ports(directory),
        _folder(directory),
        *_ordering(directory),
        *_organization(directory),
        _native(directory),
        _bft(directory),
        _program("fabric-ca-server", "ca: fabric-ca", "install Fabric CA's release and put it on PATH"),
        _compose(),
        _program("kubectl", "backend kubernetes", "install kubectl and give it a cluster"),
    ]


def examine_ledgers(directory: Path) -> list[Finding]:
    """Whether the embedded network's files still hold what was written to them: each that does not, on a line."""
    layout = Layout(directory)
    try:
        state = read_state(layout)
    except UsageError:
        return []  # `examine` says so
    if state is None:
        return [Finding("ledgers", True, "no network yet")]
    found = backend_called(state.backend).check_ledgers(layout)
    if found is None:
        return [Finding("ledgers", True, f"{state.backend}: Fabric's own nodes check theirs")]
    checked, problems = found
    if problems:
        return [Finding("ledgers", False, problem, needed=True) for problem in problems]
    return [Finding("ledgers", True, f"{checked} files hold what was written to them")]


def examine_private(directory: Path) -> list[Finding]:
    """Whether each running peer holds the private values whose hashes its channels' blocks have: one line a channel."""
    layout = Layout(directory)
    try:
        if layout.organization_file.exists():
            host = open_host(directory)
            channels = [path.stem for path in sorted(layout.blocks.glob("*.block"))]
            places = [(peer, channel) for channel in channels for peer in host.peers]
            return asyncio.run(_private_data(host, places))
        state = read_state(layout)
        if state is None:
            return []
        nodes = nodes_of(layout, state)
        places = [(peer, channel) for channel in nodes.topology.channels for peer in nodes.peers_of(channel)]
        return asyncio.run(_private_data(nodes, places))
    except UsageError:
        return []  # `examine` says so


async def _private_data(nodes: Host, places: Sequence[tuple[Peer, str]]) -> list[Finding]:
    findings = []
    for peer, channel in places:
        what = f"private {channel}"
        try:
            count = await count_private(nodes, peer, channel)
        except ClientError as error:
            findings.append(Finding(what, False, f"{peer.name} tells nothing of it: {error}"))
            continue
        if not count.collections:
            continue
        total, missing = len(count.standing), count.missing
        says = f"{peer.name} holds all {total:,} private values that stand"
        if missing:
            says = (
                f"{peer.name} lacks {missing:,} of {total:,} private values: it fetches them from the other members' "
                "peers while these run (docs/trust.md)"
            )
        findings.append(Finding(what, not missing, says, needed=True))
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Finding(
        "Python", good, version if good else f"{version}: install Python 3.11 or later", needed=True
    )


def _memory() -> Finding:
    available = psutil.virtual_memory().available
    good = available >= MEMORY_NEEDED_BYTES
    says = f"{available / 1e9:.1f} GB available"
    return Finding(
        "memory", good, says if good else f"{says}: close programs until 1 GB is free", needed=True
    )


def _disk(directory: Path) -> Finding:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    good = free >= DISK_NEEDED_BYTES and os.access(existing, os.W_OK)
    says = f"{free / 1e9:.1f} GB free in {existing}"
    return Finding(
        "disk", good, says if good else f"{says}: free 1 GB there, and be allowed to write", needed=True
    )


def _open_files() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    good = limit == resource.RLIM_INFINITY or limit >= OPEN_FILES_NEEDED
    return Finding(
        "open files", good, str(limit) if good else f"{limit}: raise it with `ulimit -n 4096`", needed=True
    )


def _ports(directory: Path) -> Finding:
    try:
        first = choose_first_port(PORTS_NEEDED, directory)
    except PortInUseError as error:
        return Finding("ports", False, str(error), needed=True)
    return Finding("ports", True, f"{first} and the next {PORTS_NEEDED - 1} are free", needed=True)


def _folder(directory: Path) -> Finding:
    if Layout(directory).organization_file.exists():
        return Finding("network folder", True, f"a consortium's organisation in {directory}", needed=True)
    try:
        state = read_state(Layout(directory))
    except UsageError as error:
        return Finding("network folder", False, str(error), needed=True)
    says = (
        "no network yet" if state is None else f"{state.backend} network {state.topology.name} in {directory}"
    )
    return Finding("network folder", True, says, needed=True)


def _organization(directory: Path) -> list[Finding]:
    """What only an organisation's own host can tell of itself."""
    if not Layout(directory).organization_file.exists():
        return []
    try:
        return examine_host(open_host(directory))
    except UsageError as error:
        return [Finding("organisation", False, str(error), needed=True)]


def _ordering(directory: Path) -> Iterator[Finding]:
    """Whether enough orderers run, of a network or organisation in the folder that is not wholly stopped."""
    try:
        if Layout(directory).organization_file.exists():
            standing = asyncio.run(host_standing(open_host(directory)))
            for channel, entry in standing["channels"].items():
                counted, how = entry["no_quorum"], "answer; see `commonwatt org status`"
                yield _quorum(f"channel {channel}", counted and f"{counted} {how}")
                yield _readers(channel, entry["wide_readers"])
        elif read_state(Layout(directory)):
            status = asyncio.run(network_status(directory))
            counted, how = status.no_quorum, "; start them with `commonwatt network up`"
            if status.state != "stopped":
                yield _quorum("orderers", counted and f"{counted}{how}")
                for channel, words in asyncio.run(_wide_readers(directory, status)).items():
                    yield _readers(channel, words)
    except UsageError:
        return  # the finding on the folder, or the organisation's own commands, say what is wrong with it


async def _wide_readers(directory: Path, status: NetworkStatus) -> dict[str, tuple[str, ...]]:
    layout = Layout(directory)
    state = read_state(layout)
    running = {process.name for process in status.processes if process.state == "running"}
    return await wide_readers(nodes_of(layout, state), running) if state else {}


def _readers(channel: str, wide: Sequence[str]) -> Finding:
    """Whether an organisation lets others read a channel's blocks than the channel's founders agreed on."""
    fix = "its administrator sets it back (docs/consortium.md); what was read meanwhile stays known"
    return Finding(
        f"readers {channel}", not wide, f"{'; '.join(wide)}; {fix}" if wide else "as agreed", needed=True
    )


def _quorum(what: str, missing: str | None) -> Finding:
    return Finding(what, missing is None, f"no quorum: {missing}" if missing else "quorum", needed=True)


def _native(directory: Path) -> Finding:
    try:
        fabric = find_fabric(directory)
    except FabricNotFoundError as error:
        return Finding("backend native", False, str(error))
    good = fabric.version is None or fabric.version >= OLDEST
    says = f"Hyperledger Fabric {fabric.version_text} in {fabric.peer.parent}"
    return Finding(
        "backend native", good, says if good else f"{says}: 2.5 or later is needed; run `make fabric`"
    )


def _bft(directory: Path) -> Finding:
    try:
        version = find_fabric(directory).version
    except FabricNotFoundError:
        return Finding("consensus: bft", False, "needs Fabric 3; run `make fabric`")
    if version is None:
        return Finding("consensus: bft", True, "needs Fabric 3; whether this is, its programs do not tell")
    good = version >= (3, 0)
    return Finding("consensus: bft", good, "Fabric 3" if good else "needs Fabric 3; run `make fabric`")


def _program(name: str, purpose: str, fix: str) -> Finding:
    found = shutil.which(name)
    return Finding(purpose, found is not None, found or f"{name} not found: {fix}")


def _compose() -> Finding:
    fix = "install a container engine with `docker compose`"
    if shutil.which("docker") is None:
        return Finding("backend compose", False, f"docker not found: {fix}")
    try:
        answer = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("backend compose", False, f"docker does not answer ({error}): start it")
    good = answer.returncode == 0
    return Finding("backend compose", good, answer.stdout.strip() if good else f"no compose plugin: {fix}")
