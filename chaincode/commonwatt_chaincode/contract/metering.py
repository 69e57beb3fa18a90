# SPDX-License-Identifier: Apache-2.0
"""Meter readings: each interval once, possible, and applied to the home's account."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..ledger import (
    CLOCK,
    COMMUNITY,
    Community,
    Home,
    HomeAccount,
    ReadingRecord,
    Version,
    account_key,
    decode,
    encode,
    home_key,
    reading_key,
    span_of,
)
from ..market.battery import Account, after_gap, battery_of, sellable_wh
from ..market.possible import most_daily_generation_wh, most_generation_wh, most_use_wh
from ..market.settlement import Interval, balance, settle_interval
from ..market.tariff import DAY_S, MINUTE_S, band_at, local_minute, lowest_tou, tou_at
from ..shim import Stub
from .arguments import ReportReading
from .callers import HOME, METER, require_home, require_role
from .clock import interval_time
from .records import account_of, community_of, emit, home_of, reaching_back, stored
from .refusals import Code, refuse


@dataclass(frozen=True)
class Metering:
    """A reading that was taken: by whose rules, at what market time, and what it left in the account."""

    community: Community
    version: Version
    home: Home
    now: int
    reading: ReadingRecord
    account: HomeAccount


async def report_reading(stub: Stub, arguments: ReportReading) -> dict[str, Any]:
    """Take the reading of an interval for which nothing is bid."""
    metering = await take_reading(stub, arguments)
    emit_reading(stub, metering.reading)
    return answer(metering)


async def take_reading(stub: Stub, arguments: ReportReading) -> Metering:
    """Check a reading, apply it to the account (section 4), and write both."""
    require_role(stub, HOME, METER)
    community_value, clock_value, home_value, account_value = await stub.get_states(
        [COMMUNITY, CLOCK, home_key(arguments.home), account_key(arguments.home)]
    )
    home = home_of(home_value, arguments.home)
    require_home(stub, home, HOME, METER)
    community, account = community_of(community_value), account_of(account_value, arguments.home)
    now = interval_time(stub, community, clock_value, arguments.interval_end)
    community = await reaching_back(stub, community, arguments.interval_start - 2 * DAY_S)
    version = community.version_at(arguments.interval_start)
    _require_reporter(stub, version)
    _check_age(version, home, arguments, now)
    _check_length(version, arguments)
    late = arguments.interval_start < account.metered_until
    others = await _others(stub, community, arguments) if late else ()
    _check_free(arguments, others)
    check_power(version, home, arguments)
    before = account
    account = _with_generation(community, home, account, arguments, others if late else None)
    interval = _late(arguments) if late else _settled(version, home, account, arguments)
    reading = _record(stub, version, arguments, interval)
    after = replace(
        account,
        energy_wh=account.energy_wh if late else interval.account.energy_wh,
        metered_until=max(account.metered_until, arguments.interval_end),
    )
    if not late or after != before:  # late readings of different days so do not meet
        after = replace(after, transaction=stub.transaction_id)
        await stub.put_state(account_key(home.home), encode(after))
    await stub.put_state(reading_key(home.home, reading.interval_start, 1), encode(reading))
    return Metering(community, version, home, now, reading, after)


def emit_reading(stub: Stub, reading: ReadingRecord) -> None:
    """Say that some home reported an interval."""
    names = ("interval_start", "interval_end", "version")
    emit(stub, "reading_reported", {name: getattr(reading, name) for name in names})


def answer(metering: Metering) -> dict[str, Any]:
    """What a reading came to, as its home reads it."""
    reading, account = metering.reading, metering.account
    battery = battery_of(metering.version.parameters, metering.home.storage_wh)
    return {
        "home": reading.home,
        "interval_start": reading.interval_start,
        "interval_end": reading.interval_end,
        "version": reading.version,
        "own_wh": reading.own_wh,
        "need_wh": reading.need_wh,
        "charged_wh": reading.charged_wh,
        "spill_wh": reading.spill_wh,
        "grid_charge_wh": reading.grid_charge_wh,
        "battery_wh": account.energy_wh,
        "reserved_wh": account.reserved_wh,
        "available_wh": sellable_wh(battery, stored(account)),
        "transaction": reading.transaction,
    }


def check_power(version: Version, home: Home, arguments: ReadingRecord | ReportReading) -> None:
    """Refuse more use than the connection carries, or more generation than the panels can give in the interval."""
    start, end = arguments.interval_start, arguments.interval_end
    used_wh = arguments.use_wh + arguments.grid_charge_wh
    most_wh = most_use_wh(home.connection_w, start, end)
    if used_wh > most_wh:
        raise refuse(
            Code.IMPOSSIBLE_READING, f"{used_wh} Wh of use are more than the connection carries, {most_wh} Wh"
        )
    most_wh = most_generation_wh(version.parameters, home.pv_w, start, end)
    if arguments.generation_wh > most_wh:
        raise refuse(
            Code.IMPOSSIBLE_READING,
            f"{arguments.generation_wh} Wh of generation are more than the panels can give, {most_wh} Wh",
        )


def check_day(home: Home, generated_wh: int) -> None:
    """Refuse more generation on a local day than the panels can give."""
    most_wh = most_daily_generation_wh(home.pv_w)
    if generated_wh > most_wh:
        raise refuse(
            Code.IMPOSSIBLE_READING,
            f"with it the day's generation is {generated_wh} Wh, more than the panels can give, {most_wh} Wh",
        )


async def readings_between(stub: Stub, home: str, from_s: int, to_s: int) -> list[ReadingRecord]:
    """A home's intervals that begin in [from_s, to_s), each as last corrected, in order."""
    latest: dict[int, ReadingRecord] = {}
    async for row in stub.get_state_by_range(*span_of("reading", home, from_s, to_s)):
        reading = decode(ReadingRecord, row.value)  # versions come in order
        latest[reading.interval_start] = reading
    return list(latest.values())


