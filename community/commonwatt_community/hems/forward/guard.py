# SPDX-License-Identifier: Apache-2.0
"""The least price of a sale from the battery at which a home is at least as well off as without a market.

All of it is by the home's own forecast.
"""

from collections.abc import Sequence

from commonwatt_chaincode.market.arithmetic import PPM, ceil_div
from commonwatt_chaincode.market.forward.prices import Prices

from commonwatt_community.hems.forward.connection_point import Store, flow

_FINER = 1_000
"""In mWh: whole Wh of a battery that is nearly full round by one a period, which adds up in 36 hours."""


def least_price(
    store: Store,
    energy_wh: int,
    expected_wh: Sequence[int],
    tariffs: Sequence[Prices],
    sold_wh: int,
    highest_feed_in: int,
) -> int:
    """What the home must get at least, in µAUD per kWh, for `sold_wh` of the first period that is expected.

    For that it pays no more in all these periods than it would without the sale; beside it, it pays their tariffs.
    Energy that the battery holds less at the end is worth what the grid would pay for it at best.
    """
    fine = Store(
        store.floor_wh * _FINER,
        store.full_wh * _FINER,
        store.rate_wh * _FINER,
        store.eta_c_ppm,
        store.eta_d_ppm,
    )
    energy, expected = energy_wh * _FINER, [net_wh * _FINER for net_wh in expected_wh]
    with_sale, left_with = _cost(fine, energy, expected, tariffs, sold_wh * _FINER)
    without, left = _cost(fine, energy, expected, tariffs, 0)
    spared = max(0, left - left_with) * store.eta_d_ppm // PPM
    return ceil_div(with_sale + spared * max(0, highest_feed_in) - without, sold_wh * _FINER)


def _cost(
    store: Store, energy_wh: int, expected_wh: Sequence[int], tariffs: Sequence[Prices], sold_wh: int
) -> tuple[int, int]:
    """What the home pays beside the sale, and what the battery holds at the end, in the units of `energy_wh`."""
    cost_naud = 0
    for place, (net_wh, prices) in enumerate(zip(expected_wh, tariffs, strict=False)):
        promised_wh = sold_wh if place == 0 else 0
        import_wh, export_wh, energy_wh = flow(store, energy_wh, net_wh, promised_wh)
        missing_wh = max(0, promised_wh - export_wh)
        cost_naud += (import_wh + missing_wh) * prices.tou - max(0, export_wh - promised_wh) * prices.feed_in
    return cost_naud, energy_wh
