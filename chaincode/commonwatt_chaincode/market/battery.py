# SPDX-License-Identifier: Apache-2.0
"""A home's battery as the ledger accounts for it (eqs 7-11): the energy that it may store, use and sell."""

from dataclasses import dataclass, replace

from .arithmetic import PPM, ceil_div
from .parameters import Parameters


@dataclass(frozen=True, slots=True)
class Battery:
    """The technical data of one battery; efficiencies and states of charge in ppm."""

    capacity_wh: int
    eta_c_ppm: int
    eta_d_ppm: int
    soc_min_ppm: int
    soc_max_ppm: int
    soc_dsr_ppm: int
    p_rate_w: int

    @property
    def e_min_wh(self) -> int:
        """The energy below which it is never discharged (eq 10)."""
        return self.capacity_wh * self.soc_min_ppm // PPM

    @property
    def e_max_wh(self) -> int:
        """The energy up to which it is charged (eq 10)."""
        return self.capacity_wh * self.soc_max_ppm // PPM

    @property
    def e_dsr_wh(self) -> int:
        """The energy below which nothing is sold (eq 11); own use may go on down to ``e_min_wh``."""
        return max(self.e_min_wh, self.capacity_wh * self.soc_dsr_ppm // PPM)

    def throughput_wh(self, minutes: int) -> int:
        """What its rated power moves in so many minutes."""
        return self.p_rate_w * minutes // 60


@dataclass(frozen=True, slots=True)
class Account:
    """Stored energy, and the part of it that open offers hold back, both before the losses of discharging.

    ``sold_wh`` is all that was ever sold, as delivered: losses are counted on the whole, so that many small sales lose
    no more than a large one.
    """

    energy_wh: int = 0
    reserved_wh: int = 0
    sold_wh: int = 0


def battery_of(parameters: Parameters, capacity_wh: int) -> Battery:
    """A battery of this size under the community's parameters."""
    return Battery(
        capacity_wh=capacity_wh,
        eta_c_ppm=parameters.eta_c_ppm,
        eta_d_ppm=parameters.eta_d_ppm,
        soc_min_ppm=parameters.soc_min_ppm,
        soc_max_ppm=parameters.soc_max_ppm,
        soc_dsr_ppm=parameters.soc_dsr_ppm,
        p_rate_w=parameters.p_rate_w,
    )


def drawn_wh(battery: Battery, delivered_wh: int) -> int:
    """What leaves the battery so that ``delivered_wh`` arrive (eq 7, discharging)."""
    return ceil_div(delivered_wh * PPM, battery.eta_d_ppm)


def available_wh(battery: Battery, account: Account, minutes: int) -> int:
    """What the battery can deliver to its own home within an interval (eqs 7 to 10)."""
    return min(_deliverable_wh(battery, account, battery.e_min_wh), battery.throughput_wh(minutes))


def sellable_wh(battery: Battery, account: Account) -> int:
    """What the home may offer now (eq 11). Rated power limits no sale: it spreads over the settlement interval."""
    return _deliverable_wh(battery, account, battery.e_dsr_wh)


def chargeable_wh(battery: Battery, account: Account, minutes: int) -> int:
    """What the battery can take in within an interval, measured before its losses (eqs 7 to 10)."""
    room_wh = max(0, battery.e_max_wh - account.energy_wh)
    return min(room_wh * PPM // battery.eta_c_ppm, battery.throughput_wh(minutes))


def charge(battery: Battery, account: Account, taken_wh: int) -> Account:
    """The account after taking in ``taken_wh`` (eq 7, charging)."""
    return (
        _with_energy(account, account.energy_wh + taken_wh * battery.eta_c_ppm // PPM)
        if taken_wh
        else account
    )


def discharge(battery: Battery, account: Account, delivered_wh: int) -> Account:
    """The account after delivering ``delivered_wh`` to the own home (eq 7, discharging)."""
    return (
        _with_energy(account, account.energy_wh - drawn_wh(battery, delivered_wh))
        if delivered_wh
        else account
    )


def after_gap(battery: Battery, account: Account, minutes: int) -> Account:
    """The account after minutes without a reading: without all that the battery could have delivered meanwhile.

    Only what is certainly still there may be sold.
    """
    return discharge(battery, account, available_wh(battery, account, minutes))


def reserve(battery: Battery, account: Account, offered_wh: int) -> Account:
    """The account with an offer held back (step 5)."""
    return replace(account, reserved_wh=account.reserved_wh + drawn_wh(battery, offered_wh))


def settle_offer(battery: Battery, account: Account, offered_wh: int, sold_wh: int) -> Account:
    """The account after an offer ended (step 8): its reservation is lifted, what was sold leaves the battery."""
    total_wh = account.sold_wh + sold_wh
    return Account(
        energy_wh=account.energy_wh - (drawn_wh(battery, total_wh) - drawn_wh(battery, account.sold_wh)),
        reserved_wh=account.reserved_wh - drawn_wh(battery, offered_wh),
        sold_wh=total_wh,
    )


def _with_energy(account: Account, energy_wh: int) -> Account:
    return Account(energy_wh, account.reserved_wh, account.sold_wh)


def _deliverable_wh(battery: Battery, account: Account, floor_wh: int) -> int:
    free_wh = max(0, account.energy_wh - floor_wh - account.reserved_wh)
    return free_wh * battery.eta_d_ppm // PPM
