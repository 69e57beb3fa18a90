# SPDX-License-Identifier: Apache-2.0
"""What the service heard of the ledger, where it stands there, and the lines of it for each caller.

An id is ``block:transaction:n``: it says where the event stands on the ledger, so any service can go on after it.
Line 0 is the contract's event itself; line 1 is what it means for the subscriber's own home.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .caller import Caller, Role
from .problems import Problem

_ID = re.compile(r"([0-9]{1,12}):([0-9a-f]{64}):([0-9]{1,3})")

FOR_EVERYBODY = frozenset(
    {
        "configured",
        "messages",
        "cleared",
        "frozen",
        "part_settled",
        "settled",
        "gap_settled",
        "billed",
        "carbon_settled",
        "forgotten",
    }
)
KEY_RECOVERY, LOST, CLEARED, CONFIGURED, FORGOTTEN = (
    "key_recovery",
    "lost",
    "cleared",
    "configured",
    "forgotten",
)

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """The place of an event: block, transaction, and the line of it."""

    block: int
    transaction_id: str
    line: int

    @classmethod
    def of(cls, event_id: str) -> "Place":
        """The place that an id names; Problem for what is no id."""
        found = _ID.fullmatch(event_id)
        if found is None:
            raise Problem("bad_request", "Last-Event-ID is no id of an event: block:transaction:n")
        return cls(int(found[1]), found[2], int(found[3]))


@dataclass(frozen=True)
class Heard:
    """A contract's event, the homes that may hear it (None: all; empty: operators alone), and each home's own line."""

    block: int
    transaction_id: str
    name: str
    data: Json
    audience: str | None
    own: Mapping[str, Json] = field(default_factory=dict)

    def lines(self, caller: Caller, after: int = -1) -> list[bytes]:
        """The lines of it for a caller, after one that the caller knows."""
        told = []
        seen = self.audience is None or caller.role is Role.OPERATOR or self.audience == caller.home
        if seen and after < 0:
            told.append(self._line(0, self.name, self.data))
        own = self.own.get(caller.home) if caller.role is not Role.OPERATOR else None
        if own is not None and after < 1:
            told.append(self._line(1, "award", own))
        return told

    def is_of(self, block: int, transaction_id: str) -> bool:
        """Whether it is the event of this transaction: one sets one event at most."""
        return (self.block, self.transaction_id) == (block, transaction_id)

    def _line(self, line: int, name: str, data: Json) -> bytes:
        return sse(name, data, f"{self.block}:{self.transaction_id}:{line}")


def sse(name: str, data: Json, event_id: str = "") -> bytes:
    """One server-sent event; those of the service's own bear no id."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def audience_of(name: str, data: Json) -> str | None:
    """The home that may hear an event; None: all; empty: operators alone."""
    if name in FOR_EVERYBODY:
        return None
    if name == KEY_RECOVERY:
        return str(data.get("home", ""))
    if name == LOST:
        parts = str(data.get("key", "")).split(
            "/"
        )  # m/bid/<n>/<home>/..., m/reading/<n>/<version>/<home>/...
        place = 3 if parts[1:2] == ["bid"] else 4
        return parts[place] if len(parts) > place else ""
    return ""
