# SPDX-License-Identifier: Apache-2.0
"""Stopping a network, with its ledgers kept; and deleting one."""

from __future__ import annotations

import shutil
from pathlib import Path

from commonwatt_network.backends.registry import BACKENDS, DEFAULT
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import exclusive, read_state
from commonwatt_network.programs import processes

DOWNLOADS = "fabric"  # Fabric's own programs, which belong to no ledger
OURS = {
    "network.json", "state.json", "lock", "organizations", "channels", "ledgers", "configuration", "logs", "profiles",
    "fabric-sdk-py", "compose", "kubernetes", "authorities", "dev.lock", DOWNLOADS,
}  # fmt: skip


def down(directory: Path) -> tuple[str, ...]:
    """Stop every process of the network in `directory`; the names of those that ran. Ledgers and keys stay."""
    layout = Layout(directory)
    if not layout.directory.is_dir():
        return ()
    with exclusive(layout):
        return _stop_all(layout)


def precious(directory: Path) -> str:
    """The backend of a network in `directory` that real Fabric keeps; empty for an embedded one, or for none.

    A state that cannot be read stands for real Fabric's, as ledgers without a state do.
    """
    layout = Layout(directory)
    if not layout.directory.is_dir() or layout.organization_file.exists():
        return ""
    try:
        state = read_state(layout)
    except UsageError:
        return "damaged"
    return "" if state is None or state.backend == DEFAULT else state.backend


def reset(directory: Path) -> tuple[str, ...]:
    """Stop the network and delete its ledgers, keys and logs. Raises UsageError for a folder that is no network's."""
    layout = Layout(directory)
    if not layout.directory.is_dir():
        return ()
    if layout.organization_file.exists():
        raise UsageError(
            f"{layout.directory} holds an organisation of a consortium, whose keys the others know; nothing was deleted"
        )
    foreign = sorted(path.name for path in layout.directory.iterdir() if not _is_ours(path))
    if foreign:
        raise UsageError(
            f"{layout.directory} holds {foreign[0]}, which no network made; move it away, then reset again"
        )
    with exclusive(layout):
        stopped = _stop_all(layout, delete=True)
        for path in layout.directory.iterdir():
            if path.is_dir() and path.name != DOWNLOADS:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
    if not any(layout.directory.iterdir()):
        layout.directory.rmdir()
    return stopped


def _stop_all(layout: Layout, *, delete: bool = False) -> tuple[str, ...]:
    found = processes.running(layout)
    processes.stop(process for group in found.values() for process in group)
    elsewhere = {name for backend in BACKENDS.values() for name in backend.stop(layout, delete=delete)}
    return tuple(sorted({*found, *elsewhere}))


def _is_ours(path: Path) -> bool:
    unfinished = (".state.json.", ".network.json.", ".fabric-")  # a command was killed while it wrote these
    return path.name in OURS or path.name.startswith(unfinished)
