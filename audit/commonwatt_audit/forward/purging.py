# SPDX-License-Identifier: Apache-2.0
"""Replay of erasure: what was purged, what is left of the records of others, and what was purged too early."""

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from commonwatt_audit.world import Difference, Json, Recorded, require

from .anomalies import Anomalies, Kind
from .calendar import Period
from .homes import connection_at
from .ledger import COLLECTION, UNKNOWN, Ledger, Outcome, Unseen, hash_in
from .situation import (
    GRID,
    OPERATOR,
    Situation,
    require_grid,
    require_operator,
    require_role,
    require_void_once_closed,
    situation,
)

FORGET = "forget_home"


def forget_home(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> None:
    """Purges of what is private of the homes that are named. A purge of values that the rules keep for longer is
    noticed.

    How far one transaction goes is the contract's own business; each purge on its way is checked.
    """
    now = situation(ledger, recorded)
    overseer = require_operator if require_role(recorded, OPERATOR, GRID) == OPERATOR else require_grid
    overseer(recorded, now.mspid)
    require_void_once_closed(recorded, now)
    argument = recorded.argument
    homes = argument["homes"] if "homes" in argument else [argument["home"]]
    names = ledger.private_names()
    purged = {one.key_hash for one in recorded.hashed if one.is_purge and one.collection == COLLECTION}
    rewritten: set[str] = set()
    public: dict[str, Any] = {}
    private: dict[str, Any] = {}
    for key in recorded.writes:
        kind, _, name = key.partition("/")
        if kind == "rewritten":
            before = ledger.get(key)
            generation = before["generation"] if before else 0
            old, new = _generation(name, generation), _generation(name, generation + 1)
            require(hashlib.sha256(old.encode()).digest() in purged, f"it writes {new} and purges no {old}")
            rewritten.add(old)
            private[new] = _left(ledger, old, homes)
            public[key] = {
                "key": name,
                "generation": generation + 1,
                "digest": hash_in(recorded, new),
                "transaction": recorded.transaction_id,
            }
        elif kind == "forgotten" and name in homes:
            public[key] = {"home": name, "to_period": UNKNOWN, "transaction": recorded.transaction_id}
        elif kind == "pending" and name.split("/")[0] in homes:
            public[key] = None
        else:
            raise Difference(f"{key} is written and should not be")
    kept = tuple(one for one in recorded.hashed if one.key_hash not in purged)
    ledger.check(replace(recorded, hashed=kept), Outcome(public, private))
    for key in (names[one] for one in sorted(purged) if one in names):
        home = _home_of(key)
        require(
            key in rewritten or home in homes or _plans_for(ledger, key, homes),
            f"it purges {key}, which belongs to none of the homes that it names",
        )
        period = _last_period(ledger, now, key)
        if period is None or now.now_s < now.closed_s(period):
            subject = home if home is not None else str(homes[0])
            anomalies.notice(Kind.EARLY_PURGE, subject, period.start_min if period else 0, key)
        ledger.purge(key)


def _generation(name: str, generation: int) -> str:
    return f"{name}/{generation:04d}" if generation else name


def _plans_for(ledger: Ledger, key: str, homes: Collection[str]) -> bool:
    """Whether a key is that of a plan by which one of the homes was settled; a plan is purged whole."""
    kind, _, place = key.partition("/")
    if kind != "plan":
        return False
    period = int(place.split("/")[0])
    return any(connection_at(ledger.need(f"home/{home}"), period) is not None for home in homes)


def _home_of(key: str) -> str | None:
    """Whose value alone stands under a private key; None for a record of many homes."""
    parts = key.split("/")
    place = _HOME_AT.get(parts[0])
    return None if place is None else parts[place]


_HOME_AT = {"m": -3, "gap": 2, "adjustment": 1, "key": 2}
"""Where in a key the home stands."""

_HOME_IN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "lines": ("lines", lambda one: one[0]),
    "awards": ("awards", lambda one: one["home"]),
    "outside": ("awards", lambda one: one["home"]),
    "bills": ("bills", lambda one: one["bill"]["home"]),
    "carbon": ("days", lambda one: one["carbon"]["home"]),
}


def _left(ledger: Ledger, name: str, homes: Collection[str]) -> Any:
    """A record of many homes without some; UNKNOWN where the auditor was not shown it before."""
    try:
        record: Json = json.loads(ledger.private(name))
    except Unseen:
        return UNKNOWN
    member, home_of = _HOME_IN[name.split("/")[0]]
    left = [one for one in record[member] if home_of(one) not in homes]
    require(len(left) < len(record[member]), f"it writes {name} anew, which holds none of the homes")
    record.pop("exchange", None)  # the rests behind a residual: of use until the import alone
    return {**record, member: left}


def _last_period(ledger: Ledger, now: Situation, key: str) -> Period | None:
    """The last period that a private value is about; None for keys of a home that stays."""
    parts = key.split("/")
    if parts[0] in ("bills", "carbon"):
        return now.calendar.period_at(now.calendar.first_instant(int(parts[1]) + 1) - 60)
    if parts[0] == "key":
        to_period = ledger.need(f"home/{parts[2]}")["to_period"]
        return None if to_period is None else now.calendar.period_at(int(to_period) * 60 - 60)
    start = parts[2] if parts[0] in ("m", "adjustment") else parts[1]
    return now.calendar.period_at(int(start) * 60)
