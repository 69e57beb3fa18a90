# SPDX-License-Identifier: Apache-2.0
"""Replay of registrations: the operator proposes, the grid confirms, and no open window changes."""

from typing import Any

from commonwatt_audit.world import Json, Recorded, require

from .ledger import Ledger, Outcome
from .situation import (
    Situation,
    require_grid,
    require_operator,
    require_void_once_closed,
    situation,
)


def register_home(ledger: Ledger, recorded: Recorded) -> Outcome:
    """Proposals of registrations, and of other connections of homes that are registered."""
    now = _by_operator(ledger, recorded)
    argument = recorded.argument
    public: dict[str, Any] = {}
    for given in argument.get("homes", [argument]):
        new = {name: value for name, value in given.items() if value is not None}
        known = ledger.get(f"home/{new['home']}") or {
            "home": new["home"],
            "mspid": now.mspid,
            "owner": "",
            "versions": [],
            "to_period": None,
        }
        require(known["to_period"] is None, f"home {new['home']} has ended, and is registered again")
        public[f"home/{new['home']}"] = {
            **known,
            "home_class": new["home_class"],
            "mspid": new.get("mspid", known["mspid"]),
            "owner": new.get("owner", known["owner"]),
            "storage_wh": new.get("storage_wh", 0),
            "proposed": {
                "connection_w": new.get("connection_w", 24_000),
                "pv_w": new.get("pv_w", 0),
                "battery_w": new.get("battery_w", 0),
            },
            "proposed_end": None,
            "transaction": recorded.transaction_id,
        }
    return Outcome(public, {})


def confirm_home(ledger: Ledger, recorded: Recorded) -> Outcome:
    """What was proposed counts from the first period whose window is not open."""
    now = situation(ledger, recorded)
    require_grid(recorded, now.mspid)
    require_void_once_closed(recorded, now)
    first = now.counts_from()
    public: dict[str, Any] = {}
    for home in recorded.argument.get("homes") or [recorded.argument["home"]]:
        known: Json = ledger.need(f"home/{home}")
        require(ledger.get(f"key/home/{home}") is not None, f"home {home} is confirmed without a key")
        require(
            _saw(recorded.argument, home) in (None, known["transaction"]),
            f"another proposal of {home} was seen",
        )
        proposed, ending = known["proposed"], known["proposed_end"]
        require(proposed is not None or ending is not None, f"nothing of home {home} was proposed")
        versions = known["versions"]
        if proposed is not None:
            versions = [one for one in versions if one["from_period"] < first]
            versions.append({"from_period": first, "connection": proposed})
        public[f"home/{home}"] = {
            **known,
            "versions": versions,
            "proposed": None,
            "to_period": known["to_period"] if ending is None else max(ending, first),
            "proposed_end": None,
            "transaction": recorded.transaction_id,
        }
    return Outcome(public, {})


def _saw(argument: Json, home: str) -> str | None:
    """The transaction of the registration that the grid saw, if it says so."""
    seen: str | None = argument.get("transaction", argument.get("transactions", {}).get(home))
    return seen


def end_home(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The proposal that a home takes no part from a period on."""
    now = _by_operator(ledger, recorded)
    home, to_period = recorded.argument["home"], recorded.argument.get("to_period")
    known = ledger.need(f"home/{home}")
    require(known["to_period"] is None, f"home {home} has ended before")
    ends = now.counts_from() if to_period is None else now.period(to_period).start_min
    return Outcome(
        {f"home/{home}": {**known, "proposed_end": ends, "transaction": recorded.transaction_id}}, {}
    )


def _by_operator(ledger: Ledger, recorded: Recorded) -> Situation:
    now = situation(ledger, recorded)
    require_operator(recorded, now.mspid)
    require_void_once_closed(recorded, now)
    return now
