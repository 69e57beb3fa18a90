# SPDX-License-Identifier: Apache-2.0
"""The forward market from the command line: its report is whole, and options and channels of another market refused."""

import json
import re
from types import SimpleNamespace

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.cli import register
from commonwatt_loadgen.comparing.totals import compare, read_summary
from commonwatt_loadgen.forward.command import simulate_forward
from commonwatt_loadgen.forward.definitions import DEFINITIONS, SCHEMA
from commonwatt_loadgen.report.carbon import carbon_section
from commonwatt_loadgen.report.costs import saved_aud
from commonwatt_loadgen.report.figure_files import figures_of
from commonwatt_loadgen.report.forward import forward_page
from commonwatt_loadgen.report.forward_costs import class_table, compared_table, gains
from commonwatt_loadgen.report.forward_energy import envelope_table, matrix
from commonwatt_loadgen.report.page import render
from commonwatt_loadgen.simulate.market_choice import check_market, require_channels_with
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process, write_summary
from typer import Typer
from typer.testing import CliRunner

from ...support.report_page import checked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of two days with envelopes."""
    folder = tmp_path_factory.mktemp("forward")
    run = SimulationOptions(
        homes=8, days=2, share_percent=50, noise_percent=20, forecast="yesterday", out=folder
    )
    given = {"export_limit_w": 900, "local_fee": 0.5, "feed_in": ("6", "11-13=-1")}
    simulate_forward(run, given, 1, in_process=True, figures=True)
    return folder


@pytest.fixture(scope="module")
def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_a_quota_has_a_section_of_who_paid_and_who_got():
    carbon = {
        "quota_g_per_day": 5_000,
        "price_uaud_per_kg": 100_000,
        "intensity": ((0, 10, 660), (10, 15, 300), (15, 24, 660)),
        "emitted_mg": {"with": 12_000_000, "without": 13_500_000},
        "paid_naud": 300_000_000,
        "shared_naud": 250_000_000,
        "fund_naud": 50_000_000,
        "homes": [
            {
                "home": "a",
                "emitted_mg": 8_000_000,
                "without_mg": 9_500_000,
                "paid_naud": 300_000_000,
                "got_naud": 0,
            },
            {
                "home": "b",
                "emitted_mg": 4_000_000,
                "without_mg": 4_000_000,
                "paid_naud": 0,
                "got_naud": 250_000_000,
            },
        ],
    }
    section = carbon_section(carbon)
    for words in (
        "5 kg of CO2-e a day",
        "660 g/kWh from 0 to 10 h, 300 g/kWh from 10 to 15 h",
        "All homes emit 12.0 kg, and 13.5 kg with the same equipment and no market",
        "10 c/kg: 1 home paid 0.30 AUD on some day, 1 home got 0.25 AUD, and the community's fund has 0.05 AUD",
    ):
        assert words in section.text
    assert section.tables[0].rows == [["a", 9.5, 8.0, 0.3, 0.0, 0.3], ["b", 4.0, 4.0, 0.0, 0.25, -0.25]]


def test_the_summary_adds_up(summary):
    community = summary["communities"][0]
    totals = community["totals"]
    assert summary["schema"] == SCHEMA
    assert totals["money_balances"]
    assert totals["energy_balances"]
    for name in totals:
        if name.endswith("_wh") and name in community["hours"][0]:
            assert sum(hour[name] for hour in community["hours"]) == totals[name]
            if name in community["homes"][0]:
                assert sum(home[name] for home in community["homes"]) == totals[name]
    served = ("direct_wh", "own_wh", "contract_wh", "shared_in_wh", "grid_wh")
    assert sum(totals[name] for name in served) == totals["use_wh"]
    exported = ("delivered_wh", "shared_out_wh", "fed_in_wh", "breach_wh")
    assert sum(totals[name] for name in exported) == totals["export_wh"]
    assert totals["breach_wh"] == community["envelopes"]["breach_wh"] > 0
    assert sum(home["imbalance_naud"] for home in community["homes"]) == totals["imbalance_naud"] > 0
    assert sum(one["traded_wh"] for one in community["periods"]) == totals["bought_wh"]
    key = community["key_figures"]
    assert key["grid_import_wh"]["without"] == totals["without_import_wh"]
    assert key["peak_import"]["with"]["energy_wh"] == key["load_duration_wh"]["with"][0]
    assert summary["definitions"] == DEFINITIONS


def test_the_report_is_whole(summary, folder):
    page = forward_page(summary)
    html = render(page)
    checked(html)
    assert html == (folder / "report.html").read_text()
    keys = {figure.key for figure in figures_of(page)}
    names = "prices served exports batteries gains classes compared pairs envelopes import duration"
    assert {f"c0-{name}" for name in names.split()} <= keys
    assert {path.stem for path in (folder / "figures").glob("*.png")} == keys


@pytest.mark.long
def test_several_communities_have_a_chapter_each(summary):
    second = json.loads(json.dumps(summary["communities"][0]))
    page = forward_page({**summary, "communities": [summary["communities"][0], second]})
    checked(render(page))
    assert [one.title for one in page.chapters] == ["Community 1", "Community 2"]


def test_tables_say_what_the_summary_does(summary):
    community = summary["communities"][0]
    assert class_table(community).rows[-1][4] == saved_aud(community["homes"])
    first = compared_table(community).rows[0]
    errors = class_table(community).rows[-1][7]
    assert first[8] == errors
    assert f"{errors:,.2f} AUD" in [tile.value for tile in forward_page(summary).tiles]
    assert class_table(community).rows[-1][4] == first[3]
    assert first[0] == "yesterday (this run)"
    assert first[3] == saved_aud(community["homes"])
    saved = [row[4] for row in gains(community, "c0").table.rows]
    assert saved == sorted(saved)
    assert sum(row[2] for row in envelope_table(community).rows) == pytest.approx(
        community["envelopes"]["breach_wh"] / 1000
    )
    shown = community["pairs"]["matrix_wh"]
    assert len(matrix(community, "c0").table.rows) == len(community["pairs"]["largest"])
    assert (len(shown), len(shown[0])) == tuple(
        len(community["pairs"][side]) for side in ("givers", "takers")
    )


def test_results_of_both_markets_stand_side_by_side(folder, tmp_path):
    options = SimulationOptions(homes=8, days=2, share_percent=50, noise_percent=20, out=tmp_path)
    write_summary(options, simulate_in_process(options, 1, lambda *_: None))
    rows, differing = compare(read_summary(folder), read_summary(tmp_path))
    by_name = {(one.name, one.unit): one for one in rows}
    assert differing["market"] == ("forward", None)
    assert by_name["homes", ""].difference == 0
    assert abs(by_name["use", "kWh"].difference) < 0.1, "intervals round their energy"
    assert by_name["traded", "kWh"].first > 0
    assert ("fills", "") not in by_name
    both = {(one.name, one.unit) for one in compare(read_summary(folder), read_summary(folder))[0]}
    assert {("shared", "kWh"), ("paid for forecasts that erred", "AUD"), ("periods", "")} <= both


@pytest.fixture
def app():
    app = Typer()
    register(app)
    return app


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--sharing none", "--sharing: counts with --market forward alone"),
        ("--curtail", "--curtail: counts with --market forward alone"),
        ("--market forward --spill WASTE", "--spill: counts with --market ex_post alone"),
        ("--market forward --strategy shading", "--strategy: counts with --market ex_post alone"),
        ("--market forward --new-day", "--new-day: counts with --market ex_post alone"),
        ("--battery none", "--battery none: is none of"),
        ("--forecast weekday-mean", "--forecast weekday-mean: is none of"),
    ],
)
def test_options_of_the_other_market_are_refused(app, tmp_path, words, told):
    asked = ["simulate", "--in-process", "--out", str(tmp_path), *words.split()]
    ended = CliRunner().invoke(app, asked)
    assert isinstance(ended.exception, UsageError)
    assert told in str(ended.exception)


def test_the_command_says_what_came_of_it(app, tmp_path):
    asked = "simulate --market forward --in-process --homes 4 --share 50 --period 60 --clock-zone Australia/Sydney"
    asked += " --first-day 2012-10-07 --sharing none --pricing uniform --feed-in 9 --local-fee 1 --no-figures"
    ended = CliRunner().invoke(app, [*asked.split(), "--out", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert re.search(r"in-process: 4 homes \(2 with PV\), 23 periods, ", ended.output)
    assert "no homes worse off" in ended.output
    run = json.loads((tmp_path / "summary.json").read_text())["run"]
    assert (run["first_day"], run["period_min"], run["pricing"]) == ("2012-10-07", 60, "uniform")


def network_of(tmp_path, channels):
    path = tmp_path / "network.json"
    path.write_text(json.dumps({"name": "n", "channels": channels}, indent=2) + "\n")
    communities = [SimpleNamespace(channel=name) for name in channels]
    return SimpleNamespace(path=path, communities=communities, content=json.loads(path.read_text()))


def test_a_channel_of_the_other_market_is_named_with_its_line(tmp_path):
    organizations = {"organizations": ["a"]}
    network = network_of(
        tmp_path,
        {"old": organizations, "one": {**organizations, "market": "forward"}},
    )
    with pytest.raises(UsageError, match=r"network.json, line 4: channel old runs the market ex_post"):
        require_channels_with("forward", network)
    with pytest.raises(UsageError, match=r"network.json, line 13: channel one runs the market forward"):
        require_channels_with("ex_post", network)
    require_channels_with("ex_post", network_of(tmp_path, {"old": organizations}))
    check_market("forward", {"--spill": None}, {"--sharing": "none"})
