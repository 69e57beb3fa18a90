# SPDX-License-Identifier: Apache-2.0
"""What the grid publishes: envelopes of power, and what the feeder's meter counted."""

from typing import Any

from ..market.forward.envelopes import Envelope
from ..market.forward.gates import gate_s
from ..market.forward.periods import period_at
from ..market.tariff import DAY_MIN, MINUTE_S
from ..shim import Stub
from . import keys
from .access import require_grid
from .arguments import ReportFeeder, SetEnvelope
from .records import Envelopes, Feeder, decode_optional, encode
from .refusals import Code, refuse
from .state import Situation, home_of, situation, void_once_the_next_gate_closes

MOST_DAYS = 400
MOST_ENVELOPES = 1_000
"""Of one home, or of all, on one day."""


async def set_envelope(stub: Stub, arguments: SetEnvelope) -> dict[str, Any]:
    """Publish an envelope; of a period whose gate is past it changes nothing."""
    now = await situation(stub)
    require_grid(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    if arguments.home is not None:
        await home_of(stub, arguments.home)
    envelope = Envelope(
        arguments.home,
        arguments.from_period,
        arguments.to_period,
        arguments.import_w,
        arguments.export_w,
        now.now_s,
    )
    days = range(envelope.from_period // DAY_MIN, (envelope.to_period - 1) // DAY_MIN + 1)
    if len(days) > MOST_DAYS:
        raise refuse(Code.BAD_ARGUMENT, f"an envelope spans at most {MOST_DAYS} days, not {len(days)}")
    values = await stub.get_states([keys.envelopes_key(day, envelope.home) for day in days])
    for day, value in zip(days, values, strict=True):
        known = decode_optional(Envelopes, value)
        standing = tuple(
            one for one in (known.envelopes if known else ()) if not _replaced(now, one, envelope)
        )
        if len(standing) >= MOST_ENVELOPES:
            raise refuse(Code.TOO_MANY, f"day {day} has {MOST_ENVELOPES} envelopes already")
        record = Envelopes(day, envelope.home, (*standing, envelope), stub.transaction_id)
        await stub.put_state(keys.envelopes_key(day, envelope.home), encode(record))
    return {"days": len(days), "published_s": now.now_s}


async def report_feeder(stub: Stub, arguments: ReportFeeder) -> dict[str, Any]:
    """Report, or correct, what the feeder's meter counted in a period that is over."""
    now = await situation(stub)
    require_grid(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    period = now.period(arguments.period)
    if now.now_s < period.end_s:
        raise refuse(Code.TOO_EARLY, f"period {period.id} is over at {period.end_s}; it is {now.now_s}")
    feeder = Feeder(period.id, arguments.import_wh, arguments.export_wh, stub.transaction_id)
    await stub.put_state(keys.feeder_key(period.id), encode(feeder))
    return {"period": period.id}


def _replaced(now: Situation, old: Envelope, new: Envelope) -> bool:
    """Whether no period that an envelope was for needs it any more: the new one covers it, and no gate was past."""
    if not (new.from_period <= old.from_period and old.to_period <= new.to_period):
        return False
    configuration = now.configuration
    period = period_at(old.from_period * MINUTE_S, configuration.lengths, configuration.offsets)
    return gate_s(period, now.rules(period).times) > now.now_s
