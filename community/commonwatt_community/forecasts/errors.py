# SPDX-License-Identifier: Apache-2.0
"""Errors of forecasts on a day that is over, each with the home's knowledge of that time."""

from collections.abc import Mapping

from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forward.forecast import Past, PeriodForecast

MOMENTS_A_DAY = 4


def errors_wh(forecasts: Mapping[str, PeriodForecast], past: Past, day: int) -> dict[str, float]:
    """The mean absolute error of each forecast in Wh a period, on a day that `past` knows.

    At 0:00, 6:00, 12:00 and 18:00 each forecast says what the rest of the day brings; periods before are known to it.
    Empty where the day has no periods, or no period before it is known.
    """
    known = dict(sorted(past.net_wh.items()))
    begin, end = day * MINUTES_PER_DAY, (day + 1) * MINUTES_PER_DAY
    total_wh = dict.fromkeys(forecasts, 0)
    count = 0
    for moment in range(begin, end, MINUTES_PER_DAY // MOMENTS_A_DAY):
        minutes = [minute for minute in known if moment <= minute < end]
        before = {minute: net_wh for minute, net_wh in known.items() if minute < moment}
        if not minutes or not before:
            continue
        then = Past.of(before)
        count += len(minutes)
        for name, forecast in forecasts.items():
            expected = forecast.expect(minutes, then, known.__getitem__)
            total_wh[name] += sum(
                abs(wh - known[minute]) for minute, wh in zip(minutes, expected, strict=True)
            )
    return {name: wh / count for name, wh in total_wh.items()} if count else {}
