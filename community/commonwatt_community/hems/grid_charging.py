# SPDX-License-Identifier: Apache-2.0
"""Charging a battery from the grid in the cheapest band, where the community allows it (`storage_from_grid`).

The paper leaves this for the future. A home buys what it expects to need from its battery until the cheapest band
comes round again. That is the largest need that builds up, hour by hour, before surplus makes up for it. It does not
sell that, and
sells nothing for less than the cheapest band's price.
"""

from collections.abc import Callable

from commonwatt_chaincode.market.battery import Account, Battery, charge, chargeable_wh, drawn_wh
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.settlement import grid_room_wh
from commonwatt_chaincode.market.tariff import lowest_tou, tou_at

from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forecast import Metered

_HOUR_MIN = 60

NetForecast = Callable[[int, int], int]  # net Wh from one minute to another


def is_cheapest(rules: Parameters, minute: int) -> bool:
    """Whether a minute of the simulation lies in the cheapest band."""
    return tou_at(rules.tou, minute % MINUTES_PER_DAY) == lowest_tou(rules.tou)


def expected_need_wh(rules: Parameters, now_min: int, net_wh: NetForecast) -> int:
    """What the home will need of its battery in the dear hours that run now or come next."""
    last = now_min + MINUTES_PER_DAY
    minute = now_min
    while minute < last and is_cheapest(rules, minute):
        minute = (minute // _HOUR_MIN + 1) * _HOUR_MIN
    total = most = 0
    while minute < last and not is_cheapest(rules, minute):
        end = (minute // _HOUR_MIN + 1) * _HOUR_MIN
        total += net_wh(minute, end)
        most = max(most, total)
        minute = end
    return most


def grid_charge_wh(
    rules: Parameters, battery: Battery, account: Account, metered: Metered, needed_wh: int
) -> int:
    """What to charge from the grid in an interval so that the battery can deliver `needed_wh` later."""
    if not rules.storage_from_grid or not is_cheapest(rules, metered.start_min):
        return 0
    minutes = metered.end_min - metered.start_min
    charged_wh = min(max(0, -metered.net_wh), chargeable_wh(battery, account, minutes))
    after = charge(battery, account, charged_wh)
    room_wh = grid_room_wh(battery, after, minutes, charged_wh)
    held_wh = max(0, after.energy_wh - battery.e_min_wh - after.reserved_wh)
    wanted_wh = (drawn_wh(battery, needed_wh) - held_wh) * 1_000_000 // battery.eta_c_ppm
    return max(0, min(room_wh, wanted_wh))
