# SPDX-License-Identifier: Apache-2.0
"""All of a running network's state, to come back to between tests: ledgers, blocks, packages, joined channels."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.embedded.config import EmbeddedConfig
from commonwatt_network.embedded.orderer.service import OrderingService
from commonwatt_network.embedded.peer.peer import Peer


@dataclass(frozen=True)
class Snapshot:
    """Every file of the nodes' data folders, as it was between two blocks."""

    files: Mapping[Path, bytes]


def _data_directories(config: EmbeddedConfig) -> list[Path]:
    return [node.data_directory for node in (*config.orderers, *config.peers)]


def take(config: EmbeddedConfig, peers: Sequence[Peer]) -> Snapshot:
    """The state as of now; the caller sees to it that no transaction is under way."""
    for peer in peers:
        peer.level()
        for channel in peer.channels.values():
            channel.ledger.gather()
    files = {
        path: path.read_bytes()
        for directory in _data_directories(config)
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }
    return Snapshot(files)


async def restore(
    snapshot: Snapshot, config: EmbeddedConfig, ordering: OrderingService, peers: Sequence[Peer]
) -> None:
    """Put the state back; connections of clients and chaincode stay."""
    for peer in peers:
        await peer.close_channels()
    await ordering.close()
    for directory in _data_directories(config):
        shutil.rmtree(directory, ignore_errors=True)
    for path, content in snapshot.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for orderer in ordering.orderers:
        orderer.read_joined()
    await ordering.start()
    for peer in peers:
        peer.open_channels()
        peer.start()
