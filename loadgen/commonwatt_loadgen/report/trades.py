# SPDX-License-Identifier: Apache-2.0
"""Who traded with whom, as a matrix of sellers and buyers."""

from collections import Counter

from commonwatt_loadgen.report.figure import Cell, Figure, Table, canvas, svg_of
from commonwatt_loadgen.report.units import Json, aud

_SELLERS_SHOWN, _BUYERS_SHOWN, _PAIRS_LISTED = 40, 80, 300
_LABELS = 40


def trades(community: Json, key: str) -> Figure:
    """Energy by seller and buyer; of a large community the homes that traded most."""
    pairs = community["trades"]
    sold, bought = Counter[str](), Counter[str]()
    for one in pairs:
        sold[one["seller"]] += one["energy_wh"]
        bought[one["buyer"]] += one["energy_wh"]
    sellers = sorted(name for name, _ in sold.most_common(_SELLERS_SHOWN))
    buyers = sorted(name for name, _ in bought.most_common(_BUYERS_SHOWN))
    caption = f"{len(sold)} sellers served {len(bought)} buyers in {len(pairs)} pairs."
    if len(sold) > len(sellers) or len(bought) > len(buyers):
        caption += f" Shown are the {len(sellers)} sellers and {len(buyers)} buyers that traded most."
    listed = sorted(pairs, key=lambda one: -one["energy_wh"])[:_PAIRS_LISTED]
    if len(listed) < len(pairs):
        caption += f" The table lists the {len(listed)} largest pairs; summary.json has all."
    rows: list[list[Cell]] = [
        [
            one["seller"],
            one["buyer"],
            one["energy_wh"] / 1000,
            aud(one["amount_naud"]),
            round(one["amount_naud"] / one["energy_wh"] / 10_000, 2),
            one["fills"],
        ]
        for one in listed
    ]
    return Figure(
        f"{key}-trades",
        "Energy by seller and buyer",
        caption,
        _matrix(pairs, sellers, buyers, f"{key}-trades"),
        Table(["seller", "buyer", "kWh", "AUD", "mean price, c/kWh", "fills"], rows),
        wide=True,
    )


def _matrix(pairs: list[Json], sellers: list[str], buyers: list[str], key: str) -> str:
    energy = {(one["seller"], one["buyer"]): one["energy_wh"] / 1000 for one in pairs}
    drawing = canvas(wide=True)
    axes = drawing.subplots()
    if pairs:
        grid = [[energy.get((seller, buyer), float("nan")) for buyer in buyers] for seller in sellers]
        mesh = axes.pcolormesh(grid, cmap="YlGnBu", vmin=0, edgecolors="white", linewidth=0.6)
        bar = drawing.colorbar(mesh, ax=axes, pad=0.01, aspect=30)
        bar.set_label("kWh")
        if bar.solids is not None:
            bar.solids.set_rasterized(False)
            bar.solids.set_edgecolor("face")  # or hairlines show between its steps
        rows, columns = _labelled(sellers, 24), _labelled(buyers, _LABELS)
        axes.set_yticks([place + 0.5 for place, _ in rows], [name for _, name in rows], fontsize=8)
        axes.set_xticks(
            [place + 0.5 for place, _ in columns], [name for _, name in columns], rotation=90, fontsize=8
        )
        axes.set_xlabel("buyer")
        axes.set_ylabel("seller")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    else:
        axes.text(0.5, 0.5, "nobody traded", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
    return svg_of(drawing, key, "Matrix: energy traded between each seller and each buyer")


def _labelled(names: list[str], room: int) -> list[tuple[int, str]]:
    """Every n-th place and name, so that labels don't overlap."""
    step = -(-len(names) // room)
    return list(enumerate(names))[::step] if names else []
