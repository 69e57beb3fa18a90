# SPDX-License-Identifier: Apache-2.0
"""Results as typed frames, from CSV and from Parquet alike, and folders that hold none."""

import importlib.util
from dataclasses import replace

import pandas as pd
import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen import frames
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.run import simulate_forward_in_process
from commonwatt_loadgen.results import load
from commonwatt_loadgen.simulate.inprocess import channel_of, community_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import opening, simulate_in_process, write_summary
from commonwatt_loadgen.simulate.tables import remove_data, require_own_tables

TIMES = "datetime64[s]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated")
    options = SimulationOptions(homes=4, share_percent=50, out=out, data=True, parquet=True)
    write_summary(options, simulate_in_process(options, 1, lambda *_: None))
    return out


def test_a_simulation_is_typed_frames(folder):
    found = load(folder)
    assert set(found) == {"communities", "households", "hours", "homes", "trades", "rounds", "bills"}
    homes = found["homes"]
    assert {str(homes[name].dtype) for name in ("start", "end")} == {TIMES}
    assert {str(homes[name].dtype) for name in homes if name.endswith(("_wh", "_naud", "_per_kwh"))} == {
        "Int64"
    }
    assert str(homes["home"].dtype).startswith("string")
    assert homes["sold_uaud_per_kwh"].isna().any()
    assert str(found["bills"]["day"].dtype) == TIMES
    paid = found["bills"].groupby("home")["amount_naud"].sum()
    assert dict(paid) == dict(found["households"].set_index("home")["amount_naud"])
    assert found["communities"].loc[0, "saved_naud"] == found["households"]["saved_naud"].sum()
    assert len(found["hours"]) == 24


def test_parquet_holds_what_csv_holds_for_its_owner_alone(folder, monkeypatch):
    from_parquet = load(folder)
    monkeypatch.setattr(frames, "has_pyarrow", lambda: False)
    from_csv = load(folder)
    for name in ("homes", "trades", "rounds", "bills"):
        pd.testing.assert_frame_equal(from_parquet[name], from_csv[name])
        assert (folder / f"{name}.parquet").stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob(".*"))


def test_several_communities_are_named(tmp_path):
    options = SimulationOptions(homes=2, share_percent=50, data=True)
    traces, problems = options.trace_set()
    done = [
        community_in_process(options, traces, place, folder=tmp_path / channel_of(place), alone=True)
        for place in range(2)
    ]
    write_summary(replace(options, out=tmp_path), opening(options, traces, problems, done, "", "in-process"))
    found = load(tmp_path)
    assert set(found["bills"]["community"]) == {"in-process", "in-process-2"}
    assert len(found["communities"]) == 2


def test_the_forward_markets_tables_are_typed_too(tmp_path):
    run = SimulationOptions(homes=3, share_percent=40, out=tmp_path, data=True, parquet=True)
    write_summary(run, simulate_forward_in_process(ForwardOptions(run=run), 1, lambda *_: None))
    found = load(tmp_path)
    assert {"homes", "periods", "pairs", "bills"} <= set(found)
    assert str(found["periods"]["refused"].dtype) == "Int64"
    assert str(found["homes"]["refused"].dtype).startswith("string")
    assert len(found["homes"]) == 3 * 48
    for name in ("homes", "periods", "pairs"):
        typed = frames.read_table(tmp_path / f"{name}.csv")
        (tmp_path / f"{name}.parquet").unlink()
        pd.testing.assert_frame_equal(typed, frames.read_table(tmp_path / f"{name}.csv"))


def test_folders_without_results_are_refused(tmp_path, folder):
    with pytest.raises(UsageError, match=r"holds no summary\.json"):
        load(tmp_path)
    (tmp_path / "experiment.json").write_text("{}")
    with pytest.raises(UsageError, match="not all runs"):
        load(tmp_path)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "summary.json").write_bytes((folder / "summary.json").read_bytes())
    (damaged / "homes.csv").write_text("home,start,use_wh\nhome001,yesterday,many\n")
    with pytest.raises(UsageError, match=r"homes\.csv: cannot be read"):
        load(damaged)


def test_parquet_of_somebody_else_stays(tmp_path):
    mine = tmp_path / "homes.parquet"
    mine.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"lies beside no homes\.csv"):
        require_own_tables(tmp_path)
    remove_data(tmp_path)
    assert mine.exists()


def test_without_pyarrow_parquet_is_refused_before_the_days(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs pyarrow"):
        SimulationOptions(parquet=True, out=tmp_path).check()
