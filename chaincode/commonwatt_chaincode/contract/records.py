# SPDX-License-Identifier: Apache-2.0
"""Records that transactions need, with the refusal for each that does not exist."""

from dataclasses import replace

from ..ledger import (
    CLEARED,
    VOID,
    Community,
    Home,
    HomeAccount,
    Price,
    Round,
    Version,
    decode,
    encode,
    in_order,
    range_of,
    versions_prefix,
)
from ..market.battery import Account
from ..market.prices import PriceState
from ..shim import Stub
from .refusals import Code, refuse


def community_of(value: bytes | None) -> Community:
    """The community record."""
    if value is None:
        raise refuse(Code.NOT_CONFIGURED, "the operator has not configured this channel yet")
    return decode(Community, value)


async def reaching_back(stub: Stub, community: Community, time_s: int) -> Community:
    """The community with all versions of its parameters where those at hand begin later than ``time_s``."""
    newest = max(version.version for version in community.versions)
    if community.versions[0].starts_at <= time_s or len(community.versions) == newest:
        return community
    rows = await stub.get_state_by_range(*range_of(versions_prefix())).rows()
    return replace(community, versions=in_order(decode(Version, row.value) for row in rows))


def price_of(value: bytes | None) -> Price:
    """The price history; empty before the first fill."""
    return Price(PriceState(), (), "", "") if value is None else decode(Price, value)


def home_of(value: bytes | None, home: str) -> Home:
    """A registration."""
    if value is None:
        raise refuse(Code.UNKNOWN_HOME, f"home {home} is not registered")
    return decode(Home, value)


def account_of(value: bytes | None, home: str) -> HomeAccount:
    """A home's account."""
    if value is None:
        raise refuse(Code.UNKNOWN_HOME, f"home {home} has no account")
    return decode(HomeAccount, value)


def round_of(value: bytes | None, round_id: str) -> Round:
    """A round in any state."""
    if value is None:
        raise refuse(Code.UNKNOWN_ROUND, f"there is no round {round_id}")
    return decode(Round, value)


def running_round_of(value: bytes | None, round_id: str) -> Round:
    """A round that is not closed."""
    round_ = round_of(value, round_id)
    if round_.state in (CLEARED, VOID):
        raise refuse(Code.ROUND_CLOSED, f"round {round_id} is closed")
    return round_


def stored(account: HomeAccount) -> Account:
    """The energy of a home's account as the rules see it."""
    return Account(account.energy_wh, account.reserved_wh, account.sold_wh)


def with_energy(account: HomeAccount, energy: Account, transaction: str) -> HomeAccount:
    """A home's account with other energy; its figures of the meter stay."""
    return replace(
        account,
        energy_wh=energy.energy_wh,
        reserved_wh=energy.reserved_wh,
        sold_wh=energy.sold_wh,
        transaction=transaction,
    )


def emit(stub: Stub, event: str, payload: object) -> None:
    """Publish the transaction's one event."""
    stub.set_event(event, encode(payload))
