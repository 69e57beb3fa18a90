# SPDX-License-Identifier: Apache-2.0
"""Replay of readings that are frozen: at its time at the earliest, and again only after news."""

from collections.abc import Iterable
from typing import Any

from commonwatt_audit.world import Json, Recorded, require

from . import readings, times
from .calendar import Period
from .gates import FROZEN, gate_record
from .homes import connections_at
from .ledger import Ledger, Outcome, Unseen
from .places import READING, indexed, place_of
from .situation import Situation, require_member, require_void_once_closed, situation
from .submitting import reading_of


def freeze_period(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The version that was open; and the gate, so that no clearing comes afterwards."""
    require_member(recorded)
    now = situation(ledger, recorded)
    require_void_once_closed(recorded, now)
    period = now.period(recorded.argument["period"])
    now.require_open(period)
    number, rules = period.start_min, now.times(period)
    before = ledger.get(f"meter/{number:09d}")
    if before is None:
        _check_first(ledger, now, period, rules)
    else:
        _check_again(ledger, now, period, before, rules)
    final = now.now_s >= times.final_s(period, rules)
    last_shared = None
    if final and before is None:
        last_shared = 1
    elif final:
        last_shared = before["version"] if before["final_version"] is None else before["final_version"]
    public: dict[str, Any] = {
        f"meter/{number:09d}": {
            "period": number,
            "version": 1 if before is None else before["version"] + 1,
            "at_s": now.now_s,
            "final_version": last_shared,
            "transaction": recorded.transaction_id,
        }
    }
    gate = ledger.get(f"gate/{number:09d}")
    if gate is None or gate["state"] != FROZEN:
        public[f"gate/{number:09d}"] = gate_record(recorded, period, FROZEN, now.now_s)
    return Outcome(public, {})


def _check_first(ledger: Ledger, now: Situation, period: Period, rules: Json) -> None:
    number = period.start_min
    require(now.now_s >= period.end_s, f"it freezes period {number} at {now.now_s}, before its end")
    due_s = period.end_s + int(rules["readings_due_s"])
    if now.now_s >= due_s:
        return
    try:
        found = readings_of(ledger, number, 1)
    except Unseen:
        ledger.unchecked["whether every home was measured when its period was frozen early"] += 1
        return
    for home in connections_at(ledger, number):
        counting = readings.counting(found.get(home, ()), 1)
        measured = counting is not None and counting.quality == readings.MEASURED
        require(measured, f"it freezes period {number} before {due_s}, and {home} has no measured reading")


def _check_again(ledger: Ledger, now: Situation, period: Period, before: Json, rules: Json) -> None:
    number, version = period.start_min, int(before["version"])
    settled = ledger.get(f"settled/{number:09d}")
    # One that could not be settled, for a message was lost between two parts, may be frozen again without news.
    if settled is not None and settled["version"] == version:
        news = any(place.version == version + 1 for _, place in indexed(ledger, READING, number))
        require(news, f"it freezes period {number} again, and no reading came since")
    due_s = int(before["at_s"]) + int(rules["resettle_every_s"])
    require(now.now_s >= due_s, f"it freezes period {number} again at {now.now_s}, before {due_s}")


def readings_of(
    ledger: Ledger, period: int, version: int, homes: Iterable[str] | None = None
) -> dict[str, list[readings.Reading]]:
    """The readings of a period that came under versions up to one, by home. Unseen where one was not shown.

    Of some homes, or of all.
    """
    prefixes: Iterable[str] = (f"{READING}/{period:09d}/",)
    if homes is not None:
        prefixes = (
            f"{READING}/{period:09d}/{one:04d}/{home}/" for home in homes for one in range(1, version + 1)
        )
    found: dict[str, list[readings.Reading]] = {}
    for prefix in prefixes:
        for key, _ in ledger.under(f"m/{prefix}"):
            place = place_of(key)
            if place.version <= version:
                found.setdefault(place.home, []).append(reading_of(place, ledger.said(key)))
    return found
