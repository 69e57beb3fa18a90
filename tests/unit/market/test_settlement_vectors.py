# SPDX-License-Identifier: Apache-2.0
"""24 periods of the forward market, settled version by version: estimates, late readings, gaps, adjustments."""

import json
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.market.forward.day_bills import adjusted
from commonwatt_chaincode.market.forward.envelopes import Envelope
from commonwatt_chaincode.market.forward.gaps import Spread
from commonwatt_chaincode.market.forward.period_settlement import (
    FrozenPeriod,
    SettledLine,
    estimate_wh,
    settle_homes,
    unknown_homes,
)
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import Reading
from commonwatt_chaincode.market.forward.settlement import Terms

VECTORS = Path(__file__).parents[2] / "vectors" / "settlement_vectors.json"
CASES = json.loads(VECTORS.read_text())["cases"]


def test_the_cases_hold_what_they_are_for() -> None:
    assert len({case["id"] for case in CASES}) == 24
    lines = [line for case in CASES for version in case["versions"] for line in version["lines"].values()]
    assert {line["quality"] for line in lines} == {"estimated", "substituted", "measured"}
    booked = [
        one for case in CASES for version in case["versions"] for one in version["adjustments"].values()
    ]
    assert {one["reason"] for one in booked} == {"gap", "reading", "neighbours"}
    assert any(version["final_version"] for case in CASES for version in case["versions"])


@pytest.mark.parametrize("slices", [1, 2, 6])
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_each_version_comes_to_what_is_published(case: Any, slices: int) -> None:
    """In whatever slices the homes come."""
    before: dict[str, SettledLine] = {}
    for version in case["versions"]:
        frozen = _frozen(case, version)
        homes = sorted(frozen.connections)
        gaps = {home: Spread(frozen.period, **gap) for home, gap in version["gaps"].items()}
        lines: list[SettledLine] = []
        for part in (homes[first::slices] for first in range(slices)):
            estimates_wh = {
                home: estimate_wh(frozen, home, _past(version, home))
                for home in unknown_homes(frozen, part, before)
            }
            known = {home: before[home] for home in part if home in before}
            lines += settle_homes(frozen, part, known, gaps, estimates_wh)
        told = {line.home: _told(line) for line in lines}
        assert told == version["lines"]
        booked = {
            line.home: change
            for line in lines
            if line.home in before
            and (change := adjusted(frozen.period, frozen.terms.prices, before[line.home], line))
        }
        assert {home: _booked(change) for home, change in booked.items()} == version["adjustments"]
        before = {line.home: line for line in lines}


def _frozen(case: Any, version: Any) -> FrozenPeriod:
    period = Period(case["period"], case["length_min"])
    gate_s = period.start_s - 300
    readings: dict[str, list[Reading]] = {}
    for said in version["readings"]:
        readings.setdefault(said["home"], []).append(Reading(**said))
    return FrozenPeriod(
        period,
        version["version"],
        version["final_version"],
        Terms(Prices(**case["tariff"]), case["price"], case["sharing"]["mode"], case["sharing"].get("price")),
        gate_s,
        ((0, case["utc_offset_min"]),),
        case["estimate_w"],
        {one["home"]: Connection(one["connection_w"], one["pv_w"]) for one in case["homes"]},
        {one["home"]: (one["bought_wh"], one["sold_wh"]) for one in case["homes"]},
        readings,
        [
            # The power whose energy in this period, rounded down, is the cap.
            Envelope(
                one["home"],
                period.id,
                period.id + 60,
                None,
                _power_w(period, one["export_cap_wh"]),
                gate_s - 1,
            )
            for one in case["homes"]
            if one["export_cap_wh"] is not None
        ],
        {one["home"]: one["key_ppm"] for one in case["homes"]},
    )


def _power_w(period: Period, energy_wh: int) -> int:
    return -(-energy_wh * 60 // period.length_min)


def _past(version: Any, home: str) -> list[tuple[Period, int]]:
    return [
        (Period(period_id, length_min), import_wh)
        for period_id, length_min, import_wh in version["past"].get(home, ())
    ]


def _told(line: SettledLine) -> dict[str, Any]:
    names = ("version", "quality", "author", "seq", "reading_version", "import_wh", "export_wh")
    return {name: getattr(line, name) for name in names} | line.line._asdict()


def _booked(change: Any) -> dict[str, Any]:
    return {
        "reason": change.reason,
        "change": change.change._asdict(),
        "taxable_naud": change.taxable_naud,
    }
