# SPDX-License-Identifier: Apache-2.0
"""Battery policies: how much of what a home may sell it does offer. The second interface of a HEMS.

Charging from surplus and own use before the market are the paper's rule and the contract's (section 4 of
the market specification); what is left to decide is what to keep for oneself.
"""

from collections.abc import Callable
from typing import Protocol


class BatteryPolicy(Protocol):
    """Decides the Wh to offer."""

    def offer_wh(self, available_wh: int, forecast_net_wh: int) -> int:
        """Wh to offer of the `available_wh` that the home's account may sell; never more than that."""
        ...


class SellAll:
    """The paper's rule: everything available is offered."""

    def offer_wh(self, available_wh: int, forecast_net_wh: int) -> int:
        return available_wh


class KeepForOwnUse:
    """Keeps what the home is forecast to need in its next interval, which costs more from the grid."""

    def offer_wh(self, available_wh: int, forecast_net_wh: int) -> int:
        return max(0, available_wh - max(0, forecast_net_wh))


BATTERY_POLICIES: dict[str, Callable[[], BatteryPolicy]] = {"sell-all": SellAll, "keep": KeepForOwnUse}
