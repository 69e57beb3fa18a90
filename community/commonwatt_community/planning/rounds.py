# SPDX-License-Identifier: Apache-2.0
"""The battery policy `mpc` in the ex-post market: what to sell now, and what it must bring.

The linear program says what the home sells best in the interval that runs, at the middle between the feed-in price and
the grid's, now and later. The market's own settlement then works out what that sale and `reserve`'s cost the home
without any other trade. The home offers the better one for at least its cost.
"""

from collections.abc import Sequence

from commonwatt_chaincode.market.arithmetic import PPM, ceil_div
from commonwatt_chaincode.market.battery import Account, Battery
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.settlement import settle_interval
from commonwatt_chaincode.market.tariff import tou_at

from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forward.connection_point import Store
from commonwatt_community.hems.reserve import Foreseen, Spared, spare_wh
from commonwatt_community.planning.battery_program import cheapest_path


def spared(
    rules: Parameters, battery: Battery, energy_wh: int, foreseen: Sequence[Foreseen], wear: int = 20_000
) -> Spared:
    """What the home sells best now, and what it must bring; `wear` in µAUD is the ageing of a delivered kWh."""
    kept = spare_wh(battery, energy_wh, [one.ahead for one in foreseen])
    if not foreseen or energy_wh <= battery.e_min_wh:
        return Spared(kept, 0)
    until = foreseen[0].start_min + MINUTES_PER_DAY
    day = [one for one in foreseen if one.start_min < until]
    tous = [tou_at(rules.tou, one.start_min % MINUTES_PER_DAY) for one in day]
    middles = [(tou + rules.feed_in) // 2 for tou in tous]
    path = cheapest_path(
        Store(battery.e_min_wh, battery.e_max_wh, 0, battery.eta_c_ppm, battery.eta_d_ppm),
        energy_wh,
        [battery.throughput_wh(one.ahead.minutes) for one in day],
        [one.ahead.net_wh for one in day],
        middles,
        tous,
        wear,
        rules.feed_in * battery.eta_d_ppm // PPM,
        sales_take_time=False,
    )
    wanted = [kept] if path is None else [kept, round(float(path.sold[0]) * PPM / battery.eta_d_ppm)]
    without = _cost_naud(rules, battery, energy_wh, day, tous)
    best, gained = Spared(0, 0), 0
    for stored_wh in wanted:
        stored_wh = min(stored_wh, energy_wh - battery.e_min_wh)
        given_wh = stored_wh * battery.eta_d_ppm // PPM
        if given_wh <= 0:
            continue
        costs = _cost_naud(rules, battery, energy_wh - stored_wh, day, tous) - without
        least = max(0, ceil_div(costs, given_wh)) + wear
        if given_wh * (middles[0] - least) > gained:
            best, gained = Spared(stored_wh, least), given_wh * (middles[0] - least)
    return best


def _cost_naud(
    rules: Parameters, battery: Battery, energy_wh: int, foreseen: Sequence[Foreseen], tous: Sequence[int]
) -> int:
    """What the home pays in these intervals without a market, less what its battery holds at the end."""
    account, cost = Account(energy_wh), 0
    for one, tou in zip(foreseen, tous, strict=True):
        net_wh = one.ahead.net_wh
        outcome = settle_interval(battery, account, one.ahead.minutes, max(0, net_wh), max(0, -net_wh))
        account = outcome.account
        cost += outcome.need_wh * tou - outcome.spill_wh * rules.feed_in
    left_wh = (account.energy_wh - battery.e_min_wh) * battery.eta_d_ppm // PPM
    return cost - left_wh * rules.feed_in
