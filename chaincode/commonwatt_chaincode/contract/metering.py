# SPDX-License-Identifier: Apache-2.0
"""Meter readings and what they do to a home's account."""

from typing import Any

from ..ledger import (
    COMMUNITY,
    LIVE,
    Community,
    Home,
    HomeAccount,
    ReadingRecord,
    account_key,
    decode,
    encode,
    home_key,
    range_of,
    reading_key,
    reading_prefix,
)
from ..market.battery import Account, battery_of, sellable_wh
from ..market.settlement import Interval, settle_interval
from ..market.tariff import DAY_S, MINUTE_S, local_minute, lowest_tou, tou_at
from ..shim import Stub
from .arguments import ReportReading
from .callers import HOME, METER, pseudonym, require_home, require_role
from .records import account_of, community_of, emit, home_of, reaching_back, stored
from .refusals import Code, refuse


async def report_reading(stub: Stub, arguments: ReportReading) -> dict[str, Any]:
    """Take a reading that continues the last one, or a corrected version of an earlier one."""
    require_role(stub, HOME, METER)
    community_value, home_value, account_value = await stub.get_states(
        [COMMUNITY, home_key(arguments.home), account_key(arguments.home)]
    )
    home = home_of(home_value, arguments.home)
    require_home(stub, home, HOME, METER)
    community, account = community_of(community_value), account_of(account_value, arguments.home)
    _check_interval(stub, community, arguments)
    community = await reaching_back(stub, community, arguments.interval_start)
    if arguments.correction:
        former = await _former(stub, arguments)
        reading, _ = _read(
            stub,
            community,
            arguments,
            former.capacity_wh,
            Account(former.energy_before_wh, former.reserved_before_wh),
            former.version + 1,
        )
        after = account
    else:
        _require_next(account, arguments)
        reading, interval = _read(stub, community, arguments, home.storage_wh, stored(account), 1)
        after = HomeAccount(
            interval.account.energy_wh,
            interval.account.reserved_wh,
            arguments.interval_end,
            stub.transaction_id,
        )
        await stub.put_state(account_key(home.home), encode(after))
    await stub.put_state(reading_key(reading.interval_start, home.home, reading.version), encode(reading))
    emit(
        stub,
        "reading_reported",
        {
            "interval_start": reading.interval_start,
            "interval_end": reading.interval_end,
            "version": reading.version,
            "pseudonym": pseudonym(stub, home.home),
        },
    )
    return _answer(community, home, reading, after)


def _check_interval(stub: Stub, community: Community, arguments: ReportReading) -> None:
    length_s = arguments.interval_end - arguments.interval_start
    if not 0 < length_s <= DAY_S or length_s % MINUTE_S:
        raise refuse(Code.BAD_ARGUMENT, "an interval has whole minutes, 1 to 1440")
    if community.clock == LIVE and arguments.interval_end > stub.timestamp.seconds:
        raise refuse(
            Code.FUTURE_INTERVAL, f"the interval ends at {arguments.interval_end}, later than the market time"
        )


def _require_next(account: HomeAccount, arguments: ReportReading) -> None:
    start, due = arguments.interval_start, account.metered_until
    if due < 0 or start == due:
        return
    if start < due:
        raise refuse(
            Code.INTERVAL_REPORTED,
            f"{arguments.home} is metered until {due}; send a correction to change what was read",
        )
    raise refuse(
        Code.INTERVAL_GAP, f"{arguments.home} is metered until {due}, the interval begins at {start}"
    )


async def _former(stub: Stub, arguments: ReportReading) -> ReadingRecord:
    rows = await stub.get_state_by_range(
        *range_of(reading_prefix(arguments.interval_start, arguments.home))
    ).rows()
    former = decode(ReadingRecord, rows[-1].value) if rows else None
    if former is None or former.interval_end != arguments.interval_end:
        raise refuse(Code.INTERVAL_UNKNOWN, f"{arguments.home} has no reading of this interval to correct")
    return former


def _read(
    stub: Stub,
    community: Community,
    arguments: ReportReading,
    capacity_wh: int,
    account: Account,
    version: int,
) -> tuple[ReadingRecord, Interval]:
    effective = community.version_at(arguments.interval_start)
    parameters = effective.parameters
    tou = tou_at(parameters.tou, local_minute(arguments.interval_start, parameters.utc_offset_min))
    if arguments.grid_charge_wh:
        if not parameters.storage_from_grid:
            raise refuse(Code.GRID_CHARGING_OFF, "this community's batteries charge from own generation only")
        if tou > lowest_tou(parameters.tou):
            raise refuse(Code.GRID_CHARGING_BAND, "batteries charge from the grid in the cheapest band only")
    try:
        interval = settle_interval(
            battery_of(parameters, capacity_wh),
            account,
            (arguments.interval_end - arguments.interval_start) // MINUTE_S,
            arguments.use_wh,
            arguments.generation_wh,
            arguments.grid_charge_wh,
        )
    except ValueError as error:
        raise refuse(Code.BATTERY_FULL, str(error)) from None
    reading = ReadingRecord(
        home=arguments.home,
        interval_start=arguments.interval_start,
        interval_end=arguments.interval_end,
        version=version,
        use_wh=arguments.use_wh,
        generation_wh=arguments.generation_wh,
        own_wh=interval.own_wh,
        need_wh=interval.need_wh,
        charged_wh=interval.charged_wh,
        spill_wh=interval.spill_wh,
        grid_charge_wh=interval.grid_charge_wh,
        energy_before_wh=account.energy_wh,
        reserved_before_wh=account.reserved_wh,
        capacity_wh=capacity_wh,
        parameters_version=effective.version,
        tou_uaud_per_kwh=tou,
        feed_in_uaud_per_kwh=parameters.feed_in,
        spill_price_uaud_per_kwh=parameters.feed_in if parameters.spill_policy == "FEED_IN" else 0,
        transaction=stub.transaction_id,
    )
    return reading, interval


def _answer(community: Community, home: Home, reading: ReadingRecord, account: HomeAccount) -> dict[str, Any]:
    battery = battery_of(community.parameters_at(reading.interval_start), home.storage_wh)
    return {
        "home": home.home,
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
