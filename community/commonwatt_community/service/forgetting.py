# SPDX-License-Identifier: Apache-2.0
"""Erasure: the service forgets of a home what the ledger has forgotten."""

from commonwatt_client.errors import MalformedMessageError

from ..market.refused import Refused
from .ledger import Ledger
from .store import Store

_TABLES = ("accounts", "invitations", "sessions", "enrolments", "wishes", "messages", "audit_log")


async def forget_what_the_ledger_forgot(store: Store, ledger: Ledger) -> None:
    """Delete the rows of forgotten homes: of one that has ended all, of another those of forgotten periods.

    The ledger's event names no home, so each home with rows is asked for.
    """
    homes = " UNION ".join(f"SELECT home FROM {table}" for table in _TABLES)  # noqa: S608 - the names above
    for row in store.all(homes):
        home = row["home"]
        try:
            known = await ledger.json("get_home", {"home": home})
        except (Refused, MalformedMessageError):
            continue
        before = known.get("forgotten_before")
        if not isinstance(before, int):
            continue
        ended = known.get("to_period")
        if isinstance(ended, int) and ended <= before:
            deletes = [(f"DELETE FROM {table} WHERE home = ?", (home,)) for table in _TABLES]  # noqa: S608
            await store.write(*deletes)
        else:
            await store.write(("DELETE FROM messages WHERE home = ? AND period < ?", (home, before)))
