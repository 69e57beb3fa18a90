# SPDX-License-Identifier: Apache-2.0
"""What a home says: of a trouble that lasts, one line."""

from __future__ import annotations

from commonwatt_community.home.lines import Lines, cents
from commonwatt_community.meters.clock import Clock


def test_a_trouble_is_one_line_until_it_is_over() -> None:
    said: list[str] = []
    lines = Lines(Clock(lambda: 0.0), said.append)
    for _ in range(3):
        lines.trouble("meter", "it is away")
    lines.over("meter", "it is back")
    lines.over("meter", "it is back")
    lines.trouble("meter", "it is away")
    assert [line.partition(" ")[2] for line in said] == ["it is away", "it is back", "it is away"]
    assert lines.troubles == {"meter": "it is away"}
    assert cents(183_456) == "18.35 c/kWh"
