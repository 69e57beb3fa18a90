# SPDX-License-Identifier: Apache-2.0
"""The abstract's claims: each verdict follows from its figures, and turns where they do."""

import copy

import pytest
from commonwatt_loadgen.paper.claims import DOES_NOT, HOLDS, IN_PART, claims
from commonwatt_loadgen.paper.judged import claims_section, sensitivity_section
from commonwatt_loadgen.paper.thirty_days import SETTLED_FROM, stability


def month(share):
    return {
        "share_percent": share,
        "price_c_per_kwh": [19.0, 20.0, 21.0],
        "price_mean": 20.0,
        "price_variation_percent": 1.0,
        "price_drift_percent": -0.5,
        "mean_peak_hour_wh": {"with": 90, "without": 100},
        "imports_kg": {"with": 90.0, "without": 100.0},
        "net_kg": {"with": 90.0, "without": 100.0},
        "saved_percent": 5.0,
        "worse_off": 0,
    }


def users(count, offers):
    counts = {"requests": 20 * count, "offers": offers * count, "fills": 5 * count}
    return {
        "users": count,
        "need_kwh_per_user": {"mean": 15.0},
        "counts": {name: {"mean": value} for name, value in counts.items()},
    }


def share(percent, cost):
    return {"share_percent": percent, "all": {"mean": cost}, "consumers": {"mean": cost}}


@pytest.fixture
def summary():
    return {
        "thirty_days": [month(20), month(50)],
        "users": [users(10, 10), users(100, 11)],
        "shares": {"NSW": [share(0, 100.0), share(50, 39.0), share(90, 30.0)]},
    }


def verdicts(summary):
    return [one.verdict for one in claims(summary)]


def test_all_hold_where_every_figure_is_good(summary):
    assert verdicts(summary) == [HOLDS] * 6


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (0, {"price_variation_percent": 5.1}),
        (0, {"price_drift_percent": -5.1}),
        (2, {"mean_peak_hour_wh": {"with": 100, "without": 100}}),
        (4, {"worse_off": 1}),
        (5, {"net_kg": {"with": 100.0, "without": 100.0}}),
    ],
)
def test_one_bad_month_makes_a_claim_hold_in_part(summary, place, change):
    summary["thirty_days"][1].update(change)
    expected = [HOLDS] * 6
    expected[place] = IN_PART
    assert verdicts(summary) == expected


def test_no_good_month_refutes_a_claim(summary):
    bad = copy.deepcopy(summary)
    for one in bad["thirty_days"]:
        one.update(
            price_variation_percent=9.0,
            mean_peak_hour_wh={"with": 110, "without": 100},
            saved_percent=-1.0,
            worse_off=3,
            imports_kg={"with": 1.0, "without": 1.0},
            net_kg={"with": 2.0, "without": 1.0},
        )
    assert [verdicts(bad)[place] for place in (0, 2, 4, 5)] == [DOES_NOT] * 4


def test_orders_that_grow_with_the_community_scale_in_part(summary):
    summary["users"][1] = users(100, 60)
    found = claims(summary)[1]
    assert found.verdict == IN_PART
    assert "30 and 80 orders a home and day" in found.figure


@pytest.mark.parametrize(
    ("at_50", "at_90", "expected"), [(40, 50, HOLDS), (41, 40, IN_PART), (41, 41, DOES_NOT)]
)
def test_the_claimed_cut_counts_where_half_of_the_homes_have_pv(summary, at_50, at_90, expected):
    summary["shares"]["NSW"] = [share(0, 100.0), share(50, at_50), share(90, at_90)]
    assert claims(summary)[3].verdict == expected


def test_a_price_is_judged_once_it_has_settled():
    wild = [1.0, 90.0, 5.0][:SETTLED_FROM]
    assert stability([*wild, *[20.0] * 9])["price_variation_percent"] == 0
    rising = stability([*wild, 19.0, 19.0, 20.0, 20.0, 21.0, 21.0])
    assert (rising["price_mean"], rising["price_drift_percent"]) == (20.0, 10.0)
    assert stability([*wild, None, 20.0, None])["price_mean"] is None


def test_the_report_has_each_claim_with_its_verdict_and_each_reading(summary):
    mean = {"mean": 43.0, "sd": 1.0}
    reading = dict.fromkeys(("consumers", "prosumers", "all", "p2p_of_need"), mean)
    summary["sensitivity"] = [
        {
            "assumption": "the size of a battery",
            "readings": [{"reading": "5 kWh", **reading}, {"reading": "10 kWh", **reading}],
            "moves_all_by_points": 0.0,
        }
    ]
    judged, opened = claims_section(summary), sensitivity_section(summary)
    assert [row[2] for row in judged.tables[0].rows] == [HOLDS] * 6
    assert [row[:3] for row in opened.tables[0].rows] == [
        ["the size of a battery", "5 kWh", "43.0 ± 1.0"],
        ["", "10 kWh", "43.0 ± 1.0"],
    ]
    orders = next(one for one in judged.figures if one.key == "orders-by-users")
    assert orders.table.rows == [["10", 20.0, 10.0, 5.0], ["100", 20.0, 11.0, 5.0]]
