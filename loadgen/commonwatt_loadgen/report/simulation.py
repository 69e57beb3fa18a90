# SPDX-License-Identifier: Apache-2.0
"""The report of a simulation, from its summary."""

from typing import Any

from commonwatt_loadgen.report.communities import community_costs, community_supply, community_table
from commonwatt_loadgen.report.costs import class_costs, class_table, home_costs, saved_aud
from commonwatt_loadgen.report.energy import flows, generation_by_hour, served_by_hour
from commonwatt_loadgen.report.figure import Table
from commonwatt_loadgen.report.households import (
    moved_figures,
    moved_tables,
    moved_text,
    stored_table,
    stored_text,
)
from commonwatt_loadgen.report.key_figures import import_figures, key_table
from commonwatt_loadgen.report.page import Chapter, Page, Section, Tile, render
from commonwatt_loadgen.report.policies import policy_table, policy_text
from commonwatt_loadgen.report.strategies import strategy_figures, strategy_table
from commonwatt_loadgen.report.through_time import batteries, prices
from commonwatt_loadgen.report.trades import trades
from commonwatt_loadgen.report.types import types
from commonwatt_loadgen.report.units import Json, aud_of


def simulation_report(summary: Json) -> str:
    """The HTML of `summary.json`'s content."""
    return render(simulation_page(summary))


def simulation_page(summary: Json) -> Page:
    """The report of `summary.json`'s content."""
    run, communities = summary["run"], summary["communities"]
    names = [_name(run, place, one) for place, one in enumerate(communities)]
    performance = [performance_section(summary)] if summary["performance"] else []
    if len(communities) == 1:
        sections, chapters = [*_community_sections(communities[0], "c0", run["battery"]), *performance], []
    else:
        sections = [_compared(names, communities), *performance]
        chapters = [
            Chapter(name, _community_sections(community, f"c{place}", run["battery"]))
            for place, (name, community) in enumerate(zip(names, communities, strict=True))
        ]
    days = "A day" if run["days"] == 1 else f"{run['days']} days"
    return Page(
        f"{days} of neighbours trading solar power",
        _lead(summary),
        _tiles(summary),
        sections,
        _footer(run),
        chapters,
    )


def _name(run: Json, place: int, community: Json) -> str:
    return f"Community {place + 1}" if run["backend"] == "in-process" else str(community["channel"])


def _lead(summary: Json) -> str:
    run, communities = summary["run"], summary["communities"]
    storage_wh = max((home["storage_wh"] for one in communities for home in one["homes"]), default=0)
    lead = (
        f"{sum(one['totals']['homes'] for one in communities)} homes of {len(communities)} "
        f"{'community' if len(communities) == 1 else 'communities'}, {run['share_percent']:g} % of them with PV and a "
        f"{storage_wh:,} Wh battery, traded for {run['days']} {'day' if run['days'] == 1 else 'days'} from "
        f"{run['first_day']} (seed {run['seed']})."
    )
    if run["backend"] == "in-process":
        lead += " The chaincode's own rules ran in one process, without a network."
    if summary["performance"]:
        lead += f" Every step was a transaction on the {run['backend']} network “{run['network']}”."
    return lead


def _footer(run: Json) -> list[str]:
    footer = [
        f"Traces: {run['source']}",
        "Every field of summary.json is explained in its own `definitions`.",
    ]
    if run["backend"] == "embedded":
        footer.append("The embedded network's speed is its own and says nothing about Hyperledger Fabric's.")
    return footer


