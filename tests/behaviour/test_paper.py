# SPDX-License-Identifier: Apache-2.0
"""All experiments of the paper, in-process, and their report."""

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
    checked(paper_report(summary))
