# SPDX-License-Identifier: Apache-2.0
"""Suggested prices of sellers and buyers (eqs 5 and 6) and the history they rest on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from .arithmetic import MILLI, clamp, tdiv
from .history import Entry
from .parameters import Parameters
from .tariff import tou_at

WH_PER_KWH = 1_000


@dataclass(frozen=True, slots=True)
class PriceState:
    """What the rounds cleared so far left behind.

    ``hist_s`` and ``hist_b`` hold the last ``window`` mean prices of sellers and limits of buyers, oldest
    first; ``redundancy_wh`` is the mean offer of the round cleared last.
    """

    hist_s: tuple[int, ...] = ()
    hist_b: tuple[int, ...] = ()
    redundancy_wh: int = 0


def term(history: Sequence[int], seed: int, window: int, mode: str) -> int:
    """The price term of eqs 5 and 6: over the last ``window`` prices, padded in front with ``seed``.

    ``sqrt_sum`` is the printed formula (the square root of the sum), ``rms`` and ``mean`` the plain averages.
    """
    recent = [*history[-window:]]
    padded = [seed] * (window - len(recent)) + recent
    if mode == "sqrt_sum":
        return isqrt(sum(padded))
    if mode == "rms":
        return isqrt(sum(price * price for price in padded) // window)
    return sum(padded) // window


def sell_price(parameters: Parameters, prices: PriceState, minute: int) -> int:
    """p_S, eq 5: the price that a seller is advised to ask in a round at this local minute of day."""
    market = term(prices.hist_s, parameters.seed_s, parameters.window, parameters.mode)
    price = tdiv(parameters.lam * prices.redundancy_wh, WH_PER_KWH) + tdiv(
        parameters.mu_milli * market, MILLI
    )
    return clamp(price, parameters.feed_in, tou_at(parameters.tou, minute))


def buy_price(parameters: Parameters, prices: PriceState, energy_wh: int, minute: int) -> int:
    """p_B, eq 6: the price that a buyer of ``energy_wh`` is advised to bid in a round at this local minute of day."""
    market = term(prices.hist_b, parameters.seed_b, parameters.window, parameters.mode)
    price = tdiv(parameters.beta * energy_wh, WH_PER_KWH) - tdiv(parameters.nu_milli * market, MILLI)
    return clamp(price, parameters.feed_in, tou_at(parameters.tou, minute))


def prices_after(prices: PriceState, entry: Entry | None, redundancy_wh: int, window: int) -> PriceState:
    """What eqs 5 and 6 rest on after a cleared round; one without an entry adds nothing to the history."""
    if entry is None:
        return PriceState(prices.hist_s, prices.hist_b, redundancy_wh)
    return PriceState(
        hist_s=(*prices.hist_s, entry.price_s)[-window:],
        hist_b=(*prices.hist_b, entry.price_b)[-window:],
        redundancy_wh=redundancy_wh,
    )
