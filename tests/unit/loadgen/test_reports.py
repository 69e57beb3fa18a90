# SPDX-License-Identifier: Apache-2.0
"""Summaries add up, and reports are whole, self-contained HTML."""

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.report.simulation import simulation_report
from commonwatt_loadgen.simulate.definitions import DEFINITIONS
from commonwatt_loadgen.simulate.summary import community_summary
from commonwatt_loadgen.traces import default_types

from ...support.report_page import checked


@pytest.fixture(scope="module")
def summary():
    rules = Parameters()
    homes = make_community(
        default_types(),
        [f"home{number:03d}" for number in range(20)],
        prosumer_share_ppm=400_000,
        storage_wh=5000,
        seed=1,
        strategies=["suggested", "zero-intelligence"],
    )
    agents = [HomeAgent(home, rules, 1) for home in homes]
    market = InProcessMarket(rules)
    days = [market.run_day(agents, day) for day in range(2)]
    return {
        "definitions": DEFINITIONS,
        "run": {
            "seed": 1,
            "days": 2,
            "share_percent": 40.0,
            "first_day": "2012-11-01",
            "network": "<newtown>",
            "backend": "embedded",
            "source": "the default types",
        },
        "communities": [{"channel": "newtown", **community_summary(homes, days, rules)}],
        "performance": {},
    }


def test_the_summary_adds_up(summary):
    community = summary["communities"][0]
    totals = community["totals"]
    assert totals["money_balances"]
    for name in (
        "use_wh",
        "generation_wh",
        "direct_wh",
        "own_wh",
        "p2p_wh",
        "grid_wh",
        "charged_wh",
        "spill_wh",
    ):
        assert sum(hour[name] for hour in community["hours"]) == totals[name]
    assert sum(slot["p2p_wh"] for slot in community["half_hours"]) == totals["p2p_wh"]
    assert sum(pair["energy_wh"] for pair in community["trades"]) == totals["p2p_wh"]
    assert sum(home["amount_naud"] for home in community["homes"]) == totals["amount_naud"]
    assert sum(row["revenue_naud"] for row in community["strategies"]) == totals["p2p_amount_naud"]
    assert totals["use_wh"] == totals["direct_wh"] + totals["own_wh"] + totals["p2p_wh"] + totals["grid_wh"]
    assert community["half_hours"][-1]["battery_max_wh"] <= 5000


def test_the_simulation_report_is_whole(summary):
    html = simulation_report(summary)
    checked(html)
    assert "<newtown>" not in html
    assert "2 days of neighbours" in html
