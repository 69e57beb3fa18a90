# SPDX-License-Identifier: Apache-2.0
"""Bills of the forward market: dated tariffs, supply, demand, adjustments, and statements in cents."""

from dataclasses import replace
from datetime import date

import pytest
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bills import (
    Adjustment,
    BandSum,
    Bill,
    DemandCharge,
    Settled,
    adjustment,
    bill,
    demand_charge,
    ends_month,
    month_of,
    supply_due_naud,
)
from commonwatt_chaincode.market.forward.periods import Period, Registration, periods_of_day
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import ESTIMATED, MEASURED, SUBSTITUTED
from commonwatt_chaincode.market.forward.settlement import NONE, Line, Terms, resettle, settle
from commonwatt_chaincode.market.forward.statements import StatementLine, cents, statement
from commonwatt_chaincode.market.forward.tariffs import (
    Band,
    Days,
    Demand,
    Holiday,
    Schedule,
    Version,
    check_version,
    tariff_of,
    version_of,
    weekday,
)
from hypothesis import given
from hypothesis import strategies as st

OFFSETS = [(0, 600)]
PERIOD = Period(29_853_360, 30)
MONDAY = (date(2026, 11, 30) - date(1970, 1, 1)).days
WORKDAYS = Schedule(
    Days((1, 2, 3, 4, 5)),
    (Band("night", 0, 420, 200, 50), Band("day", 420, 900, 300, -20), Band("peak", 900, 1_440, 500, 100)),
)
WEEKEND = Schedule(Days((0, 6), holidays=True), (Band("weekend", 0, 1_440, 250, 50),))
TARIFF = Version(0, 0, (WORKDAYS, WEEKEND), local_fee=10, supply_naud_per_day=1_000)


def band(
    day: int, minute: int, versions: list[Version], holidays: list[Holiday], known_s: int = 10**10
) -> str:
    period = Period(day * 1_440 - 600 + minute, 30)
    return tariff_of(period, versions, holidays, OFFSETS, known_s).band.name


def test_weekdays_are_the_calendars() -> None:
    for day in range(MONDAY, MONDAY + 800):
        dated = date.fromordinal(date(1970, 1, 1).toordinal() + day)
        assert weekday(day) == dated.isoweekday() % 7
        assert month_of(day) == (dated.year, dated.month)
    assert [ends_month(MONDAY - 1), ends_month(MONDAY)] == [False, True]


def test_bands_by_weekday_holiday_and_minute() -> None:
    check_version(TARIFF, 60)
    assert [band(MONDAY, minute, [TARIFF], []) for minute in (0, 390, 420, 870, 900, 1_410)] == [
        "night",
        "night",
        "day",
        "day",
        "peak",
        "peak",
    ]
    assert band(MONDAY - 1, 0, [TARIFF], []) == band(MONDAY + 5, 0, [TARIFF], []) == "weekend"
    holiday = Holiday(MONDAY, published_s=100)
    assert band(MONDAY, 0, [TARIFF], [holiday], 100) == "weekend"
    assert band(MONDAY, 0, [TARIFF], [holiday], 99) == "night"
    assert band(MONDAY + 1, 0, [TARIFF], [holiday], 100) == "night"


def test_a_demand_charge_may_span_the_day_and_cost_nothing() -> None:
    check_version(replace(TARIFF, demand=Demand(Days((1,)), 0, 1_440, 0)), 30)


def test_a_tariff_counts_from_its_first_midnight_if_it_was_published_in_time() -> None:
    late = replace(TARIFF, from_day=MONDAY, published_s=100, schedules=(replace_names(WORKDAYS), WEEKEND))
    assert band(MONDAY, 0, [TARIFF, late], [], 100) == "new night"
    assert band(MONDAY, 0, [TARIFF, late], [], 99) == "night"
    assert band(MONDAY - 3, 0, [TARIFF, late], [], 100) == "night"
    assert tariff_of(PERIOD, [TARIFF], [], OFFSETS, 0).version is TARIFF
    check_version(replace(TARIFF, supply_naud_per_day=0), 30)
    again = replace(late, published_s=200)
    assert version_of(MONDAY, [again, late], 200) is again
    assert version_of(MONDAY, [again, late], 199) is late
    with pytest.raises(ValueError, match="no tariff that was published in time"):
        version_of(MONDAY - 1, [late], 10**10)


