# SPDX-License-Identifier: Apache-2.0
"""Plug-ins of installed packages: found by their entry points, and named and skipped where they cannot be used."""

import logging
import sys
from pathlib import Path

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_client.exit_codes import MISUSED, exit_code
from commonwatt_community.forecasts import learnt
from commonwatt_community.hems.forward.forecast import PERIOD_FORECASTS, Yesterday
from commonwatt_community.plugins.discovery import PluginError, choose, kinds, names, origin, working
from commonwatt_loadgen.forward.community import community_in_process
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of, draw_homes
from commonwatt_loadgen.traces import default_types

GOOD = """
from commonwatt_community.hems.forward.connection_point import flow
from commonwatt_community.hems.forward.forecast import Yesterday
from commonwatt_community.hems.forward.plan import Plan
from commonwatt_community.hems.strategy import Suggested

class Tide(Yesterday):
    pass

def idle(store, energy_wh, expected_wh, prices):
    expected = flow(store, energy_wh, expected_wh[0])
    return Plan(expected.import_wh, expected.export_wh, 0)

class Calm(Suggested):
    pass
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package: its module's source, and its entry points as {group: {name: object}}."""

    def install(package: str, source: str, **offered: dict[str, str]) -> Path:
        module = package.replace("-", "_")
        folder = tmp_path / package
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = []
        for group, entries in offered.items():
            lines += [f"[commonwatt.{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return folder

    return install


def test_what_a_package_offers_is_found_and_trades(installed):
    installed(
        "shore",
        GOOD,
        forecasts={"tide": "shore:Tide"},
        batteries={"idle": "shore:idle"},
        strategies={"calm": "shore:Calm"},
    )
    assert isinstance(choose("forecasts", "tide")(), Yesterday)
    assert names("forecasts") == [*PERIOD_FORECASTS, "learnt", "tide"]
    assert origin("forecasts", "tide") == "shore"
    assert origin("forecasts", "yesterday") == origin("forecasts", "learnt") == "commonwatt-community"
    run = SimulationOptions(homes=4, days=1, share_percent=50, forecast="tide", battery="idle")
    options = ForwardOptions(run=run)
    options.check()
    compared = community_in_process(options, default_types(), 0)["compared"]
    rows = {(one["forecast"], one["battery"]): one for one in compared}
    assert ("tide", "idle") in rows
    assert rows["tide", "idle"] == {**rows["yesterday", "idle"], "forecast": "tide"}
    assert rows["tide", "idle"]["forecast_error_wh"] > rows["perfect", "idle"]["forecast_error_wh"] == 0
    rounds = SimulationOptions(homes=2, strategies=("calm",))
    rounds.check()
    homes = draw_homes(rounds, ["home001", "home002"], default_types(), 1)
    assert [type(one.strategy).__name__ for one in agents_of(rounds, homes, Parameters(), {}, 1)] == [
        "Calm"
    ] * 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "broken:It does not load: ZeroDivisionError: division by zero"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("", "AttributeError: module 'broken' has no attribute 'It'"),
        ("It = 7", "broken:It is nothing that can be called to make a forecast"),
        ("class It: pass", "makes It, which is no forecast: it has no method `expect`"),
        ("class It:\n days = 0\n def expect(self, *a): return []", "must be within 1..3660"),
        ("class It:\n days = 2\n def expect(self, *a): return [0.5] * 3", "list of three integers"),
        ("class It:\n days = 2\n def expect(self, *a): raise RuntimeError", "does not load: RuntimeError"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named_and_skipped(installed, caplog, source, said):
    installed("broken", source, forecasts={"it": "broken:It"})
    with caplog.at_level(logging.WARNING):
        assert set(working("forecasts")) == {*PERIOD_FORECASTS, "learnt"}
    [record] = caplog.records
    assert record.getMessage().startswith("plug-in it of package broken: ")
    assert said in record.getMessage()
    assert record.getMessage().endswith("; it is skipped")
    with pytest.raises(PluginError, match="the forecast it of package broken: ") as refused:
        choose("forecasts", "it")
    assert said in str(refused.value)
    assert exit_code(refused.value) == MISUSED
    assert choose("forecasts", "yesterday") is Yesterday, "nothing else fails because of it"


@pytest.mark.parametrize(
    ("kind", "source", "said"),
    [
        ("batteries", "It = 7", "no function that plans a battery"),
        ("batteries", "def It(*a): return (1, 0, 0)", "does not return a `Plan`"),
        (
            "batteries",
            "from commonwatt_community.hems.forward.plan import Plan\ndef It(*a): return Plan(5, 5, 0)",
            "plans 5 Wh of import and 5 Wh of export",
        ),
        ("strategies", "It = 7", "can be called to make a strategy"),
        ("strategies", "class It: pass", "it has no method `ask`"),
        (
            "strategies",
            "class It:\n ask = bid = sold = print",
            "`needs_suggested_bid` must be of type bool",
        ),
        ("meters", "It = 7", "can be called with a home's settings"),
    ],
)
def test_each_kind_says_what_is_wrong(installed, kind, source, said):
    installed("broken", source, **{kind: {"it": "broken:It"}})
    with pytest.raises(PluginError) as refused:
        choose(kind, "it")
    assert said in str(refused.value)


def test_names_that_are_taken_or_doubled_are_skipped(installed):
    installed("shore", GOOD, forecasts={"tide": "shore:Tide", "yesterday": "shore:Tide"})
    installed("coast", GOOD, forecasts={"tide": "coast:Tide"})
    told = []
    found = working("forecasts", told.append)
    assert found["yesterday"] is Yesterday
    assert "tide" not in found
    assert sorted(map(str, told)) == [
        "tide of package coast and shore: two plug-ins have this name; uninstall one",
        "yesterday of package shore: the kit has one of this name already; the package must choose another",
    ]


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(PluginError, match="tide is no forecast: perfect, .*learnt are known"):
        choose("forecasts", "tide")
    assert kinds()["batteries"] == "battery plan"


def test_the_learnt_forecast_is_a_plug_in_of_the_kit(monkeypatch):
    assert choose("forecasts", "learnt") is learnt
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"needs scikit-learn: install commonwatt-community\[forecast\]"):
        choose("forecasts", "learnt")
