# SPDX-License-Identifier: Apache-2.0
"""Messages that no peer holds any more: which ones they are is asked home by home, for no list of them is complete."""

from collections.abc import Awaitable, Iterable, Iterator

from commonwatt_chaincode.messages.fields import HIGHEST_SEQ

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import DATA_NOT_HERE, Refused

NO_DIGEST = "0" * 64
"""No message has this digest: a message that stands under a number is answered as replaced."""

READING, BID = "reading", "bid"
AUTHORS = {READING: ("home", "meter", "operator"), BID: ("home",)}
NOT_THIS_ONE = frozenset({"bad_argument", "data_here"})
"""Another version of the key, or a peer holds the message after all."""


async def declare_losses(market: ForwardMarket, period: int, homes: Iterable[str]) -> list[str]:
    """Declare lost what stands in a period's index and is with no endorser; the index keys.

    Raises:
        Refused: the caller may not, or it is too early.
    """
    declared = []
    versions = await _versions(market, period)
    for home in homes:
        for kind, authors in AUTHORS.items():
            if await _is_held(market.list_messages(kind, period, home)):
                continue
            for author in authors:
                for seq in range(1, HIGHEST_SEQ + 1):
                    status = market.message_status(kind, period, home, seq, NO_DIGEST, author)
                    if await _is_held(status):
                        continue
                    for key in _keys(kind, period, versions, home, author, seq):
                        if await _declared(market, key):
                            declared.append(key)
    return declared


async def _versions(market: ForwardMarket, period: int) -> int:
    [*listed] = await market.list_periods(period, period + 1)
    meter = listed[0].meter if listed else None
    return 1 if meter is None else meter.version + 1


async def _is_held(answer: Awaitable[object]) -> bool:
    """Whether the peer that answers holds the messages that the question is about."""
    try:
        await answer
    except Refused as refused:
        if refused.code != DATA_NOT_HERE:
            raise
        return False
    return True


def _keys(kind: str, period: int, versions: int, home: str, author: str, seq: int) -> Iterator[str]:
    """The index keys that a message can have."""
    if kind == BID:
        yield f"m/bid/{period:09d}/{home}/{author}/{seq:02d}"
    else:
        for version in range(1, versions + 1):
            yield f"m/reading/{period:09d}/{version:04d}/{home}/{author}/{seq:02d}"


async def _declared(market: ForwardMarket, key: str) -> bool:
    try:
        await market.declare_lost(key)
    except Refused as refused:
        if refused.code not in NOT_THIS_ONE:
            raise
        return False
    return True
