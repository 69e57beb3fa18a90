# SPDX-License-Identifier: Apache-2.0
"""Two results side by side; and folders that hold none are refused."""

import json

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.cli import register
from commonwatt_loadgen.comparing.totals import LARGEST_BYTES, SCHEMA, compare, read_summary
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process, write_summary
from typer import Typer
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    out = []
    for policy in ("reserve", "sell-all"):
        folder = tmp_path_factory.mktemp(policy)
        options = SimulationOptions(homes=10, share_percent=50, battery=policy, out=folder)
        write_summary(options, simulate_in_process(options, 2, lambda *_: None))
        out.append(folder)
    return out


def test_totals_stand_side_by_side_with_their_difference(folders):
    first, second = map(read_summary, folders)
    rows, options = compare(first, second)
    assert options == {"battery": ("reserve", "sell-all")}
    by_name = {(one.name, one.unit): one for one in rows}
    assert by_name["homes", ""].first == 20
    saved = by_name["saved", "AUD"]
    whole = sum(one["totals"]["saved_naud"] for one in first["communities"]) / 10**9
    assert abs(saved.first - whole) < 0.01 * 20
    assert (
        round(saved.first - by_name["same equipment, no market", "AUD"].first, 2)
        == -by_name["with market", "AUD"].first
    )
    assert round(saved.second - saved.first, 6) == saved.difference
    parts = by_name["saved by prosumers", "AUD"].second + by_name["saved by consumers", "AUD"].second
    assert round(parts, 2) == saved.second


def test_a_run_compared_with_itself_differs_in_nothing(folders):
    rows, options = compare(read_summary(folders[0]), read_summary(folders[0]))
    assert options == {}
    assert {one.difference for one in rows} == {0}


def test_the_command_prints_a_table_or_json(folders):
    app = Typer()
    register(app)
    words = ["compare", *map(str, folders)]
    table = CliRunner().invoke(app, words)
    assert table.exit_code == 0
    assert "battery: reserve | sell-all" in table.stdout
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert {"name", "unit", "first", "second", "difference"} == set(told["totals"][0])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "holds no summary.json"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "no summary of"),
        (json.dumps({"schema": "commonwatt-paper-1"}), "no summary of"),
    ],
)
def test_folders_without_a_summary_are_refused(tmp_path, content, told):
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(UsageError, match=told):
        read_summary(tmp_path)


@pytest.mark.parametrize("communities", [[], [{}], None, [{"totals": 3}], "homes"])
def test_a_damaged_summary_is_refused(folders, communities):
    damaged = {"schema": SCHEMA, "run": {}, "communities": communities}
    with pytest.raises(UsageError, match="incomplete or damaged"):
        compare(read_summary(folders[0]), damaged)
    with pytest.raises(UsageError, match="incomplete or damaged"):
        compare({"schema": SCHEMA, "communities": []}, damaged)


def test_a_file_too_large_to_be_one_is_not_read(tmp_path):
    with (tmp_path / "summary.json").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(UsageError, match="larger than"):
        read_summary(tmp_path)
