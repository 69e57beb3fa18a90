# SPDX-License-Identifier: Apache-2.0
"""A report's figures as files: SVG as in the report, PNG for what takes no SVG, and PDF for papers."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Curve

from commonwatt_loadgen.report.figure import SETTINGS, Drawn, Figure
from commonwatt_loadgen.report.page import Page

_DOTS_PER_INCH = 160
_SVG = "{http://www.w3.org/2000/svg}"
_UNITS_PER_INCH = 100
_POINTS = 72
_SIMULATED = re.compile(r"(c\d+|communities)-[a-z]+\.(svg|png|pdf)")
_UNDATED = {"Creator": None, "Producer": None, "CreationDate": None}  # equal results make equal files


def figures_of(page: Page) -> Iterator[Figure]:
    """All figures of a report, in its order."""
    for section in (*page.sections, *(one for chapter in page.chapters for one in chapter.sections)):
        yield from section.figures


def write_figures(page: Page, folder: Path) -> None:
    """Write each figure of a report as `<key>.svg`, `<key>.png` and `<key>.pdf`."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures_of(page):
        (folder / f"{figure.key}.svg").write_text(f"{figure.svg}\n", "utf-8")
        drawing = figure.svg.drawing if isinstance(figure.svg, Drawn) else drawn_again(figure.svg)
        with matplotlib.rc_context(SETTINGS):
            drawing.savefig(folder / f"{figure.key}.png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
            drawing.savefig(folder / f"{figure.key}.pdf", metadata=_UNDATED)


def remove_figures(folder: Path) -> None:
    """Remove the figures of an earlier simulation's report, and nothing else."""
    for file in folder.glob("*.*"):
        if _SIMULATED.fullmatch(file.name):
            file.unlink()


def drawn_again(svg: str) -> Canvas:
    """A diagram of flows on a canvas: the bars, ribbons and words that `sankey` draws."""
    tree = ElementTree.fromstring(svg)  # noqa: S314 - our own words
    width, height = (float(size) for size in tree.attrib["viewBox"].split()[2:])
    drawing = Canvas(figsize=(width / _UNITS_PER_INCH, height / _UNITS_PER_INCH))
    axes = drawing.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    points = _POINTS / _UNITS_PER_INCH
    for one in tree:
        given = one.attrib
        if one.tag == f"{_SVG}path":
            numbers = [float(number) for number in re.findall(r"-?[\d.]+", given["d"])]
            curve = Curve(list(zip(numbers[::2], numbers[1::2], strict=True)), [1, 4, 4, 4])
            axes.add_patch(
                PathPatch(
                    curve,
                    fill=False,
                    edgecolor=given["stroke"],
                    alpha=float(given["stroke-opacity"]),
                    linewidth=float(given["stroke-width"]) * points,
                    capstyle="butt",
                )
            )
        elif one.tag == f"{_SVG}rect":
            corner = float(given["x"]), float(given["y"])
            size = float(given["width"]), float(given["height"])
            axes.add_patch(Rectangle(corner, *size, color=given["fill"], linewidth=0))
        elif one.tag == f"{_SVG}text":
            axes.text(
                float(given["x"]),
                float(given["y"]),
                one.text or "",
                ha="right" if given["text-anchor"] == "end" else "left",
                fontsize=float(tree.attrib["font-size"]) * points,
            )
    return drawing
