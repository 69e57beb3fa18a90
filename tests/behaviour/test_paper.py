# SPDX-License-Identifier: Apache-2.0
"""All experiments of the paper, in-process, and their report."""

import pytest
from commonwatt_loadgen.community import make_community
from commonwatt_loadgen.paper.experiment import PRESETS, Experiment, run
from commonwatt_loadgen.paper.report import paper_report
from commonwatt_loadgen.paper.sensitivity import sensitivity_experiments, sensitivity_of
from commonwatt_loadgen.paper.sweeps import experiments, run_all, summary_of
from commonwatt_loadgen.paper.thirty_days import thirty_days
from commonwatt_loadgen.traces import default_types

from ..support.report_page import checked


@pytest.mark.long
def test_the_paper_is_summarised_and_reported():
    wanted = experiments(1)
    assert len(wanted) == len(set(wanted)) == 39
    summary = summary_of(run_all(wanted, 1, lambda _: None), 1)
    nsw = next(one for one in summary["shares"]["NSW"] if one["share_percent"] == 50)
    assert 45 < nsw["consumers"]["mean"] < 65
    assert abs(nsw["counts"]["requests"]["mean"] - 1141) < 60
    html = paper_report(summary)
    checked(html)
    by_users = {one["users"]: one["midday_p2p_of_need"]["mean"] for one in summary["users"]}
    assert (
        f"{min(by_users.values()):.1f} to {max(by_users.values()):.1f} % of the need from 10 to 16 h" in html
    )
    assert "Figure 7: grid power per user, by number of users" in html
    for target in summary["targets"]:
        distance = target["ours"]["NSW"]["mean"] - (target["paper"] != "below 0" and float(target["paper"]))
        assert target["nsw_less_paper"] == round(distance, 1)
        assert f"<td>{target['nsw_less_paper']:+.1f}</td>" in html
    assert "625 ± 132" in html


@pytest.mark.long
def test_the_abstract_is_judged_and_open_assumptions_are_varied():
    wanted, opened = experiments(1), sensitivity_experiments(1)
    outcomes = run_all(list(dict.fromkeys([*wanted, *opened])), 1, lambda _: None)
    summary = summary_of(outcomes, 1)
    assert summary == summary_of(run_all(wanted, 1, lambda _: None), 1)  # varied runs count in no mean
    summary["sensitivity"] = sensitivity_of([one for one in outcomes if one.experiment in set(opened)])
    summary["thirty_days"] = thirty_days(days=8)
    html = paper_report(summary)
    checked(html)
    for text in ("The abstract, claim by claim", "What the paper leaves open", "holds in part", "13.5 kWh"):
        assert text in html
    by_name = {one["assumption"]: one["moves_all_by_points"] for one in summary["sensitivity"]}
    assert by_name["the order among equal prices"] < 2 < by_name["the size of a battery"]


def test_energy_is_booked_to_the_hours_in_which_it_flows():
    outcome = run(Experiment("NSW", 30, 0, 3))
    names = [f"home{number:03d}" for number in range(1, 31)]
    types = default_types(PRESETS["NSW"].usage_scale_ppm)
    homes = make_community(types, names, prosumer_share_ppm=0, storage_wh=0, seed=3)
    assert sum(outcome.grid_by_hour_wh) == outcome.need_wh == outcome.use_wh
    for hour, bought_wh in enumerate(outcome.grid_by_hour_wh):
        used_wh = sum(home.usage.energy_wh(hour * 60, hour * 60 + 60) for home in homes)
        assert abs(bought_wh - used_wh) < 0.25 * used_wh, (
            hour
        )  # by where intervals begin, hour 0 has 1.5 times that
