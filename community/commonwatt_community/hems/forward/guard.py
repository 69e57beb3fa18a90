# SPDX-License-Identifier: Apache-2.0
"""Whether a sale from the battery would leave a home worse off than without a market, by its own forecast."""

from collections.abc import Sequence

from commonwatt_chaincode.market.arithmetic import PPM
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
    price_uaud_per_kwh: int,
    highest_feed_in: int,
) -> bool:
    """Whether the home pays more in the periods that are expected if it sells `sold_wh` in the first one.

    It sells at `price_uaud_per_kwh`, the least that it takes. Without neighbours it pays the tariffs of those periods.
    What the battery holds less at the end is worth what the grid would pay for it at best.
    """
    with_naud, left_with_wh = _cost(store, energy_wh, expected_wh, tariffs, sold_wh, price_uaud_per_kwh)
    without_naud, left_wh = _cost(store, energy_wh, expected_wh, tariffs, 0, 0)
    spared_wh = max(0, left_wh - left_with_wh) * store.eta_d_ppm // PPM
    return with_naud + spared_wh * max(0, highest_feed_in) > without_naud


def _cost(
    store: Store,
    energy_wh: int,
    expected_wh: Sequence[int],
    tariffs: Sequence[Prices],
    sold_wh: int,
    price_uaud_per_kwh: int,
) -> tuple[int, int]:
    """What the home pays, in nAUD, and what the battery holds at the end."""
    cost_naud = -sold_wh * price_uaud_per_kwh
    for place, (net_wh, prices) in enumerate(zip(expected_wh, tariffs, strict=False)):
        promised_wh = sold_wh if place == 0 else 0
        import_wh, export_wh, energy_wh = flow(store, energy_wh, net_wh, promised_wh)
        missing_wh = max(0, promised_wh - export_wh)
        cost_naud += (import_wh + missing_wh) * prices.tou - max(0, export_wh - promised_wh) * prices.feed_in
    return cost_naud, energy_wh
