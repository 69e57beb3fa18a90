# SPDX-License-Identifier: Apache-2.0
"""The page of the OpenAPI document: every route, well formed, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re

from commonwatt_community.service.openapi import document
from commonwatt_community.service.page import POLICY, page
from commonwatt_community.service.table import ROUTES


def test_the_page_shows_every_route_and_loads_nothing() -> None:
    shown = page(document(ROUTES))
    for route in ROUTES:
        assert f"<code>{route.method} /api/v1{route.path}</code>" in shown
    assert not re.findall(r"<script|https?://|src=|style=", shown)
    [style] = re.findall(r"<style>(.*?)</style>", shown, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in POLICY
    ids = set(re.findall(r'id="(\w+)"', shown))
    assert set(re.findall(r'href="#(\w+)"', shown)) <= ids
    assert shown.count("<details") == shown.count("</details>") == len(ROUTES) + len(ids)
