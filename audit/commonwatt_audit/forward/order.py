# SPDX-License-Identifier: Apache-2.0
"""The order of single watt-hours: by a hash over all ids that take part."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Draw:
    """Orders ids by the first 48 bits of the SHA-256 of seed and id; the seed is the SHA-256 of all ids."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.seed = hashlib.sha256("|".join(sorted(ids)).encode()).hexdigest()

    @classmethod
    def seeded(cls, seed: str) -> "Draw":
        """The order of ids whose seed is known, though not they all."""
        draw = cls(())
        draw.seed = seed
        return draw

    def __call__(self, one: str) -> tuple[str, str]:
        """What an id is sorted by."""
        return hashlib.sha256(f"{self.seed}|{one}".encode()).hexdigest()[:12], one


def equally(wanted_wh: Mapping[str, int], energy_wh: int, draw: Draw) -> dict[str, int]:
    """Give everyone the largest common level that fits, at most what it wants, and the rest by single Wh."""
    low, high = 0, max(wanted_wh.values(), default=0)
    while low < high:  # the largest level of which all together take at most the energy
        level = (low + high + 1) // 2
        if sum(min(wish, level) for wish in wanted_wh.values()) <= energy_wh:
            low = level
        else:
            high = level - 1
    given = {one: min(wish, low) for one, wish in wanted_wh.items()}
    return _with_rest(given, wanted_wh, energy_wh, draw)


class Division(NamedTuple):
    """An energy divided over weights that sum to `whole_wh`; up to `last` in the draw each gets a single Wh more."""

    energy_wh: int
    whole_wh: int
    last: tuple[str, str] | None

    def of(self, one: str, weight_wh: int, draw: Draw) -> int:
        """The share of one of them."""
        if not self.energy_wh:
            return 0
        share_wh = weight_wh * self.energy_wh // self.whole_wh
        if self.last is None or share_wh == weight_wh:
            return share_wh
        return share_wh + (draw(one) <= self.last)


def in_proportion(weights_wh: Mapping[str, int], energy_wh: int, draw: Draw) -> dict[str, int]:
    """Give everyone its share of the energy rounded down, and the rest by single Wh, never above the weight."""
    division = divided(weights_wh, energy_wh, draw)
    return {one: division.of(one, weight_wh, draw) for one, weight_wh in weights_wh.items()}


def divided(weights_wh: Mapping[str, int], energy_wh: int, draw: Draw) -> Division:
    """How an energy is given in proportion, told without the weights of all."""
    whole_wh = sum(weights_wh.values())
    if not energy_wh:
        return Division(0, whole_wh, None)
    floors = {one: weight_wh * energy_wh // whole_wh for one, weight_wh in weights_wh.items()}
    rest = energy_wh - sum(floors.values())
    waiting = (
        sorted(draw(one) for one, floor_wh in floors.items() if floor_wh < weights_wh[one]) if rest else []
    )
    return Division(energy_wh, whole_wh, waiting[rest - 1] if rest else None)


def _with_rest(given: dict[str, int], most: Mapping[str, int], energy_wh: int, draw: Draw) -> dict[str, int]:
    rest_wh = energy_wh - sum(given.values())
    if rest_wh:
        for one in sorted((one for one in given if given[one] < most[one]), key=draw)[:rest_wh]:
            given[one] += 1
    return given
