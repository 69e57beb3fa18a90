# SPDX-License-Identifier: Apache-2.0
"""Meters over real HTTP: polled, pushing, and what a stranger or a broken device may send."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from commonwatt_client.errors import ConfigurationError
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.counted import Counted, MeterFailed
from commonwatt_community.meters.counting import Bounds
from commonwatt_community.meters.http import HttpMeter
from commonwatt_community.meters.settings import Http
from commonwatt_community.meters.shown import LARGEST_PAYLOAD
from commonwatt_community.meters.web import LARGEST_BODY, Request, Response, serving
from pydantic import ValidationError

from ....support.mosquitto import free_port


def http(**about: object) -> Http:
    return Http.model_validate({"kind": "http", "unit": "Wh", "imports": "m.in", "exports": "m.out", **about})


async def test_a_meter_is_polled(tmp_path: Path) -> None:
    shown: list[Response] = [
        Response(200, json.dumps({"m": {"in": place * 10, "out": 1}}).encode()) for place in range(4)
    ]
    asked: list[Request] = []

    async def device(request: Request) -> Response:
        asked.append(request)
        return shown.pop(0) if shown else Response(500)

    (tmp_path / "token").write_text("secret-of-the-meter\n")
    (tmp_path / "token").chmod(0o600)
    async with serving("127.0.0.1", 0, device) as port:
        about = http(url=f"http://127.0.0.1:{port}/status", every_s=1, token_file="token")
        meter = HttpMeter(about, tmp_path, Clock(rate=100), Bounds(), print)
        found: list[Counted] = []
        with pytest.raises(MeterFailed, match="status 500"):
            async for counted in meter.readings(None):
                found.append(counted)
    assert [one.import_total_wh for one in found] == [0, 10, 20, 30]
    assert asked[0].headers["authorization"] == "Bearer secret-of-the-meter"


async def test_a_device_that_is_not_there_or_talks_too_much(tmp_path: Path) -> None:
    meter = HttpMeter(http(url=f"http://127.0.0.1:{free_port()}/"), tmp_path, Clock(), Bounds(), print)
    with pytest.raises(MeterFailed, match="does not answer"):
        await anext(aiter(meter.readings(None)))

    async def device(request: Request) -> Response:
        return Response(200, b"9" * (LARGEST_PAYLOAD + 1))

    async with serving("127.0.0.1", 0, device) as port:
        meter = HttpMeter(http(url=f"http://127.0.0.1:{port}/"), tmp_path, Clock(), Bounds(), print)
        with pytest.raises(MeterFailed, match="more than"):
            await anext(aiter(meter.readings(None)))


async def test_a_meter_pushes_and_strangers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    with pytest.raises(ConfigurationError, match="others may read"):
        (tmp_path / "token").chmod(0o644)
        HttpMeter(http(port=0, token_file="token"), tmp_path, Clock(), Bounds(), print)
    (tmp_path / "token").chmod(0o600)
    port, told = free_port(), []
    meter = HttpMeter(http(port=port, token_file="token"), tmp_path, Clock(), Bounds(), told.append)
    reading = asyncio.create_task(anext(aiter(meter.readings(None))))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        async with asyncio.timeout(20):
            while not told:  # noqa: ASYNC110 - the meter tells a list
                await asyncio.sleep(0.02)
        body = json.dumps({"m": {"in": 5, "out": 6}})
        right = {"Authorization": "Bearer t0ken"}
        answers = [
            await client.post("/meter", content=body),
            await client.post("/meter", content=body, headers={"Authorization": "Bearer wrong"}),
            await client.post("/other", content=body, headers=right),
            await client.get("/meter", headers=right),
            await client.post("/meter", content=b"x" * (LARGEST_BODY + 1), headers=right),
            await client.post("/meter", content=body, headers={**right, "Host": "evil.example"}),
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 404, 404, 413, 403]
        assert not reading.done()
        assert (await client.post("/meter", content=body, headers=right)).status_code == 204
        counted = await asyncio.wait_for(reading, 10)
    assert (counted.import_total_wh, counted.export_total_wh) == (5, 6)


@pytest.mark.parametrize(
    "about",
    [
        {"url": "http://x", "port": 1},
        {},
        {"port": 1, "host": "0.0.0.0"},
        {"url": "ftp://x"},
        {"url": "http://x", "power": "p"},
        {"url": "http://x", "imports": None},
    ],
)
def test_settings_that_cannot_be_right(about: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        http(**about)