async def readings_of_day(stub: Stub, community: Community, home: str, day: int) -> list[ReadingRecord]:
    """A home's intervals that began on a local day."""
    return await readings_between(stub, home, community.day_start(day), community.day_start(day + 1))


def generation_of(readings: Iterable[ReadingRecord]) -> int:
    """Wh generated in these intervals."""
    return sum(reading.generation_wh for reading in readings)


def _require_reporter(stub: Stub, version: Version) -> None:
    if version.parameters.readings_by == "meter":
        require_role(stub, METER)


def _check_age(version: Version, home: Home, arguments: ReportReading, now: int) -> None:
    earliest = now - version.parameters.correct_within_d * DAY_S
    if arguments.interval_end < earliest:
        raise refuse(
            Code.INTERVAL_TOO_OLD, f"the interval ends at {arguments.interval_end}, before {earliest}"
        )
    if arguments.interval_start < home.registered_at - DAY_S:
        raise refuse(Code.INTERVAL_TOO_OLD, f"{home.home} was registered at {home.registered_at}")


def _check_length(version: Version, arguments: ReportReading) -> None:
    parameters, start, end = version.parameters, arguments.interval_start, arguments.interval_end
    if end <= start or (end - start) % MINUTE_S:
        raise refuse(Code.BAD_INTERVAL, "an interval has whole minutes, at least one")
    minutes = (end - start) // MINUTE_S
    if minutes > parameters.st_max:
        raise refuse(Code.BAD_INTERVAL, f"{minutes} minutes are more than st_max, {parameters.st_max}")
    minute = local_minute(start, parameters.utc_offset_min)
    change = 60 * band_at(parameters.tou, minute).to_hour
    if parameters.cut_at_bands and (start + parameters.utc_offset_min * MINUTE_S) % DAY_S > (
        change * MINUTE_S - (end - start)
    ):
        raise refuse(Code.BAD_INTERVAL, f"the tariff changes at minute {change}, within the interval")


