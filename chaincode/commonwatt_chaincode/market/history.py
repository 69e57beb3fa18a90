# SPDX-License-Identifier: Apache-2.0
"""Which rounds the suggested prices remember: those that moved enough energy between homes not heard of lately.

Else ten trades of 1 Wh between two homes of one owner would set everybody's suggested price.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .clearing import Fill
from .parameters import Parameters

Pair = tuple[str, str]
"""Two homes that traded, in the order of their ids, in either direction."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a round adds to the history: mean price of sellers, mean limit of buyers, and the pairs that it rests on."""

    price_s: int
    price_b: int
    pairs: tuple[Pair, ...]


def history_entry(
    parameters: Parameters, fills: Iterable[Fill], limits: Mapping[str, int], past: Sequence[Iterable[Pair]]
) -> Entry | None:
    """A round's entry, or None if too little counts.

    ``limits`` are those of the requests by id, ``past`` the pairs of each earlier entry, oldest first. A fill counts
    unless its pair stands in one of the last ``window`` entries; those that count must come to ``history_min_wh``.
    """
    fills = tuple(fills)
    if not fills:
        return None
    recent: set[Pair] = set()
    if parameters.distinct_pairs:
        recent.update(pair for pairs in past[-parameters.window :] for pair in pairs)
    counted = [fill for fill in fills if pair_of(fill) not in recent]
    energy_wh = sum(fill.energy_wh for fill in counted)
    if energy_wh == 0 or energy_wh < parameters.history_min_wh:
        return None
    return Entry(
        price_s=sum(fill.amount_naud for fill in counted) // energy_wh,
        price_b=sum(fill.energy_wh * limits[fill.request] for fill in counted) // energy_wh,
        pairs=tuple(sorted({pair_of(fill) for fill in counted})) if parameters.distinct_pairs else (),
    )


def pair_of(fill: Fill) -> Pair:
    """The two homes of a fill."""
    first, second = sorted((fill.buyer, fill.seller))
    return first, second
