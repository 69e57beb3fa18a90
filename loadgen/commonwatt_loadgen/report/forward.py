# SPDX-License-Identifier: Apache-2.0
"""The report of a simulation of the forward market, from its summary."""

from commonwatt_loadgen.report.carbon import carbon_section
from commonwatt_loadgen.report.exchange import exchange_section
from commonwatt_loadgen.report.figure import Cell
from commonwatt_loadgen.report.forward_costs import (
    class_costs,
    class_table,
    compared_figure,
    compared_table,
    gains,
)
from commonwatt_loadgen.report.forward_energy import (
    envelope_figure,
    envelope_table,
    exports,
    matrix,
    prices_by_hour,
    sources,
)
from commonwatt_loadgen.report.key_figures import import_figures, key_table_of
from commonwatt_loadgen.report.page import Chapter, Page, Section, Tile
from commonwatt_loadgen.report.simulation import performance_section
from commonwatt_loadgen.report.through_time import batteries
from commonwatt_loadgen.report.types import types
from commonwatt_loadgen.report.units import Json, aud_of


def forward_page(summary: Json) -> Page:
    """The report of `summary.json`'s content."""
    run, communities = summary["run"], summary["communities"]
    if len(communities) == 1:
        sections, chapters = _sections(communities[0], "c0", run), []
    else:
        sections = []
        chapters = [
            Chapter(_name(run, place, one), _sections(one, f"c{place}", run))
            for place, one in enumerate(communities)
        ]
    if "exchange" in summary:
        sections.append(exchange_section(summary["exchange"], communities))
    if summary["performance"]:
        sections.append(performance_section(summary))
    days = "A day" if run["days"] == 1 else f"{run['days']} days"
    return Page(
        f"{days} of a forward market among neighbours",
        _lead(summary),
        _tiles(communities),
        sections,
        [f"Traces: {run['source']}", "Every field of summary.json is explained in its own `definitions`."],
        chapters,
    )


def _name(run: Json, place: int, community: Json) -> str:
    return f"Community {place + 1}" if run["backend"] == "in-process" else str(community["channel"])


def _lead(summary: Json) -> str:
    run, communities = summary["run"], summary["communities"]
    storage_wh = max((home["storage_wh"] for one in communities for home in one["homes"]), default=0)
    lead = (
        f"{sum(one['totals']['homes'] for one in communities)} homes, {run['share_percent']:g} % of them with PV and a "
        f"{storage_wh:,} Wh battery, for {run['days']} {'day' if run['days'] == 1 else 'days'} from {run['first_day']} "
        f"(seed {run['seed']}). They bid before each period of {run['period_min']} minutes, by the forecast "
        f"{run['forecast']} and the battery plan {run['battery']}; pricing is {run['pricing']}, sharing "
        f"{run['sharing']}."
    )
    if run["backend"] == "in-process":
        return f"{lead} The chaincode's own rules ran in one process, without a network."
    return f"{lead} Every step was a transaction on the {run['backend']} network “{run['network']}”."


def _tiles(communities: list[Json]) -> list[Tile]:
    homes = [home for one in communities for home in one["homes"]]

    def total(name: str) -> int:
        return sum(int(one["totals"][name]) for one in communities)

    saved = aud_of(homes, "same_equipment_naud") - aud_of(homes, "amount_naud")
    worse = sum(one["key_figures"]["worse_off"]["homes"] for one in communities)
    local_wh = total("contract_wh") + total("shared_in_wh")
    return [
        Tile(
            f"{saved:,.2f} AUD",
            f"saved by all homes, of {aud_of(homes, 'same_equipment_naud'):,.2f} AUD that they pay with the same "
            "equipment and no market",
        ),
        Tile(f"{worse} of {len(homes)}", "homes worse off than with the same equipment and no market"),
        Tile(f"{total('bought_wh') / 1000:,.1f} kWh", "agreed by contract before the period"),
        Tile(f"{total('shared_in_wh') / 1000:,.1f} kWh", "shared among neighbours after it"),
        Tile(
            f"{100 * local_wh / max(1, total('import_wh')):.1f} %",
            "of what meters imported came from neighbours",
        ),
        Tile(f"{aud_of(homes, 'imbalance_naud'):,.2f} AUD", "paid for forecasts that erred"),
    ]


