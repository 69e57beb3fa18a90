# SPDX-License-Identifier: Apache-2.0
"""What a learnt forecast looks at; nothing in it is from the future."""

import numpy as np
import pytest
from commonwatt_community.forecasts.features import Table, features, usual

DAY = 1440


def minutes(*values):
    return np.array(values, np.int64)


def test_a_table_tells_what_was_known_then():
    table = Table({minute: minute // 30 for minute in range(0, 2 * DAY, 30)})
    found = table.at(minutes(0, 30, 60, 3 * DAY, -DAY), minutes(30, 30, 30, 2 * DAY, 2 * DAY))
    assert found[:2].tolist() == [0, 1]
    assert np.isnan(found[2:]).all(), "60 was not known at 30; the others never"
    with pytest.raises(ValueError, match="nothing is known"):
        Table({})


def test_the_usual_is_the_mean_of_the_days_that_were_known():
    table = Table({day * DAY + minute: day * 10 for day in range(4) for minute in (0, 720)})
    now = 3 * DAY
    assert usual(table, minutes(now + 720, now + DAY), minutes(now, now)).tolist() == [10, 15]
    assert usual(table, minutes(now + 5), minutes(now)).tolist() == [30], (
        "without such a time: the last value"
    )


def test_what_comes_after_the_origin_changes_no_feature():
    known = {minute: minute % 97 for minute in range(0, 10 * DAY, 30)}
    origin = 8 * DAY + 600
    ahead = minutes(*range(origin + 30, origin + DAY + 700, 30))
    rows = features(Table(known), ahead, np.full(len(ahead), origin))
    blind = {minute: wh for minute, wh in known.items() if minute <= origin}
    assert np.array_equal(rows, features(Table(blind), ahead, np.full(len(ahead), origin)))
    assert not np.isnan(rows).any()
