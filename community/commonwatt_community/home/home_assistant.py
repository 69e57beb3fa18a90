# SPDX-License-Identifier: Apache-2.0
"""Sensors and a switch in Home Assistant, by MQTT discovery (extra `mqtt`)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiomqtt

from ..meters.mqtt import client_of
from .lines import Lines
from .living import LivingHome
from .settings import HomeAssistant
from .state import State

EVERY_S = 10.0
_PAUSE_S = 5.0
_BROKER = "home assistant's broker"
_PRICE = {"unit_of_measurement": "AUD/kWh"}
_ENERGY = {"unit_of_measurement": "kWh", "device_class": "energy", "state_class": "total_increasing"}
_SENSORS: dict[str, tuple[str, dict[str, str]]] = {
    "price_now": ("Grid price now", _PRICE),
    "price_next": ("Grid price next", _PRICE),
    "feed_in_now": ("Feed-in price now", _PRICE),
    "bought_today": ("Bought from neighbours today", _ENERGY),
    "sold_today": ("Sold to neighbours today", _ENERGY),
    "shared_today": ("Shared today", _ENERGY),
    "cost_today": (
        "Cost today",
        {"unit_of_measurement": "AUD", "device_class": "monetary", "state_class": "total"},
    ),
    "battery_plan": (
        "Battery to neighbours next",
        {"unit_of_measurement": "Wh"},
    ),
    "plan": ("Plan", {}),
}


class Assistant:
    """Keeps Home Assistant informed, and obeys its switch."""

    def __init__(
        self, settings: HomeAssistant, folder: Path, living: LivingHome, state: State, lines: Lines
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._living = living
        self._state = state
        self._lines = lines
        self._base = f"commonwatt/{living.home}"

    async def run(self) -> None:
        """Without end; a broker that is away is tried again."""
        will = aiomqtt.Will(f"{self._base}/available", "offline", qos=1, retain=True)
        broker = self._settings.broker
        while True:
            try:
                async with client_of(broker, self._folder, will) as client:
                    self._lines.over(_BROKER, "Home Assistant's broker answers again")
                    await client.subscribe(f"{self._base}/paused/set", qos=1)
                    await self._announce(client)
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._publish(client))
                        group.create_task(self._obey(client))
            except* (aiomqtt.MqttError, OSError) as errors:
                self._lines.trouble(
                    _BROKER,
                    f"Home Assistant's broker {broker.host}:{broker.port} does not answer "
                    f"({errors.exceptions[0] or 'it hung up'}); trading goes on without it",
                )
            await asyncio.sleep(_PAUSE_S)

    async def _announce(self, client: aiomqtt.Client) -> None:
        for topic, content in discovery(self._settings.discovery, self._living.home).items():
            await client.publish(topic, json.dumps(content), qos=1, retain=True)
        await client.publish(f"{self._base}/available", "online", qos=1, retain=True)

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            await self._say(client)
            await asyncio.sleep(EVERY_S)

    async def _say(self, client: aiomqtt.Client) -> None:
        await client.publish(f"{self._base}/state", json.dumps(values_of(self._state.shown())), retain=True)
        paused = "ON" if self._living.wishes_of("home assistant").paused else "OFF"
        await client.publish(f"{self._base}/paused", paused, qos=1, retain=True)

    async def _obey(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            said = message.payload if isinstance(message.payload, bytes) else b""
            if said in (b"ON", b"OFF"):
                self._living.pause("home assistant", said == b"ON")
                await self._say(client)


def discovery(prefix: str, home: str) -> dict[str, dict[str, Any]]:
    """Home Assistant's discovery messages, by topic."""
    base, node = f"commonwatt/{home}", f"commonwatt_{home}".replace(".", "_")
    common = {
        "availability_topic": f"{base}/available",
        "device": {"identifiers": [node], "name": f"Commonwatt {home}", "manufacturer": "Commonwatt"},
    }
    found: dict[str, dict[str, Any]] = {
        f"{prefix}/sensor/{node}/{name}/config": {
            "name": title,
            "unique_id": f"{node}_{name}",
            "state_topic": f"{base}/state",
            "value_template": f"{{{{ value_json.{name} }}}}",
            **more,
            **common,
        }
        for name, (title, more) in _SENSORS.items()
    }
    found[f"{prefix}/switch/{node}/paused/config"] = {
        "name": "Pause trading",
        "unique_id": f"{node}_paused",
        "state_topic": f"{base}/paused",
        "command_topic": f"{base}/paused/set",
        **common,
    }
    return found


def values_of(shown: dict[str, Any]) -> dict[str, Any]:
    """The sensors' values: energy in kWh, money in AUD, prices in AUD per kWh."""
    now, following = [*shown.get("prices", []), {}, {}][:2]
    plan = shown.get("plan", [])
    today = shown["today"]

    def price(of: dict[str, Any], name: str) -> float | None:
        return of[name] / 1_000_000 if name in of else None

    return {
        "price_now": price(now, "tou"),
        "price_next": price(following, "tou"),
        "feed_in_now": price(now, "feed_in"),
        "bought_today": today["bought_wh"] / 1_000,
        "sold_today": today["sold_wh"] / 1_000,
        "shared_today": today["shared_wh"] / 1_000,
        "cost_today": round(today["cost_naud"] / 1e9, 4),
        "battery_plan": plan[0]["from_battery_wh"] if plan else 0,
        "plan": plan[0]["does"] if plan else "nothing",
    }
