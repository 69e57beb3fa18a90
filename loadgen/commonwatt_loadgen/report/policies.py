# SPDX-License-Identifier: Apache-2.0
"""What homes save under each battery policy: the same homes, days and seed."""

from commonwatt_loadgen.report.costs import homes_of, saved_aud
from commonwatt_loadgen.report.figure import Cell, Table
from commonwatt_loadgen.report.units import Json, aud


def policy_table(community: Json) -> Table:
    """A line per battery policy; the run's own first."""
    headers = [
        "battery policy",
        "saved, %",
        "saved by all, AUD",
        "by prosumers, AUD",
        "by consumers, AUD",
        "homes worse off",
        "what they lose, AUD",
        "traded, kWh",
        "sellers' revenue, AUD",
    ]
    rows: list[list[Cell]] = []
    for place, one in enumerate(community["policies"]):
        if place:
            prosumers, consumers = aud(one["prosumers_saved_naud"]), aud(one["consumers_saved_naud"])
        else:  # as the tables of classes and homes have it
            prosumers, consumers = (
                saved_aud(homes_of(community, name)) for name in ("prosumers", "consumers")
            )
        rows.append(
            [
                one["policy"] if place else f"{one['policy']} (this run)",
                one["saved_percent"],
                round(prosumers + consumers, 2),
                prosumers,
                consumers,
                one["worse_off"],
                aud(one["loss_naud"]),
                one["p2p_wh"] / 1000,
                aud(one["revenue_naud"]),
            ]
        )
    return Table(headers, rows)


def policy_text(community: Json, policy: str) -> str:
    """What the table shows, or why there is none."""
    if community["policies"] is None:
        return (
            f"The homes follow the battery policy {policy}. Long runs, and homes without batteries, are not repeated "
            "under the other policies; run twice, and compare by `commonwatt compare`."
        )
    return (
        "The same homes, days and seed under each battery policy, and sellers' revenue and buyers' savings by the "
        "bidding strategy of their HEMS. Savings count against the same equipment without a market."
    )
