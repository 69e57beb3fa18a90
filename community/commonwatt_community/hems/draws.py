# SPDX-License-Identifier: Apache-2.0
"""Random draws that depend on what is drawn and not on when.

Each draw hashes the seed and the names of the thing drawn, so any order of execution, any number of
processes and a resumed run draw the same numbers.
"""

from hashlib import blake2b

_RANGE = 1 << 64


class Draws:
    """A stream of draws named by a seed and some keys."""

    def __init__(self, seed: int, *keys: str | int) -> None:
        self._prefix = blake2b("|".join(map(str, (seed, *keys))).encode(), digest_size=8)

    def within(self, low: int, high: int, *keys: int) -> int:
        """An integer from `low` to `high`, both included, every one as likely as the next."""
        state = self._prefix.copy()
        state.update(b"|%d" * len(keys) % keys)
        return low + int.from_bytes(state.digest(), "big") * (high - low + 1) // _RANGE

    def choice(self, count: int, chosen: int, *keys: int) -> list[int]:
        """`chosen` different indices below `count`, ascending, every set as likely as the next."""
        ranks = sorted(range(count), key=lambda index: (self.within(0, _RANGE - 1, *keys, index), index))
        return sorted(ranks[:chosen])
