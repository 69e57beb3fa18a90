# SPDX-License-Identifier: Apache-2.0
"""An orderer's blocks beside the ledgers of its process's peers: the same chain, and no block missing.

Peers commit what the orderer has written before, so an orderer that has fewer blocks than a peer has lost some. It
takes them back from the peers: were it to go on, it would order other blocks under numbers that are used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import (
    COMMIT_HASH,
    TRANSACTIONS_FILTER,
    BlockError,
    config_envelope_of,
    header_hash,
    last_config_number,
    verify_block,
)
from commonwatt_network.embedded.channels.configuration import ChannelConfig, ChannelConfigError
from commonwatt_network.embedded.ledger import Ledger
from commonwatt_network.embedded.orderer.store import BlockStore, StoreDamaged
from commonwatt_network.embedded.trust.signing import SignatureChecks


def demand_same_chain(store: BlockStore, ledger: Ledger) -> None:
    """Raises StoreDamaged where the two hold different blocks under one number."""
    height = min(store.height, ledger.height)
    theirs = ledger.hash_before(height)
    if theirs is None or theirs == header_hash(store.block(height - 1).header):
        return
    raise StoreDamaged(
        f"{store.path} and {ledger.path} hold different blocks {height - 1}: one of them is of another network, or of "
        "another time; put the right file in its place, or delete the wrong one; a peer then fetches the channel "
        "from the orderer, and an orderer takes the blocks back from the peers beside it"
    )


def take_back(store: BlockStore, ledgers: Sequence[Ledger], checks: SignatureChecks) -> int:
    """Append the blocks that the ledgers have and the store lacks; how many. Raises StoreDamaged, OSError."""
    before = store.height
    failures = []
    for ledger in sorted(ledgers, key=lambda ledger: ledger.height, reverse=True):
        if ledger.height > store.height:
            try:
                _append_from(ledger, store, checks)
            except (BlockError, ChannelConfigError, DecodeError, sqlite3.Error) as error:
                failures.append(f"block {store.height} of {ledger.path}: {error}")
    demand_all_blocks(store, ledgers, failures)
    return store.height - before


def demand_all_blocks(store: BlockStore, ledgers: Sequence[Ledger], failures: Sequence[str] = ()) -> None:
    """Raises StoreDamaged where the store lacks blocks that ledgers have, or its own last one is damaged."""
    highest = max((ledger.height for ledger in ledgers), default=0)
    if store.height < highest:
        why = f", and the missing ones cannot be taken back ({'; '.join(failures)}); restore the file"
        raise StoreDamaged(
            f"{store.path}: it ends with block {store.height - 1}, but peers beside it have blocks up to {highest - 1}"
            f"{why if failures else '; the orderer takes them back when it starts'}"
        )
    if store.last_is_damaged:
        raise StoreDamaged(
            f"{store.path}: the record of the last block {store.height} at byte {store.end} does not match its "
            "checksum, and no peer beside it has that block; restore the file; if no client has seen the block, cut "
            f"it off with `truncate -s {store.end} {store.path}`"
        )


def _append_from(ledger: Ledger, store: BlockStore, checks: SignatureChecks) -> None:
    config, previous_hash = None, b""
    if store.height:
        newest = store.block(store.height - 1)
        previous_hash = header_hash(newest.header)
        config = ChannelConfig.from_block(store.block(last_config_number(newest)), checks)
    while store.height < ledger.height:
        number = store.height
        block = ledger.block(number)
        if block is None:
            raise BlockError(f"the ledger began with a snapshot of block {ledger.first_number - 1}")
        policy = config.policies.get("/Channel/Orderer/BlockValidation") if config else None
        verify_block(block, number, previous_hash, policy)
        block = _as_ordered(block)
        if config_envelope_of(block) is not None:
            config = ChannelConfig.from_block(block, checks)
        store.append(block)
        previous_hash = header_hash(block.header)


def _as_ordered(block: Any) -> Any:
    """The block without what the peer has added: its verdicts, and the hash of what it wrote."""
    copy = common_pb2.Block(header=block.header, data=block.data, metadata=block.metadata)
    slots = copy.metadata.metadata
    for slot in (TRANSACTIONS_FILTER, COMMIT_HASH):
        if slot < len(slots):
            slots[slot] = b""
    return copy
