# SPDX-License-Identifier: Apache-2.0
"""What the paper leaves open: each reading changes what it should and nothing else; the market for days on end."""

from commonwatt_loadgen.paper.experiment import VARIANTS, Experiment, run
from commonwatt_loadgen.paper.sensitivity import (
    ASSUMPTIONS,
    BASELINE,
    sensitivity_experiments,
    sensitivity_of,
)
from commonwatt_loadgen.paper.sweeps import experiments
from commonwatt_loadgen.paper.thirty_days import thirty_days

SMALL = Experiment("NSW", 8, 50, 1)


def changed(**changes):
    return run(Experiment(SMALL.preset, SMALL.users, SMALL.share_percent, SMALL.seed, **changes))


def test_batteries_begin_as_full_as_is_said():
    ours, half, full = (changed(begin_percent=percent) for percent in (0, 50, 100))
    assert ours.use_wh == half.use_wh == full.use_wh
    assert ours.need_wh > half.need_wh > full.need_wh
    assert len({one.prosumers_traditional_naud[2] for one in (ours, half, full)}) == 3  # own battery


def test_other_ids_order_equals_anew_and_change_no_draw():
    ours, other = changed(), changed(ties=1)
    assert ours.use_wh == other.use_wh
    assert ours.prosumers_traditional_naud == other.prosumers_traditional_naud


def test_without_batteries_nobody_sells():
    assert changed(storage_wh=0).p2p_wh == 0 < changed().p2p_wh < changed(storage_wh=13_500).p2p_wh


def test_each_assumption_has_our_reading_and_the_runs_that_it_needs():
    wanted = sensitivity_experiments(2)
    assert len(wanted) == len(set(wanted)) == 2 * (1 + 2 + 2 + 4 + 2)
    assert set(wanted) & set(experiments(2))  # our own reading is run once
    for name, readings in ASSUMPTIONS.items():
        assert sum("ours" in one.label for one in readings) == 1, name


def test_readings_stand_beside_each_other():
    outcomes = []
    for one in sensitivity_experiments(1):
        small = Experiment(one.preset, 8, 50, 0, one.begin_percent, one.storage_wh, one.ties)
        found = run(small)
        outcomes.append(type(found)(**{**vars(found), "experiment": one}))
    rows = sensitivity_of(outcomes)
    assert [row["assumption"] for row in rows] == [BASELINE, *ASSUMPTIONS]
    assert len(rows[0]["readings"]) == len(VARIANTS)
    ours = [one for row in rows for one in row["readings"] if "ours" in one["reading"]]
    assert len(ours) == len(rows)
    assert all({**one, "reading": ""} == {**ours[0], "reading": ""} for one in ours)


def test_a_market_runs_on_day_after_day():
    told = []
    months = thirty_days(told.append, days=6, shares=(50,), users=8)
    assert told == [1, 2, 3, 4, 5, 6]
    assert len(months[0]["price_c_per_kwh"]) == 6
    assert 10 <= months[0]["price_mean"] <= 54.11  # between feed-in and the dearest band
    assert months[0]["imports_kg"]["without"] > 0
    assert months[0]["mean_peak_hour_wh"]["without"] > 0
