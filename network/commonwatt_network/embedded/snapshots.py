"""All of a running network's state, to come back to between tests: ledgers, blocks, packages, joined channels."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commonwatt_network.embedded.process import EmbeddedNetwork


@dataclass(frozen=True)
class Snapshot:
    """Every file of the nodes' data folders, as it was between two blocks."""

    files: Mapping[Path, bytes]


def data_directories(network: EmbeddedNetwork) -> list[Path]:
    return [node.data_directory for node in (*network.config.orderers, *network.config.peers)]


def take(network: EmbeddedNetwork) -> Snapshot:
    """The state as of now; the caller sees to it that no transaction is under way."""
    for peer in network.peers:
        for channel in peer.channels.values():
            channel.ledger.gather()
    files = {
        path: path.read_bytes()
        for directory in data_directories(network)
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }
    return Snapshot(files)


async def restore(network: EmbeddedNetwork, snapshot: Snapshot) -> None:
    """Put the state back; connections of clients and chaincode stay."""
    for peer in network.peers:
        await peer.close_channels()
    await network.ordering.close()
    for directory in data_directories(network):
        shutil.rmtree(directory, ignore_errors=True)
    for path, content in snapshot.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for orderer in network.ordering.orderers:
        orderer.read_joined()
    await network.ordering.start()
    for peer in network.peers:
        peer.open_channels()
        peer.start()