def _tiles(summary: Json) -> list[Tile]:
    totals = [one["totals"] for one in summary["communities"]]

    def total(name: str) -> int:
        return sum(int(one[name]) for one in totals)

    homes = [home for one in summary["communities"] for home in one["homes"]]
    worse = sum(one["key_figures"]["worse_off"]["homes"] for one in summary["communities"])
    tiles = [
        Tile(
            f"{saved_aud(homes):,.2f} AUD",
            f"saved by all homes, of {aud_of(homes, 'same_equipment_naud'):,.2f} AUD that they pay with the same "
            "equipment and no market",
        ),
        Tile(f"{worse} of {len(homes)}", "homes worse off than with the same equipment and no market"),
        Tile(f"{total('p2p_wh') / 1000:,.1f} kWh", "bought from neighbours"),
        Tile(
            f"{100 * total('p2p_wh') / max(1, total('need_wh')):.1f} %",
            "of what homes had to buy came from neighbours",
        ),
        Tile(f"{total('requests'):,}", f"requests, {total('offers'):,} offers, {total('fills'):,} fills"),
    ]
    speed = summary["performance"]
    if speed:
        latency = speed["commit_latency_ms"]
        tiles += [
            Tile(
                f"{speed['transactions_per_s']:.0f} tx/s", f"{speed['transactions']:,} transactions committed"
            ),
            Tile(
                f"{latency['p50']:.0f} / {latency['p95']:.0f} ms", "commit latency, median / 95th percentile"
            ),
        ]
    return tiles


def _compared(names: list[str], communities: list[Json]) -> Section:
    return Section(
        "The communities side by side",
        "Each trades on a channel of its own: neighbours of different communities do not meet.",
        tables=[community_table(names, communities)],
        figures=[community_costs(names, communities), community_supply(names, communities)],
    )


def _community_sections(community: Json, key: str, policy: str) -> list[Section]:
    sections = [
        Section(
            "Who paid what",
            tables=[class_table(community)],
            figures=[class_costs(community, key), home_costs(community, key)],
        ),
        Section(
            "What the market changed",
            "Beside each figure stands what the same homes and equipment come to without a market.",
            tables=[key_table(community)],
            figures=import_figures(community, key),
        ),
        Section(
            "Where the energy went",
            figures=[
                flows(community, key),
                served_by_hour(community, key),
                generation_by_hour(community, key),
            ],
        ),
        Section("Prices and batteries", figures=[prices(community, key), batteries(community, key)]),
        Section("Who traded with whom", figures=[trades(community, key)]),
        Section(
            "What each policy and strategy earned",
            policy_text(community, policy),
            tables=[
                *([policy_table(community)] if community["policies"] else []),
                strategy_table(community),
            ],
            figures=strategy_figures(community, key),
        ),
    ]
    if community["disutility"]:
        sections.append(
            Section(
                "What moving loads changed",
                moved_text(community),
                tables=moved_tables(community),
                figures=moved_figures(community, key),
            )
        )
    if community["totals"]["grid_charge_wh"]:
        sections.append(
            Section("Grid energy stored", stored_text(community), tables=[stored_table(community)])
        )
    return [*sections, Section("The homes' types", figures=types(community, key))]


def performance_section(summary: Json) -> Section:
    """What transactions there were, how long they took, and what they cost."""
    speed = summary["performance"]
    rows: list[list[Any]] = [
        [name, one["count"], one["p50_ms"], one["p95_ms"], one["max_ms"]]
        for name, one in speed["by_transaction"].items()
    ]
    table = Table(["transaction", "committed", "median, ms", "95th percentile, ms", "longest, ms"], rows)
    text = (
        f"{speed['transactions']:,} transactions in {speed['elapsed_s']:.1f} s: "
        f"{speed['transactions_per_s']:.1f} per second; {speed['retries']} were tried again. "
        "Latency runs from the proposal to the notice of its commit."
    )
    return Section("The ledger at work", text, tables=[table, _mechanism(speed["mechanism"])])


def _mechanism(cost: Json) -> Table:
    rows: list[list[Any]] = [
        ["transactions", cost["transactions"], cost["transactions_per_kwh"]],
        [
            "processor time of the network, s",
            cost["network_processor_s"],
            cost["network_processor_s_per_kwh"],
        ],
        ["bytes on the ledger", "not measured", None],
    ]
    return Table(["what the market costs", "in all", "per kWh traded"], rows)
