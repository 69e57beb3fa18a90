"""Energy flows as a Sankey diagram, drawn as plain SVG: three columns of bars joined by ribbons."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

_WIDTH, _HEIGHT, _BAR, _GAP, _TOP = 940, 400, 16, 22, 26


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


def sankey(nodes: Sequence[Node], flows: Sequence[Flow], label: str) -> str:
    """The diagram as an SVG element; heights are in proportion to energy."""
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
    room = min(_HEIGHT - _TOP - _GAP * len(members) for members in per_column.values())
    most = max((sum(size[index] for index in members) for members in per_column.values()), default=1)
    scale = room / max(1, most)
    left = {
        column: 4 + place * (_WIDTH - _BAR - 8) / (len(columns) - 1) for place, column in enumerate(columns)
    }
    top: dict[int, float] = {}
    for members in per_column.values():
        y = float(_TOP)
        for index in members:
            top[index] = y
            y += size[index] * scale + _GAP
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}" class="sankey">']
    parts += _ribbons(nodes, flows, left, top, scale)
    for index in top:
        parts += _bar(nodes[index], size[index], left, top[index], size[index] * scale, columns)
    return "".join([*parts, "</svg>"])


def _ribbons(
    nodes: Sequence[Node], flows: Sequence[Flow], left: dict[int, float], top: dict[int, float], scale: float
) -> list[str]:
    leaving, arriving = dict(top), dict(top)
    parts = []
    for flow in flows:
        source, target, height = nodes[flow.source], nodes[flow.target], flow.energy_wh * scale
        x0, x1 = left[source.column] + _BAR, left[target.column]
        y0, y1 = leaving[flow.source] + height / 2, arriving[flow.target] + height / 2
        leaving[flow.source] += height
        arriving[flow.target] += height
        middle = (x0 + x1) / 2
        text = f"{source.name} to {target.name}: {flow.energy_wh / 1000:.1f} kWh"
        parts.append(
            f'<path d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" fill="none" '
            f'stroke="{source.colour}" stroke-opacity=".38" stroke-width="{max(1.0, height):.1f}">'
            f"<title>{escape(text)}</title></path>"
        )
    return parts


def _bar(
    node: Node, energy_wh: int, left: dict[int, float], y: float, height: float, columns: list[int]
) -> list[str]:
    x = left[node.column]
    last = node.column == columns[-1]
    anchor, text_x = ("end", x + _BAR) if last else ("start", x)
    text = f"{escape(node.name)} {energy_wh / 1000:.1f} kWh"
    return [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_BAR}" height="{max(2.0, height):.1f}" fill="{node.colour}"/>',
        f'<text x="{text_x:.1f}" y="{y - 6:.1f}" text-anchor="{anchor}">{text}</text>',
    ]
