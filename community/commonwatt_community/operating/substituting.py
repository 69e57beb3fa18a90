# SPDX-License-Identifier: Apache-2.0
"""`commonwatt community readings`: the operator says what a utility's file holds, signed with its own key.

The contract takes the operator's word as a substitute: a home's or a meter's own measured reading counts before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commonwatt_chaincode.market.forward.readings import SUBSTITUTED
from commonwatt_chaincode.messages.message import read

from commonwatt_community.market.carrier import LARGEST_BATCH, WRITTEN
from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.messages.author import Author, Keeps
from commonwatt_community.messages.signing_key import SigningKey

from .utility_files import Counted

OPERATOR = "operator"


@dataclass(frozen=True)
class Said:
    """The results of a file's readings: how many were written, stood already, or were refused, by code."""

    written: int
    standing: int
    refused: dict[str, int]


async def substitute(
    market: ForwardMarket,
    key: SigningKey,
    journal: Keeps,
    net: str,
    channel: str,
    counted: Sequence[Counted],
    say: Callable[[str], None],
) -> Said:
    """Sign and send readings that do not stand yet, by period; safe to repeat.

    Raises:
        Refused, GatewayError: a batch was refused whole, or the network failed it.
    """
    periods: dict[int, list[Counted]] = {}
    for one in counted:
        periods.setdefault(one.period, []).append(one)
    written = standing = 0
    refused: dict[str, int] = {}
    for period in sorted(periods):
        stands = await _standing(market, period)
        new = [one for one in periods[period] if stands.get(one.home) != (one.import_wh, one.export_wh)]
        standing += len(periods[period]) - len(new)
        messages = [
            Author(key, journal, net, channel, one.home).reading(
                period, one.import_wh, one.export_wh, SUBSTITUTED
            )
            for one in new
        ]
        for start in range(0, len(messages), LARGEST_BATCH):
            batch = messages[start : start + LARGEST_BATCH]
            for result in (await market.submit_messages("reading", period, batch)).results:
                if result == WRITTEN:
                    written += 1
                else:
                    refused[result] = refused.get(result, 0) + 1
        if messages:
            say(f"period {period}: {len(messages)} readings")
    return Said(written, standing, refused)


async def _standing(market: ForwardMarket, period: int) -> dict[str, tuple[int, int]]:
    """What the operator said last of each home in a period."""
    last: dict[str, tuple[int, tuple[int, int]]] = {}
    for one in await market.list_messages("reading", period):
        *_, home, author, seq = one.key.split("/")
        if author != OPERATOR or int(seq) <= last.get(home, (0, (0, 0)))[0]:
            continue
        payload = read(one.message.encode("ascii")).payload
        last[home] = int(seq), (int(payload["import_wh"]), int(payload["export_wh"]))
    return {home: said for home, (_, said) in last.items()}
