# SPDX-License-Identifier: Apache-2.0
"""A meter over MQTT, with Mosquitto: registers in JSON, a broker that goes and comes back, and none at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiomqtt
import pytest
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.counted import Counted, MeterFailed
from commonwatt_community.meters.counting import Bounds
from commonwatt_community.meters.mqtt import MqttMeter
from commonwatt_community.meters.settings import Mqtt

from ....support.mosquitto import Mosquitto, free_port


def settings(port: int, **other: object) -> Mqtt:
    return Mqtt.model_validate(
        {
            "kind": "mqtt",
            "broker": {"host": "127.0.0.1", "port": port},
            "imports": {"topic": "home/meter", "path": "ENERGY.In"},
            "exports": {"topic": "home/meter", "path": "ENERGY.Out"},
            "battery": {"topic": "home/battery"},
            **other,
        }
    )


async def test_registers_come_as_json_and_a_broker_may_go(tmp_path: Path) -> None:
    told: list[str] = []
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += 30
        return now_s

    async with Mosquitto(tmp_path, free_port()) as broker:
        meter = MqttMeter(
            settings(broker.port),
            tmp_path,
            Clock(clock),
            Bounds(12_000),
            told.append,
            battery_capacity_wh=10_000,
        )
        found: list[Counted] = []

        async def listen(after: Counted | None) -> None:
            async for counted in meter.readings(after):
                found.append(counted)

        listening = asyncio.create_task(listen(None))

        async def say(*kwh: object, until: int) -> None:
            """Say registers until the meter has heard them: a subscription takes a while."""
            async with aiomqtt.Client("127.0.0.1", broker.port) as client, asyncio.timeout(20):
                while len(found) < until:
                    await client.publish("home/battery", "55")
                    for one in kwh:
                        await client.publish("home/meter", json.dumps({"ENERGY": {"In": one, "Out": 7}}))
                    await asyncio.sleep(0.1)

        await say(100.0, until=1)
        await say("unavailable", 100.1, until=len(found) + 1)
        assert found[-1].import_total_wh == pytest.approx(100_100)
        assert found[-1].export_total_wh == 7_000
        assert found[-1].battery_wh == 5_500
        assert any("I wait for a number" in line for line in told)

        await broker.stop()
        with pytest.raises(MeterFailed, match=f"broker 127.0.0.1:{broker.port} does not answer"):
            await asyncio.wait_for(listening, 20)
        await broker.start()
        listening = asyncio.create_task(listen(found[-1]))
        await say(100.2, until=len(found) + 1)
        assert found[-1].import_total_wh == pytest.approx(100_200)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_there_is_no_broker(tmp_path: Path) -> None:
    meter = MqttMeter(settings(free_port()), tmp_path, Clock(), Bounds(), print)
    with pytest.raises(MeterFailed, match="does not answer"):
        await anext(aiter(meter.readings(None)))


async def test_power_alone(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path, free_port()) as broker:
        about = settings(broker.port, imports=None, exports=None, battery=None, power={"topic": "p"})
        meter = MqttMeter(about, tmp_path, Clock(), Bounds(), print)
        reading = asyncio.create_task(anext(aiter(meter.readings(None))))
        async with aiomqtt.Client("127.0.0.1", broker.port) as client, asyncio.timeout(20):
            while not reading.done():
                await client.publish("p", "512.5")
                await asyncio.sleep(0.1)
        assert (await reading).import_total_wh == 0.0
