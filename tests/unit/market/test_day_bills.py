# SPDX-License-Identifier: Apache-2.0
"""Which homes a local day bills, from which lines, and what changed lines book."""

from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bills import Adjustment, DemandCharge, Settled
from commonwatt_chaincode.market.forward.day_bills import (
    BILL_HOMES,
    Day,
    MonthlyDemand,
    adjusted,
    billable,
    day_bill,
    day_parts,
    merged,
)
from commonwatt_chaincode.market.forward.period_settlement import SettledLine
from commonwatt_chaincode.market.forward.periods import Period, Registration
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import ESTIMATED, MEASURED, METER, SUBSTITUTED
from commonwatt_chaincode.market.forward.settlement import Line
from commonwatt_chaincode.market.forward.tariffs import Band, Days, Demand, Schedule, Version

PERIOD = Period(29_853_360, 30)
PRICES = Prices(300, 100, 10)
LINE = Line(1, 2, 20, 25, 15, 1_950, -210, 3_500, 100, 5_340)
SETTLED = SettledLine("a", 2, MEASURED, METER, 3, 1, 30, 40, 10, 4, 25, 7, ("export",), LINE)
ALL_DAY = (Schedule(Days(tuple(range(7)), holidays=True), (Band("all", 0, 1_440, 300, 100),)),)
DEMAND = Demand(Days(tuple(range(7)), holidays=True), 0, 1_440, 7)
TARIFF = Version(0, 0, ALL_DAY, 10, 1_000, DEMAND)
LAST_OF_MAY = Day(20_604, PERIOD, PERIOD.id + 1_440, TARIFF, MonthlyDemand(DEMAND, (), ((0, 0),)))
HOME = Registration("a", 0)


def test_a_line_as_bills_take_it() -> None:
    metered = Metered("a", 10, 4, 30, 40, 25, 7, estimated=False)
    assert billable(PERIOD, "day", PRICES, SETTLED, False) == Settled(
        PERIOD, "day", PRICES, metered, LINE, MEASURED, False
    )
    silent = SETTLED._replace(quality=ESTIMATED, author="", seq=0)
    taken = billable(PERIOD, "day", PRICES, silent, False)
    assert (taken.metered.estimated, taken.quality) == (True, ESTIMATED)
    assert billable(PERIOD, "day", PRICES, silent, True).quality == SUBSTITUTED


def test_why_a_line_changes() -> None:
    other = LINE._replace(grid_in_wh=21, grid_naud=3_800, amount_naud=5_640)
    by_others = adjusted(PERIOD, PRICES, SETTLED, SETTLED._replace(line=other))
    assert by_others == Adjustment(PERIOD.id, "neighbours", Line(0, 0, 1, 0, 0, 0, 0, 300, 0, 300), 300)
    reasons = []
    for changed in (
        {"import_wh": 31},
        {"export_wh": 41},
        {"author": "operator"},
        {"quality": SUBSTITUTED},
        {"seq": 4},
    ):
        change = adjusted(PERIOD, PRICES, SETTLED, SETTLED._replace(line=other, **changed))  # type: ignore[arg-type]
        assert change is not None
        reasons.append(change.reason)
    assert reasons == ["reading"] * 5
    gap = adjusted(PERIOD, PRICES, SETTLED, SETTLED._replace(line=other, import_wh=31, seq=0))
    assert gap is not None
    assert gap.reason == "gap"
    assert adjusted(PERIOD, PRICES, SETTLED, SETTLED._replace(import_wh=31)) is None


def test_two_changes_as_one() -> None:
    up = Adjustment(1, "reading", Line(0, 0, 5, 0, 0, 0, 0, 1_500, 0, 1_500), 1_500)
    down = Adjustment(1, "gap", Line(0, 0, -2, 0, 0, 0, 0, -600, 0, -600), -600)
    assert merged(up, down) == Adjustment(1, "gap", Line(0, 0, 3, 0, 0, 0, 0, 900, 0, 900), 900)
    assert merged(up, None) is up
    assert merged(None, down) is down
    assert merged(None, None) is None
    back = Adjustment(1, "reading", Line(0, 0, -5, 0, 0, 0, 0, -1_500, 0, -1_500), -1_500)
    assert merged(up, back) is None


def test_the_parts_of_a_day_hold_all_who_were_registered_before_its_end() -> None:
    homes = [Registration(f"h{n:03d}", 0, 10) for n in range(BILL_HOMES + 1)]
    assert [len(part) for part in day_parts(homes, 5)] == [100, 101]
    assert day_parts([Registration("b", 4), Registration("a", 0), Registration("c", 5)], 5) == [("a", "b")]
    assert day_parts([], 5) == [()]


def test_who_gets_a_bill() -> None:
    line = billable(PERIOD, "all", PRICES, SETTLED, True)
    adjustment = Adjustment(1, "gap", Line(0, 0, 1, 0, 0, 0, 0, 300, 0, 300), 300)
    made = day_bill(HOME, LAST_OF_MAY, [line], [adjustment], [line])
    assert made is not None
    assert (made.home, made.day, made.supply_naud, made.adjustments) == ("a", 20_604, 1_000, (adjustment,))
    assert made.demand == DemandCharge(60, 420)
    assert made.amount_naud == 5_340 + 300 + 1_000 + 420
    usual = day_bill(HOME, LAST_OF_MAY._replace(day=20_603, demand=None), [line], [], [line])
    assert usual is not None
    assert usual.demand is None
    gone = Registration("a", 0, PERIOD.id)
    assert day_bill(gone, LAST_OF_MAY, []) is None
    late = day_bill(gone, LAST_OF_MAY, [], [adjustment])
    assert late is not None
    assert late.amount_naud == 300
    assert day_bill(HOME, LAST_OF_MAY, []) is not None
    assert day_bill(gone, LAST_OF_MAY, [], [], [line]) is not None
