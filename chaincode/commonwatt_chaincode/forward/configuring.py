# SPDX-License-Identifier: Apache-2.0
"""Versions of the configuration, and the simulated clock.

The rules of a period are fixed when its window opens: a change names a period whose window is not open yet.
"""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

from ..ledger import COMMUNITY
from ..market.forward.carbon import Carbon
from ..market.forward.gates import Times, check_times
from ..market.forward.periods import Lengths, Offsets, check_lengths, length_of_day
from ..market.forward.tariffs import Holiday, Version, check_version
from ..market.tariff import MINUTE_S, day_start, local_day
from ..shim import Stub
from . import keys
from .access import OPERATOR, require_operator, require_role
from .arguments import AdvanceClock, Configure, NewTimes
from .records import LIVE, SIMULATED, Configuration, Exchange, Rules, SimulatedClock, encode
from .refusals import Code, refuse
from .state import Situation, situation, situation_of, void_once_the_next_gate_closes

RULES = ("pricing", "sharing", "readings_by", "estimate_w", "key_delay_h", "heal_s", "keep_d")
"""Members of ``configure`` that are rules as they are."""

HOUR_S = 3_600
MONTH_D = 31

Started = TypeVar("Started", bound=tuple[int, int])


async def configure(stub: Stub, arguments: Configure) -> dict[str, Any]:
    """Found the community, or change its configuration."""
    caller = require_role(stub, OPERATOR)
    value, clock, community = await stub.get_states([keys.CONFIGURATION, keys.CLOCK, COMMUNITY])
    if community is not None:
        raise refuse(Code.OTHER_MARKET, "this channel's market is ex_post: it was configured so for good")
    try:
        if value is None:
            configuration, from_period = await _founded(stub, caller.mspid, arguments), 0
        else:
            now = situation_of(stub, value, clock)
            require_operator(stub, now.configuration)
            await void_once_the_next_gate_closes(stub, now)
            configuration, from_period = _changed(now, arguments, stub.transaction_id)
        _check(configuration, from_period)
        _check_exchanges(configuration, stub.channel_id)
    except ValueError as error:
        raise refuse(Code.BAD_ARGUMENT, str(error)) from None
    await stub.put_state(keys.CONFIGURATION, encode(configuration))
    result = {"version": configuration.version, "net": configuration.net, "from_period": from_period}
    stub.set_event("configured", encode(result))
    return result


async def advance_clock(stub: Stub, arguments: AdvanceClock) -> dict[str, Any]:
    """Move the clock of a simulated channel forward."""
    require_role(stub, OPERATOR)
    now = await situation(stub)
    require_operator(stub, now.configuration)
    if now.configuration.clock != SIMULATED:
        raise refuse(Code.CLOCK_NOT_SIMULATED, f"the channel's clock is {LIVE}: nobody moves it")
    if arguments.to_s < now.now_s:
        raise refuse(Code.CLOCK_RUNS_BACK, f"{arguments.to_s} lies before the market time, {now.now_s}")
    clock = SimulatedClock(arguments.to_s, stub.transaction_id)
    await stub.put_state(keys.CLOCK, encode(clock))
    return {"time_s": clock.time_s}


async def _founded(stub: Stub, mspid: str, arguments: Configure) -> Configuration:
    """The first configuration: all in it counts from the start of time."""
    _require_version(arguments, 0)
    if arguments.tariff is None or arguments.period_min is None or arguments.utc_offset_min is None:
        raise ValueError("the first configure names period_min, utc_offset_min and tariff")
    if arguments.from_period:
        raise ValueError("the first configure counts from the start of time: it has no from_period")
    clock = arguments.clock or LIVE
    if clock == LIVE and arguments.at_s is not None:
        raise refuse(
            Code.CLOCK_NOT_SIMULATED, f"the channel's clock is {LIVE}: it takes no time from a caller"
        )
    if clock == SIMULATED:
        at_s = stub.timestamp.seconds if arguments.at_s is None else arguments.at_s
        await stub.put_state(keys.CLOCK, encode(SimulatedClock(at_s, stub.transaction_id)))
    trust_homes = bool(arguments.trust_homes)
    readings_by = "meter" if clock == LIVE and not trust_homes else "home"
    rules = _with_rules(Rules(0, Times(), readings_by=readings_by), arguments, 0)
    return Configuration(
        version=1,
        mspid=mspid,
        clock=clock,
        net=stub.transaction_id[:32],
        trust_homes=trust_homes,
        lengths=((0, arguments.period_min),),
        offsets=((0, arguments.utc_offset_min),),
        rules=(rules,),
        tariffs=(_tariff(arguments, 0, 0),),
        holidays=tuple(Holiday(day, 0) for day in sorted(set(arguments.holidays))),
        transaction=stub.transaction_id,
    )


