# SPDX-License-Identifier: Apache-2.0
"""Registrations: the operator proposes, an identity of the grid confirms, and the next window counts them."""

from dataclasses import replace
from typing import Any

from ..market.forward.bids import Connection
from ..shim import Stub
from . import keys
from .access import require_grid, require_operator
from .arguments import ConfirmHome, ConfirmHomes, EndHome, NewHome, NewHomes
from .records import Configuration, ConnectionVersion, Home, decode, decode_optional, encode
from .refusals import Code, refuse
from .state import home_of, situation, void_once_the_next_gate_closes


async def register_home(stub: Stub, arguments: NewHome | NewHomes) -> dict[str, Any]:
    """Propose registrations, or other connections of homes that are registered, and take back a proposed end."""
    now = await situation(stub)
    require_operator(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    proposals = arguments.homes if isinstance(arguments, NewHomes) else (arguments,)
    values = await stub.get_states([keys.registration_key(one.home) for one in proposals])
    for new, value in zip(proposals, values, strict=True):
        home = _proposed(now.configuration, decode_optional(Home, value), new, stub.transaction_id)
        await stub.put_state(keys.registration_key(home.home), encode(home))
    return {"homes": [new.home for new in proposals]}


async def confirm_home(stub: Stub, arguments: ConfirmHome | ConfirmHomes) -> dict[str, Any]:
    """Confirm what is proposed of homes: a connection, an end, or both.

    The grid may say which proposals it saw: others, which the operator put in their place meanwhile, are not
    confirmed.
    """
    now = await situation(stub)
    require_grid(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    seen: dict[str, str | None]
    if isinstance(arguments, ConfirmHomes):
        homes, seen = arguments.homes, dict(arguments.transactions or {})
    else:
        homes, seen = (arguments.home,), {arguments.home: arguments.transaction}
    registrations = await stub.get_states([keys.registration_key(home) for home in homes])
    home_keys = await stub.get_states([keys.author_key("home", home) for home in homes])
    first = now.counts_from()
    for home, value, key in zip(homes, registrations, home_keys, strict=True):
        if value is None:
            raise refuse(Code.UNKNOWN_HOME, f"home {home} is not registered")
        if key is None:
            raise refuse(Code.NO_KEY, f"home {home} has no key: set_key comes first")
        proposed = decode(Home, value)
        if seen.get(home) not in (None, proposed.transaction):
            raise refuse(
                Code.NOTHING_PROPOSED, f"something else is proposed of home {home} by now: look again"
            )
        confirmed = _confirmed(proposed, first, stub.transaction_id)
        await stub.put_state(keys.registration_key(home), encode(confirmed))
    return {"homes": list(homes), "from_period": first}


async def end_home(stub: Stub, arguments: EndHome) -> dict[str, Any]:
    """Propose from which period on a home takes no part."""
    now = await situation(stub)
    require_operator(stub, now.configuration)
    await void_once_the_next_gate_closes(stub, now)
    home = await home_of(stub, arguments.home)
    _require_lasting(home)
    to_period = now.counts_from() if arguments.to_period is None else now.period(arguments.to_period).id
    ending = replace(home, proposed_end=to_period, transaction=stub.transaction_id)
    await stub.put_state(keys.registration_key(home.home), encode(ending))
    return {"home": home.home, "to_period": to_period}


def _proposed(configuration: Configuration, home: Home | None, new: NewHome, transaction: str) -> Home:
    connection = Connection(new.connection_w, new.pv_w, new.battery_w)
    if home is None:
        home = Home(
            new.home, new.home_class, configuration.mspid, "", 0, (), connection, None, None, transaction
        )
    _require_lasting(home)
    return replace(
        home,
        home_class=new.home_class,
        mspid=home.mspid if new.mspid is None else new.mspid,
        owner=home.owner if new.owner is None else new.owner,
        storage_wh=new.storage_wh,
        proposed=connection,
        proposed_end=None,  # a home that gets another connection stays
        transaction=transaction,
    )


def _require_lasting(home: Home) -> None:
    if home.to_period is not None:
        raise refuse(
            Code.HOME_ENDED,
            f"home {home.home} ends with period {home.to_period}: register a new occupant anew",
        )


def _confirmed(home: Home, first: int, transaction: str) -> Home:
    if home.proposed is None and home.proposed_end is None:
        raise refuse(Code.NOTHING_PROPOSED, f"nothing of home {home.home} waits for the grid")
    versions = home.versions
    if home.proposed is not None:
        # A window that was not open yet has seen nothing of what this replaces.
        versions = (
            *(one for one in versions if one.from_period < first),
            ConnectionVersion(first, home.proposed),
        )
    to_period = home.to_period if home.proposed_end is None else max(home.proposed_end, first)
    return replace(
        home,
        versions=versions,
        proposed=None,
        to_period=to_period,
        proposed_end=None,
        transaction=transaction,
    )
