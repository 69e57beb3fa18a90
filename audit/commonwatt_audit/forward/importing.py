# SPDX-License-Identifier: Apache-2.0
"""Replay of imports: what the exchange's round came to for the community, home by home.

Which trades there were is written on the exchange's channel. This channel shows that they are possible for what the
community left over, and that they stay as they are. No home gets more or pays more than its bid says.
"""

import json

from commonwatt_audit.world import Difference, Json, Recorded, require

from .ledger import UNKNOWN, Ledger, Outcome, Unseen
from .outside import NOTHING, Outside, check_trades, divided
from .salts import salt
from .situation import require_member, situation


def import_residual(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The trades and their sums in public, each home's part in private."""
    require_member(recorded)
    now = situation(ledger, recorded)
    period = now.period(recorded.argument["period"])
    now.require_open(period)
    number = period.start_min
    key, place = f"imported/{number:09d}", f"outside/{number:09d}"
    if ledger.get(key) is not None:
        return Outcome({}, {})
    left = ledger.need(f"cleared/{number:09d}").get("exchange")
    require("exchange" in now.rules(number) and left is not None, f"period {number} is on no exchange")
    try:
        stands: Json = json.loads(recorded.writes.get(key) or b"")
        state, trades = stands["state"], list(stands["trades"])
    except (ValueError, LookupError, TypeError):
        raise Difference(f"{key} should be written, with a state and trades") from None
    require(state in ("cleared", "void"), f"{key}: the state is neither cleared nor void")
    require(state == "cleared" or not trades, f"{key}: a void round has trades")
    sums = check_trades(left, trades)
    record = {
        "period": number,
        "state": state,
        "trades": trades,
        "sums": sums._asdict(),
        "transaction": recorded.transaction_id,
    }
    private = {place: _awards(ledger, number, left["community"], trades)} if trades else {}
    return Outcome({key: record}, private)


def imported_sums(ledger: Ledger, period: int) -> Outside:
    """What the community trades with others in a period. Difference where that is still to be imported."""
    imported = ledger.get(f"imported/{period:09d}")
    if imported is not None:
        return Outside(**imported["sums"])
    cleared = ledger.get(f"cleared/{period:09d}") or {}
    left = cleared.get("exchange") or {"requests": [], "offers": []}
    open_levels = left["requests"] or left["offers"]
    require(not open_levels, f"it settles period {period} before the exchange's round is imported")
    return NOTHING


def outside_of(ledger: Ledger, period: int) -> dict[str, Outside]:
    """Each home's part. Unseen where it was not shown."""
    imported = ledger.get(f"imported/{period:09d}")
    if imported is None or not imported["trades"]:
        return {}
    return {
        one["home"]: Outside(*(one[name] for name in Outside._fields))
        for one in ledger.private_record(f"outside/{period:09d}")["awards"]
    }


def _awards(ledger: Ledger, number: int, own: str, trades: list[Json]) -> object:
    try:
        known = ledger.private_record(f"awards/{number:09d}")
    except Unseen:
        ledger.unchecked["imports of rounds"] += 1
        return UNKNOWN
    found = divided(own, known["exchange"], trades)
    awards = [
        {"home": one["home"], **found[one["home"]]._asdict(), "salt": salt(one["salt"], "outside", number)}
        for one in known["awards"]
        if one["home"] in found
    ]
    return {"period": number, "awards": awards}