def _changed(now: Situation, arguments: Configure, transaction: str) -> tuple[Configuration, int]:
    """The next configuration, and the first period that the change concerns."""
    before = now.configuration
    _require_version(arguments, before.version)
    if arguments.clock is not None or arguments.at_s is not None or arguments.trust_homes is not None:
        raise ValueError("clock, at_s and trust_homes are set by the first configure alone")
    opens_before_s = (arguments.times and arguments.times.opens_before_s) or 0
    earliest = now.counts_from(opens_before_s)
    first = earliest if arguments.from_period is None else arguments.from_period
    if first < earliest:
        raise refuse(
            Code.TOO_LATE, f"windows before period {earliest} are open: name that period or a later one"
        )
    first_s = now.period(first).start_s
    offsets, lengths = before.offsets, before.lengths
    if arguments.utc_offset_min is not None:
        offsets = _started(offsets, (first_s, arguments.utc_offset_min))
    if arguments.period_min is not None:
        day = _day_that_starts(first_s, offsets)
        lengths = _started(lengths, (day, arguments.period_min))
    rules = before.rules
    if any(getattr(arguments, name) is not None for name in (*RULES, "times", "exchange", "carbon")):
        changed = _with_rules(before.rules_of(first), arguments, first)
        rules = tuple(sorted((*rules, changed), key=lambda one: one.from_period))
    tariffs = before.tariffs
    if arguments.tariff is not None:
        tariffs = (*tariffs, _new_tariff(now, arguments, local_day(first_s, offsets)))
    known = {holiday.day for holiday in before.holidays}
    holidays = tuple(Holiday(day, now.now_s) for day in sorted(set(arguments.holidays) - known))
    return replace(
        before,
        version=before.version + 1,
        lengths=lengths,
        offsets=offsets,
        rules=rules,
        tariffs=tariffs,
        holidays=(*before.holidays, *holidays),
        transaction=transaction,
    ), first


def _require_version(arguments: Configure, version: int) -> None:
    if arguments.replaces != version:
        raise refuse(
            Code.OTHER_VERSION, f"version {version} is in force, not {arguments.replaces}: read it and retry"
        )


def _with_rules(before: Rules, arguments: Configure, from_period: int) -> Rules:
    """The rules with what the argument changes."""
    given = {name: getattr(arguments, name) for name in RULES if getattr(arguments, name) is not None}
    times = replace(before.times, **_given(arguments.times)) if arguments.times else before.times
    exchange = before.exchange
    if arguments.exchange is not None:
        new = arguments.exchange
        exchange = None if new == "none" else Exchange(new.channel, new.chaincode, new.void_after_s)
    carbon = before.carbon
    if arguments.carbon is not None:
        quota = arguments.carbon
        carbon = (
            None
            if quota == "none"
            else Carbon(quota.quota_g_per_day, quota.price_uaud_per_kg, quota.intensity)
        )
    return replace(before, from_period=from_period, times=times, exchange=exchange, carbon=carbon, **given)


def _given(times: NewTimes) -> dict[str, int]:
    values = {field.name: getattr(times, field.name) for field in fields(times)}
    return {name: value for name, value in values.items() if value is not None}


def _started(versions: Iterable[Started], new: Started) -> tuple[Started, ...]:
    """Versions by start, with a new one in the place of one with its start."""
    return tuple(sorted((*(one for one in versions if one[0] != new[0]), new)))


def _day_that_starts(start_s: int, offsets: Offsets) -> int:
    day = local_day(start_s, offsets)
    if day_start(day, offsets) != start_s:
        midnight = day_start(day + 1, offsets) // MINUTE_S
        raise refuse(
            Code.BAD_PERIOD, f"period_min changes at a local midnight, the next one at period {midnight}"
        )
    return day


def _tariff(arguments: Configure, from_day: int, published_s: int) -> Version:
    assert arguments.tariff is not None
    new = arguments.tariff
    return Version(from_day, published_s, new.schedules, new.local_fee, new.supply_naud_per_day, new.demand)


def _new_tariff(now: Situation, arguments: Configure, earliest_day: int) -> Version:
    assert arguments.tariff is not None
    from_day = arguments.tariff.from_day
    today = local_day(now.now_s, now.configuration.offsets)
    if from_day is not None and from_day < today:
        raise refuse(Code.TOO_LATE, f"day {from_day} is over; today is day {today}")
    return _tariff(arguments, earliest_day if from_day is None else from_day, now.now_s)


def _check(configuration: Configuration, from_period: int) -> None:
    """ValueError unless rules, lengths and tariffs that can still count from a period on go together."""
    in_force = configuration.rules_of(from_period)
    coming = [in_force, *(one for one in configuration.rules if one.from_period > from_period)]
    for rules in coming:
        check_times(rules.times)
        if rules.key_delay_h * HOUR_S < rules.times.opens_before_s:
            raise ValueError("key_delay_h: a recovered key must not count in a window that is open")
        if rules.keep_d < rules.times.final_after_d + MONTH_D:
            raise ValueError(f"keep_d: at least final_after_d + {MONTH_D}, for the bill of a month's end")
        if configuration.clock == LIVE and rules.readings_by == "home" and not configuration.trust_homes:
            raise ValueError("readings_by: home on a live channel asks for trust_homes")
    least_exact_s = max(rules.times.clock_error_s for rules in coming)
    day = local_day(from_period * MINUTE_S, configuration.offsets)
    past = [one for one in configuration.lengths if one[0] <= day]
    # Lengths of days that are over bind neither clocks nor offsets to come.
    check_lengths(configuration.lengths[max(0, len(past) - 1) :], configuration.offsets, least_exact_s)
    lengths = _lengths_from(day, configuration.lengths)
    latest = max((one.from_day for one in configuration.tariffs if one.from_day <= day), default=0)
    for tariff in configuration.tariffs:
        if tariff.from_day >= latest:
            for length_min in lengths:
                check_version(tariff, length_min)


def _check_exchanges(configuration: Configuration, channel: str) -> None:
    if any(rules.exchange is not None and rules.exchange.channel == channel for rules in configuration.rules):
        raise ValueError("exchange: its channel is another one than the community's own")


def _lengths_from(day: int, lengths: Lengths) -> set[int]:
    return {length_of_day(day, lengths), *(length_min for start, length_min in lengths if start > day)}
