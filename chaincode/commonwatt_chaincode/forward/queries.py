# SPDX-License-Identifier: Apache-2.0
"""Questions about configuration, homes, keys, envelopes and sharing keys."""

import json
from typing import Any

from ..market.forward.envelopes import caps
from ..market.forward.gates import gate_s
from ..shim import Stub
from . import keys
from .access import require_any_role, require_reader, require_sees_all, sees_all
from .arguments import HomePeriod, KnownKeys, OneHome, OnePeriod
from .records import Forgotten, as_json, decode_optional
from .refusals import Code, refuse
from .state import Situation, all_homes, envelopes_of, home_of, sharing_keys_of, situation

Json = dict[str, Any]


async def get_configuration(stub: Stub) -> Json:
    """The configuration, and the market time."""
    require_any_role(stub)
    now = await situation(stub)
    return {"configuration": as_json(now.configuration), "now_s": now.now_s}


async def get_home(stub: Stub, arguments: OneHome) -> Json:
    """A registration, and the period before which nothing private of the home stays, where it was forgotten."""
    require_any_role(stub)
    now = await situation(stub)
    home = await home_of(stub, arguments.home)
    require_reader(stub, now.configuration, home)
    forgotten = decode_optional(Forgotten, await stub.get_state(keys.forgotten_key(home.home)))
    return {**as_json(home), "forgotten_before": forgotten.to_period if forgotten else None}


async def list_homes(stub: Stub) -> Json:
    """Every registration."""
    now = await situation(stub)
    require_sees_all(stub, now.configuration)
    return {"homes": as_json(await all_homes(stub))}


async def get_keys(stub: Stub, arguments: KnownKeys) -> Json:
    """The public keys of a home, its meter, the operator or a carrier."""
    require_any_role(stub)
    await situation(stub)
    value = await stub.get_state(keys.author_key(arguments.author, arguments.home))
    if value is None:
        raise refuse(Code.NO_KEY, f"no key of {arguments.author} {arguments.home} is set")
    return dict(json.loads(value))


async def get_envelopes(stub: Stub, arguments: HomePeriod) -> Json:
    """The envelopes that touch a period, those for all included, and with a home what its meter may count."""
    now = await situation(stub)
    home = await home_in_view(stub, now, arguments.home)
    period = now.period(arguments.period)
    found = [
        one
        for one in await envelopes_of(stub, period)
        if one.from_period <= period.id < one.to_period and home in (None, one.home or home)
    ]
    answer: Json = {"period": period.id, "envelopes": as_json(found)}
    if home is not None:
        closes_s = gate_s(period, now.rules(period).times)
        answer["caps"] = as_json(caps(found, home, period, closes_s))
    return answer


async def get_sharing_keys(stub: Stub, arguments: OnePeriod) -> Json:
    """The static sharing keys of a period; a home's own, or all."""
    now = await situation(stub)
    home = await home_in_view(stub, now, None)
    known = await sharing_keys_of(stub, now.period(arguments.period))
    return {
        "period": arguments.period,
        "keys": {one: ppm for one, ppm in known.items() if home in (None, one)},
    }


async def home_in_view(stub: Stub, now: Situation, home: str | None) -> str | None:
    """Whose records to answer: one home's, which the caller may read, or (None) everybody's.

    A home that names none asks for its own.
    """
    caller = require_any_role(stub)
    if home is None:
        if sees_all(caller, now.configuration):
            return None
        home = caller.attribute("home.id")
        if home is None:
            raise refuse(Code.NOT_YOURS, "the caller's certificate names no home")
    require_reader(stub, now.configuration, await home_of(stub, home))
    return home
