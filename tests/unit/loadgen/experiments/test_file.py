# SPDX-License-Identifier: Apache-2.0
"""`experiment.yaml`: what it means, and each mistake with its line."""

from datetime import date
from importlib.resources import files

import jsonschema
import pytest
import yaml
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.experiments.file import json_schema, read_experiment, swept_keys
from commonwatt_loadgen.experiments.options import files_of, options_of, tariff_flaw
from commonwatt_loadgen.experiments.setting import ONLY_IN, Setting
from commonwatt_loadgen.experiments.variants import with_value
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions


def read(folder, text):
    file = folder / "experiment.yaml"
    file.write_text(text)
    return read_experiment(file)


def test_every_value_is_swept_with_every_other_one(tmp_path):
    experiment = read(
        tmp_path,
        "name: first\nseeds: 3-5\nhomes: 20\nsweep: {share_percent: [10, 20], batteries.plan: [reserve, sell-all]}\n",
    )
    assert experiment.seeds == [3, 4, 5]
    told = {one.name: (one.setting.share_percent, one.setting.batteries.plan) for one in experiment.variants}
    assert told == {
        "share_percent=10,plan=reserve": (10, "reserve"),
        "share_percent=10,plan=sell-all": (10, "sell-all"),
        "share_percent=20,plan=reserve": (20, "reserve"),
        "share_percent=20,plan=sell-all": (20, "sell-all"),
    }
    assert {one.setting.homes for one in experiment.variants} == {20}


def test_what_does_not_count_in_a_market_makes_no_variant(tmp_path):
    sweep = "{market: [ex_post, forward], pricing: [mid_market, uniform], spill: [FEED_IN, WASTE]}"
    experiment = read(tmp_path, f"name: first\nsweep: {sweep}\n")
    assert [one.name for one in experiment.variants] == [
        "market=ex_post,spill=FEED_IN",
        "market=ex_post,spill=WASTE",
        "market=forward,pricing=mid_market",
        "market=forward,pricing=uniform",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1\n", "1: an experiment is a mapping"),
        ("name: first\ndays: 0\n", "2: days: is 1 or more, not 0"),
        ("name: first\nhomes: [1]\n", "2: homes: takes a whole number"),
        ("name: first\nhoms: 3\n", "2: unknown key homs; did you mean homes?"),
        ("days: 1\n", "1: name: is missing"),
        ("name: ../../etc\n", "1: name: '../../etc' is not a valid name here"),
        ("name: first\nseeds: 9-1\n", "2: seeds: '9-1' is no range"),
        ("name: first\nseeds: [1, 2, 1]\n", "2: seeds: one stands there twice"),
        ("name: first\nshare_percent: .nan\n", "2: share_percent: "),
        ("name: first\nforecast: tarot\n", "2: forecast: 'tarot' is none of perfect, persistence, yesterday"),
        (
            "name: first\nbatteries:\n  plan: none\n",
            "3: batteries.plan: 'none' is none of mpc, reserve, sell-all",
        ),
        ("name: first\npricing: uniform\n", "2: pricing: counts in the market forward alone"),
        (
            "name: first\nmarket: forward\nstrategies: [suggested]\n",
            "3: strategies: counts in the market ex_post alone",
        ),
        ("name: first\nsweep:\n  days: [1, 0]\n", "3: sweep.days: days: is 1 or more, not 0"),
        ("name: first\nsweep:\n  days:\n    - 1\n    - x\n", "5: sweep.days: days: takes a whole number"),
        (
            "name: first\nsweep:\n  batteries.plans: [1]\n",
            "3: sweep.batteries.plans: no key of an experiment; did",
        ),
        ("name: first\nsweep:\n  seeds: [1]\n", "3: sweep.seeds: no key of an experiment"),
        (
            "name: first\nsweep:\n  batteries: [{plan: reserve}]\n  batteries.plan: [reserve]\n",
            "4: sweep.batteries.plan: is a part of batteries",
        ),
        (
            "name: first\nsweep:\n  forecast:\n  - perfect\n  - learnt\n",
            "5: forecast: 'learnt' is none of",
        ),
        ("name: first\ndata: {zone: Europe/London}\n", "2: data.zone: says how a file is read"),
        (
            "name: first\ntariff:\n  bands: [{from_hour: 0, to_hour: 9, c_per_kwh: 20}]\n",
            "2: tariff: tou: the bands end at 9 h",
        ),
        ("name: first\ntariff: {feed_in_c_per_kwh: 99}\n", "2: tariff: feed_in: 990000 is outside"),
        (
            "name: first\nmarket: forward\ngrid:\n  curtail: true\n",
            "4: grid.curtail: without a limit or envelopes",
        ),
        (
            "name: first\nmarket: forward\nsharing: {keys: keys.json}\n",
            "3: sharing.keys: counts with the mode static alone",
        ),
        ("name: first\nseeds: 1-90000\nsweep: {days: [1, 2]}\n", "3: sweep: makes 180,000 runs"),
        ("name: first\nname: second\n", "2: key name was given already on line 1"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(UsageError) as refusal:
        read(tmp_path, text)
    assert f"experiment.yaml:{told}" in str(refusal.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_experiment(tmp_path / "nowhere.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no UTF-8 text"):
        read_experiment(tmp_path / "picture.yaml")


def test_the_schema_takes_what_the_file_takes(tmp_path):
    schema = json_schema()
    sample = files("commonwatt_loadgen.experiments").joinpath("sample.yaml").read_text("utf-8")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(sample), schema)
    assert len(read(tmp_path, sample).variants) == 4
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "first", "homs": 3}, schema)


