# SPDX-License-Identifier: Apache-2.0
"""Who supplied whom: contracts and shares go through the community, so each seller's energy is allocated to the buyers
of the same period in proportion to what they took.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from commonwatt_chaincode.market.forward.bills import Settled

Json = dict[str, Any]
MOST_CELLS = 4_000_000
"""Beyond it, nobody reads a matrix."""
MOST_PAIRS = 200
MATRIX_GIVERS, MATRIX_TAKERS = 24, 60


class Pairs:
    """Wh from each home that has something to give to each home, through all days."""

    def __init__(self, givers: Sequence[str], homes: Sequence[str]) -> None:
        self._givers = {home: place for place, home in enumerate(givers)}
        self._takers = {home: place for place, home in enumerate(homes)}
        self.counts = 0 < len(givers) * len(homes) <= MOST_CELLS
        shape = (len(givers), len(homes)) if self.counts else (0, 0)
        self.traded_wh = np.zeros(shape)
        self.shared_wh = np.zeros(shape)

    def add(self, settled: Mapping[str, Settled]) -> None:
        """Count a period."""
        if not self.counts:
            return
        sold, given = [], []
        for home, place in self._givers.items():
            one = settled[home]
            if one.metered.sold_wh:
                sold.append((place, one.metered.sold_wh))
            if one.line.shared_out_wh:
                given.append((place, one.line.shared_out_wh))
        takers = self._takers
        if sold:
            bought = [
                (takers[home], one.metered.bought_wh)
                for home, one in settled.items()
                if one.metered.bought_wh
            ]
            _allocate(self.traded_wh, sold, bought)
        if given:
            taken = [
                (takers[home], one.line.shared_in_wh)
                for home, one in settled.items()
                if one.line.shared_in_wh
            ]
            _allocate(self.shared_wh, given, taken)

    def rows(self, names: Mapping[str, str]) -> list[Json] | None:
        """Each pair that traded or shared, the most energy first; None where there are too many homes."""
        if not self.counts:
            return None
        givers, takers = list(self._givers), list(self._takers)
        traded, shared = _rounded(self.traded_wh), _rounded(self.shared_wh)
        rows = [
            {
                "from": names[givers[giver]],
                "to": names[takers[taker]],
                "traded_wh": int(traded[giver, taker]),
                "shared_wh": int(shared[giver, taker]),
            }
            for giver, taker in np.argwhere(traded + shared > 0)
        ]
        return sorted(rows, key=lambda one: (-one["traded_wh"] - one["shared_wh"], one["from"], one["to"]))

    def summary(self, names: Mapping[str, str]) -> Json | None:
        """The largest pairs, and the matrix of the largest givers and takers; None where there are too many homes."""
        rows = self.rows(names)
        if rows is None:
            return None
        both = _rounded(self.traded_wh) + _rounded(self.shared_wh)
        givers, takers = _largest(both.sum(axis=1), MATRIX_GIVERS), _largest(both.sum(axis=0), MATRIX_TAKERS)
        return {
            "pairs": len(rows),
            "largest": rows[:MOST_PAIRS],
            "givers": [names[list(self._givers)[place]] for place in givers],
            "takers": [names[list(self._takers)[place]] for place in takers],
            "matrix_wh": both[np.ix_(givers, takers)].tolist(),
        }


def _rounded(energy_wh: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.rint(energy_wh).astype(np.int64)


def _largest(sums: npt.NDArray[np.int64], most: int) -> list[int]:
    """The places of the largest sums above 0, in order."""
    order = np.argsort(-sums, kind="stable")[:most]
    return [int(place) for place in order if sums[place] > 0]


def _allocate(
    matrix: npt.NDArray[np.float64], given: Sequence[tuple[int, int]], taken: Sequence[tuple[int, int]]
) -> None:
    givers, given_wh = zip(*given, strict=True)
    takers, taken_wh = zip(*taken, strict=True)
    matrix[np.ix_(givers, takers)] += np.outer(given_wh, taken_wh) / sum(taken_wh)
