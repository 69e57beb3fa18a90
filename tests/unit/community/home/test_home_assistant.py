# SPDX-License-Identifier: Apache-2.0
"""Home Assistant's side of MQTT, with Mosquitto: discovery, values, the switch, and a broker that is away."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiomqtt
from commonwatt_community.home.home_assistant import Assistant, discovery, values_of
from commonwatt_community.home.settings import HomeAssistant
from commonwatt_community.home.state import State

from ....support.home_at_rest import home_at_rest
from ....support.mosquitto import Mosquitto, free_port


async def test_it_is_discovered_and_its_switch_pauses_trading(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path, free_port()) as broker, home_at_rest(tmp_path) as living:
        settings = HomeAssistant.model_validate({"broker": {"host": "127.0.0.1", "port": broker.port}})
        running = asyncio.create_task(
            Assistant(settings, tmp_path, living, State(living), living.lines).run()
        )
        heard: dict[str, bytes] = {}
        try:
            async with aiomqtt.Client("127.0.0.1", broker.port) as client, asyncio.timeout(30):
                await client.subscribe("homeassistant/#")
                await client.subscribe("commonwatt/#")
                async for message in client.messages:
                    heard[message.topic.value] = bytes(message.payload)
                    if heard.get("commonwatt/h1/paused") == b"OFF" and "commonwatt/h1/state" in heard:
                        break
                await client.publish("commonwatt/h1/paused/set", "ON", qos=1)
                async for message in client.messages:
                    if message.topic.value == "commonwatt/h1/paused" and message.payload == b"ON":
                        break
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert living.wishes.paused
        assert set(discovery("homeassistant", "h1")) <= set(heard)
        switch = json.loads(heard["homeassistant/switch/commonwatt_h1/paused/config"])
        assert switch["command_topic"] == "commonwatt/h1/paused/set"
        assert heard["commonwatt/h1/available"] == b"online"
        assert json.loads(heard["commonwatt/h1/state"])["bought_today"] == 0


async def test_without_a_broker_the_home_goes_on(tmp_path: Path) -> None:
    async with home_at_rest(tmp_path) as living:
        settings = HomeAssistant.model_validate({"broker": {"host": "127.0.0.1", "port": free_port()}})
        running = asyncio.create_task(
            Assistant(settings, tmp_path, living, State(living), living.lines).run()
        )
        async with asyncio.timeout(20):
            while not living.lines.troubles:  # noqa: ASYNC110 - lines give no notice
                await asyncio.sleep(0.05)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        [trouble] = living.lines.troubles.values()
        assert "trading goes on without it" in trouble


def test_values_have_home_assistants_units() -> None:
    shown = {
        "prices": [{"tou": 300_000, "feed_in": 60_000}, {"tou": 250_000, "feed_in": 60_000}],
        "plan": [{"from_battery_wh": 120, "does": "I offer 120 Wh"}],
        "today": {"bought_wh": 1_500, "sold_wh": 0, "shared_wh": 20, "cost_naud": 1_234_000_000},
    }
    values = values_of(shown)
    assert (values["price_now"], values["price_next"], values["cost_today"]) == (0.3, 0.25, 1.234)
    assert (values["bought_today"], values["battery_plan"], values["plan"]) == (1.5, 120, "I offer 120 Wh")
    assert all(f"value_json.{name}" in json.dumps(discovery("ha", "h1")) for name in values)
