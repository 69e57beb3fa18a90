# SPDX-License-Identifier: Apache-2.0
"""The exchange between communities in this process: the round of a period is cleared once all have come to it."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from commonwatt_chaincode.market.exchange.clearing import Link, Round, clear_round
from commonwatt_chaincode.market.exchange.residual import Residual


class InProcessExchange:
    """The rounds of some communities, each of which brings a residual for every period; and what they came to."""

    def __init__(self, communities: Sequence[str], links: Sequence[Link]) -> None:
        self._communities = frozenset(communities)
        self._links = tuple(links)
        self._brought: dict[int, dict[str, Residual]] = {}
        self._rounds: dict[int, asyncio.Future[Round]] = {}
        self.flows: Counter[tuple[str, str, str]] = Counter()
        """``energy_wh``, ``seller_naud`` and ``fee_naud`` of all trades, by seller and buyer."""

    async def trade(self, period_id: int, residual: Residual) -> Round:
        """Bring a residual, wait for the others', and give the round. ValueError for a second one, or of a stranger."""
        brought = self._brought.setdefault(period_id, {})
        if residual.community not in self._communities or residual.community in brought:
            raise ValueError(f"{residual.community} brings a second residual, or is on no link")
        brought[residual.community] = residual
        result = self._rounds.setdefault(period_id, asyncio.get_running_loop().create_future())
        if len(brought) == len(self._communities):
            cleared = clear_round(period_id, brought.values(), self._links)
            del self._brought[period_id], self._rounds[period_id]
            self._count(cleared)
            result.set_result(cleared)
        return await asyncio.shield(result)

    def _count(self, cleared: Round) -> None:
        for one in cleared.trades:
            for name in ("energy_wh", "seller_naud", "fee_naud"):
                self.flows[one.seller, one.buyer, name] += getattr(one, name)


def links_of_all(communities: Sequence[str], limit_wh: int, fee_uaud_per_kwh: int) -> list[Link]:
    """A link from each community to each other one, all alike."""
    return [
        Link(seller, buyer, limit_wh, fee_uaud_per_kwh)
        for seller in communities
        for buyer in communities
        if seller != buyer
    ]
