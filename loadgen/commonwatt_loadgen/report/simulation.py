"""The report of a simulation, from its summary."""

from typing import Any

from commonwatt_loadgen.report import market_charts as charts
from commonwatt_loadgen.report.figure import Table
from commonwatt_loadgen.report.page import Page, Section, Tile, render

Json = dict[str, Any]

NAUD_PER_AUD = 1_000_000_000


def simulation_report(summary: Json) -> str:
    """The HTML of `summary.json`'s content."""
    communities = summary["communities"]
    sections = [_performance(summary)] if summary["performance"] else []
    for place, community in enumerate(communities):
        name = community["channel"] if len(communities) > 1 else ""
        sections = _community_sections(community, f"c{place}", name) + sections
    run = summary["run"]
    first = communities[0]
    lead = (
        f"{sum(one['totals']['homes'] for one in communities)} homes of {len(communities)} "
        f"{'community' if len(communities) == 1 else 'communities'}, {run['share_percent']:g} % of them with PV and a "
        f"{first['homes'] and max(home['storage_wh'] for home in first['homes']):,} Wh battery, traded for "
        f"{run['days']} {'day' if run['days'] == 1 else 'days'} from {run['first_day']} (seed {run['seed']})."
    )
    if run["backend"] == "in-process":
        lead += " The chaincode's own rules ran in one process, without a network."
    if summary["performance"]:
        lead += f" Every step was a transaction on the {run['backend']} network “{run['network']}”."
    footer = [
        f"Traces: {run['source']}",
        "Every field of summary.json is explained in its own `definitions`.",
    ]
    if run["backend"] == "embedded":
        footer.append("The embedded network's speed is its own and says nothing about Hyperledger Fabric's.")
    return render(Page("A day of neighbours trading solar power", lead, _tiles(summary), sections, footer))