def _sections(community: Json, key: str, run: Json) -> list[Section]:
    sections = [
        Section(
            "Who paid what",
            tables=[class_table(community)],
            figures=[class_costs(community, key), gains(community, key)],
        ),
        Section(
            "What the market changed",
            "Beside each figure stands what the same homes and equipment come to without a market. Grid energy with "
            "the market is what is settled with the grid; the feeder's power is what flows through it.",
            tables=[key_table_of(community, _market_rows(community))],
            figures=import_figures(community, key, ("grid_in_wh",), "without_import_wh"),
        ),
        Section(
            "Prices, trade and sources",
            figures=[
                prices_by_hour(community, key),
                sources(community, key),
                exports(community, key),
                batteries({**community, "half_hours": community["periods"]}, key),
            ],
        ),
    ]
    if community["compared"] is not None:
        sections.append(
            Section(
                "What forecasts and battery plans cost",
                "The same homes, days and seed under each forecast, and under each battery plan. Bought too much goes "
                "to the grid at the feed-in price, sold too much comes from it at its full price.",
                tables=[compared_table(community)],
                figures=[compared_figure(community, key)],
            )
        )
    else:
        sections.append(
            Section(
                "What forecasts and battery plans cost",
                f"The homes plan by {run['forecast']} and {run['battery']}. Long runs are not repeated under the "
                "others; run twice, and compare by `commonwatt compare`.",
            )
        )
    if community["pairs"] and community["pairs"]["largest"]:
        sections.append(Section("Who supplied whom", figures=[matrix(community, key)]))
    if community["carbon"]:
        sections.append(carbon_section(community["carbon"]))
    if community["envelopes"]:
        sections.append(_envelopes(community, key))
    return [*sections, Section("The homes' types", figures=types(community, key))]


def _market_rows(community: Json) -> list[list[Cell]]:
    totals, feeder, homes = community["totals"], community["key_figures"]["feeder"], community["homes"]
    price = totals["traded_uaud_per_kwh"]
    return [
        ["by contract, kWh", totals["bought_wh"] / 1000, 0],
        ["mean price of contracts, c/kWh", None if price is None else price / 10_000, None],
        ["shared, kWh", totals["shared_in_wh"] / 1000, 0],
        ["bought and not imported, kWh", totals["over_wh"] / 1000, 0],
        ["sold and not exported, kWh", totals["missing_wh"] / 1000, 0],
        ["paid for forecasts that erred, AUD", aud_of(homes, "imbalance_naud"), 0],
        ["local network fees, AUD", aud_of(homes, "fee_naud"), 0],
        ["highest import at the feeder, kW", *_kilowatts(feeder, "highest_import_w")],
        ["highest export at the feeder, kW", *_kilowatts(feeder, "highest_export_w")],
        ["left in batteries, kWh", *(totals[f"battery_end_{one}wh"] / 1000 for one in ("", "without_"))],
    ]


def _kilowatts(feeder: Json, name: str) -> list[Cell]:
    return [feeder[which][name] / 1000 for which in ("with", "without")]


def _envelopes(community: Json, key: str) -> Section:
    found = community["envelopes"]
    text = (
        f"An envelope was in force for {found['home_periods']:,} periods of single homes; meters counted more import "
        f"than allowed in {found['beyond_import']:,} and more export in {found['beyond_export']:,} of them, "
        f"{found['breach_wh'] / 1000:,.1f} kWh in all, which earn nothing."
    )
    tables = [envelope_table(community)] if found["homes"] else []
    return Section("Envelopes", text, tables=tables, figures=[envelope_figure(community, key)])
