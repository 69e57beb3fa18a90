# SPDX-License-Identifier: Apache-2.0
"""An experiment runs each variant with each seed once, keeps what is done, and refuses to mix what differs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.comparing.totals import read_summary
from commonwatt_loadgen.experiments.command import app
from commonwatt_loadgen.experiments.file import read_experiment
from commonwatt_loadgen.experiments.one_run import KEPT
from commonwatt_loadgen.experiments.orphans import end_with
from commonwatt_loadgen.experiments.outcome import TABLES
from commonwatt_loadgen.experiments.plan import digest_of, runs_of
from commonwatt_loadgen.experiments.run import run_experiment
from commonwatt_loadgen.experiments.show import lines_of
from commonwatt_loadgen.experiments.versions import versions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process
from typer.testing import CliRunner

TEXT = """
name: small
homes: 4
share_percent: 50
seeds: [1, 2]
sweep:
  market: [ex_post, forward]
"""


def run(folder: Path, text: str = TEXT, out: str = "out", anew: bool = False, told: list | None = None):
    file = folder / "experiment.yaml"
    file.write_text(text)
    target = folder / out
    target.mkdir(exist_ok=True)
    progress = (told if told is not None else []).append
    return run_experiment(
        read_experiment(file), text, folder, target, 1, lambda *done: progress(done), anew=anew
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    return folder, run(folder)


def test_each_run_is_the_simulation_that_its_setting_says(done):
    folder, frames = done
    options = SimulationOptions(homes=4, share_percent=50, seed=2, out=folder / "other")
    expected = simulate_in_process(options, 1, lambda *_: None)["communities"][0]
    kept = read_summary(folder / "out/runs/market=ex_post/seed-2")["communities"][0]
    assert {**kept, "policies": None} == {**expected, "policies": None}
    row = frames["runs"].query("variant == 'market=ex_post' and seed == 2").iloc[0]
    assert row["saved_naud"] == expected["totals"]["saved_naud"]
    assert row["prosumers_saved_naud"] == sum(
        home["saved_naud"] for home in expected["homes"] if home["class"] == "prosumer"
    )
    homes = frames["homes"].query("variant == 'market=ex_post' and seed == 2")
    assert list(homes["saved_naud"]) == [home["saved_naud"] for home in expected["homes"]]
    assert len(frames["runs"]) == 4
    assert len(frames["homes"]) == 16


def test_the_variants_means_are_those_of_their_runs(done):
    _, frames = done
    told_of = frames["variants"].query("figure == 'saved_naud'").set_index("variant")
    for variant, group in frames["runs"].groupby("variant"):
        told = told_of.loc[variant]
        values = group["saved_naud"].to_numpy(dtype=float)
        assert told["count"] == 2
        assert told["mean"] == pytest.approx(values.mean())
        # Student's t with one degree of freedom: 12.706
        assert told["high"] - told["mean"] == pytest.approx(
            12.7062 * values.std(ddof=1) / np.sqrt(2), rel=1e-4
        )
    lines = list(lines_of(frames["variants"], 2))
    assert len(lines) == 4
    assert lines[1].startswith("market=ex_post")


def test_the_folder_holds_the_file_versions_and_seeds(done):
    folder, _ = done
    out = folder / "out"
    assert (out / "experiment.yaml").read_text() == TEXT
    about = json.loads((out / "experiment.json").read_text())
    assert about["seeds"] == [1, 2]
    assert about["versions"] == versions()
    assert [one["choices"] for one in about["variants"]] == [{"market": "ex_post"}, {"market": "forward"}]
    kept = json.loads((out / "runs/market=forward/seed-1" / KEPT).read_text())
    assert (kept["seed"], kept["setting"]["market"]) == (1, "forward")
    assert {f"{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")} <= {
        one.name for one in out.iterdir()
    }


def test_what_is_kept_is_not_run_again_and_more_seeds_are_added(done):
    folder, frames = done
    kept = folder / "out/runs/market=ex_post/seed-1" / KEPT
    before = kept.stat().st_mtime_ns
    told: list[tuple[int, int]] = []
    more = run(folder, TEXT.replace("[1, 2]", "[1, 2, 3]"), told=told)
    assert told == [(4, 6), (5, 6), (6, 6)]
    assert kept.stat().st_mtime_ns == before
    assert len(more["runs"]) == 6
    again = run(folder)
    assert again["runs"].equals(frames["runs"])


def test_runs_that_differ_are_never_mixed(done, tmp_path):
    folder, _ = done
    before = (folder / "out/experiment.json").read_bytes()
    with pytest.raises(UsageError, match=r"another value of days; .* --anew"):
        run(folder, TEXT + "days: 2\n")
    with pytest.raises(UsageError, match="other data, other tables"):
        run(folder, TEXT + "tables: csv\n")
    assert (folder / "out/experiment.json").read_bytes() == before
    small = "name: small\nhomes: 2\nshare_percent: 0\n"
    run(tmp_path, small)
    told: list[tuple[int, int]] = []
    run(tmp_path, small.replace("2", "3"), anew=True, told=told)
    assert told == [(0, 1), (1, 1)]


def test_data_that_changed_are_other_data(tmp_path):
    rows = [f"a,2024-01-15T{slot // 2:02d}:{slot % 2 * 30:02d},0.2" for slot in range(48)]
    data = tmp_path / "homes.csv"
    data.write_text("home,time,use_kwh\n" + "\n".join(rows) + "\n")
    text = "name: small\nhomes: 2\nshare_percent: 0\ntables: parquet\ndata: {file: homes.csv}\n"
    run(tmp_path, text)
    tables = {one.name for one in (tmp_path / "out/runs/all/seed-1").iterdir()}
    assert {"homes.csv", "homes.parquet", "bills.parquet", "summary.json"} <= tables
    data.write_text(data.read_text().replace("0.2", "0.3"))
    with pytest.raises(UsageError, match="other data"):
        run(tmp_path, text)
    data.unlink()
    with pytest.raises(UsageError, match=r"homes\.csv: cannot be read"):
        run(tmp_path, text)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "[]", '{"schema": "other"}'])
def test_a_folder_of_others_is_refused(tmp_path, content):
    folder = tmp_path / "out/runs/all/seed-1"
    folder.mkdir(parents=True)
    (folder / KEPT).write_text(content)
    with pytest.raises(UsageError, match=KEPT):
        run(tmp_path, "name: small\nhomes: 2\n")
    assert (folder / KEPT).read_text() == content


def test_a_damaged_summary_is_told(tmp_path):
    text = "name: small\nhomes: 2\nshare_percent: 0\n"
    run(tmp_path, text)
    file = tmp_path / "out/runs/all/seed-1/summary.json"
    file.write_text('{"schema": "commonwatt-simulation-1", "run": {}, "communities": [{}]}')
    with pytest.raises(UsageError, match="incomplete or damaged"):
        run(tmp_path, text)


def test_a_digest_covers_names_and_contents(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = digest_of(folder)
    (folder / "a").rename(folder / "b")
    assert digest_of(folder) != first
    assert len({one.identity for one in runs_of(_experiment(tmp_path), tmp_path, tmp_path)}) == 4


def _experiment(folder):
    (folder / "e.yaml").write_text(TEXT)
    return read_experiment(folder / "e.yaml")


def test_a_worker_ends_with_the_process_that_it_works_for(tmp_path):
    code = f"import time, {end_with.__module__} as o; o.end_with(int(input())); print('up', flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    worker = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        worker.stdin.write(f"{parent.pid}\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "up\n"
        assert worker.poll() is None
        parent.kill()
        parent.wait()
        assert worker.wait(30) == 1
    finally:
        for one in (worker, parent):
            one.kill()
            one.wait()
            for stream in (one.stdin, one.stdout):
                if stream:
                    stream.close()


def test_a_new_experiment_is_written_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(app, ["new"])
    assert made.exit_code == 0
    assert read_experiment(tmp_path / "experiment.yaml").name == "batteries"
    with pytest.raises(UsageError, match="cannot be written"):
        CliRunner().invoke(app, ["new"], catch_exceptions=False)
    assert json.loads(CliRunner().invoke(app, ["schema"]).stdout)["title"] == "ExperimentFile"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_killed_experiment_goes_on_and_leaves_nobody_behind(tmp_path):
    """SIGKILL after the first run; the rest, on two processes, comes to what an undisturbed experiment comes to."""
    file = tmp_path / "experiment.yaml"
    file.write_text(TEXT.replace("[1, 2]", "1-6"))
    words = [str(Path(sys.executable).with_name("commonwatt")), "experiment", "run", str(file), "--jobs", "2"]
    killed = subprocess.Popen([*words, "--out", str(tmp_path / "a")], start_new_session=True)
    while not list((tmp_path / "a").glob(f"runs/*/*/{KEPT}")):
        assert killed.poll() is None
        time.sleep(0.1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = {one: one.stat().st_mtime_ns for one in (tmp_path / "a").glob(f"runs/*/*/{KEPT}")}
    subprocess.run([*words, "--out", str(tmp_path / "a")], check=True, capture_output=True)
    subprocess.run([*words, "--out", str(tmp_path / "b")], check=True, capture_output=True)
    assert all(one.stat().st_mtime_ns == before for one, before in kept.items())
    for name in TABLES:
        assert (tmp_path / f"a/{name}.csv").read_bytes() == (tmp_path / f"b/{name}.csv").read_bytes()
