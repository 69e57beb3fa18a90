# SPDX-License-Identifier: Apache-2.0
"""The order of single watt-hours: by a hash over all ids that take part."""

import hashlib
from collections.abc import Iterable, Mapping


class Draw:
    """Orders ids by the first 48 bits of the SHA-256 of seed and id; the seed is the SHA-256 of all ids."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._seed = hashlib.sha256("|".join(sorted(ids)).encode()).hexdigest()

    def __call__(self, one: str) -> tuple[str, str]:
        """What an id is sorted by."""
        return hashlib.sha256(f"{self._seed}|{one}".encode()).hexdigest()[:12], one


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


def in_proportion(weights_wh: Mapping[str, int], energy_wh: int, draw: Draw) -> dict[str, int]:
    """Give everyone its share of the energy rounded down, and the rest by single Wh, never above the weight."""
    whole_wh = sum(weights_wh.values())
    if not whole_wh:
        return dict.fromkeys(weights_wh, 0)
    given = {one: weight * energy_wh // whole_wh for one, weight in weights_wh.items()}
    return _with_rest(given, weights_wh, energy_wh, draw)


def _with_rest(given: dict[str, int], most: Mapping[str, int], energy_wh: int, draw: Draw) -> dict[str, int]:
    rest_wh = energy_wh - sum(given.values())
    if rest_wh:
        for one in sorted((one for one in given if given[one] < most[one]), key=draw)[:rest_wh]:
            given[one] += 1
    return given
