# SPDX-License-Identifier: Apache-2.0
"""One look: charts have the colours of the house's stylesheet, and its words can be read, in light and in dark."""

import re

import pytest
from commonwatt_client.pages import HOUSE_STYLE, LIVE_CHART, page_file
from commonwatt_loadgen.report import figure

WORDS = ("ink", "soft", "accent", "good", "bad")
SERIES = {
    "neighbours": figure.NEIGHBOUR_COLOUR,
    "sharing": figure.SHARED_COLOUR,
    "sun": figure.SUN_COLOUR,
    "battery": figure.BATTERY_COLOUR,
    "grid": figure.GRID_COLOUR,
    "ink": figure.INK,
}


def colours():
    """The variables of the light page, and those of the dark one."""
    blocks = re.findall(r":root {([^}]*)}", page_file(HOUSE_STYLE))
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", block)) for block in blocks)
    return {"light": light, "dark": dark}


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_both_pages_have_every_colour():
    assert colours()["light"].keys() == colours()["dark"].keys()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("word", WORDS)
def test_words_are_read_on_paper_and_beside_it(scheme, word):
    known = colours()[scheme]
    for back in ("paper", "back"):
        assert contrast(known[word], known[back]) >= 4.5, back


def test_a_colour_means_the_same_in_a_chart_and_on_a_page():
    known = colours()
    for name, colour in SERIES.items():
        assert known["light"][name] == colour, name
        assert known["dark"][name] == figure.DARK[colour], name
    assert figure.DARK["#ffffff"] == known["dark"]["paper"]


def test_a_chart_keeps_its_light_colours_as_the_default():
    line = '<path style="stroke: #c2415d"/><path stroke="#123456"/>'
    assert figure.on_both(line) == '<path style="stroke: var(--cc2415d, #c2415d)"/><path stroke="#123456"/>'
    assert "--cc2415d: #f0859d;" in figure.dark_style()


def test_the_live_chart_asks_for_nothing_from_elsewhere():
    script = page_file(LIVE_CHART)
    assert "import " not in script
    assert re.findall(r"https?://[^\"]+", script) == ["http://www.w3.org/2000/svg"]
