# SPDX-License-Identifier: Apache-2.0
"""What a line books that changes after its day is billed: it waits for the home's next bill."""

import hashlib
from typing import Any

from commonwatt_audit.world import Json

from . import bills
from .calendar import MINUTE_S, Period
from .ledger import Ledger, encoded
from .lines import SettledLine, bill_parts_of
from .prices import Prices
from .situation import Situation


def adjustment_between(
    period: Period, prices: Prices, before: SettledLine, after: SettledLine
) -> Json | None:
    """What a line books that changes after its bill; None where neither energy nor money changes."""
    same = all(
        getattr(before, name) == getattr(after, name)
        for name in ("quality", "author", "seq", "import_wh", "export_wh")
    )
    reason = "neighbours" if same else "reading" if after.seq else "gap"
    change = bills.adjustment_of(period.start_min, prices, before.line, after.line, reason)
    return change if any(change["change"].values()) else None


def leave(
    public: dict[str, Any],
    private: dict[str, Any],
    home: str,
    period: int,
    version: int,
    change: Json,
    its_salt: str,
) -> None:
    """An adjustment and its public mark."""
    value = {"adjustment": change, "salt": its_salt}
    private[f"adjustment/{home}/{period:09d}/{version:04d}"] = value
    public[f"pending/{home}/{period:09d}/{version:04d}"] = hashlib.sha256(encoded(value)).hexdigest()


def is_billed(ledger: Ledger, now: Situation, day: int, home: str) -> bool:
    """Whether a home has a bill of a local day."""
    for part, homes in enumerate(billed_parts(ledger, now, day)):
        if home in homes:
            return ledger.get(f"billed/{day:06d}/{part:04d}") is not None
    return False


def billed_parts(ledger: Ledger, now: Situation, day: int) -> list[list[str]]:
    """The homes of each part of a day's bills: all that were registered before it ended, also those that left."""
    ends = now.calendar.first_instant(day + 1) // MINUTE_S
    return bill_parts_of(
        str(known["home"])
        for _, known in ledger.under("home/")
        if known["versions"] and min(one["from_period"] for one in known["versions"]) < ends
    )
