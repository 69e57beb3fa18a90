# SPDX-License-Identifier: Apache-2.0
"""What a home's meter counts in a period: use, generation, and a battery that serves the home and its contract."""

from typing import NamedTuple

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.battery import Battery


class Store(NamedTuple):
    """A battery in periods of one length: contents in Wh, and what its rated power moves in a period."""

    floor_wh: int
    full_wh: int
    rate_wh: int
    eta_c_ppm: int
    eta_d_ppm: int

    @property
    def lossless(self) -> bool:
        return self.eta_c_ppm == self.eta_d_ppm == PPM


class Flow(NamedTuple):
    """Import and export at the connection point, and what the battery holds afterwards, all in Wh."""

    import_wh: int
    export_wh: int
    energy_wh: int


def store_of(battery: Battery, period_min: int) -> Store:
    """The battery as periods of this length see it."""
    return Store(
        battery.e_min_wh,
        battery.e_max_wh,
        battery.throughput_wh(period_min),
        battery.eta_c_ppm,
        battery.eta_d_ppm,
    )


def flow(
    store: Store, energy_wh: int, net_wh: int, sold_wh: int = 0, backed: bool = True, keep_wh: int = 0
) -> Flow:
    """A period: ``net_wh`` is use less generation, ``sold_wh`` what the home promised to export.

    Generation serves the home, then the contract, then the battery; the rest is exported. The battery supplies what
    the home lacks, and what the contract lacks too, if the battery backs it; the rest is imported. The
    battery gives nothing below `keep_wh`.
    """
    floor_wh, full_wh, rate_wh, eta_c_ppm, eta_d_ppm = store
    surplus_wh = -net_wh
    if surplus_wh >= sold_wh:
        room_wh = full_wh - energy_wh
        taken_wh = min(surplus_wh - sold_wh, room_wh * PPM // eta_c_ppm, rate_wh)
        if taken_wh <= 0:
            return Flow(0, surplus_wh, energy_wh)
        return Flow(0, surplus_wh - taken_wh, energy_wh + taken_wh * eta_c_ppm // PPM)
    lacking_wh = (sold_wh if backed else 0) - surplus_wh
    floor_wh = max(floor_wh, keep_wh)
    own_wh = min(lacking_wh, (energy_wh - floor_wh) * eta_d_ppm // PPM, rate_wh)
    if own_wh > 0:
        energy_wh += -own_wh * PPM // eta_d_ppm
        surplus_wh += own_wh
    return Flow(max(0, -surplus_wh), max(0, surplus_wh), energy_wh)
