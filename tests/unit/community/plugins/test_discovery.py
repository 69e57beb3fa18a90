# SPDX-License-Identifier: Apache-2.0
"""Plug-ins of installed packages: found by their entry points, and named and skipped where they cannot be used."""

import logging
import sys
from pathlib import Path

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_client.exit_codes import MISUSED, UsageError, exit_code
from commonwatt_community.forecasts import learnt
from commonwatt_community.hems.forward.forecast import PERIOD_FORECASTS, Yesterday
from commonwatt_community.plugins.discovery import PluginError, choose, kinds, names, origin, working
from commonwatt_loadgen.forward.community import community_in_process
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of, draw_homes
from commonwatt_loadgen.traces import ReadAs, default_types, load_traces

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


CLEARING = (
    "from commonwatt_chaincode.market.forward.clearing import Clearing\n"
    "def It(requests, offers, prices, seed):\n return "
)
LAYOUT = "from commonwatt_loadgen.traces.layouts import Layout\nIt = Layout("


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
        ("mechanisms", "It = 7", "no function that clears a period"),
        ("mechanisms", "def It(*a): return 7", "returns int, not a `Clearing`"),
        (
            "mechanisms",
            CLEARING + "Clearing(200000, 9, {'1-R-a': 9, '1-R-b': 0}, {})",
            "does not award all offers",
        ),
        (
            "mechanisms",
            CLEARING + "Clearing(200000, 9, {'1-R-a': 9, '1-R-b': 0}, {'1-O-c': 0, '1-O-d': 0})",
            "offers come to 0 Wh, and 9 Wh are traded",
        ),
        (
            "mechanisms",
            CLEARING + "Clearing(200000, 999, {'1-R-a': 999, '1-R-b': 0}, {'1-O-c': 999, '1-O-d': 0})",
            "awards 999 Wh of 400 Wh",
        ),
        (
            "mechanisms",
            CLEARING + "Clearing(250000, 9, {'1-R-a': 0, '1-R-b': 9}, {'1-O-c': 9, '1-O-d': 0})",
            "trades at 250000, beyond the bid's 210000",
        ),
        ("traces", "It = 7", "is no `Layout`"),
        ("traces", LAYOUT + "'it', 'Mars/Olympus', columns=lambda *a: None)", "has a zone that is unknown"),
        ("traces", LAYOUT + "'it', 'UTC')", "has neither `columns` nor both"),
        ("traces", LAYOUT + "'it', 'UTC', columns=lambda *a: 7)", "does not answer `Columns` or None"),
        ("traces", LAYOUT + "'it', 'UTC', matches=lambda *a: '', read=print)", "takes any file for its own"),
    ],
)
def test_each_kind_says_what_is_wrong(installed, kind, source, said):
    installed("broken", source, **{kind: {"it": "broken:It"}})
    with pytest.raises(PluginError) as refused:
        choose(kind, "it")
    assert said in str(refused.value)


MECHANISM = """
from commonwatt_chaincode.market.forward.clearing import clear

def third(requests, offers, prices, seed):
    return clear(requests, offers, prices, "mid_market")

def greedy(requests, offers, prices, seed):
    fair = clear(requests, offers, prices, "mid_market")
    if len(requests) < 3 or not fair.traded_wh:
        return fair
    nothing = dict.fromkeys(fair.sold_wh, 0)
    return type(fair)(fair.price_uaud_per_kwh, fair.traded_wh, fair.bought_wh, nothing)
"""


def test_a_mechanism_of_a_package_clears_and_one_that_breaks_a_law_ends_the_simulation(installed):
    installed("shore", MECHANISM, mechanisms={"third": "shore:third", "greedy": "shore:greedy"})
    run = SimulationOptions(homes=8, share_percent=50)

    def totals(pricing):
        options = ForwardOptions(run=run, pricing=pricing, period=60)
        options.check()
        return community_in_process(options, default_types(), 0)["totals"]

    assert totals("third") == totals("mid_market")
    with pytest.raises(UsageError, match="greedy: the mechanism breaks a law: offers come to 0 Wh"):
        totals("greedy")
    with pytest.raises(UsageError, match="--pricing tide: is none of mid_market, uniform, greedy, third"):
        ForwardOptions(pricing="tide").check()


TRACES = """
from commonwatt_loadgen.traces.columns import Columns
from commonwatt_loadgen.traces.layouts import Layout
from commonwatt_loadgen.traces.quantities import Quantity

def columns(header, delimiter):
    if "house" not in header:
        return None
    return Columns("when", ((Quantity("use", 1e6, False), "load"),), home="house")

LAYOUT = Layout("coastal", "UTC", "gross", columns=columns)
"""


def test_files_of_a_packages_layout_are_recognised_and_read(installed, tmp_path):
    installed("coast", TRACES, traces={"coastal": "coast:LAYOUT"})
    file = tmp_path / "homes.csv"
    rows = [f"a,2024-01-01T{hour:02d}:{minute:02d},0.25" for hour in range(24) for minute in (0, 30)]
    file.write_text("\n".join(["house,when,load", *rows]))
    for read_as in (ReadAs(), ReadAs(layout="coastal")):
        traces, _ = load_traces(file, read_as=read_as)
        assert traces.usage["a"].energy_wh(0, 1440) == 12_000
        assert "layout coastal" in traces.source
    assert origin("traces", "coastal") == "coast"
    assert origin("traces", "tidy") == "commonwatt-loadgen"
    with pytest.raises(ValueError, match="is none of ausgrid-solar-home, .*coastal"):
        ReadAs(layout="nowhere").check()


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
