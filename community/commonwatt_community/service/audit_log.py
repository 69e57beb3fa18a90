# SPDX-License-Identifier: Apache-2.0
"""The audit log: who did what from where, and how it ended. It holds no message, no passphrase and no token."""

from .clock import now_s
from .store import Store

KEEP_S = 400 * 86_400


async def note(store: Store, caller: str, home: str, address: str, action: str, outcome: str) -> None:
    """Keep a line; `caller` is a role and a name, `outcome` is ``done`` or a problem's code."""
    line = (now_s(), caller[:200], home[:64], address[:64], action[:80], outcome[:80])
    await store.write(("INSERT INTO audit_log VALUES (?, ?, ?, ?, ?, ?)", line))


async def drop_old(store: Store) -> None:
    """Drop the lines of more than 400 days ago."""
    await store.write(("DELETE FROM audit_log WHERE at_s < ?", (now_s() - KEEP_S,)))
