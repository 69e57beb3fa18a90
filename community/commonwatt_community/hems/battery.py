# SPDX-License-Identifier: Apache-2.0
"""Battery policies: how much of what a home may sell it offers. The second interface of a HEMS.

Charging from surplus and own use before the market are the paper's rule and the contract's. A policy decides what the
home keeps for itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from commonwatt_chaincode.market.arithmetic import PPM, ceil_div
from commonwatt_chaincode.market.battery import Battery, drawn_wh
from commonwatt_chaincode.market.parameters import Parameters

from commonwatt_community.hems.reserve import Foreseen, Spared, spare_wh
from commonwatt_community.planning import MissingSolver, is_installed


@dataclass(frozen=True, slots=True)
class Holding:
    """What a home holds when it may offer.

    `sellable_wh` is what its account lets it sell, `sold_wh` what it ever sold, both delivered. `spare_wh()` gives
    the stored Wh that the policy itself lets go, by the home's own forecast; it takes time to compute.
    """

    battery: Battery
    sellable_wh: int
    sold_wh: int
    spare_wh: Callable[[], int]


class BatteryPolicy(Protocol):
    """Decides the Wh to offer."""

    def offer_wh(self, holding: Holding) -> int:
        """Wh to offer, delivered; at most `holding.sellable_wh`."""
        ...

    def least_ask_uaud_per_kwh(self, battery: Battery, feed_in_uaud_per_kwh: int) -> int:
        """The price below which the home does not sell."""
        ...

    def spared(
        self, rules: Parameters, battery: Battery, energy_wh: int, foreseen: Sequence[Foreseen]
    ) -> Spared:
        """What the home lets go of a battery of `energy_wh` before the first interval of `foreseen`."""
        ...


class SellAll:
    """The paper's rule: the home offers everything available, at any price the market takes."""

    def offer_wh(self, holding: Holding) -> int:
        return holding.sellable_wh

    def least_ask_uaud_per_kwh(self, battery: Battery, feed_in_uaud_per_kwh: int) -> int:
        return feed_in_uaud_per_kwh

    def spared(
        self, rules: Parameters, battery: Battery, energy_wh: int, foreseen: Sequence[Foreseen]
    ) -> Spared:
        return Spared(max(0, energy_wh - battery.e_min_wh), 0)


class Reserve:
    """The home keeps what saves it a purchase later, and sells only what its surplus will replace.

    Otherwise the home would have fed in the energy that it sells, less the battery's losses. So it asks at least for
    those, too.
    """

    def offer_wh(self, holding: Holding) -> int:
        if not holding.sellable_wh:
            return 0
        battery, sold_wh = holding.battery, holding.sold_wh
        drawn_in_all_wh = drawn_wh(battery, sold_wh) + holding.spare_wh()
        return min(holding.sellable_wh, drawn_in_all_wh * battery.eta_d_ppm // PPM - sold_wh)

    def least_ask_uaud_per_kwh(self, battery: Battery, feed_in_uaud_per_kwh: int) -> int:
        return ceil_div(feed_in_uaud_per_kwh * PPM * PPM, battery.eta_c_ppm * battery.eta_d_ppm)

    def spared(
        self, rules: Parameters, battery: Battery, energy_wh: int, foreseen: Sequence[Foreseen]
    ) -> Spared:
        """What leaves the battery without one Wh more from the grid later."""
        return Spared(spare_wh(battery, energy_wh, [one.ahead for one in foreseen]), 0)


class Mpc(Reserve):
    """The home sells what brings more than it costs the home in the next 24 hours, by a linear program."""

    def __init__(self) -> None:
        """MissingSolver: SciPy is not installed; the message says what to install."""
        if not is_installed():
            raise MissingSolver

    def spared(
        self, rules: Parameters, battery: Battery, energy_wh: int, foreseen: Sequence[Foreseen]
    ) -> Spared:
        from commonwatt_community.planning.rounds import spared  # numpy and scipy are an extra

        return spared(rules, battery, energy_wh, foreseen)


BATTERY_POLICIES: dict[str, Callable[[], BatteryPolicy]] = {
    "reserve": Reserve,
    "sell-all": SellAll,
    "mpc": Mpc,
}


def usable_policies() -> list[str]:
    """The names of the policies whose libraries are installed."""
    return [name for name in BATTERY_POLICIES if name != "mpc" or is_installed()]
