# SPDX-License-Identifier: Apache-2.0
"""Summaries add up, and reports are whole, self-contained HTML."""

import json
from pathlib import Path

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.report.costs import class_table, home_costs, saved_aud
from commonwatt_loadgen.report.figure_files import figures_of, remove_figures, write_figures
from commonwatt_loadgen.report.policies import policy_table
from commonwatt_loadgen.report.simulation import simulation_page, simulation_report
from commonwatt_loadgen.report.strategies import strategy_table
from commonwatt_loadgen.simulate.beside import MOST_HOME_DAYS, Beginning, by_policy
from commonwatt_loadgen.simulate.definitions import DEFINITIONS
from commonwatt_loadgen.simulate.inprocess import community_in_process
from commonwatt_loadgen.simulate.mechanism import mechanism_cost, processor_s
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process
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
    figures = community_summary(homes, days, rules)
    options = SimulationOptions(homes=20, days=2, battery="sell-all")
    figures["policies"] = by_policy(options, homes, Beginning(rules), 1, figures)
    return {
        "definitions": DEFINITIONS,
        "run": {
            "seed": 1,
            "days": 2,
            "share_percent": 40.0,
            "battery": "sell-all",
            "first_day": "2012-11-01",
            "network": "<newtown>",
            "backend": "embedded",
            "source": "the default types",
        },
        "communities": [{"channel": "newtown", **figures}],
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


def column(table, name):
    return [row[list(table.headers).index(name)] for row in table.rows]


def whole_cents(values):
    return round(100 * sum(values))


@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.long
def test_headline_sums_equal_their_tables_to_the_cent(seed):
    options = SimulationOptions(
        homes=17 + seed, seed=seed, share_percent=30, noise_percent=9, strategies=("suggested", "shading")
    )
    summary = simulate_in_process(options, 1, lambda *_: None)
    community = summary["communities"][0]
    headline = whole_cents([saved_aud(community["homes"])])
    classes = class_table(community)
    assert f"{headline / 100:,.2f} AUD" == simulation_page(summary).tiles[0].value
    for name in ("saved, AUD", "with market, AUD", "same equipment, no market, AUD", "revenue, AUD"):
        *parts, whole = column(classes, name)
        assert whole_cents(parts) == whole_cents([whole]), name
    assert whole_cents(column(classes, "saved, AUD")[:-1]) == headline
    assert whole_cents(column(home_costs(community, "c0").table, "saved, AUD")) == headline
    assert whole_cents(column(strategy_table(community), "saved, AUD")) == headline
    policies = policy_table(community)
    assert whole_cents(column(policies, "saved by all, AUD")[:1]) == headline
    for row in policies.rows:
        assert whole_cents(row[3:5]) == whole_cents(row[2:3])


def test_policies_are_what_their_own_runs_come_to():
    traces = default_types()
    both = {
        policy: community_in_process(SimulationOptions(homes=15, share_percent=40, battery=policy), traces, 0)
        for policy in ("reserve", "sell-all", "mpc")
    }
    for policy, community in both.items():
        assert community["policies"][0]["policy"] == policy
        for row in community["policies"]:
            alone = both[row["policy"]]
            assert row["saved_naud"] == alone["totals"]["saved_naud"]
            assert row["p2p_wh"] == alone["totals"]["p2p_wh"]
            assert row["worse_off"] == alone["key_figures"]["worse_off"]["homes"]
            assert row["prosumers_saved_naud"] + row["consumers_saved_naud"] == row["saved_naud"]
    assert both["reserve"]["totals"] != both["sell-all"]["totals"]


@pytest.mark.long
def test_long_runs_are_not_repeated_for_policies(summary):
    options = SimulationOptions(days=MOST_HOME_DAYS + 1)
    homes = make_community(default_types(), ["a"], prosumer_share_ppm=1_000_000, storage_wh=5000, seed=1)
    assert by_policy(options, homes, Beginning(Parameters()), 1, {}) is None
    without = {**summary["communities"][0], "policies": None}
    html = simulation_report({**summary, "communities": [without]})
    checked(html)
    assert "commonwatt compare" in html


@pytest.mark.long
def test_every_figure_of_a_report_is_a_file(summary, tmp_path):
    page = simulation_page(summary)
    write_figures(page, tmp_path)
    keys = [figure.key for figure in figures_of(page)]
    assert "c0-flows" in keys
    assert {file.name for file in tmp_path.iterdir()} == {
        f"{key}.{kind}" for key in keys for kind in ("svg", "png", "pdf")
    }
    for file in tmp_path.glob("*.png"):
        content = file.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 5_000, file  # more than an empty sheet
    for file in tmp_path.glob("*.pdf"):
        assert file.read_bytes().startswith(b"%PDF")
    for file in tmp_path.glob("*.svg"):
        assert 'xmlns="http://www.w3.org/2000/svg"' in file.read_text()[:400]
    mine = Path(tmp_path, "photo.png")
    mine.write_bytes(b"")
    remove_figures(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]


def test_the_cost_of_the_mechanism_is_per_kwh_traded():
    cost = mechanism_cost(3_000, 12.0, 60_000)
    assert (cost["transactions_per_kwh"], cost["network_processor_s_per_kwh"]) == (50.0, 0.2)
    assert mechanism_cost(3_000, None, 0)["transactions_per_kwh"] is None
    assert processor_s({}) is None


@pytest.mark.long
def test_the_report_of_a_ledger_states_what_the_market_cost(summary):
    speed = {
        "transactions": 3_000,
        "elapsed_s": 10.0,
        "transactions_per_s": 300.0,
        "retries": 0,
        "commit_latency_ms": {"p50": 5.0, "p95": 9.0},
        "by_transaction": {},
        "mechanism": mechanism_cost(3_000, None, 60_000),
    }
    html = simulation_report(json.loads(json.dumps({**summary, "performance": speed})))
    checked(html)
    assert "processor time of the network" in html
