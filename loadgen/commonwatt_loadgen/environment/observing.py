# SPDX-License-Identifier: Apache-2.0
"""What an agent sees of its home and the market before it acts, as numbers of similar size."""

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forward.agent import ForwardAgent
from numpy.typing import NDArray

from commonwatt_loadgen.forward.engine import Outlook
from commonwatt_loadgen.forward.market import Award

HOURS = ((0, 3), (3, 6), (6, 12), (12, 24))
"""The hours to come of which means are shown."""

OBSERVED = (
    "sine of the time of day",
    "cosine of the time of day",
    "the grid's price, AUD/kWh",
    "the feed-in price, AUD/kWh",
    "the middle price, AUD/kWh",
    "the battery's content, share of its capacity",
    "net use that is expected of the period, kW",
    *(f"net use that is expected {begin} to {end} h ahead, kW" for begin, end in HOURS),
    *(f"middle price {begin} to {end} h ahead, AUD/kWh" for begin, end in HOURS),
    "bought by the last bid, kW",
    "sold by the last bid, kW",
)
"""What each number of an observation is; one that is out of bounds is cut off there."""

HIGHEST = 100.0


def observed(agent: ForwardAgent, place: int, outlook: Outlook, last: Award) -> NDArray[np.float32]:
    """The observation of a home before it bids for a period."""
    expected_wh, energy_wh = agent.foresee(place, outlook.minutes, whole=True)
    period_min = agent.period_min
    minute = outlook.minutes[place - agent.first_place] % MINUTES_PER_DAY
    angle = 2 * pi * minute / MINUTES_PER_DAY
    prices = outlook.tariffs[0]
    capacity_wh = agent.spec.storage_wh
    values = [
        sin(angle),
        cos(angle),
        _aud(prices.tou),
        _aud(prices.feed_in),
        _aud(prices.middle),
        energy_wh / capacity_wh if capacity_wh else 0.0,
        _kw(expected_wh[0], period_min),
        *(_kw(_mean(expected_wh, hours, period_min), period_min) for hours in HOURS),
        *(_aud(_mean(outlook.middles, hours, period_min)) for hours in HOURS),
        _kw(last.bought_wh, period_min),
        _kw(last.sold_wh, period_min),
    ]
    return np.clip(np.asarray(values, dtype=np.float32), -HIGHEST, HIGHEST)


def _mean(values: Sequence[int], hours: tuple[int, int], period_min: int) -> float:
    """The mean of the periods that begin in these hours from the first one on."""
    begin, end = (hour * 60 // period_min for hour in hours)
    some = values[begin:end]
    return sum(some) / len(some) if some else 0.0


def _kw(energy_wh: float, period_min: int) -> float:
    return energy_wh * 60 / period_min / 1000


def _aud(uaud: float) -> float:
    return uaud / 1_000_000