async def _others(stub: Stub, community: Community, arguments: ReportReading) -> list[ReadingRecord]:
    """What could overlap a late reading, and what was read on its day."""
    day = community.local_day(arguments.interval_start)
    from_s = min(community.day_start(day), arguments.interval_start - DAY_S)
    to_s = max(community.day_start(day + 1), arguments.interval_end)
    return await readings_between(stub, arguments.home, from_s, to_s)


def _check_free(arguments: ReportReading, others: Iterable[ReadingRecord]) -> None:
    for other in others:
        if other.interval_start < arguments.interval_end and arguments.interval_start < other.interval_end:
            raise refuse(
                Code.INTERVAL_REPORTED,
                f"{arguments.home} reported {other.interval_start} to {other.interval_end}: correct that reading",
            )


def _with_generation(
    community: Community,
    home: Home,
    account: HomeAccount,
    arguments: ReportReading,
    others: Iterable[ReadingRecord] | None,
) -> HomeAccount:
    """The account with the day's generation; ``others`` are the readings around a late interval."""
    day = community.local_day(arguments.interval_start)
    if others is None:
        before_wh = account.generation_wh if day == account.day else 0
    else:
        before_wh = generation_of(one for one in others if community.local_day(one.interval_start) == day)
    check_day(home, before_wh + arguments.generation_wh)
    if day < account.day:
        return account
    return replace(account, day=day, generation_wh=before_wh + arguments.generation_wh)


def _late(arguments: ReportReading) -> Interval:
    """An interval before one that was reported: too late for the battery, so the grid served it."""
    if arguments.grid_charge_wh:
        raise refuse(Code.BATTERY_FULL, "an interval before one that was reported charges no battery")
    need_wh, spill_wh = balance(arguments.use_wh, arguments.generation_wh, 0, 0)
    return Interval(0, need_wh, 0, spill_wh, 0, Account())


def _settled(version: Version, home: Home, account: HomeAccount, arguments: ReportReading) -> Interval:
    parameters = version.parameters
    tou = tou_at(parameters.tou, local_minute(arguments.interval_start, parameters.utc_offset_min))
    if arguments.grid_charge_wh:
        if not parameters.storage_from_grid:
            raise refuse(Code.GRID_CHARGING_OFF, "this community's batteries charge from own generation only")
        if tou > lowest_tou(parameters.tou):
            raise refuse(Code.GRID_CHARGING_BAND, "batteries charge from the grid in the cheapest band only")
    battery, energy = battery_of(parameters, home.storage_wh), stored(account)
    if 0 <= account.metered_until < arguments.interval_start:
        gap_s = arguments.interval_start - account.metered_until
        energy = after_gap(battery, energy, -(-gap_s // MINUTE_S))
    try:
        return settle_interval(
            battery,
            energy,
            (arguments.interval_end - arguments.interval_start) // MINUTE_S,
            arguments.use_wh,
            arguments.generation_wh,
            arguments.grid_charge_wh,
        )
    except ValueError as error:
        raise refuse(Code.BATTERY_FULL, str(error)) from None


def _record(stub: Stub, version: Version, arguments: ReportReading, interval: Interval) -> ReadingRecord:
    parameters = version.parameters
    return ReadingRecord(
        home=arguments.home,
        interval_start=arguments.interval_start,
        interval_end=arguments.interval_end,
        version=1,
        use_wh=arguments.use_wh,
        generation_wh=arguments.generation_wh,
        own_wh=interval.own_wh,
        need_wh=interval.need_wh,
        charged_wh=interval.charged_wh,
        spill_wh=interval.spill_wh,
        grid_charge_wh=interval.grid_charge_wh,
        parameters_version=version.version,
        tou_uaud_per_kwh=tou_at(
            parameters.tou, local_minute(arguments.interval_start, parameters.utc_offset_min)
        ),
        feed_in_uaud_per_kwh=parameters.feed_in,
        spill_price_uaud_per_kwh=parameters.feed_in if parameters.spill_policy == "FEED_IN" else 0,
        reason="",
        transaction=stub.transaction_id,
    )
