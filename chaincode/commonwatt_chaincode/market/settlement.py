# SPDX-License-Identifier: Apache-2.0
"""A settlement interval: from use and generation to what a home needs, stores, spills (eqs 4, 7-11, 14)."""

from typing import NamedTuple

from .battery import Account, Battery, available_wh, charge, chargeable_wh, discharge


class Interval(NamedTuple):
    """What one interval came to. ``own_wh`` came from the battery, ``need_wh`` is left to be bought."""

    own_wh: int
    need_wh: int
    charged_wh: int
    spill_wh: int
    grid_charge_wh: int
    account: Account


def interval_energy_wh(power_w: int, minutes: int) -> int:
    """Energy of a steady power over an interval, rounded half up (eq 14)."""
    return (power_w * minutes + 30) // 60


def settle_interval(
    battery: Battery, account: Account, minutes: int, use_wh: int, generation_wh: int, grid_charge_wh: int = 0
) -> Interval:
    """Let own generation and the battery serve the home (eqs 4, 7 to 10); the rest is needed, or spilt.

    With ``grid_charge_wh`` the battery also charges from the grid, and so does not discharge in the same
    interval. ValueError if that is more than it can take (``grid_room_wh``).
    """
    net_wh = use_wh - generation_wh
    own_wh = charged_wh = 0
    if battery.capacity_wh == account.energy_wh == grid_charge_wh == 0:
        pass  # most homes have no battery
    elif net_wh < 0:
        charged_wh = min(-net_wh, chargeable_wh(battery, account, minutes))
        account = charge(battery, account, charged_wh)
    elif grid_charge_wh == 0:
        own_wh = min(net_wh, available_wh(battery, account, minutes))
        account = discharge(battery, account, own_wh)
    if grid_charge_wh:
        account = _charge_from_grid(battery, account, minutes, charged_wh, grid_charge_wh)
    need_wh, spill_wh = (net_wh - own_wh, 0) if net_wh > 0 else (0, -net_wh - charged_wh)
    return Interval(own_wh, need_wh, charged_wh, spill_wh, grid_charge_wh, account)


def balance(use_wh: int, generation_wh: int, own_wh: int, charged_wh: int) -> tuple[int, int]:
    """What is needed and what is spilt where the battery's flows stand already.

    A correction does the same: awards rest on the battery's account, which stays as it is. Energy that a corrected
    reading no longer explains is bought from, or fed into, the grid.
    """
    net_wh = use_wh - generation_wh - own_wh + charged_wh
    return max(0, net_wh), max(0, -net_wh)


def grid_room_wh(battery: Battery, account: Account, minutes: int, charged_wh: int) -> int:
    """What the battery can still take from the grid in an interval, after ``charged_wh`` of own surplus."""
    return min(chargeable_wh(battery, account, minutes), battery.throughput_wh(minutes) - charged_wh)


def _charge_from_grid(
    battery: Battery, account: Account, minutes: int, charged_wh: int, grid_charge_wh: int
) -> Account:
    room_wh = grid_room_wh(battery, account, minutes, charged_wh)
    if grid_charge_wh > room_wh:
        raise ValueError(f"the battery can take {room_wh} Wh from the grid, not {grid_charge_wh} Wh")
    return charge(battery, account, grid_charge_wh)
