# SPDX-License-Identifier: Apache-2.0
"""Months, and how people write them."""

from datetime import date, timedelta

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.statement.month import Month, date_of, month_of, read_month
from commonwatt_community.statement.words import (
    cents_per_kwh,
    day_text,
    days_text,
    dollars,
    kwh,
    local_time,
    spans_of,
)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-6", "26-06", "2026-06-01", "２０２６-06", "2026-06\n"]
)
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(UsageError, match="as 2026-06"):
        read_month(text)


def test_days_of_months() -> None:
    day = date(2023, 12, 1)
    for _ in range(450):
        number = (day - date(1970, 1, 1)).days
        month = month_of(number)
        assert (month.year, month.number) == (day.year, day.month)
        assert number in month.days
        assert date_of(month.days[0]).day == 1
        assert date_of(month.days[-1] + 1).day == 1
        day += timedelta(days=1)
    assert len(Month(2024, 2).days) == 29
    assert str(read_month("2026-06")) == "2026-06"


def test_figures_as_people_read_them() -> None:
    assert [dollars(cents) for cents in (0, 5, -5, -105, 12_345)] == [
        "0.00",
        "0.05",
        "-0.05",
        "-1.05",
        "123.45",
    ]
    assert [kwh(wh) for wh in (0, 7, -1_480)] == ["0.000", "0.007", "-1.480"]
    assert [cents_per_kwh(price) for price in (0, 300_000, 135_050, -20_000)] == [
        "0.00",
        "30.00",
        "13.50",
        "-2.00",
    ]
    assert day_text(20606) == "2 June 2026"
    assert spans_of([5, 3, 4, 9]) == [(3, 5), (9, 9)]
    assert days_text([20605, 20606, 20610]) == "1 June 2026 to 2 June 2026, 6 June 2026"
    summer = ((0, 600), (86_400, 660))
    assert local_time(86_400, summer) == "1970-01-02 11:00"
    assert local_time(86_340, summer) == "1970-01-02 09:59"
