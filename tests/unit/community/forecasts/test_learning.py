# SPDX-License-Identifier: Apache-2.0
"""The learnt forecast: better than the simple ones where there is something to learn, and never served where not."""

import random

import pytest
from commonwatt_community.forecasts import learnt as made
from commonwatt_community.forecasts.learning import LEAST_DAYS, Learnt, fitted
from commonwatt_community.hems.forward.forecast import Past, Persistence, Yesterday

DAY = 1440


def noisy(days, length=30, seed=1):
    """A home with a usual day, moods that last a day, and weekends of its own."""
    draws = random.Random(seed)
    mood, found = 0.0, {}
    for minute in range(0, days * DAY, length):
        mood = 0.98 * mood + draws.gauss(0, 20)
        hour = minute % DAY / 60
        usual = 150 + 300 * (17 <= hour < 22) - 900 * max(0.0, 1 - abs(hour - 12) / 4)
        found[minute] = round((usual + 200 * (minute // DAY % 7 in (5, 6)) + mood) * length / 30)
    return found


def lived(net_wh, forecast):
    """Live a home's periods; what the forecast expected of each one as it began."""
    past, expected = Past(forecast.days), {}
    for minute, wh in net_wh.items():
        expected[minute] = forecast.expect([minute], past, lambda _: pytest.fail("it looked ahead"))[0]
        past.add(minute, wh)
    return past, expected


def test_it_errs_less_than_the_simple_ones_where_there_is_something_to_learn():
    model = Learnt()
    lived(noisy(28), model)
    assert set(model.errors_wh) == {"learnt", "persistence", "yesterday", "weekday-mean"}
    assert model.serves == "learnt"
    learnt_wh = model.errors_wh["learnt"]
    assert learnt_wh < 0.98 * model.errors_wh["weekday-mean"]
    assert learnt_wh < 0.75 * model.errors_wh["yesterday"]
    assert learnt_wh < 0.75 * model.errors_wh["persistence"]
    assert str(model).startswith(f"mean error of a period, last 7 days: learnt {learnt_wh:.1f} Wh, ")
    assert str(model).endswith("; learnt serves")


def test_a_simple_forecast_serves_where_the_model_errs_more():
    """Days that alternate in no way that its features see: with the last value always right, persistence wins."""
    net_wh = {minute: minute // DAY // 3 * 100 % 700 for minute in range(0, 16 * DAY, 30)}
    model = Learnt()
    past, _ = lived(net_wh, model)
    assert model.serves != "learnt"
    assert model.errors_wh[model.serves] == min(model.errors_wh.values())
    ahead = [16 * DAY, 16 * DAY + 30]
    served = {"persistence": Persistence(), "yesterday": Yesterday()}[model.serves]
    assert model.expect(ahead, past, int) == served.expect(ahead, past, int)


def test_equal_pasts_give_equal_forecasts():
    net_wh = noisy(9)
    ahead = list(range(9 * DAY, 10 * DAY, 30))
    first, again = Learnt(), Learnt()
    assert lived(net_wh, first)[1] == lived(net_wh, again)[1]
    past = Past.of(net_wh)
    assert Learnt(1).expect(ahead, past, int) == Learnt(1).expect(ahead, past, int)
    assert fitted(net_wh, 1).expect(ahead, past, int) != fitted(net_wh, 2).expect(ahead, past, int), (
        "the seed draws the examples"
    )


def test_without_a_past_it_is_like_the_simple_ones():
    model = Learnt()
    assert model.expect([0, 30], Past(28), int) == [0, 0]
    young = Past.of(noisy(LEAST_DAYS - 1))
    ahead = [(LEAST_DAYS - 1) * DAY]
    assert model.expect(ahead, young, int) == Yesterday().expect(ahead, young, int)
    assert model.errors_wh == {}
    assert "fewer than 4 whole days" in str(model)


def test_gaps_clock_changes_and_short_periods_stop_nothing():
    net_wh = noisy(12, length=5)
    for minute in (*range(5 * DAY, 7 * DAY, 5), *range(8 * DAY + 120, 8 * DAY + 180, 5)):
        del net_wh[minute]  # a meter out of order, and a day without an hour
    model = Learnt()
    past, _ = lived(net_wh, model)
    assert len(model.errors_wh) == 4
    expected = model.expect(list(range(12 * DAY, 13 * DAY + DAY // 2, 5)), past, int)
    assert all(type(wh) is int and abs(wh) < 1000 for wh in expected)


def test_it_is_a_forecast_like_the_others():
    assert made().days == 28


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"install commonwatt-community\[forecast\]"):
        made()
