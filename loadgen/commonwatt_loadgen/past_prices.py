# SPDX-License-Identifier: Apache-2.0
"""What cleared rounds leave to the suggested prices of the next ones, as the contract keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from commonwatt_chaincode.market.clearing import Fill
from commonwatt_chaincode.market.history import Pair, history_entry
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.prices import PriceState, prices_after


@dataclass(frozen=True)
class PastPrices:
    """The price history of a channel, and the pairs of homes behind each entry."""

    prices: PriceState = field(default_factory=PriceState)
    pairs: tuple[tuple[Pair, ...], ...] = ()

    def after(
        self, rules: Parameters, fills: Sequence[Fill], limits: Mapping[str, int], redundancy_wh: int
    ) -> "PastPrices":
        """The history once a round is cleared; `limits` are those of its requests by id."""
        if not fills and redundancy_wh == self.prices.redundancy_wh:
            return self
        entry = history_entry(rules, fills, limits, self.pairs)
        pairs = self.pairs if entry is None else (*self.pairs, entry.pairs)[-rules.window :]
        return PastPrices(prices_after(self.prices, entry, redundancy_wh, rules.window), pairs)

    def as_json(self) -> dict[str, Any]:
        """As the contract's `get_prices` answers."""
        return {
            "hist_s": list(self.prices.hist_s),
            "hist_b": list(self.prices.hist_b),
            "redundancy_wh": self.prices.redundancy_wh,
            "pairs": [[list(pair) for pair in pairs] for pairs in self.pairs],
        }


def past_prices(answer: Mapping[str, Any]) -> PastPrices:
    """The history that `get_prices` answered."""
    prices = PriceState(tuple(answer["hist_s"]), tuple(answer["hist_b"]), answer["redundancy_wh"])
    return PastPrices(prices, tuple(tuple((one, other) for one, other in pairs) for pairs in answer["pairs"]))
