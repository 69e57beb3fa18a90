# SPDX-License-Identifier: Apache-2.0
"""Replay of erasure: which private values were purged, and which of them before the rule allows it."""

import re

from commonwatt_audit.world import Recorded, require

from .anomalies import Anomalies, Kind
from .calendar import DAY_S
from .ledger import COLLECTION, Ledger
from .situation import require_operator, situation

FORGET = "forget_home"
KEPT_D = 2_555
_OF_PERIOD = re.compile(
    r"(?:m/bid|m/reading|awards|lines|gap)/([0-9]{9})(?:/|\Z)|adjustment/[^/]+/([0-9]{9})/"
)
_OF_DAY = re.compile(r"bills/([0-9]{6})/")


def forget_home(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> None:
    """Purge private values, and write nothing. What is younger than the rule says is noticed."""
    now = situation(ledger, recorded)
    require_operator(recorded, now.mspid)
    require(not recorded.writes, "it writes public keys, and erasure writes none")
    for one in recorded.hashed:
        require(
            one.is_purge and one.collection == COLLECTION, "it writes private values, and erasure writes none"
        )
        key = ledger.purge(one.key_hash)
        ended_s = None if key is None else _ended_s(ledger, recorded, key)
        if ended_s is None or now.now_s < ended_s + KEPT_D * DAY_S:
            period = (ended_s or 0) // 60
            anomalies.notice(Kind.EARLY_PURGE, str(recorded.argument.get("home", "?")), period, key or "")


def _ended_s(ledger: Ledger, recorded: Recorded, key: str) -> int | None:
    """When what a private value is about ended; None for what is about no time, such as a key."""
    now = situation(ledger, recorded)
    if found := _OF_PERIOD.match(key):
        return now.calendar.period_at(int(found[1] or found[2]) * 60).end_s
    if found := _OF_DAY.match(key):
        return now.calendar.first_instant(int(found[1]) + 1)
    return None
