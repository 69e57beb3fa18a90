# SPDX-License-Identifier: Apache-2.0
"""Replay of what operator and grid publish: envelopes, sharing keys, the feeder's meter, and lost messages."""

from typing import Any

from commonwatt_audit.world import Json, Recorded, require

from . import times
from .anomalies import Anomalies, Kind
from .calendar import MINUTE_S
from .feeder import note_feeder
from .ledger import Ledger, Outcome
from .places import place_of
from .settlement import WHOLE_PPM
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

MOST_DAYS = 400


def set_envelope(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The envelope, on each local day that it touches; those that it covers in full and that no period needs go."""
    now = _by_grid(ledger, recorded)
    argument = recorded.argument
    home = argument.get("home")
    if home is not None:
        ledger.need(f"home/{home}")
    envelope: Json = {
        "home": home,
        "from_period": argument["from_period"],
        "to_period": argument["to_period"],
        "import_w": argument.get("import_w"),
        "export_w": argument.get("export_w"),
        "published_s": now.now_s,
    }
    require(envelope["from_period"] < envelope["to_period"], "the envelope ends before it begins")
    first, last = envelope["from_period"] // 1_440, (envelope["to_period"] - 1) // 1_440
    require(last - first < MOST_DAYS, f"the envelope spans more than {MOST_DAYS} days")
    public: dict[str, Any] = {}
    for day in range(first, last + 1):
        key = f"envelope/{day:06d}/{home or '*'}"
        known = ledger.get(key)
        kept = [one for one in (known["envelopes"] if known else []) if not _replaced(now, one, envelope)]
        public[key] = {
            "day": day,
            "home": home,
            "envelopes": [*kept, envelope],
            "transaction": recorded.transaction_id,
        }
    return Outcome(public, {})


def _replaced(now: Situation, old: Json, new: Json) -> bool:
    if old["from_period"] < new["from_period"] or new["to_period"] < old["to_period"]:
        return False
    period = now.calendar.period_at(old["from_period"] * MINUTE_S)
    return now.now_s < times.gate_s(period, now.times(period))


def set_sharing_keys(ledger: Ledger, recorded: Recorded) -> Outcome:
    """All static sharing keys from a period on whose window is not open."""
    now = situation(ledger, recorded)
    require_operator(recorded, now.mspid)
    require_void_once_closed(recorded, now)
    period = now.period(recorded.argument["from_period"]).start_min
    earliest = now.counts_from()
    require(
        period >= earliest, f"it shares anew from period {period}, and windows before {earliest} are open"
    )
    keys: dict[str, int] = recorded.argument["keys"]
    require(
        all(ppm >= 0 for ppm in keys.values()) and sum(keys.values()) <= WHOLE_PPM,
        "the sharing keys are more than the whole",
    )
    for home in keys:
        ledger.need(f"home/{home}")
    record = {"from_period": period, "keys": dict(keys), "transaction": recorded.transaction_id}
    return Outcome({f"sharing/{period:09d}": record}, {})


def report_feeder(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> Outcome:
    """What the feeder's meter counted in a period that is over."""
    now = _by_grid(ledger, recorded)
    period = now.period(recorded.argument["period"])
    number = period.start_min
    require(now.now_s >= period.end_s, f"it reports period {number} at {now.now_s}, before its end")
    record = {
        "period": number,
        "import_wh": recorded.argument["import_wh"],
        "export_wh": recorded.argument["export_wh"],
        "transaction": recorded.transaction_id,
    }
    settled = ledger.get(f"settled/{number:09d}")
    if settled is not None:
        whole = ledger.need(f"period/{number:09d}/{settled['version']:04d}")
        note_feeder(record, number, whole, anomalies)
    return Outcome({f"feeder/{number:09d}": record}, {})


def declare_lost(ledger: Ledger, recorded: Recorded, anomalies: Anomalies) -> Outcome:
    """A message counts only if an endorser holds it. The audit reports a lost one, because it cannot ask their
    disks."""
    now = situation(ledger, recorded)
    role = require_role(recorded, OPERATOR, GRID)
    (require_operator if role == OPERATOR else require_grid)(recorded, now.mspid)
    require_void_once_closed(recorded, now)
    key = recorded.argument["key"]
    place = place_of(key)
    digest = ledger.need(key)
    period = now.period(place.period)
    from_s = period.end_s + int(now.rules(place.period)["heal_s"])
    require(now.now_s >= from_s, f"it declares {key} lost at {now.now_s}, before {from_s}")
    anomalies.notice(Kind.LOST, place.home, place.period, f"{place.author}, {place.kind}, seq {place.seq}")
    record = {"key": key, "digest": digest, "transaction": recorded.transaction_id}
    return Outcome({key: None, f"lost/{key}": record}, {key: None})


def _by_grid(ledger: Ledger, recorded: Recorded) -> Situation:
    now = situation(ledger, recorded)
    require_grid(recorded, now.mspid)
    require_void_once_closed(recorded, now)
    return now
