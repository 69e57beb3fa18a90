# SPDX-License-Identifier: Apache-2.0
"""A day's ledger up to one transaction, already audited, and what an audit says of another one in its place."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from commonwatt_audit.audit import Audit, FirstDifference
from commonwatt_audit.source import blocks_of_network
from commonwatt_client.admin import Block

from .conftest import run_apart
from .forgery import Forger
from .trading import market_of, trade

VALID = bytes([0])


class Ledger(NamedTuple):
    """The blocks before one transaction, already audited, and the block of it, such as a closing."""

    forger: Forger
    before: list[Block]
    audited: Audit
    closing: Block

    @property
    def close(self) -> bytes:
        """The transaction, as it was sent."""
        return self.closing.envelopes[0]

    def first_difference(self, *envelopes: bytes, codes: bytes = VALID) -> str:
        """What an audit says of a block with these transactions in place of the closing one; empty for nothing."""
        codes = codes * len(envelopes) if len(codes) == 1 else codes
        return self.difference_in(self.forger.block(self.before[-1], envelopes, codes))

    def difference_in(self, *blocks: Block) -> str:
        """What an audit says of these blocks in place of the closing one."""
        audit = copy.deepcopy(self.audited)
        try:
            for block in blocks:
                audit.check(block)
        except FirstDifference as difference:
            return str(difference)
        return ""


def traded_blocks(network: Any) -> list[Block]:
    """All blocks of a running network after a day's trade."""

    async def day() -> list[Block]:
        async with market_of(network) as market:
            await trade(market)
        return [block async for block in blocks_of_network(network.path, "newtown", "newtown", "operator")]

    return run_apart(day)


def audited_until(network: Any, blocks: list[Block], words: bytes) -> Ledger:
    """The ledger before the last block that holds the words."""
    last = next(block for block in reversed(blocks) if words in block.serialized)
    audit = Audit()
    for block in blocks[: last.number]:
        audit.check(block)
    return Ledger(Forger.of(network), blocks[: last.number], audit, last)
