# SPDX-License-Identifier: Apache-2.0
"""The report of a whole simulation of several communities."""

import re

import pytest
from commonwatt_loadgen.report.simulation import simulation_report
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process

from ..support.report_page import checked


@pytest.mark.long
def test_several_communities_come_in_their_order_side_by_side_and_one_by_one():
    options = SimulationOptions(homes=8, days=2, share_percent=50, disutility=20, storage_from_grid=True)
    summary = simulate_in_process(options, 2, lambda *_: None)
    html = simulation_report(summary)
    checked(html)
    assert "2 days of neighbours" in html
    assert re.findall(r"<h2[^>]*>([^<]+)<", html) == [
        "The communities side by side",
        "Community 1",
        "Community 2",
    ]
    sections = re.findall(r"<h3[^>]*>([^<]+)<", html)
    assert sections.count("What moving loads changed") == sections.count("Grid energy stored") == 2
