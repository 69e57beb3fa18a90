# SPDX-License-Identifier: Apache-2.0
"""Replay of keys that are set, rotated, proposed and confirmed."""

import json
from typing import Any

from commonwatt_audit.messages import Unacceptable
from commonwatt_audit.world import Difference, Json, Recorded, require

from . import keys
from .calendar import MINUTE_S
from .ledger import COLLECTION, UNKNOWN, Ledger, Outcome
from .situation import (
    CARRIER,
    GRID,
    HOME,
    METER,
    OPERATOR,
    Situation,
    require_grid,
    require_operator,
    require_role,
    require_void_once_closed,
    situation,
)

_FROM_THE_START = 0


def set_key(ledger: Ledger, recorded: Recorded) -> Outcome:
    """An author's first key, which the operator sets, or the next one, to which the old one agrees."""
    role = require_role(recorded, OPERATOR, GRID, HOME, METER, CARRIER)
    now, key, known = _asked(ledger, recorded)
    written = _written(recorded, key)
    author, home = _owner(recorded)
    now_min = now.now_s // MINUTE_S
    before = known["versions"] if known else []
    jwk = _newest(written, len(before) + 1)
    if known is None:
        require(role == OPERATOR, f"a {role} sets the first key of {author} {home}")
        require_operator(recorded, now.mspid)
        counts = author == METER and ledger.need(f"home/{home}")["versions"]
        from_min = now.counts_from() if counts else _FROM_THE_START
        version = keys.version_after([], jwk, keys.REGISTERED, from_min, now_min)
    else:
        day = now.calendar.day_at(now.now_s)
        today_min = now.calendar.first_instant(day) // MINUTE_S
        _accepted(recorded, keys.check_rotation, known, today_min)
        tomorrow_min = max(now.calendar.first_instant(day + 1) // MINUTE_S, now.counts_from())
        version = keys.version_after(before, jwk, keys.ROTATED, tomorrow_min, now_min)
    private = _possession(ledger, recorded, now, jwk, len(before) + 1)
    if known is not None:
        private |= _consent(ledger, recorded, now, before[-1]["jwk"], jwk, len(before) + 1)
    after = _record(recorded, [*before, version], None)
    return Outcome({key: after}, private)


def set_carrier_key(ledger: Ledger, recorded: Recorded) -> Outcome:
    """A carrier's first or next key, in force at once, by operator or grid of the carrier's organisation."""
    now = situation(ledger, recorded)
    if require_role(recorded, OPERATOR, GRID) == OPERATOR:
        require_operator(recorded, now.mspid)
    else:
        require_grid(recorded, now.mspid)
    carrier = str(recorded.argument["carrier"])
    require(carrier.rpartition(".")[0] == recorded.mspid, f"{recorded.mspid} sets a key of {carrier}")
    require_void_once_closed(recorded, now)
    key = f"key/{CARRIER}/{carrier}"
    known = ledger.get(key)
    before, now_min = known["versions"] if known else [], recorded.timestamp_s // MINUTE_S
    jwk = _newest(_written(recorded, key), len(before) + 1)
    _accepted(recorded, keys.check_new, before, jwk)
    version = keys.version_after(before, jwk, keys.REPLACED if known else keys.REGISTERED, now_min, now_min)
    owner = keys.Owner(str(now.configuration["net"]), recorded.channel, carrier, CARRIER)
    private = _brought(ledger, recorded, owner, jwk, len(before) + 1)
    return Outcome({key: _record_of(recorded, owner, [*before, version], None)}, private)


def propose_key(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The key by which an author who lost the old one shall be known; or that proposal taken back."""
    now, key, known = _asked(ledger, recorded)
    require_operator(recorded, now.mspid)
    require(known is not None, "it recovers a key that was never set")
    proposed = _written(recorded, key).get("proposed")
    if proposed is None:
        require(known["proposed"] is not None, "it drops a proposal that was not made")
        return Outcome({key: _record(recorded, known["versions"], None)}, {})
    possession = _possession(ledger, recorded, now, proposed, len(known["versions"]) + 1)
    return Outcome({key: _record(recorded, known["versions"], proposed)}, possession)


def confirm_key(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The grid confirms the proposed key, which counts after a delay."""
    now, key, known = _asked(ledger, recorded)
    require_grid(recorded, now.mspid)
    require(known is not None and known["proposed"] is not None, "it confirms a key that nobody proposed")
    proposed = known["proposed"]
    require(
        keys.signer_of(proposed).kid == recorded.argument["kid"], "it confirms another key than is proposed"
    )
    now_min = now.now_s // MINUTE_S
    rules = now.rules(now.calendar.period_at(now.now_s).start_min)
    from_min = max(now_min + 60 * int(rules["key_delay_h"]), now.counts_from())
    version = keys.version_after(known["versions"], proposed, keys.RECOVERED, from_min, now_min)
    return Outcome({key: _record(recorded, [*known["versions"], version], None)}, {})


def _asked(ledger: Ledger, recorded: Recorded) -> tuple[Situation, str, Any]:
    now = situation(ledger, recorded)
    require_void_once_closed(recorded, now)
    author, home = _owner(recorded)
    if author == OPERATOR:
        require(home == now.mspid, f"it sets an operator's key under {home}")
    else:
        ledger.need(f"home/{home}")
    key = f"key/{author}/{home}"
    return now, key, ledger.get(key)


def _owner(recorded: Recorded) -> tuple[str, str]:
    return str(recorded.argument["author"]), str(recorded.argument["home"])


def _written(recorded: Recorded, key: str) -> Json:
    """The record that the transaction writes: which key it brings is not in the argument."""
    try:
        written = json.loads(recorded.writes.get(key) or b"")
    except ValueError:
        raise Difference(f"{key} should be written and is not") from None
    return written if isinstance(written, dict) else {}


def _newest(written: Json, count: int) -> Json:
    versions = written.get("versions")
    require(
        isinstance(versions, list) and len(versions) == count, f"it does not write {count} versions of a key"
    )
    jwk = (versions or [{}])[-1].get("jwk")
    require(isinstance(jwk, dict), "its newest key is none")
    return dict(jwk)


def _possession(
    ledger: Ledger, recorded: Recorded, now: Situation, jwk: Json, version: int
) -> dict[str, Any]:
    """Check that the new key is valid, that no other author of this home has it, and that it signed itself."""
    author, home = _owner(recorded)
    net, channel = str(now.configuration["net"]), recorded.channel
    known = ledger.get(f"key/{author}/{home}")
    _accepted(recorded, keys.check_new, known["versions"] if known else [], jwk)
    for other in ("home", "meter", "operator"):
        owner = now.mspid if other == "operator" else home
        record = ledger.get(f"key/{other}/{owner}") if other != author and author != OPERATOR else None
        for one in record["versions"] if record else []:
            require(one["jwk"] != jwk, f"the key is that of the {other} who speaks of the same home")
    return _brought(ledger, recorded, keys.Owner(net, channel, home, author), jwk, version)


def _brought(
    ledger: Ledger, recorded: Recorded, owner: keys.Owner, jwk: Json, version: int
) -> dict[str, Any]:
    """The new key said so itself."""
    place = f"key/{owner.author}/{owner.home}/{version:06d}"
    shown = recorded.shown.get((COLLECTION, place))
    if shown is None:
        ledger.unchecked["messages by which keys came"] += 1
    else:
        _accepted(recorded, keys.possession_of, owner, shown, jwk, version)
    return {place: UNKNOWN}


def _consent(
    ledger: Ledger, recorded: Recorded, now: Situation, old: Json, jwk: Json, version: int
) -> dict[str, Any]:
    """The newest key so far agreed to the new one."""
    author, home = _owner(recorded)
    place = f"key/{author}/{home}/{version:06d}/consent"
    shown = recorded.shown.get((COLLECTION, place))
    if shown is None:
        ledger.unchecked["messages by which old keys agreed to new ones"] += 1
    else:
        owner = keys.Owner(str(now.configuration["net"]), recorded.channel, home, author)
        _accepted(recorded, keys.consent_of, owner, shown, old, jwk, version)
    return {place: UNKNOWN}


def _accepted(recorded: Recorded, rule: Any, *arguments: Any) -> None:
    try:
        rule(*arguments)
    except Unacceptable as error:
        raise Difference(f"the key does not count: {error.code}") from error


def _record(recorded: Recorded, versions: list[Json], proposed: Json | None) -> Json:
    author, home = _owner(recorded)
    return _record_of(recorded, keys.Owner("", recorded.channel, home, author), versions, proposed)


def _record_of(recorded: Recorded, owner: keys.Owner, versions: list[Json], proposed: Json | None) -> Json:
    return {
        "home": owner.home,
        "author": owner.author,
        "versions": versions,
        "proposed": proposed,
        "transaction": recorded.transaction_id,
    }
