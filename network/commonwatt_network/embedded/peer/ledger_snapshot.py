# SPDX-License-Identifier: Apache-2.0
"""A channel's ledger as of one block, to and from a snapshot's folder.

Private data is not in a snapshot, only its hashes: a peer that joins by one asks the others for what it may have.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from fabric_protos.common import common_pb2

from commonwatt_network.embedded.channels.blocks import headers_of
from commonwatt_network.embedded.ledger import Base, Ledger, Version, VersionedValue
from commonwatt_network.embedded.ledger.snapshot_files import (
    SnapshotBlock,
    SnapshotDamaged,
    StateRow,
    read_block,
    read_collections,
    read_state,
    read_transaction_ids,
    write_files,
)
from commonwatt_network.embedded.ledger.state import Updates, private_namespace
from commonwatt_network.embedded.lifecycle.collection_history import collection_history
from commonwatt_network.embedded.peer.channel import PeerChannel

CONFIG_NAMESPACE, CONFIG_KEY = "", b"CHANNEL_CONFIG_ENV_BYTES"  # where Fabric's state holds the configuration
_HASHED, _PRIVATE = "$$h", "$$p"


def write_snapshot(channel: PeerChannel, folder: Path) -> None:
    """Write the channel's state as of its last block to `folder`, all of it or nothing. Raises OSError."""
    ledger = channel.ledger
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        rows = list(ledger.state.everything())
        public = [row for row in rows if _HASHED not in row[0] and _PRIVATE not in row[0]]
        hashes = (ledger.last_hash, ledger.previous_hash, ledger.commit_hash)
        block = SnapshotBlock(channel.channel_id, ledger.height - 1, *hashes)
        write_files(
            draft,
            block,
            [_config_row(ledger), *public],
            [row for row in rows if _HASHED in row[0]],
            ledger.transaction_ids(),
            collection_history(channel),
        )
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def load_snapshot(folder: Path, ledger: Ledger) -> None:
    """Begin an empty ledger with a snapshot. Raises SnapshotDamaged, sqlite3.Error."""
    block = read_block(folder)
    state: Updates = {(namespace, key): value for namespace, key, value in read_state(folder)}
    config = state.pop((CONFIG_NAMESPACE, CONFIG_KEY), None)
    if config is None:
        raise SnapshotDamaged(f"{folder} holds no channel configuration")
    base = Base(
        height=block.number + 1,
        block_hash=block.block_hash,
        previous_hash=block.previous_hash,
        commit_hash=block.commit_hash,
        config=config.value,
        config_block=config.version.block_number,
        collections=read_collections(folder),
    )
    ledger.start_with(base, state, read_transaction_ids(folder))


def collect_private(channel: PeerChannel, others: Iterable[PeerChannel]) -> None:
    """Take from other peers the private data that this peer's organisation may have and whose hashes it has."""
    wanted: dict[tuple[str, str], dict[bytes, VersionedValue]] = {}
    for namespace, key_hash, value in channel.ledger.state.everything():
        chaincode, separator, collection = namespace.partition(_HASHED)
        if separator and channel.is_member(chaincode, collection):
            wanted.setdefault((chaincode, collection), {})[key_hash] = value
    found: Updates = {}
    for other in others:
        for (chaincode, collection), hashes in wanted.items():
            if not other.identity_is_member(channel.signer.creator, chaincode, collection):
                continue
            location = private_namespace(chaincode, collection)
            for key, value in other.ledger.state.range(location, b"", b""):
                hashed = hashes.get(sha256(key).digest())
                if hashed is not None and hashed.value == sha256(value.value).digest():
                    found[location, key] = value._replace(version=hashed.version)
    channel.ledger.state.write(found)


def _config_row(ledger: Ledger) -> StateRow:
    number = ledger.config_block_number()
    block = ledger.block(number)
    encoded = ledger.base_config
    if block is not None:
        encoded = headers_of(common_pb2.Envelope.FromString(block.data.data[0]))[0].data  # the very bytes
    return CONFIG_NAMESPACE, CONFIG_KEY, VersionedValue(encoded, b"", Version(number, 0))