def replace_names(schedule: Schedule) -> Schedule:
    return schedule._replace(bands=tuple(one._replace(name=f"new {one.name}") for one in schedule.bands))


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (replace(TARIFF, schedules=(WORKDAYS,)), "weekday 0 has 0 schedules"),
        (replace(TARIFF, schedules=(WORKDAYS, WEEKEND, WEEKEND)), "weekday 0 has 2"),
        (replace(TARIFF, schedules=(WORKDAYS, WEEKEND._replace(days=Days((0, 6))))), "holidays have 0"),
        (replace(TARIFF, local_fee=251), "above tou - feed_in"),
        (replace(TARIFF, local_fee=-1), "negative"),
        (replace(TARIFF, supply_naud_per_day=-1), "^tariff: the supply charge is negative$"),
        (replace(TARIFF, demand=Demand(Days(()), 60, 60, 1)), "empty window"),
        (replace(TARIFF, demand=Demand(Days(()), 0, 60, -1)), "negative price"),
    ],
)
def test_versions_that_cannot_be(version: Version, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_version(version, 30)


@pytest.mark.parametrize(
    ("bands", "told"),
    [
        ([Band("a", 0, 60, 2, 1), Band("b", 90, 1_440, 2, 1)], "b does not start at minute 60"),
        ([Band("a", 0, 0, 2, 1)], "or is empty"),
        ([Band("a", 0, 1_410, 2, 1)], "end at minute 1410"),
        ([Band("a", 0, 45, 2, 1), Band("b", 45, 1_440, 2, 1)], "a ends within a period of 30"),
        ([Band("a", 0, 1_440, 2, 1, sharing_price=3)], "sharing_price: 3"),
    ],
)
def test_bands_that_cannot_be(bands: list[Band], told: str) -> None:
    schedule = Schedule(Days(tuple(range(7)), holidays=True), tuple(bands))
    with pytest.raises(ValueError, match=told):
        check_version(Version(0, 0, (schedule,)), 30)


def settled_day(metered: list[tuple[int, int, int]], day: int = MONDAY) -> list[Settled]:
    """A home's first periods of a day, from (bought, import, export), its contracts with a neighbour."""
    result = []
    for period, (bought, imported, exported) in zip(
        periods_of_day(day, [(0, 30)], OFFSETS), metered, strict=False
    ):
        tariff = tariff_of(period, [TARIFF], [], OFFSETS, 0)
        homes = [Metered("a", bought, 0, imported, exported), Metered("b", 0, bought, 0, bought)]
        at = Terms(tariff.prices, tariff.prices.middle)
        line = settle(homes, at).lines["a"]
        result.append(Settled(period, tariff.band.name, tariff.prices, homes[0], line, MEASURED, final=True))
    return result


WH = st.integers(0, 500)
DAYS = st.lists(st.tuples(WH, WH, WH), min_size=48, max_size=48)


@given(DAYS, st.integers(-(10**9), 10**9))
def test_a_bill_sums_its_lines_exactly(metered: list[tuple[int, int, int]], extra_naud: int) -> None:
    periods = settled_day(metered)
    booked = [Adjustment(1, "late", Line(0, 0, 1, 0, 0, 0, 0, extra_naud, 0, extra_naud), 200)]
    made = bill("a", MONDAY, periods, 1_000, booked, DemandCharge(5, 50))
    amounts = sum(one.line.amount_naud for one in periods)
    assert made.amount_naud == amounts + 1_000 + extra_naud + 50
    money = [name for name in made.bands[0]._fields if name.endswith("_naud")]
    assert sum(getattr(one, name) for one in made.bands for name in money) == amounts
    assert [one.band for one in made.bands] == ["day", "night", "peak"]
    for name in ("import_wh", "export_wh", "bought_wh"):
        whole = sum(getattr(one.metered, name) for one in periods)
        assert sum(getattr(one, name) for one in made.bands) == whole
    shown = statement(made)
    assert sum(line.cents for line in shown.lines) + shown.rounding_cents == shown.total_cents
    assert abs(shown.total_cents * 10**7 - made.amount_naud) * 2 <= 10**7


def test_a_bill_member_by_member() -> None:
    prices = Prices(300, 100, 10)
    home = Metered("a", 10, 0, 30, 40, export_cap_wh=25)
    line = Line(0, 0, 20, 25, 15, 1_950, 0, 20 * 300 - 25 * 100, 100, 5_550)
    made = bill(
        "a", MONDAY, [Settled(PERIOD, "day", prices, home, line, MEASURED, True)], 7, [], DemandCharge(5, 50)
    )
    sums = BandSum("day", prices, 30, 40, 10, 0, 0, 0, 20, 25, 15, 1_950, 0, 6_000, -2_500, 0, 100)
    qualities = ((ESTIMATED, 0), (SUBSTITUTED, 0), (MEASURED, 1))
    assert made == Bill(
        "a",
        MONDAY,
        (sums,),
        (),
        7,
        DemandCharge(5, 50),
        qualities,
        False,
        6_000 + 100 + 7 + 50,
        5_550 + 7 + 50,
    )


def test_an_adjustment_taxes_energy_from_the_grid_and_the_fee() -> None:
    before = Line(0, 0, 20, 0, 0, 0, 0, 6_000, 100, 6_100)
    after = Line(5, 0, 15, 0, 0, 0, 900, 4_500, 150, 5_550)
    made = adjustment(7, Prices(300, 100, 10), before, after, "late")
    assert made == Adjustment(7, "late", Line(5, 0, -5, 0, 0, 0, 900, -1_500, 50, -550), -1_450)


def test_gst_is_on_grid_fees_supply_and_demand_alone() -> None:
    (one,) = settled_day([(10, 30, 0)])
    made = bill("a", MONDAY, [one], 1_000, [], DemandCharge(5, 50))
    assert made.taxable_naud == 20 * 200 + 10 * 10 + 1_000 + 50
    taxed = replace(made, taxable_naud=11 * 10**7 * 3 + 55_000_000)
    assert statement(taxed).gst_cents == 4
    assert statement(replace(taxed, taxable_naud=taxed.taxable_naud - 1)).gst_cents == 3


def test_provisional_until_every_period_is_final_and_qualities_are_counted() -> None:
    first, second = settled_day([(0, 30, 0), (0, 30, 0)])
    second = second._replace(final=False, quality=ESTIMATED)
    made = bill("a", MONDAY, [first, second])
    assert made.provisional
    assert statement(made).sources == ((ESTIMATED, 1), (MEASURED, 1))
    assert not bill("a", MONDAY, [first]).provisional
    with pytest.raises(ValueError, match="billed twice"):
        bill("a", MONDAY, [first, first])
    with pytest.raises(ValueError, match="another home"):
        bill("b", MONDAY, [first])


def test_an_adjustment_brings_the_bills_to_what_the_reading_says() -> None:
    (booked,) = settled_day([(10, 30, 0)])
    late = booked.metered._replace(import_wh=50)
    at = Terms(booked.prices, booked.prices.middle)
    after = resettle(late, booked.line, at)
    made = adjustment(booked.period.id, booked.prices, booked.line, after, "measured late")
    assert made.change == Line(0, 0, 20, 0, 0, 0, 0, 20 * 200, 0, 20 * 200)
    assert made.taxable_naud == 20 * 200
    before, later = bill("a", MONDAY, [booked]), bill("a", MONDAY + 9, [], adjustments=[made])
    assert before.amount_naud + later.amount_naud == after.amount_naud
    assert [line.cents for line in statement(later).lines] == [0]
    large = made._replace(change=made.change._replace(amount_naud=3 * 10**7))
    (line,) = statement(bill("a", MONDAY + 9, [], adjustments=[large])).lines
    assert line == StatementLine(f"adjustment of period {booked.period.id}, measured late", 20, 3)


def test_supply_is_paid_once_a_connection_and_day() -> None:
    first, second = list(periods_of_day(MONDAY, [(0, 30)], OFFSETS))[:2]
    moved = [Registration("old", 0, second.id), Registration("new", second.id)]
    assert [supply_due_naud(home, first, moved, TARIFF) for home in ("old", "new")] == [1_000, 0]


def test_demand_is_the_highest_mean_power_in_the_window_of_a_month() -> None:
    demand = Demand(Days((1,)), 30, 90, 7)
    periods = settled_day([(0, 900, 0), (0, 100, 0), (0, 200, 0), (0, 900, 0)])
    periods += settled_day([(0, 0, 0), (0, 900, 0)], MONDAY + 1)
    assert demand_charge(periods, demand, (), OFFSETS) == DemandCharge(400, 2_800)
    assert demand_charge(periods, demand, {MONDAY}, OFFSETS) == DemandCharge(0, 0)
    every = demand._replace(days=Days((1,), holidays=True))
    assert demand_charge(periods, every, {MONDAY + 1}, OFFSETS).peak_w == 1_800


def test_a_statement_line_by_line() -> None:
    """Two bands, each with every kind of line; energy given and money received are negative."""
    cent, prices = 10**7, Prices(300, -20, 10)
    one_band = BandSum(
        "day", prices, 0, 0, 9, 4, 7, 1, 11, 12, 13, *(cent * n for n in (5, 6, 33, -36, 2, 1))
    )
    other = one_band._replace(band="peak", bought_wh=0, shared_out_wh=9, contract_naud=-4 * cent)
    counts = ((ESTIMATED, 0), (SUBSTITUTED, 1), (MEASURED, 47))
    made = Bill(
        "a",
        MONDAY,
        (one_band, other),
        (),
        110 * cent,
        DemandCharge(900, 8 * cent),
        counts,
        True,
        11 * cent,
        cent,
    )
    shown = statement(made)
    assert shown.lines == (
        StatementLine("day: contracts", 5, 5),
        StatementLine("day: shared", 6, 6),
        StatementLine("day: from the grid", 11, 33),
        StatementLine("day: to the grid", -12, -36),
        StatementLine("day: export beyond the envelope", -13, 2),
        StatementLine("day: local network fee", None, 1),
        StatementLine("peak: contracts", -4, -4),
        StatementLine("peak: shared", -2, 6),
        StatementLine("peak: from the grid", 11, 33),
        StatementLine("peak: to the grid", -12, -36),
        StatementLine("peak: export beyond the envelope", -13, 2),
        StatementLine("peak: local network fee", None, 1),
        StatementLine("supply", None, 110),
        StatementLine("demand, 900 W", None, 8),
    )
    assert shown.rounding_cents == 1 - 131
    assert (shown.home, shown.day, shown.total_cents, shown.gst_cents) == ("a", MONDAY, 1, 1)
    assert shown.provisional
    assert shown.sources == ((SUBSTITUTED, 1), (MEASURED, 47))
    assert not statement(replace(made, provisional=False)).provisional


def test_halves_are_rounded_away_from_zero() -> None:
    assert [cents(naud) for naud in (4_999_999, 5_000_000, -4_999_999, -5_000_000, 15_000_000)] == [
        0,
        1,
        0,
        -1,
        2,
    ]


def test_a_negative_feed_in_is_a_charge_and_a_breach_a_line_of_its_own() -> None:
    prices = Prices(300, -20)
    home = Metered("a", 0, 0, 0, 10, export_cap_wh=4)
    line = settle([home], Terms(prices, None, NONE)).lines["a"]
    made = bill("a", MONDAY, [Settled(Period(0, 30), "day", prices, home, line, MEASURED, final=True)])
    assert (made.bands[0].grid_out_naud, made.bands[0].breach_naud, made.amount_naud) == (80, 120, 200)
    assert made.taxable_naud == 0
