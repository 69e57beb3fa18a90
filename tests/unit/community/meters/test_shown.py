# SPDX-License-Identifier: Apache-2.0
"""What devices show: paths into JSON, bare numbers, and what is neither."""

from __future__ import annotations

import pytest
from commonwatt_community.meters.counting import Bounds
from commonwatt_community.meters.shown import MISSING, Shown, value_at


@pytest.mark.parametrize(
    ("payload", "path", "value"),
    [
        (b"12.5", None, "12.5"),
        (b'{"a": {"b": [1, 2.5]}}', "a.b.1", 2.5),
        (b'{"a.b": 1}', "a.b", MISSING),
        (b'{"a": 1}', "a.b", MISSING),
        (b"[1]", "7", MISSING),
        (b"offline", "a", "offline"),
        (b"\xff\xfe", None, "\ufffd\ufffd"),
        (b"[" * 60_000, "a", "[" * 60_000),
        (b"1" * 100_000, None, "a payload of 100000 bytes"),
    ],
)
def test_values(payload: bytes, path: str | None, value: object) -> None:
    assert value_at(payload, path) == value


def test_it_counts_once_all_of_it_is_known() -> None:
    shown = Shown(frozenset({"imports", "exports", "battery"}), "kWh", Bounds(), print, None, 8_000)
    assert shown.add(0, {"imports": "1.5"}) is None
    assert shown.add(1, {"battery": "50"}) is None
    counted = shown.add(2, {"exports": 0.25})
    assert counted is not None
    assert counted[:4] == (2, 1_500, 250, 4_000)
    assert shown.add(3, {"battery": "49"}) is None, "a battery alone is no count"
    later = shown.add(4, {"imports": 1.501})
    assert later is not None
    assert later[:4] == (4, 1_501, 250, 3_920)
    assert shown.add(5, {"battery": "full", "imports": 1.502}).battery_wh is None
