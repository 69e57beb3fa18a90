# SPDX-License-Identifier: Apache-2.0
"""Paired differences by seed and by home, their intervals, and the folders that they are taken from."""

import copy
import json

import numpy as np
import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.cli import register
from commonwatt_loadgen.comparing.command import compare_command
from commonwatt_loadgen.comparing.figures_of import figures_of
from commonwatt_loadgen.comparing.intervals import interval_of
from commonwatt_loadgen.comparing.page import comparison_page
from commonwatt_loadgen.comparing.paired import paired
from commonwatt_loadgen.comparing.show import lines_of
from commonwatt_loadgen.comparing.sides import paired_sides, sides_in
from commonwatt_loadgen.experiments.file import read_experiment
from commonwatt_loadgen.experiments.run import run_experiment
from commonwatt_loadgen.report.page import render
from commonwatt_loadgen.results import load
from scipy import stats
from typer import Typer
from typer.testing import CliRunner

from ....support.report_page import checked

TEXT = """
name: small
homes: 5
share_percent: 40
seeds: [1, 2, 3]
sweep:
  batteries.plan: [reserve, sell-all]
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    for name, text in (("a", TEXT), ("b", TEXT.replace("share_percent: 40", "share_percent: 20"))):
        (folder / name).mkdir()
        file = folder / f"{name}.yaml"
        file.write_text(text)
        run_experiment(read_experiment(file), text, folder, folder / name, 1, lambda *_: None, anew=False)
    return folder


@pytest.fixture
def variants(out):
    return [out / "a/runs" / name for name in ("plan=reserve", "plan=sell-all")]


def test_differences_by_seed_are_those_of_the_runs(out, variants):
    [(one, other)] = paired_sides(*variants)
    found = paired(one, other)
    assert found.seeds == [1, 2, 3]
    runs = load(out / "a")["runs"].set_index(["variant", "seed"])["saved_naud"]
    differences = np.array([runs["plan=sell-all", seed] - runs["plan=reserve", seed] for seed in (1, 2, 3)])
    told = found.by_seed.set_index("figure").loc["saved_naud"]
    expected = stats.ttest_1samp(differences.astype(float), 0).confidence_interval(0.95)
    assert told["difference"] == pytest.approx(differences.mean())
    assert (told["low"], told["high"]) == pytest.approx((expected.low, expected.high))
    assert told["seeds"] == 3


def test_differences_by_home_pair_the_same_homes(variants):
    [(one, other)] = paired_sides(*variants)
    found = paired(one, other)
    assert found.same_homes
    rows = found.home_differences.query("figure == 'amount_naud'")
    assert len(rows) == 15
    for row in rows.itertuples():
        before, after = (
            next(home for home in side.communities[row.seed]["homes"] if home["home"] == row.home)
            for side in (one, other)
        )
        assert row.difference == after["amount_naud"] - before["amount_naud"]
    told = found.by_home.set_index(["class", "figure"])
    assert told.loc[("all", "amount_naud"), "homes"] == 15
    assert told.loc[("prosumer", "amount_naud"), "homes"] == 6
    assert told.loc[("all", "amount_naud"), "difference"] == pytest.approx(rows["difference"].mean())
    saved = found.home_differences.query("figure == 'saved_naud'")["difference"]
    assert told.loc[("all", "saved_naud"), "higher"] == (saved > 0).sum()


def test_homes_that_are_not_the_same_are_not_paired(out):
    [(one, other)] = [
        pair for pair in paired_sides(out / "a", out / "b") if pair[0].variant == "plan=reserve"
    ]
    found = paired(one, other)
    assert found.seeds == [1, 2, 3]
    assert not found.same_homes
    assert found.by_home.empty
    assert found.home_differences.empty
    assert any("not the same" in line for line in lines_of(found))


def test_without_a_common_seed_nothing_is_paired(variants):
    [(one, other)] = paired_sides(*variants)
    later = copy.deepcopy(other)
    later.communities[9] = later.communities.pop(1)
    assert paired(one, later).seeds == [2, 3]
    alone = copy.deepcopy(other)
    alone.communities.clear()
    alone.communities[9] = other.communities[1]
    found = paired(one, alone)
    assert found.seeds == []
    assert list(lines_of(found)) == ["no seed is in both, so nothing is paired"]


def test_one_seed_has_no_interval(variants):
    [(one, other)] = paired_sides(variants[0] / "seed-1", variants[1] / "seed-1")
    found = paired(one, other)
    assert found.seeds == [1]
    assert found.by_seed["low"].isna().all()
    assert "one seed has no interval: simulate several" in list(lines_of(found))
    assert found.by_home["low"].notna().any()


def test_intervals():
    assert interval_of(np.array([2.0, 2.0])).cells()["low"] == 2.0
    assert interval_of(np.array([3.0])).sd is None
    one = interval_of(np.array([1.0, 2.0, 3.0, 4.0]))
    assert (one.low, one.high) == pytest.approx((0.4457, 4.5543), abs=1e-4)  # 2.5 ± 3.1824 * 1.2910 / 2
    assert one.excludes_zero
    with pytest.raises(ValueError, match="needs one value"):
        interval_of(np.array([]))


def test_an_interval_holds_the_true_mean_as_often_as_it_says():
    draws = np.random.default_rng(1).normal(5, 2, size=(1_500, 8))
    held = sum(one.low <= 5 <= one.high for one in map(interval_of, draws))
    assert 0.935 <= held / len(draws) <= 0.965


def test_the_command_prints_writes_and_answers_json(variants, tmp_path):
    app = Typer()
    register(app)
    words = ["compare", *map(str, variants)]
    told = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "report")], catch_exceptions=False)
    assert told.exit_code == 0
    for part in (
        "battery: reserve | sell-all",
        "by seed: 3 communities",
        "by home: the same homes",
        "report: ",
    ):
        assert part in told.stdout
    frames = load(tmp_path / "report")
    assert set(frames) == {"by_seed", "by_home", "seed_differences", "home_differences"}
    for kind in ("svg", "png", "pdf"):
        assert {one.stem for one in (tmp_path / "report/figures").glob(f"*.{kind}")} == {
            "p1-seeds",
            "p1-homes",
        }
    answer = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert answer["seeds"] == [1, 2, 3]
    saved = next(one for one in answer["by_seed"] if one["figure"] == "saved_naud")
    row = frames["by_seed"].set_index("figure").loc["saved_naud"]
    assert (saved["difference"], saved["low"]) == pytest.approx((row["difference"], row["low"]))


def test_experiments_are_compared_variant_by_variant(out, tmp_path):
    app = Typer()
    app.command()(compare_command)
    told = CliRunner().invoke(
        app, [str(out / "a"), str(out / "b"), "--out", str(tmp_path)], catch_exceptions=False
    )
    assert "plan=reserve:" in told.stdout
    assert "plan=sell-all:" in told.stdout
    assert (tmp_path / "plan=reserve/by_seed.csv").exists()
    pairs = [(one.variant, paired(one, other)) for one, other in paired_sides(out / "a", out / "b")]
    checked(render(comparison_page("a", "b", pairs)))


def test_what_cannot_be_paired_is_refused(out, variants, tmp_path):
    with pytest.raises(UsageError, match=r"several variants.*runs/VARIANT"):
        paired_sides(out / "a", variants[0] / "seed-1")
    with pytest.raises(UsageError, match=r"holds no summary\.json"):
        sides_in(tmp_path)
    for content in ("{}", "[]", '{"schema": "commonwatt-simulation-1"}'):
        (tmp_path / "summary.json").write_text(content)
        with pytest.raises(UsageError, match="summary"):
            sides_in(tmp_path)
    [(one, other)] = paired_sides(*variants)
    damaged = copy.deepcopy(other)
    del damaged.communities[1]["homes"][0]["usage_type"]
    with pytest.raises(UsageError, match="damaged"):
        paired(one, damaged)


def test_the_figures_of_a_community_are_flat(variants):
    [(one, _)] = paired_sides(*variants)
    figures = figures_of(one.communities[1])
    assert figures["homes"] == 5
    assert figures["prosumers_homes"] == 2
    assert figures["worse_off_homes"] == 0
    assert all(not isinstance(value, (dict, list)) for value in figures.values())
