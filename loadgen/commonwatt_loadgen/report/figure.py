# SPDX-License-Identifier: Apache-2.0
"""A figure of a report: a chart, what it says in words, and its numbers as a table."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import escape
from matplotlib.figure import Figure as Canvas

Cell = str | int | float | None

GRID_COLOUR = "#7b8794"
SUN_COLOUR = "#e8a317"
BATTERY_COLOUR = "#2a8c82"
NEIGHBOUR_COLOUR = "#c2415d"
LOST_COLOUR = "#c9bfa9"
INK = "#22303c"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "legend.fontsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
SHARED_COLOUR = "#7b5ea7"
CYCLE = ("#2a6f97", "#c2415d", "#e8a317", "#2a8c82", "#7b5ea7", "#7b8794", "#8a5a2b", "#4f9d4f")
# What each colour of a chart becomes on a dark page; the same lightness apart from the paper as on a light one.
DARK = {
    "#000000": "#c3ccd4",
    "#b0b0b0": "#8d9aa5",
    "#ffffff": "#1c252d",
    INK: "#e6ebef",
    GRID_COLOUR: "#9aa7b3",
    SUN_COLOUR: "#f2b94a",
    BATTERY_COLOUR: "#55c2b5",
    NEIGHBOUR_COLOUR: "#f0859d",
    LOST_COLOUR: "#8f8672",
    SHARED_COLOUR: "#b9a1e2",
    "#2a6f97": "#6cb2dc",
    "#8a5a2b": "#cfa26a",
    "#4f9d4f": "#86cd86",
}
_IN_DARK = re.compile("|".join(DARK))


@dataclass(frozen=True)
class Table:
    """The numbers behind a chart; the first column heads its row."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class Drawn(str):
    """A chart as an SVG element, and the canvas that other formats are drawn from."""

    __slots__ = ("drawing",)
    drawing: Canvas


@dataclass(frozen=True)
class Figure:
    """A chart with its title, a caption and its table; `phone_svg` is the same chart for a narrow screen."""

    key: str
    title: str
    caption: str
    svg: str
    table: Table
    wide: bool = False
    phone_svg: str = ""


def canvas(wide: bool = False) -> Canvas:
    """An empty drawing, half a desktop page wide, or a whole one."""
    return Canvas(figsize=(9.4, 4.2) if wide else (5.0, 3.6), layout="constrained")


def svg_of(drawing: Canvas, key: str, label: str) -> Drawn:
    """The drawing as an SVG element with text kept as text and ids that no other figure of the page has.

    `label` says in words what is drawn, for those who cannot see it.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": key}):
        drawing.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    for name in sorted(used, key=len, reverse=True):
        text = re.sub(rf'(id="|href="#|url\(#){re.escape(name)}(["\)])', rf"\g<1>{key}-{name}\g<2>", text)
    text = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>", "", text, flags=re.DOTALL)
    text = text.replace("font: 11px 'sans-serif'", "font: 11px sans-serif")
    opening = text.index(">")
    width = re.search(r'viewBox="([^"]+)"', text[:opening])
    box = width[1] if width else "0 0 400 300"
    head = (
        f'<svg viewBox="{box}" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    )
    drawn = Drawn(f'{head} role="img" aria-label="{escape(label)}"{text[opening:]}')
    drawn.drawing = drawing
    return drawn


def on_both(svg: str) -> str:
    """The chart for a light or dark page: each colour of `DARK` is a variable, and the light one its default."""
    return _IN_DARK.sub(lambda found: f"var(--c{found[0][1:]}, {found[0]})", svg)


def dark_style() -> str:
    """The rule of a stylesheet that gives the variables of `on_both` their dark colours; paper stays light."""
    variables = " ".join(f"--c{light[1:]}: {dark};" for light, dark in DARK.items())
    return f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {variables} }} }}"
