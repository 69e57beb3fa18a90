# SPDX-License-Identifier: Apache-2.0
"""Corrected readings: a new version with a reason, for the bill alone."""

from dataclasses import replace
from typing import Any

from ..ledger import (
    CLOCK,
    COMMUNITY,
    ReadingRecord,
    Version,
    account_key,
    decode,
    encode,
    home_key,
    range_of,
    reading_key,
    reading_prefix,
    version_key,
)
from ..market.settlement import balance
from ..market.tariff import DAY_S
from ..shim import Stub
from .arguments import CorrectReading
from .callers import METER, OPERATOR, require_home, require_operator, require_role
from .clock import market_time
from .metering import Metering, answer, check_day, check_power, emit_reading, generation_of, readings_of_day
from .records import account_of, community_of, home_of, reaching_back
from .refusals import Code, refuse


async def correct_reading(stub: Stub, arguments: CorrectReading) -> dict[str, Any]:
    """Replace a reading's use and generation. Awards rest on the battery's flows: these stay, the grid bears the rest.

    Its day's bill follows when the day is settled again.
    """
    caller = require_role(stub, METER, OPERATOR)
    # The account is read because every reading of the home writes it: a correction held back is void by then.
    community_value, clock_value, home_value, account_value = await stub.get_states(
        [COMMUNITY, CLOCK, home_key(arguments.home), account_key(arguments.home)]
    )
    home, community = home_of(home_value, arguments.home), community_of(community_value)
    if caller.attribute("role") == METER:
        require_home(stub, home, METER)
    else:
        require_operator(stub, community.mspid)
    now = market_time(stub, community, clock_value)
    community = await reaching_back(stub, community, arguments.interval_start - 2 * DAY_S)
    former = await _former(stub, arguments)
    version = await _version(stub, former)
    earliest = now - version.parameters.correct_within_d * DAY_S
    if former.interval_end < earliest:
        raise refuse(Code.INTERVAL_TOO_OLD, f"the interval ended at {former.interval_end}, before {earliest}")
    need_wh, spill_wh = balance(arguments.use_wh, arguments.generation_wh, former.own_wh, former.charged_wh)
    reading = replace(
        former,
        version=former.version + 1,
        use_wh=arguments.use_wh,
        generation_wh=arguments.generation_wh,
        need_wh=need_wh,
        spill_wh=spill_wh,
        reason=arguments.reason,
        transaction=stub.transaction_id,
    )
    check_power(version, home, reading)
    day = community.local_day(former.interval_start)
    generated_wh = generation_of(await readings_of_day(stub, community, home.home, day))
    generated_wh += reading.generation_wh - former.generation_wh
    check_day(home, generated_wh)
    account = account_of(account_value, home.home)
    if account.day == day:
        account = replace(account, generation_wh=generated_wh, transaction=stub.transaction_id)
        await stub.put_state(account_key(home.home), encode(account))
    await stub.put_state(reading_key(home.home, reading.interval_start, reading.version), encode(reading))
    emit_reading(stub, reading)
    return answer(Metering(community, version, home, now, reading, account)) | {"day": day}


async def _former(stub: Stub, arguments: CorrectReading) -> ReadingRecord:
    rows = await stub.get_state_by_range(
        *range_of(reading_prefix(arguments.home, arguments.interval_start))
    ).rows()
    if not rows:
        raise refuse(
            Code.INTERVAL_UNKNOWN, f"{arguments.home} reported no interval from {arguments.interval_start}"
        )
    return decode(ReadingRecord, rows[-1].value)


async def _version(stub: Stub, reading: ReadingRecord) -> Version:
    """The version by which the interval was first settled."""
    value = await stub.get_state(version_key(reading.parameters_version))
    if value is None:
        raise refuse(Code.UNKNOWN_VERSION, f"the parameters have no version {reading.parameters_version}")
    return decode(Version, value)
