# SPDX-License-Identifier: Apache-2.0
"""Battery plans by a linear program over the next 24 hours; the simple ones are in `hems.forward.plan`."""

import importlib.util
from collections.abc import Sequence
from functools import cache

from commonwatt_chaincode.market.forward.prices import Prices

from commonwatt_community.hems.forward.connection_point import Store
from commonwatt_community.hems.forward.plan import Plan

INSTALL = "the battery plan `mpc` needs SciPy: install commonwatt-community[mpc]"


@cache
def is_installed() -> bool:
    """Whether the solver is there."""
    return importlib.util.find_spec("scipy") is not None


class MissingSolver(ModuleNotFoundError):
    """SciPy is not installed."""

    def __init__(self) -> None:
        super().__init__(INSTALL, name="scipy")

    def __str__(self) -> str:
        return INSTALL


class Mpc:
    """The battery plan `mpc`: one more `Planner`, which also looks at the tariff."""

    def __init__(self, wear_uaud_per_kwh: int = 20_000) -> None:
        """`wear_uaud_per_kwh`: what a kWh that the battery delivers costs its owner by ageing."""
        self.wear_uaud_per_kwh = wear_uaud_per_kwh

    def __call__(
        self, store: Store, energy_wh: int, expected_wh: Sequence[int], prices: Sequence[int]
    ) -> Plan:
        """As a plan that knows no tariff: energy from the grid costs what the market pays."""
        return self.by_tariff(store, energy_wh, expected_wh, prices, [Prices(one, one) for one in prices], 30)

    def by_tariff(
        self,
        store: Store,
        energy_wh: int,
        expected_wh: Sequence[int],
        prices: Sequence[int],
        tariffs: Sequence[Prices],
        period_min: int,
    ) -> Plan:
        """See `TariffPlanner`.

        Raises:
            MissingSolver: SciPy is not installed.
        """
        if not is_installed():
            raise MissingSolver
        from commonwatt_community.planning.periods import planned  # numpy and scipy are an extra

        return planned(store, energy_wh, expected_wh, prices, tariffs, period_min, self.wear_uaud_per_kwh)


mpc = Mpc()
