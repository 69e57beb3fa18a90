# SPDX-License-Identifier: Apache-2.0
"""An operator's figures and alarms: on its own page, at the service, and each alarm once."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.api import ServiceAway
from commonwatt_community.operating.alarming import SHOWN, Alarming
from commonwatt_community.operating.page import page
from commonwatt_community.operating.telling import MOST_ALARMS, Alarm, Telling
from commonwatt_community.service.operators import Alarms


def telling() -> Telling:
    return Telling(say=lambda _: None, warn=lambda _: None)


async def test_health_and_figures_are_served_to_this_machine() -> None:
    now = [0.0]
    told = Telling(say=lambda _: None, warn=lambda _: None, clock=lambda: now[0])
    told.did("close_gate", "closed")
    told.alarm(Alarm("late_gate", "late", 1, 2))
    told.ran("gates", 10)
    async with page(told, 0) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        well = await client.get("/healthz")
        assert (well.status_code, well.text) == (200, "well\n")
        figures = (await client.get("/metrics")).text
        assert 'commonwatt_operator_steps_total{step="close_gate"} 1' in figures
        assert 'commonwatt_operator_alarms_total{alarm="late_gate"} 1' in figures
        now[0] = 100.0
        ill = await client.get("/healthz")
        assert (ill.status_code, ill.text) == (503, "gates did nothing for 100 s\n")
        assert "commonwatt_operator_well 0" in (await client.get("/metrics")).text
        assert (await client.get("/other")).status_code == 404
        assert (await client.post("/healthz")).status_code == 405
        assert (await client.get("/healthz", headers={"Host": "evil.example"})).status_code == 421
        with pytest.raises(UsageError, match="cannot be listened on"):
            async with page(told, port):
                pass
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)
        assert await reader.read() == b""
        writer.close()


async def test_a_page_survives_those_who_say_nothing_and_its_end() -> None:
    async with page(telling(), 0) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await asyncio.sleep(0)


def test_an_alarm_is_raised_once_and_again_when_its_cause_was_gone() -> None:
    told = telling()
    alarm = Alarm("no_reading", "silent", 1, None, "h1")
    assert [told.alarm(alarm), told.alarm(alarm)] == [True, False]
    assert told.over("no_reading", None, "h1")
    assert not told.over("no_reading", None, "h1")
    assert told.alarm(alarm)
    for period in range(2 * MOST_ALARMS):
        told.alarm(Alarm("late_gate", "late", 1, period))
    assert len(told.waiting) == MOST_ALARMS


async def test_the_service_is_shown_alarms_once_it_is_there() -> None:
    shown: list[list[dict[str, Any]]] = []

    class Service:
        away = True

        async def report_alarms(self, alarms: list[dict[str, Any]]) -> None:
            if self.away:
                raise ServiceAway("nobody answers")
            shown.append(alarms)

    told, service = telling(), Service()
    alarming = Alarming(service, told)
    await alarming.run()
    told.alarm(Alarm("late_gate", "late", 1, 2))
    with pytest.raises(ServiceAway):
        await alarming.run()
    service.away = False
    await alarming.run()
    await alarming.run()
    for period in range(SHOWN + 5):
        told.alarm(Alarm("not_cleared", "words", 1, period))
    await alarming.run()
    assert [len(one) for one in shown] == [1, SHOWN]
    assert shown[0] == [{"kind": "late_gate", "sentence": "late", "since_s": 1, "period": 2}]


def test_the_service_takes_every_alarm_however_long() -> None:
    raised = (Alarm("late_gate", "x" * 2_000, 1, 2, "ac676ljbhs"), Alarm("network_away", "gone", 3))
    taken = Alarms.model_validate({"alarms": [one.as_json() for one in raised]}).alarms
    assert [(one.kind, one.since_s, one.period, one.home) for one in taken] == [
        ("late_gate", 1, 2, "ac676ljbhs"),
        ("network_away", 3, None, None),
    ]
    assert taken[0].sentence.endswith("x…")
