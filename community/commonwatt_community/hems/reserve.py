# SPDX-License-Identifier: Apache-2.0
"""What a home's battery can spare: how much poorer it may be now without one Wh more from the grid later.

Two batteries are compared through the intervals ahead, without any market: the home's own, and one that starts
poorer. The poorer one buys more exactly where it runs empty before a surplus that the other must spill has made up for
the difference. The largest difference that never comes to that is found from the last interval backwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.battery import Account, Battery, available_wh, chargeable_wh, drawn_wh


@dataclass(frozen=True, slots=True)
class Ahead:
    """An interval to come: its length, and what the home is forecast to use less what it generates."""

    minutes: int
    net_wh: int


class Foreseen(NamedTuple):
    """An interval to come, and the minute of its start from 0:00 of the first simulated day."""

    start_min: int
    ahead: Ahead


class Spared(NamedTuple):
    """Stored Wh that the home lets go before the next interval, and the µAUD that a delivered kWh must bring."""

    stored_wh: int
    least_uaud_per_kwh: int


def spare_wh(battery: Battery, energy_wh: int, ahead: Sequence[Ahead]) -> int:
    """Stored Wh that may leave a battery of `energy_wh` before the first interval `ahead`.

    The home then buys from the grid, over all of `ahead`, what it buys otherwise. A difference that is left at the end
    counts as spared.
    """
    contents = [energy_wh]
    for interval in ahead:
        contents.append(_after(battery, contents[-1], interval))
    spare = _above_floor(battery, contents[-1])
    for place in range(len(ahead) - 1, -1, -1):
        spare = _before(battery, ahead[place], contents[place], contents[place + 1], spare)
    return spare


def _before(battery: Battery, interval: Ahead, begin_wh: int, end_wh: int, spare: int) -> int:
    """What may be missing when an interval begins, so that at most `spare` is missing when it ends."""
    most = _above_floor(battery, begin_wh)
    if interval.net_wh >= 0:
        # Both deliver the same while the poorer one holds it: the difference stays as it is.
        return min(most, spare, _above_floor(battery, end_wh)) if end_wh < begin_wh else min(most, spare)
    gained_wh = min(-interval.net_wh, battery.throughput_wh(interval.minutes)) * battery.eta_c_ppm // PPM
    missing = min(most, spare + gained_wh - (end_wh - begin_wh) + 1)
    while missing > 0 and end_wh - _after(battery, begin_wh - missing, interval) > spare:
        missing -= 1
    return missing


def _after(battery: Battery, energy_wh: int, interval: Ahead) -> int:
    """What the battery holds after an interval without a market: as `settle_interval` has it, in fewer steps."""
    account = Account(energy_wh)
    if interval.net_wh < 0:
        taken_wh = min(-interval.net_wh, chargeable_wh(battery, account, interval.minutes))
        return energy_wh + taken_wh * battery.eta_c_ppm // PPM
    own_wh = min(interval.net_wh, available_wh(battery, account, interval.minutes))
    return energy_wh - drawn_wh(battery, own_wh)


def _above_floor(battery: Battery, energy_wh: int) -> int:
    return max(0, energy_wh - battery.e_min_wh)
