# SPDX-License-Identifier: Apache-2.0
"""All experiments of the paper, in-process, and their report."""

from commonwatt_loadgen.paper.experiment import Experiment, run
from commonwatt_loadgen.paper.report import paper_report
from commonwatt_loadgen.paper.sweeps import experiments, run_all, summary_of

from ..support.report_page import checked


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


def test_energy_is_booked_to_the_hours_in_which_it_flows():
    outcome = run(Experiment("NSW", 30, 20, 3))
    assert sum(outcome.p2p_by_hour_wh) + sum(outcome.grid_by_hour_wh) == outcome.need_wh
    first, last = (outcome.grid_by_hour_wh[hour] for hour in (0, 23))
    assert (
        0.4 < last / first < 2.5
    )  # by the hour in which intervals begin or end, one of them has twice its energy