def test_every_key_reaches_the_simulation(tmp_path):
    """Each key of a setting changes the options of at least one market."""
    other = {
        "data": {"day": 3},
        "data.file": "homes.csv",
        "data.layout": "tidy",
        "data.columns": "home=a",
        "data.zone": "Europe/London",
        "data.meters": "net",
        "data.day": 3,
        "data.strict": True,
        "data.noise_percent": 3,
        "data.pv": "equation",
        "days": 3,
        "homes": 3,
        "share_percent": 3,
        "batteries": {"storage_wh": 3},
        "batteries.storage_wh": 3,
        "batteries.plan": "sell-all",
        "batteries.from_grid": True,
        "forecast": "yesterday",
        "strategies": ["shading"],
        "spill": "WASTE",
        "disutility_c_per_kwh_per_kw": 3,
        "pricing": "uniform",
        "sharing": {"mode": "none"},
        "sharing.mode": "static",
        "sharing.keys": "keys.json",
        "period_min": 60,
        "tariff": {"feed_in_c_per_kwh": 3},
        "tariff.bands": [{"from_hour": 0, "to_hour": 24, "c_per_kwh": 30}],
        "tariff.feed_in_c_per_kwh": 3,
        "tariff.feed_in_bands": [{"from_hour": 10, "to_hour": 15, "c_per_kwh": -2}],
        "tariff.local_fee_c_per_kwh": 3,
        "grid": {"export_limit_w": 3},
        "grid.export_limit_w": 3,
        "grid.envelopes": "envelopes.csv",
        "grid.curtail": True,
        "clock_zone": "Europe/London",
        "first_date": date(2020, 1, 1),
    }
    assert {*other, "market"} == set(swept_keys(Setting))
    for path, value in other.items():
        for market in ("ex_post", "forward"):
            plain = with_value(Setting(), {"market": market})
            changed = with_value(plain, {path: value})
            options = [options_of(one, 1, tmp_path, tmp_path, tables="csv") for one in (plain, changed)]
            only = next(
                (ONLY_IN[key] for key in ONLY_IN if path == key or path.startswith(f"{key}.")), market
            )
            assert isinstance(options[1], SimulationOptions if market == "ex_post" else ForwardOptions)
            assert (
                (options[0] != options[1]) == (only == market) == (plain.counting() != changed.counting())
            ), path


def test_files_stand_beside_the_experiment(tmp_path):
    setting = with_value(
        Setting(), {"data.file": "a.csv", "sharing.keys": "k.json", "sharing.mode": "static"}
    )
    assert files_of(setting, tmp_path) == {"data.file": tmp_path / "a.csv"}
    forward = with_value(setting, {"market": "forward"})
    assert files_of(forward, tmp_path) == {
        "data.file": tmp_path / "a.csv",
        "sharing.keys": tmp_path / "k.json",
    }


def test_a_tariff_counts_in_both_markets(tmp_path):
    bands = [
        {"from_hour": 0, "to_hour": 12, "c_per_kwh": 40},
        {"from_hour": 12, "to_hour": 24, "c_per_kwh": 50},
    ]
    setting = with_value(Setting(), {"tariff": {"bands": bands, "feed_in_c_per_kwh": 35}})
    for market in ("ex_post", "forward"):
        assert tariff_flaw(with_value(setting, {"market": market})) is None
    changes = options_of(setting, 1, tmp_path, tmp_path, tables="none").parameter_changes()
    assert changes["tou"] == [[0, 12, 400_000], [12, 24, 500_000]]
    assert (changes["feed_in"], changes["seed_s"], changes["seed_b"]) == (350_000, 350_000, 350_000)
