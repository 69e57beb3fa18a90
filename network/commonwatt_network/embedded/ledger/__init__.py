# SPDX-License-Identifier: Apache-2.0
"""What one peer keeps of one channel: blocks, the state they lead to, its history, and private data.

Everything of a block is written in one SQLite transaction, so a ledger is always at exactly one block. A crash loses
either nothing of a block or all of it. A killed process loses nothing. When the machine itself fails, the last blocks
may be gone here, and come again from the orderer, which waits for the disk. Private data cannot come again: write sets
lie in a file of their own, and wait for the disk there before the ledger has their block.
"""

from commonwatt_network.embedded.ledger.database import LedgerDamaged
from commonwatt_network.embedded.ledger.ledger import Base, BlockCommit, CommittedTransaction, Ledger
from commonwatt_network.embedded.ledger.private import ExpiringKey, MissingWrite, PrivateUpdates, PrivateWrite
from commonwatt_network.embedded.ledger.state import StateView, hashed_namespace, private_namespace
from commonwatt_network.embedded.ledger.values import Version, VersionedValue

__all__ = [
    "Base",
    "BlockCommit",
    "CommittedTransaction",
    "ExpiringKey",
    "Ledger",
    "LedgerDamaged",
    "MissingWrite",
    "PrivateUpdates",
    "PrivateWrite",
    "StateView",
    "Version",
    "VersionedValue",
    "hashed_namespace",
    "private_namespace",
]
