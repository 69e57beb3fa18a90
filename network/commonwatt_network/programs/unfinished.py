# SPDX-License-Identifier: Apache-2.0
"""What a peer or orderer leaves that ended while it made its databases: it could never start on it again."""

from __future__ import annotations

import shutil
from pathlib import Path


def remove_unfinished(ledger: Path) -> bool:
    """Remove the folder of a node's ledger if a database in it is unfinished and it holds no block; whether so.

    LevelDB makes its file CURRENT last, and refuses a folder that has its other files alone. Where there is a block,
    the folder stays whatever it lacks: that is damage, and for the operator to judge.
    """
    unfinished = any(not (lock.parent / "CURRENT").exists() for lock in ledger.rglob("LOCK"))
    if not unfinished or any(ledger.rglob("blockfile_*")):
        return False
    shutil.rmtree(ledger)
    return True
