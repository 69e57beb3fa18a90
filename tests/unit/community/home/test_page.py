# SPDX-License-Identifier: Apache-2.0
"""The household's page over real HTTP: what it shows, the pause, and browsers that were led to it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from commonwatt_community.home.page import page_of
from commonwatt_community.home.state import State
from commonwatt_community.home.wishes import Wished

from ....support.home_at_rest import home_at_rest


async def test_the_page_shows_the_home_and_pauses_it(tmp_path: Path) -> None:
    async with home_at_rest(tmp_path) as living:
        living.lines.trouble("x", "the meter is <b>away</b>")
        async with (
            page_of(living, State(living), 0) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            page = await client.get("/")
            assert page.status_code == 200
            assert "default-src 'self'" in page.headers["content-security-policy"]
            assert "<script" in page.text
            assert " style=" not in page.text
            for file in ("/page.js", "/page.css", "/house.css"):
                assert (await client.get(file)).status_code == 200
            state = (await client.get("/state.json")).json()
            assert state["home"] == "h1"
            assert state["meter"] == {
                "at_s": 1_000.0,
                "import_total_wh": 1_234,
                "export_total_wh": 6,
                "battery_wh": 700,
            }
            assert state["troubles"] == ["the meter is <b>away</b>"]
            wishes = {**state["own_wishes"], "paused": True, "buy_at_most_uaud_per_kwh": 200_000}
            assert (await client.post("/wishes", json=wishes)).status_code == 204
            assert living.wishes.paused
            assert (await client.get("/state.json")).json()["wishes"]["buy_at_most_uaud_per_kwh"] == 200_000
        assert Wished(living.book).now.paused, "a wish outlasts the agent"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/", {"Host": "evil.example"}, b"", 403),
        ("POST", "/wishes", {"Content-Type": "text/plain"}, b'{"paused": true}', 415),
        ("POST", "/wishes", {"Content-Type": "application/json"}, b'{"paused": "perhaps"}', 400),
        ("POST", "/wishes", {"Content-Type": "application/json"}, b"[", 400),
        ("GET", "/../home.yaml", {}, b"", 404),
        ("POST", "/state.json", {"Content-Type": "application/json"}, json.dumps("x" * 70_000).encode(), 413),
    ],
)
async def test_strangers_get_nothing(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with home_at_rest(tmp_path) as living, page_of(living, State(living), 0) as port:
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{port}{path}"
            answer = await client.request(method, url, headers=headers, content=body)
        assert answer.status_code == status
        assert not living.wishes.paused
