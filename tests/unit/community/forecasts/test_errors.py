# SPDX-License-Identifier: Apache-2.0
"""The error of a forecast on a day that is over."""

from commonwatt_community.forecasts.errors import errors_wh
from commonwatt_community.hems.forward.forecast import Past, Perfect, Persistence, Yesterday

DAY = 1440


def test_each_forecast_knows_what_was_known_then():
    past = Past.of({minute: minute // DAY * 10 + (minute % DAY == 0) for minute in range(0, 3 * DAY, 360)})
    found = errors_wh({"perfect": Perfect(), "yesterday": Yesterday(), "persistence": Persistence()}, past, 2)
    assert found["perfect"] == 0
    assert found["yesterday"] == 10
    # From 0:00 on: 10 for 21, 20, 20, 20; from 6:00 on: 21 for 20 three times; then the last value is right.
    assert found["persistence"] == (11 + 10 * 3 + 3) / 10


def test_a_day_that_is_not_known_has_no_error():
    past = Past.of(dict.fromkeys(range(0, DAY, 30), 1))
    assert errors_wh({"yesterday": Yesterday()}, past, 1) == {}
    assert errors_wh({"yesterday": Yesterday()}, Past(1), 0) == {}
    assert errors_wh({"yesterday": Yesterday()}, Past.of({0: 5}), 0) == {}, "nothing was known before"
