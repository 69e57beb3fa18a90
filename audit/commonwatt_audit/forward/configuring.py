# SPDX-License-Identifier: Apache-2.0
"""Replay of the configuration's versions and of the simulated clock."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from commonwatt_audit.world import Difference, Json, Recorded, require

from .calendar import DAY_MIN, MINUTE_S, Calendar
from .carbon_sharing import check_quota
from .ledger import Ledger, Outcome
from .situation import (
    CLOCK,
    CONFIGURATION,
    OPERATOR,
    Situation,
    calendar_of,
    require_operator,
    require_role,
    require_void_once_closed,
    situation,
)

FIRST_TIMES: Json = {
    "opens_before_s": 3_600,
    "closes_before_s": 300,
    "clock_error_s": 30,
    "gate_grace_s": 60,
    "readings_due_s": 172_800,
    "resettle_every_s": 86_400,
    "final_after_d": 220,
}
FIRST_RULES: Json = {
    "pricing": "mid_market",
    "sharing": "dynamic",
    "estimate_w": 1_500,
    "key_delay_h": 24,
    "heal_s": 3_600,
    "keep_d": 2_555,
}
_RULES = (*FIRST_RULES, "readings_by")
_LENGTHS_MIN = (1, 5, 15, 30, 60)


def configure(ledger: Ledger, recorded: Recorded) -> Outcome:
    """A version of the configuration; nothing of it reaches into a window that is open."""
    require_role(recorded, OPERATOR)
    argument, before = recorded.argument, ledger.get(CONFIGURATION)
    public: dict[str, Any] = {}
    if before is None:
        configuration, first = _founded(recorded, argument, public), 0
    else:
        now = situation(ledger, recorded)
        require_operator(recorded, now.mspid)
        require_void_once_closed(recorded, now)
        configuration, first = _changed(now, recorded, argument)
    public[CONFIGURATION] = configuration
    _check(configuration, first)
    for one in configuration["rules"]:
        own = "exchange" in one and one["exchange"]["channel"] == recorded.channel
        require(not own, "the channel of its exchange is the community's own")
    return Outcome(public, {})


def advance_clock(ledger: Ledger, recorded: Recorded) -> Outcome:
    """The time of a simulated channel, which never runs back."""
    now = situation(ledger, recorded)
    require_operator(recorded, now.mspid)
    require(now.configuration["clock"] == "simulated", "nobody moves the clock of a live channel")
    to_s = int(recorded.argument["to_s"])
    require(to_s >= now.now_s, f"time {to_s} lies before the market time, {now.now_s}")
    return Outcome({CLOCK: {"time_s": to_s, "transaction": recorded.transaction_id}}, {})


def _founded(recorded: Recorded, argument: Json, public: dict[str, Any]) -> Json:
    require(argument["replaces"] == 0, "it replaces a version, and there is none yet")
    require(not argument.get("from_period"), "the first configuration counts from a period on")
    live = argument.get("clock", "live") == "live"
    if not live:
        at_s = argument.get("at_s", recorded.timestamp_s)
        public[CLOCK] = {"time_s": at_s, "transaction": recorded.transaction_id}
    trusting = bool(argument.get("trust_homes", False))
    rules = {**FIRST_RULES, "from_period": 0, "times": dict(FIRST_TIMES)}
    rules["readings_by"] = "meter" if live and not trusting else "home"
    return {
        "version": 1,
        "mspid": recorded.mspid,
        "clock": "live" if live else "simulated",
        "net": recorded.transaction_id[:32],
        "trust_homes": trusting,
        "lengths": [[0, argument["period_min"]]],
        "offsets": [[0, argument["utc_offset_min"]]],
        "rules": [_with(rules, argument, 0)],
        "tariffs": [_tariff(argument["tariff"], 0, 0)],
        "holidays": [{"day": day, "published_s": 0} for day in sorted(set(argument.get("holidays", ())))],
        "transaction": recorded.transaction_id,
    }


def _changed(now: Situation, recorded: Recorded, argument: Json) -> tuple[Json, int]:
    before = now.configuration
    require(
        argument["replaces"] == before["version"],
        f"it replaces version {argument['replaces']}, and version {before['version']} is in force",
    )
    times = argument.get("times") or {}
    earliest = now.counts_from(times.get("opens_before_s") or 0)
    first = argument.get("from_period", earliest)
    require(first >= earliest, f"it changes period {first}, and windows before period {earliest} are open")
    first_s = now.period(first).start_s
    after = {**before, "version": before["version"] + 1, "transaction": recorded.transaction_id}
    if "utc_offset_min" in argument:
        after["offsets"] = _with_start(before["offsets"], [first_s, argument["utc_offset_min"]])
    calendar = calendar_of(after)
    if "period_min" in argument:
        day = calendar.day_at(first_s)
        require(calendar.first_instant(day) == first_s, f"period_min changes at {first}, no local midnight")
        after["lengths"] = _with_start(before["lengths"], [day, argument["period_min"]])
    if any(name in argument for name in (*_RULES, "times", "exchange", "carbon")):
        rules = [*before["rules"], _with(now.rules(first), argument, first)]
        after["rules"] = sorted(rules, key=lambda one: int(one["from_period"]))
    if "tariff" in argument:
        first_day = Calendar(calendar.offsets, now.calendar.lengths).day_at(first_s)
        from_day = argument["tariff"].get("from_day")
        require(
            from_day is None or from_day >= now.calendar.day_at(now.now_s),
            f"its tariff counts from day {from_day}, which is over",
        )
        tariff = _tariff(argument["tariff"], first_day if from_day is None else from_day, now.now_s)
        after["tariffs"] = [*before["tariffs"], tariff]
    known = {one["day"] for one in before["holidays"]}
    new_days = sorted(set(argument.get("holidays", ())) - known)
    after["holidays"] = [
        *before["holidays"],
        *({"day": day, "published_s": now.now_s} for day in new_days),
    ]
    return after, first


def _with(rules: Json, argument: Json, from_period: int) -> Json:
    changed = {name: argument[name] for name in _RULES if name in argument}
    times = {name: value for name, value in (argument.get("times") or {}).items() if value is not None}
    rules = dict(rules)
    if argument.get("exchange") == "none":
        rules.pop("exchange", None)
    elif "exchange" in argument:
        rules["exchange"] = argument["exchange"]
    if argument.get("carbon") == "none":
        rules.pop("carbon", None)
    elif "carbon" in argument:
        check_quota(argument["carbon"])
        rules["carbon"] = argument["carbon"]
    return {**rules, **changed, "from_period": from_period, "times": {**rules["times"], **times}}


def _with_start(versions: Iterable[list[int]], new: list[int]) -> list[list[int]]:
    return sorted([*(one for one in versions if one[0] != new[0]), new])


def _tariff(argument: Json, from_day: int, published_s: int) -> Json:
    """A tariff as the ledger holds it: every member is there, those left out with their defaults."""
    schedules = [
        {
            "days": _days(schedule["days"]),
            "bands": [{"sharing_price": None, **band} for band in schedule["bands"]],
        }
        for schedule in argument["schedules"]
    ]
    demand = argument.get("demand")
    return {
        "from_day": from_day,
        "published_s": published_s,
        "schedules": schedules,
        "local_fee": argument.get("local_fee", 0),
        "supply_naud_per_day": argument.get("supply_naud_per_day", 0),
        "demand": None if demand is None else {**demand, "days": _days(demand["days"])},
    }


def _days(days: Json) -> Json:
    return {"weekdays": list(days["weekdays"]), "holidays": bool(days.get("holidays", False))}


def _check(configuration: Json, first: int) -> None:
    """Difference unless what can still count from a period on goes together."""
    rules = configuration["rules"]
    in_force = [one for one in rules if one["from_period"] <= first][-1:] or rules[:1]
    coming = [*in_force, *(one for one in rules if one["from_period"] > first)]
    for one in coming:
        _check_rules(configuration, one)
    offsets = configuration["offsets"]
    calendar = calendar_of(configuration)
    day = calendar.day_at(first * MINUTE_S)
    lengths = {calendar.day_length_min(day), *(length for start, length in calendar.lengths if start > day)}
    for length_min in sorted(lengths):
        require(length_min in _LENGTHS_MIN, f"periods of {length_min} minutes")
        worst_s = max(one["times"]["clock_error_s"] for one in coming)
        require(length_min > 1 or worst_s <= 10, "periods of a minute with clocks that are 10 s wrong")
        require(
            len({offset_min % length_min for _, offset_min in offsets}) == 1,
            f"UTC offsets differ within periods of {length_min} minutes",
        )
        for from_s, offset_min in offsets[1:]:
            local_min = (from_s + MINUTE_S * offset_min) / MINUTE_S
            require(not local_min % length_min, "the UTC offset changes within a period")
    started = [one["from_day"] for one in configuration["tariffs"] if one["from_day"] <= day]
    for tariff in configuration["tariffs"]:
        if tariff["from_day"] >= max(started, default=0):
            _check_tariff(tariff, lengths)


def _check_rules(configuration: Json, rules: Json) -> None:
    times = rules["times"]
    least_s = 2 * times["clock_error_s"] + times["gate_grace_s"] + 30
    require(
        least_s <= times["closes_before_s"] < times["opens_before_s"],
        f"closes_before_s {times['closes_before_s']} is not within {least_s} to opens_before_s",
    )
    require(rules["keep_d"] >= times["final_after_d"] + 31, "keep_d ends before the last bill that needs it")
    require(3_600 * rules["key_delay_h"] >= times["opens_before_s"], "key_delay_h is shorter than a window")
    trusting = configuration["clock"] != "live" or configuration["trust_homes"]
    require(
        trusting or rules["readings_by"] == "meter", "homes measure on a live channel without trust_homes"
    )


def _check_tariff(tariff: Json, lengths: Iterable[int]) -> None:
    schedules = tariff["schedules"]
    for weekday in range(7):
        found = sum(weekday in one["days"]["weekdays"] for one in schedules)
        require(found == 1, f"weekday {weekday} has {found} schedules")
    require(sum(one["days"]["holidays"] for one in schedules) == 1, "holidays have not one schedule")
    fee = tariff["local_fee"]
    require(fee >= 0 and tariff["supply_naud_per_day"] >= 0, "a fee or the supply charge is negative")
    for schedule in schedules:
        edges = [0]
        for band in schedule["bands"]:
            require(band["from_min"] == edges[-1], f"band {band['name'][:40]} does not begin where one ends")
            edges.append(band["to_min"])
            most = band["tou"] - fee
            sharing = band["feed_in"] if band["sharing_price"] is None else band["sharing_price"]
            require(
                band["feed_in"] <= sharing <= most, f"the prices of band {band['name'][:40]} are not in order"
            )
        require(edges[-1] == DAY_MIN, "bands do not cover the day")
        if any(one >= other for one, other in pairwise(edges)):
            raise Difference("a band of the tariff is empty")
        for length in lengths:
            require(
                not any(edge % length for edge in edges), f"a band ends within a period of {length} minutes"
            )
