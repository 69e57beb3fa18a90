"""What one peer keeps of one channel: blocks, the state they lead to, its history, and private data.

Everything of a block is written in one SQLite transaction with `synchronous=FULL`, so a ledger is always at
exactly one block: a crash loses either nothing of a block or all of it, and never one that was reported.
"""

from commonwatt_network.embedded.ledger.database import LedgerDamaged
from commonwatt_network.embedded.ledger.ledger import BlockCommit, CommittedTransaction, Ledger
from commonwatt_network.embedded.ledger.private import ExpiringKey, PrivateUpdates, PrivateWrite
from commonwatt_network.embedded.ledger.state import StateView, hashed_namespace, private_namespace
from commonwatt_network.embedded.ledger.values import Version, VersionedValue

__all__ = [
    "BlockCommit",
    "CommittedTransaction",
    "ExpiringKey",
    "Ledger",
    "LedgerDamaged",
    "PrivateUpdates",
    "PrivateWrite",
    "StateView",
    "Version",
    "VersionedValue",
    "hashed_namespace",
    "private_namespace",
]
