# SPDX-License-Identifier: Apache-2.0
"""The paper's second future as an experiment of ours: dearer links carry less, and the report says whose it is."""

from commonwatt_loadgen.paper.futures import between_communities, futures
from commonwatt_loadgen.report.page import Page, render


def test_dearer_links_carry_less_and_the_report_calls_it_ours():
    found = futures(homes=8, fees=(0.0, 1.0, 100.0))
    free, cheap, dear = found["by_fee"]
    assert free["traded_wh"] >= cheap["traded_wh"] > dear["traded_wh"] == 0
    assert free["link_fee_naud"] == 0 < cheap["link_fee_naud"]
    assert all(one["money_balances"] and one["energy_balances"] for one in found["by_fee"])
    sections = between_communities(found)
    html = render(Page("t", "l", [], sections, []))
    assert "What follows is ours" in html
    assert "Energy between communities" in html
    [fees] = sections[0].figures
    assert [row[0] for row in fees.table.rows] == ["0", "1", "100"]
    assert len(between_communities({**found, "by_fee": [dear]})) == 1, "nothing flowed"
