# SPDX-License-Identifier: Apache-2.0
"""What flowed between communities, and what their exchange gained over separate ones."""

from collections.abc import Sequence

from commonwatt_loadgen.report.axes import legend, plain
from commonwatt_loadgen.report.figure import (
    BATTERY_COLOUR,
    CYCLE,
    GRID_COLOUR,
    NEIGHBOUR_COLOUR,
    Cell,
    Figure,
    Table,
    canvas,
    svg_of,
)
from commonwatt_loadgen.report.page import Section
from commonwatt_loadgen.report.sankey import Flow, Node, sankey
from commonwatt_loadgen.report.units import UAUD_PER_CENT, Json

_AUD_NAUD = 10**9
_WITHIN, _IMPORTED, _EXPORTED = "contracts within", "bought from others, with fees", "sold to others"


def exchange_section(exchange: Json, alone: Sequence[Json] = ()) -> Section:
    """Tables by community, and by seller and buyer; the flows as a Sankey diagram; prices.

    `alone`: the same communities on their own, whose prices within stand beside those of the exchange.
    """
    gained = exchange["gained_naud"] / _AUD_NAUD
    text = (
        f"Each community clears first and offers what is left to the others, in levels of several homes. Over links "
        f"of {exchange['link_limit_w'] / 1000:,g} kW, at {exchange['link_fee_c_per_kwh']:g} c/kWh, "
        f"{exchange['traded_wh'] / 1000:,.1f} kWh went from one community to another. Their homes pay "
        f"{abs(gained):,.2f} AUD {'less' if gained >= 0 else 'more'} than in separate communities. The other parts of "
        "this report are about separate ones."
    )
    communities = Table(
        [
            "",
            "imported, kWh",
            "exported, kWh",
            "paid to others, AUD",
            "homes pay, AUD",
            "alone, AUD",
            "gain, AUD",
        ],
        [
            [
                one["channel"],
                one["imported_wh"] / 1000,
                one["exported_wh"] / 1000,
                one["exchange_naud"] / _AUD_NAUD,
                one["amount_naud"]["with"] / _AUD_NAUD,
                one["amount_naud"]["alone"] / _AUD_NAUD,
                one["gained_naud"] / _AUD_NAUD,
            ]
            for one in exchange["communities"]
        ],
    )
    flows = Table(
        ["from and to", "kWh", "the seller gets, AUD", "links' fees, AUD"],
        [
            [
                f"{one['from']} to {one['to']}",
                one["energy_wh"] / 1000,
                one["seller_naud"] / _AUD_NAUD,
                one["fee_naud"] / _AUD_NAUD,
            ]
            for one in exchange["flows"]
        ],
    )
    if not exchange["flows"]:
        return Section("Between communities", text, tables=[communities])
    figures = [_flows(exchange, flows), *([_prices(exchange, alone)] if alone else [])]
    return Section("Between communities", text, tables=[communities, flows], figures=figures)


def _flows(exchange: Json, table: Table) -> Figure:
    """Sellers on the left, buyers on the right."""
    names = [one["channel"] for one in exchange["communities"]]
    colours = [CYCLE[place % len(CYCLE)] for place in range(len(names))]
    nodes = [
        Node(column, name, colour) for column in (0, 1) for name, colour in zip(names, colours, strict=True)
    ]
    ribbons = [
        Flow(names.index(one["from"]), len(names) + names.index(one["to"]), one["energy_wh"])
        for one in exchange["flows"]
    ]
    label = "Ribbons from the communities that sold to those that bought, as wide as the energy"
    return Figure(
        "exchange-flows",
        "Energy between communities",
        "Communities that sold are on the left, those that bought on the right. Widths are in proportion to energy.",
        sankey(nodes, ribbons, label),
        table,
        wide=True,
        phone_svg=sankey(nodes, ribbons, label, narrow=True),
    )


def _prices(exchange: Json, alone: Sequence[Json]) -> Figure:
    """Mean prices in each community and on the exchange, in c/kWh."""
    flows = exchange["flows"]
    rows: list[list[Cell]] = []
    for one in alone:
        bought = [flow for flow in flows if flow["to"] == one["channel"]]
        sold = [flow for flow in flows if flow["from"] == one["channel"]]
        within = one["totals"]["traded_uaud_per_kwh"]
        rows.append(
            [
                one["channel"],
                None if within is None else within / UAUD_PER_CENT,
                _mean(bought, "seller_naud", "fee_naud"),
                _mean(sold, "seller_naud"),
            ]
        )
    drawing = canvas()
    axes = drawing.subplots()
    for column, (label, colour) in enumerate(
        ((_WITHIN, GRID_COLOUR), (_IMPORTED, NEIGHBOUR_COLOUR), (_EXPORTED, BATTERY_COLOUR)), start=1
    ):
        places = [place + (column - 2) * 0.26 for place in range(len(rows))]
        heights = [float(row[column] or 0) for row in rows]
        axes.bar(places, heights, 0.24, color=colour, label=label)
    axes.set_xticks(range(len(rows)), [str(row[0]) for row in rows])
    axes.set_ylabel("c/kWh")
    plain(axes)
    legend(axes, columns=1, size=9)
    return Figure(
        "exchange-prices",
        "Prices in each community and on the exchange",
        "Means by energy. What a community pays for imports holds the links' fees; contracts within are those of the "
        "same community on its own.",
        svg_of(
            drawing, "exchange-prices", "Bars: mean prices within, of imports and of exports, by community"
        ),
        Table(["c/kWh", _WITHIN, _IMPORTED, _EXPORTED], rows),
    )


def _mean(flows: Sequence[Json], *parts: str) -> float | None:
    """The mean price of flows in c/kWh; None where there is no energy."""
    energy_wh = sum(one["energy_wh"] for one in flows)
    if not energy_wh:
        return None
    return float(sum(one[name] for one in flows for name in parts) / energy_wh / UAUD_PER_CENT)
