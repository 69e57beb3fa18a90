# SPDX-License-Identifier: Apache-2.0
"""Sharing: neighbours even out the needs and surpluses that contracts leave, before the grid does the rest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from ..arithmetic import PPM
from ..ties import round_seed, tie_key
from .award import Proportion, proportion
from .balances import Balance

NONE, DYNAMIC, STATIC = "none", "dynamic", "static"
MODES = (NONE, DYNAMIC, STATIC)


@dataclass(frozen=True, slots=True)
class SharingPlan:
    """What each part of a settlement needs of the whole period, so that parts join exactly.

    ``taken`` divides what is shared among those in want where the mode is dynamic, ``given`` among those who give.
    """

    mode: str
    seed: str
    shared_wh: int
    give_wh: int
    taken: Proportion
    given: Proportion


def plan_sharing(balances: Iterable[Balance], mode: str) -> SharingPlan:
    """Plan the sharing of all homes of a period. ValueError for another mode, or static keys beyond the whole."""
    if mode not in MODES:
        raise ValueError(f"sharing: {mode[:40]} is none of {', '.join(MODES)}")
    balances = tuple(balances)
    seed = round_seed(one.home for one in balances)
    key = keys_of(seed)
    want_wh = sum(one.want_wh for one in balances)
    give_wh = sum(one.give_wh for one in balances)
    shared_wh = 0
    if mode == DYNAMIC:
        shared_wh = min(want_wh, give_wh)
    if mode == STATIC:
        if any(one.key_ppm < 0 for one in balances) or sum(one.key_ppm for one in balances) > PPM:
            raise ValueError(f"key_ppm: the keys are negative, or together above {PPM}")
        shared_wh = sum(_by_key_wh(one, give_wh) for one in balances)
    taken_wh = shared_wh if mode == DYNAMIC else 0
    return SharingPlan(
        mode,
        seed,
        shared_wh,
        give_wh,
        proportion([(one.home, one.want_wh) for one in balances], taken_wh, key),
        proportion([(one.home, one.give_wh) for one in balances], shared_wh, key),
    )


def shared_of(balance: Balance, plan: SharingPlan, key: Callable[[str], int]) -> tuple[int, int]:
    """What a home takes from its neighbours and gives to them, in Wh."""
    taken_wh = (
        _by_key_wh(balance, plan.give_wh)
        if plan.mode == STATIC
        else plan.taken.of(balance.home, balance.want_wh, key)
    )
    return taken_wh, plan.given.of(balance.home, balance.give_wh, key)


def keys_of(seed: str) -> Callable[[str], int]:
    """The tie key of a home, computed once each."""
    return cache(lambda home: tie_key(seed, home))


def _by_key_wh(balance: Balance, give_wh: int) -> int:
    return min(balance.want_wh, balance.key_ppm * give_wh // PPM)
