# SPDX-License-Identifier: Apache-2.0
"""A channel of the forward market made ready: configured, its homes registered, with their keys, and confirmed."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from commonwatt_chaincode.messages.keys import EDDSA, thumbprint
from commonwatt_chaincode.messages.message import read
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Home, Standing
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.signing_key import SigningKey, load_key, make_key

from commonwatt_loadgen.forward.parties import Parties

HOME = "home"
MOST_HOMES = 200
"""Homes that one transaction registers or confirms."""

_AT_ONCE = 16
Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class NumbersInMemory:
    """Which seq an author used last, in place of a journal: for one whose messages nobody asks for after a crash."""

    highest: dict[tuple[str, str, str, int, str], int] = field(default_factory=dict)

    def highest_seq(self, net: str, channel: str, home: str, period: int, kind: str) -> int:
        """See `Keeps`."""
        return self.highest.get((net, channel, home, period, kind), 0)

    def write(self, compact: bytes) -> None:
        """See `Keeps`."""
        message = read(compact)
        if message.kind is not None:
            place = (message.net, message.channel, message.home, message.period, message.kind)
            self.highest[place] = max(message.seq, self.highest.get(place, 0))


async def configured(market: ForwardMarket, first: Mapping[str, Any]) -> Standing:
    """What is in force on a channel; a new channel gets the configuration `first`."""
    try:
        return await market.get_configuration()
    except Refused as refusal:
        if refusal.code != "not_configured":
            raise
    await market.configure(0, **first)
    return await market.get_configuration()


async def with_homes(
    parties: Parties,
    channel: str,
    net: str,
    homes: Sequence[Mapping[str, Any]],
    key_files: Mapping[str, Path],
    *,
    as_they_are: bool = False,
) -> dict[str, Author]:
    """Register what is not registered so, bring keys, confirm; each home's author, by home.

    `homes` are arguments of `register_home`; `as_they_are`: a home that is registered keeps its connection. A home
    without a key file gets a key.

    Raises:
        UsageError: a home's key on the ledger is not the one in its file.
    """
    known = {one.home: one for one in await parties.operator.list_homes()}
    wanted = [home for home in homes if not _stands(known.get(home["home"]), home, as_they_are)]
    for some in _slices(wanted, MOST_HOMES):
        await parties.operator.register_homes(some)
    numbers = NumbersInMemory()
    authors = {
        home["home"]: Author(_key(key_files[home["home"]]), numbers, net, channel, home["home"])
        for home in homes
    }
    await in_turn_of(
        _AT_ONCE,
        [
            _with_key(parties.operator, one, key_files[one.home], new=one.home not in known)
            for one in authors.values()
        ],
    )
    for ids in _slices([str(home["home"]) for home in wanted], MOST_HOMES):
        await parties.grid.confirm_homes(ids)
    return authors


async def in_turn_of(limit: int, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results of calls of which so many run at once."""
    slots = asyncio.Semaphore(limit)

    async def one(call: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await call

    return await asyncio.gather(*map(one, calls))


async def _with_key(market: ForwardMarket, author: Author, file: Path, *, new: bool) -> None:
    """`new`: the home was registered just now, so it has no key yet."""
    try:
        keys = None if new else await market.get_keys(HOME, author.home)
    except Refused as refusal:
        if refusal.code != "no_key":
            raise
        keys = None
    if keys is None:
        await market.set_key(HOME, author.home, author.brings_key(author.key.public, 1))
        return
    if thumbprint(keys.versions[-1].jwk) != author.key.public.kid:
        raise UsageError(
            f"the key in {file} is not the one that home {author.home} has on channel {author.channel}; put the "
            "home's key there, or begin with a new network: `make network-reset network-up`"
        )


def _key(file: Path) -> SigningKey:
    return load_key(file) if file.exists() else make_key(file, EDDSA)


def _stands(known: Home | None, home: Mapping[str, Any], as_it_is: bool) -> bool:
    if known is None or not known.versions:
        return False
    if as_it_is:
        return True
    connection = known.versions[-1].connection
    return all(getattr(connection, name) == home[name] for name in ("connection_w", "pv_w", "battery_w"))


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
