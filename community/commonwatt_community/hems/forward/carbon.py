# SPDX-License-Identifier: Apache-2.0
"""A carbon quota in a home's plans: on a day above the quota, a Wh from the grid costs the carbon price too.

A home judges a day by its own forecast: by all that it will import, as if no neighbour sold to it. Below the quota a
plan counts nothing: its gain there depends on all others' emissions, which no home can foresee.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from commonwatt_chaincode.market.forward.carbon import Carbon, g_per_kwh_at
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.tariff import DAY_MIN

G_PER_KG = 1_000


def with_carbon(
    tariffs: Sequence[Prices],
    imports_wh: Mapping[int, int],
    minutes: Sequence[int],
    period_min: int,
    carbon: Carbon,
) -> list[Prices]:
    """The tariffs of periods as a Wh costs the home then.

    ``minutes`` are the local minutes at which these periods start, ``imports_wh`` what the home imports by such a
    minute, earlier ones of the same days among them. A day of which they tell a part has that part of the quota.
    """
    emitted_mg, known_min = Counter[int](), Counter[int]()
    for minute, import_wh in imports_wh.items():
        emitted_mg[minute // DAY_MIN] += import_wh * g_per_kwh_at(minute % DAY_MIN, carbon)
        known_min[minute // DAY_MIN] += period_min
    above = {day for day in known_min if emitted_mg[day] * DAY_MIN > carbon.quota_mg * known_min[day]}
    return [
        prices._replace(
            tou=prices.tou + g_per_kwh_at(minute % DAY_MIN, carbon) * carbon.price_uaud_per_kg // G_PER_KG
        )
        if minute // DAY_MIN in above
        else prices
        for prices, minute in zip(tariffs, minutes, strict=False)
    ]
