# SPDX-License-Identifier: Apache-2.0
"""The operators' periods, and who has not reported."""

from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_community.market.results import ConnectionVersion, Home
from commonwatt_community.portal.board import PERIODS_BACK, due_period, periods_of, reports, shown_periods

from ....support.market_month import MarketMonth


def home(name: str, from_period: int = 0, to_period: int | None = None, confirmed: bool = True) -> Home:
    versions = (ConnectionVersion(from_period, Connection()),) if confirmed else ()
    return Home(name, "consumer", 0, versions, None, to_period, None)


async def test_periods_and_what_stands_of_them(eleventh: MarketMonth) -> None:
    standing = await eleventh.get_configuration()
    configuration, now_s = standing.configuration, standing.now_s
    periods = shown_periods(configuration, now_s)
    assert len(periods) == PERIODS_BACK + 2  # the running one, and the one whose window is open
    running = next(one for one in periods if one.start_s <= now_s < one.end_s)
    told = periods_of(configuration, periods, [{"period": running.id, "gate": {"state": "closed"}}])
    by_id = {one["period"]: one for one in told}
    assert by_id[running.id]["gate"] == {"state": "closed"}
    assert by_id[running.id]["cleared"] is None
    assert told[-1]["window_opens_s"] <= now_s < told[-1]["start_s"]


async def test_homes_that_have_not_reported(eleventh: MarketMonth) -> None:
    standing = await eleventh.get_configuration()
    due = due_period(standing.configuration, standing.now_s)
    assert due.end_s <= standing.now_s
    homes = [
        home("a"),
        home("b"),
        home("new", due.id + 60),
        home("gone", 0, due.id),
        home("waits", confirmed=False),
    ]
    key = f"m/reading/{due.id:09d}/0001/a/meter/01"
    assert reports(due, homes, [key]) == {"period": due.id, "expected": 2, "missing": ["b"]}
    assert reports(due, homes, [])["missing"] == ["a", "b"]
