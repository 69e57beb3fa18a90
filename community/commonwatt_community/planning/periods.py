# SPDX-License-Identifier: Apache-2.0
"""The battery plan `mpc` in the forward market: the first step of the cheapest path, if the home can afford it.

The path counts on later sales, the home does not. By its own forecast, a step must cost the home at most as much as no
market, even if it sells nothing afterwards. Otherwise `reserve` decides, under the same condition,
and at last the battery serves its home alone.
"""

from collections.abc import Sequence
from math import ceil

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.forward.prices import Prices

from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forward.connection_point import Store, flow
from commonwatt_community.hems.forward.plan import Plan, own_use, reserve
from commonwatt_community.planning.battery_program import Path, cheapest_path

_FINER = 1_000
"""In mWh, since whole Wh round by one a period; see `hems.forward.guard`."""
_NOTHING_WH = 0.5


def planned(
    store: Store,
    energy_wh: int,
    expected_wh: Sequence[int],
    prices: Sequence[int],
    tariffs: Sequence[Prices],
    period_min: int,
    wear: int,
) -> Plan:
    """The plan of a period; `prices` in µAUD per kWh are what energy will trade at, `wear` is per kWh delivered."""
    net_wh = expected_wh[0]
    if net_wh >= 0 and energy_wh <= store.floor_wh:
        return Plan(net_wh, 0, 0)
    count = min(len(expected_wh), len(prices), len(tariffs), MINUTES_PER_DAY // period_min)
    expected, ahead = expected_wh[:count], tariffs[:count]
    worth = max(0, *(one.feed_in for one in ahead)) * store.eta_d_ppm // PPM
    path = cheapest_path(
        store,
        energy_wh,
        [store.rate_wh] * count,
        expected,
        prices[:count],
        [one.tou for one in ahead],
        wear,
        worth,
    )
    steps: list[tuple[Plan, Sequence[int]]] = [(reserve(store, energy_wh, expected_wh, prices), ())]
    if path is not None:
        steps.insert(0, _first_step(store, energy_wh, net_wh, path))
    without = cost_naud(store, energy_wh, expected, ahead, worth)
    for plan, keeps_wh in steps:
        ways = [(plan.export_wh, prices[0]), (0, 0)] if plan.export_wh else [(0, 0)]
        if all(
            cost_naud(store, energy_wh, expected, ahead, worth, sold_wh, price, keeps_wh) <= without
            for sold_wh, price in ways
        ):
            return plan
    return own_use(store, energy_wh, expected_wh, prices)


def _first_step(store: Store, energy_wh: int, net_wh: int, path: Path) -> tuple[Plan, list[int]]:
    """The path's first period in whole Wh, and below which content the battery serves nobody in each period."""
    keeps_wh = [
        min(store.full_wh, ceil(held - 1e-6)) if held_back > _NOTHING_WH else 0
        for held, held_back in zip(path.energy, path.held_back, strict=True)
    ]
    usual = flow(store, energy_wh, net_wh)
    given_wh = round(float(path.sold[0]))
    if net_wh > 0:
        own_wh = min(net_wh, round(float(path.own[0])))
        if own_wh < net_wh - usual.import_wh:
            kept = flow(store, energy_wh, net_wh, keep_wh=keeps_wh[0])
            return Plan(kept.import_wh, 0, 0, keeps_wh[0]), keeps_wh
        keeps_wh[0] = 0
        if usual.import_wh or not given_wh:
            return Plan(usual.import_wh, 0, 0), keeps_wh
        export_wh = given_wh
    else:
        keeps_wh[0] = 0
        export_wh = max(usual.export_wh, -net_wh - round(float(path.charged[0])) + given_wh)
    most_wh = min((energy_wh - store.floor_wh) * store.eta_d_ppm // PPM, store.rate_wh) - net_wh
    export_wh = max(usual.export_wh, min(export_wh, most_wh))
    return Plan(0, export_wh, export_wh - usual.export_wh), keeps_wh


def cost_naud(
    store: Store,
    energy_wh: int,
    expected_wh: Sequence[int],
    tariffs: Sequence[Prices],
    worth: int,
    sold_wh: int = 0,
    price: int = 0,
    keeps_wh: Sequence[int] = (),
) -> int:
    """What the home pays in periods in the first of which it sells `sold_wh`, in thousandths of a nAUD.

    Without a sale and `keeps_wh` that is what it pays without a market. The energy that the battery holds at the end
    is taken off, at `worth`.
    """
    fine = Store(
        store.floor_wh * _FINER,
        store.full_wh * _FINER,
        store.rate_wh * _FINER,
        store.eta_c_ppm,
        store.eta_d_ppm,
    )
    energy, cost = energy_wh * _FINER, 0
    for place, (net_wh, prices) in enumerate(zip(expected_wh, tariffs, strict=True)):
        promised = sold_wh * _FINER if place == 0 else 0
        keep = keeps_wh[place] * _FINER if keeps_wh else 0
        net = net_wh * _FINER
        imported, exported, energy = flow(fine, energy, net, promised, keep_wh=keep)
        missing = max(0, promised - exported)
        cost += (imported + missing) * prices.tou - max(0, exported - promised) * prices.feed_in
    return cost - sold_wh * _FINER * price - (energy - fine.floor_wh) * worth
