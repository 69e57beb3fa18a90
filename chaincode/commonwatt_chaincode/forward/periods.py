# SPDX-License-Identifier: Apache-2.0
"""Questions about periods: their times, states, prices and sums, which are everybody's; their awards, which are not."""

import json
from collections.abc import Sequence
from typing import Any

from ..market.forward.gates import closes_from_s, final_from_s, gate_s, window_opens_s
from ..shim import KeyValue, Stub
from . import keys
from .access import require_any_role
from .arguments import HomeSpan, OnePeriod, Span
from .kept import kept
from .queries import home_in_view
from .records import Awards, Cleared, Imported, OutsideAward, OutsideAwards, as_json, decode
from .state import rows, situation

Json = dict[str, Any]


async def get_period(stub: Stub, arguments: OnePeriod) -> Json:
    """A period: its times and prices, its gate, clearing and settlement as they stand."""
    require_any_role(stub)
    now = await situation(stub)
    period = now.period(arguments.period)
    times = now.rules(period).times
    tariff = now.tariff(period)
    names = {
        "gate": keys.gate_key(period.id),
        "meter": keys.meter_key(period.id),
        "cleared": keys.cleared_key(period.id),
        "settled": keys.settled_key(period.id),
        "feeder": keys.feeder_key(period.id),
        "imported": keys.imported_key(period.id),
    }
    values = await stub.get_states(list(names.values()))
    found = {name: _json(value) for name, value in zip(names, values, strict=True)}
    if found["imported"] is None:
        del found["imported"]  # as it always was, where nothing is traded with other communities
    sums = None
    if found["settled"]:
        sums = _json(await stub.get_state(keys.period_key(period.id, found["settled"]["version"])))
    return {
        "period": period.id,
        "length_min": period.length_min,
        "start_s": period.start_s,
        "end_s": period.end_s,
        "window_opens_s": window_opens_s(period, times),
        "gate_s": gate_s(period, times),
        "operator_closes_from_s": closes_from_s(period, times, True),
        "members_close_from_s": closes_from_s(period, times, False),
        "final_from_s": final_from_s(period, times),
        "day": now.day(period),
        "band": tariff.band.name,
        "prices": as_json(tariff.prices),
        **found,
        "sums": sums,
    }


async def list_periods(stub: Stub, arguments: Span) -> Json:
    """The periods of which anything is closed, frozen, cleared or settled, in order."""
    require_any_role(stub)
    await situation(stub)
    found: dict[int, Json] = {}
    for name, key in (
        ("gate", keys.gate_key),
        ("meter", keys.meter_key),
        ("cleared", keys.cleared_key),
        ("settled", keys.settled_key),
    ):
        for row in await rows(stub, key(arguments.from_period), key(arguments.to_period)):
            record = json.loads(row.value)
            empty = {"gate": None, "meter": None, "cleared": None, "settled": None}
            found.setdefault(record["period"], {"period": record["period"], **empty})[name] = record
    return {"periods": [found[period] for period in sorted(found)]}


async def get_prices(stub: Stub, arguments: Span) -> Json:
    """What periods were cleared at, and the prices that bound them."""
    require_any_role(stub)
    await situation(stub)
    cleared = [decode(Cleared, row.value) for row in await _cleared(stub, arguments)]
    return {
        "prices": [
            {
                "period": one.period,
                "price_uaud_per_kwh": one.price_uaud_per_kwh,
                "traded_wh": one.traded_wh,
                "tou": one.tou,
                "feed_in": one.feed_in,
                "local_fee": one.local_fee,
            }
            for one in cleared
        ]
    }


async def list_awards(stub: Stub, arguments: HomeSpan) -> Json:
    """What bids came to, by period; a home's own, or all."""
    now = await situation(stub)
    home = await home_in_view(stub, now, arguments.home)
    periods = [decode(Cleared, row.value).period for row in await _cleared(stub, arguments)]
    found = await kept(stub, [keys.awards_key(period) for period in periods])
    outside = await _outside(stub, periods)
    answers = []
    for period, one in zip(periods, found, strict=True):
        known = decode(Awards, one.checked())
        answers.append(
            {
                "period": period,
                "price_uaud_per_kwh": known.price_uaud_per_kwh,
                "awards": [as_json(one) for one in known.awards if home in (None, one.home)],
                **(
                    {"exchange": [as_json(one) for one in outside[period] if home in (None, one.home)]}
                    if period in outside
                    else {}
                ),
            }
        )
    return {"periods": answers}


async def _outside(stub: Stub, periods: Sequence[int]) -> dict[int, tuple[OutsideAward, ...]]:
    """What homes trade with other communities, by period in which they do."""
    values = await stub.get_states([keys.imported_key(period) for period in periods])
    imported = [decode(Imported, value) for value in values if value is not None]
    traded = [one.period for one in imported if one.trades]
    found = await kept(stub, [keys.outside_key(period) for period in traded])
    return {
        period: decode(OutsideAwards, one.checked()).awards for period, one in zip(traded, found, strict=True)
    }


async def _cleared(stub: Stub, span: Span) -> list[KeyValue]:
    return await rows(stub, keys.cleared_key(span.from_period), keys.cleared_key(span.to_period))


def _json(value: bytes | None) -> Any:
    return None if value is None else json.loads(value)