def _tiles(summary: Json) -> list[Tile]:
    totals = [one["totals"] for one in summary["communities"]]

    def total(name: str) -> int:
        return sum(int(one[name]) for one in totals)

    paid, traditional = total("amount_naud"), total("traditional_naud")
    saved = (traditional - paid) / NAUD_PER_AUD
    tiles = [
        Tile(f"{saved:,.2f} AUD", f"saved by all homes together, of {traditional / NAUD_PER_AUD:,.2f}"),
        Tile(f"{total('p2p_wh') / 1000:,.1f} kWh", "bought from neighbours"),
        Tile(f"{100 * total('p2p_wh') / max(1, total('need_wh')):.1f} %", "of what homes had to buy"),
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


def _community_sections(community: Json, key: str, name: str) -> list[Section]:
    of = f" in {name}" if name else ""
    return [*_market_sections(community, key, of), *_household_sections(community, of)]


def _household_sections(community: Json, of: str) -> list[Section]:
    """What moved loads and batteries charged from the grid came to, where there were any."""
    sections = []
    moved = community["disutility"]
    if moved:
        cents = moved["coefficient_uaud_per_kwh_per_kw"] / 10_000
        gained = moved["tariff_before_naud"] - moved["tariff_after_naud"] - moved["discomfort_naud"]
        sections.append(
            Section(
                f"What moving loads changed{of}",
                f"{moved['homes']} consumers moved {moved['moved_wh'] / 1000:,.1f} kWh within their days, at "
                f"{cents:g} c/kWh of discomfort per kW. Without a market the tariff alone would have rewarded "
                f"them with {gained / NAUD_PER_AUD:,.2f} AUD after discomfort.",
                tables=[_moved_table(moved)],
            )
        )
    totals = community["totals"]
    if totals["grid_charge_wh"]:
        paid = totals["grid_charge_amount_naud"]
        sections.append(
            Section(
                f"Grid energy stored{of}",
                f"Batteries took {totals['grid_charge_wh'] / 1000:,.1f} kWh from the grid in its cheapest band, for "
                f"{paid / NAUD_PER_AUD:,.2f} AUD; it is part of prosumers' bills.",
                tables=[_stored_table(community)],
            )
        )
    return sections


def _moved_table(moved: Json) -> Table:
    dearest = f"use at {moved['dearest_uaud_per_kwh'] / 10_000:g} c/kWh, kWh"
    rows: list[list[Any]] = [
        [dearest, moved["dearest_before_wh"] / 1000, moved["dearest_after_wh"] / 1000],
        [
            "all use at the grid's tariff, AUD",
            _aud(moved["tariff_before_naud"]),
            _aud(moved["tariff_after_naud"]),
        ],
        ["discomfort, AUD", 0.0, _aud(moved["discomfort_naud"])],
    ]
    return Table(["consumers", "as they would have lived", "as they did"], rows)


def _stored_table(community: Json) -> Table:
    rows: list[list[Any]] = [
        [
            one["home"],
            one["grid_charge_wh"] / 1000,
            _aud(one["grid_charge_amount_naud"]),
            one["own_wh"] / 1000,
            one["sold_wh"] / 1000,
        ]
        for one in community["homes"]
        if one["grid_charge_wh"]
    ]
    return Table(["home", "charged from the grid, kWh", "for, AUD", "own use, kWh", "sold, kWh"], rows)


def _market_sections(community: Json, key: str, of: str) -> list[Section]:
    return [
        Section(
            f"Who paid what{of}",
            tables=[_class_table(community)],
            figures=[charts.class_costs(community, key), charts.home_costs(community, key)],
        ),
        Section(
            f"Where the energy went{of}",
            figures=[
                charts.flows(community, key),
                charts.served_by_hour(community, key),
                charts.generation_by_hour(community, key),
            ],
        ),
        Section(
            f"Prices and batteries{of}",
            figures=[charts.prices(community, key), charts.batteries(community, key)],
        ),
        Section(f"Who traded with whom{of}", figures=[charts.trades(community, key)]),
        Section(
            f"What each strategy earned{of}",
            "Sellers' revenue and buyers' cost by the bidding strategy of their HEMS.",
            tables=[_strategy_table(community)],
        ),
        Section(f"The homes' types{of}", figures=charts.types(community, key)),
    ]


def _aud(amount_naud: int) -> float:
    return round(amount_naud / NAUD_PER_AUD, 2)


def _class_table(community: Json) -> Table:
    headers = ["", "homes", "without market, AUD", "with market, AUD", "with / without, %", "bought p2p, kWh"]
    headers += ["bought grid, kWh", "sold, kWh", "revenue, AUD"]
    rows = [
        [
            one["class"],
            one["homes"],
            _aud(one["traditional_naud"]),
            _aud(one["amount_naud"]),
            one["amount_percent"],
            one["bought_p2p_wh"] / 1000,
            one["bought_grid_wh"] / 1000,
            one["sold_wh"] / 1000,
            _aud(one["revenue_naud"]),
        ]
        for one in community["classes"]
    ]
    return Table(headers, rows)


def _strategy_table(community: Json) -> Table:
    headers = ["strategy", "class", "homes", "cost with / without, %", "sold, kWh", "revenue, AUD"]
    headers += ["mean price sold, c/kWh", "revenue per home, AUD", "bought p2p, kWh"]
    rows = [
        [
            one["strategy"],
            one["class"],
            one["homes"],
            one["amount_percent"],
            one["sold_wh"] / 1000,
            _aud(one["revenue_naud"]),
            one["sold_uaud_per_kwh"] / 10_000 if one["sold_uaud_per_kwh"] else None,
            _aud(one["revenue_naud"] // one["homes"]),
            one["bought_p2p_wh"] / 1000,
        ]
        for one in community["strategies"]
    ]
    return Table(headers, rows)


def _performance(summary: Json) -> Section:
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
    return Section("The ledger at work", text, tables=[table])
