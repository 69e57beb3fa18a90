# SPDX-License-Identifier: Apache-2.0
"""Energy flows as a Sankey diagram, drawn as plain SVG: three columns of bars joined by ribbons."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape


@dataclass(frozen=True)
class Node:
    """A bar: its column from the left, its name and colour."""

    column: int
    name: str
    colour: str


@dataclass(frozen=True)
class Flow:
    """A ribbon between two nodes, by their places in the list of nodes."""

    source: int
    target: int
    energy_wh: int


@dataclass(frozen=True)
class _Sheet:
    """Sizes in SVG units; a label takes `lines` above its bar."""

    width: int
    height: int
    bar: int
    gap: int
    top: int
    font: int
    lines: int


_WIDE = _Sheet(width=940, height=400, bar=16, gap=26, top=26, font=14, lines=1)
_NARROW = _Sheet(width=360, height=480, bar=11, gap=38, top=36, font=12, lines=2)


def sankey(nodes: Sequence[Node], flows: Sequence[Flow], label: str, narrow: bool = False) -> str:
    """The diagram as an SVG element, for a page or for a phone; heights are in proportion to energy."""
    sheet = _NARROW if narrow else _WIDE
    flows = [flow for flow in flows if flow.energy_wh > 0]
    size = [
        max(
            sum(flow.energy_wh for flow in flows if flow.source == index),
            sum(flow.energy_wh for flow in flows if flow.target == index),
        )
        for index in range(len(nodes))
    ]
    columns = sorted({node.column for node in nodes})
    per_column = {
        column: [index for index, node in enumerate(nodes) if node.column == column and size[index]]
        for column in columns
    }
    most = max((sum(size[index] for index in members) for members in per_column.values()), default=1)
    gaps = max(len(members) for members in per_column.values()) * sheet.gap
    scale = (sheet.height - sheet.top - gaps) / max(1, most)
    left = {
        column: 2 + place * (sheet.width - sheet.bar - 4) / (len(columns) - 1)
        for place, column in enumerate(columns)
    }
    top: dict[int, float] = {}
    for members in per_column.values():
        y = float(sheet.top)
        for index in members:
            top[index] = y
            y += max(2.0, size[index] * scale) + sheet.gap
    parts = [
        f'<svg viewBox="0 0 {sheet.width} {sheet.height}" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-label="{escape(label)}" class="sankey" '
        f'font-size="{sheet.font}">'
    ]
    parts += _ribbons(sheet, nodes, flows, left, top, scale)
    for index in top:
        parts += _bar(sheet, nodes[index], size[index], left, top[index], size[index] * scale, columns[-1])
    return "".join([*parts, "</svg>"])


def _ribbons(
    sheet: _Sheet,
    nodes: Sequence[Node],
    flows: Sequence[Flow],
    left: dict[int, float],
    top: dict[int, float],
    scale: float,
) -> list[str]:
    leaving, arriving = dict(top), dict(top)
    parts = []
    for flow in flows:
        source, target, height = nodes[flow.source], nodes[flow.target], flow.energy_wh * scale
        x0, x1 = left[source.column] + sheet.bar, left[target.column]
        y0, y1 = leaving[flow.source] + height / 2, arriving[flow.target] + height / 2
        leaving[flow.source] += height
        arriving[flow.target] += height
        middle = (x0 + x1) / 2
        text = f"{source.name} to {target.name}: {flow.energy_wh / 1000:,.1f} kWh"
        parts.append(
            f'<path d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" fill="none" '
            f'stroke="{source.colour}" stroke-opacity=".38" stroke-width="{max(1.0, height):.1f}">'
            f"<title>{escape(text)}</title></path>"
        )
    return parts


def _bar(
    sheet: _Sheet,
    node: Node,
    energy_wh: int,
    left: dict[int, float],
    y: float,
    height: float,
    last_column: int,
) -> list[str]:
    x = left[node.column]
    anchor, text_x = ("end", x + sheet.bar) if node.column == last_column else ("start", x)
    energy = f"{energy_wh / 1000:,.1f} kWh".replace(",", "\u2009")
    lines = [f"{node.name} {energy}"] if sheet.lines == 1 else [node.name, energy]
    parts = [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{sheet.bar}" height="{max(2.0, height):.1f}" fill="{node.colour}"/>'
    ]
    for above, line in enumerate(reversed(lines)):
        at = y - 6 - above * sheet.font * 1.15
        parts.append(f'<text x="{text_x:.1f}" y="{at:.1f}" text-anchor="{anchor}">{escape(line)}</text>')
    return parts
