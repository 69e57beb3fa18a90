# SPDX-License-Identifier: Apache-2.0
"""SunSpec over Modbus TCP, with pymodbus's own server: a meter, an inverter, storage, and set points that lapse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from commonwatt_community.meters import modbus
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.counted import Counted, MeterFailed, Steered
from commonwatt_community.meters.counting import Bounds
from commonwatt_community.meters.modbus import ModbusMeter
from commonwatt_community.meters.settings import Modbus
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from ....support.mosquitto import free_port

BASE = 40_000
MINUS_2 = 0x10000 - 2


def device(*models: tuple[int, int, dict[int, int]]) -> list[int]:
    """Registers from the mark on: of each model its id, its length and points by place."""
    registers = [0x5375, 0x6E53]
    for model, length, points in models:
        block = [model, length, *([0] * length)]
        for place, value in points.items():
            block[place] = value
        registers += block
    return [*registers, 0xFFFF, 0]


COMMON = (1, 66, {})
METER = (203, 105, {18: 300, 22: 0, 38: 0, 39: 2_000, 46: 1, 47: 0, 54: 0})
STORAGE = (124, 24, {2: 5_000, 8: 6_000, 22: MINUS_2, 25: MINUS_2})
BANK = (802, 62, {3: 10_000, 11: 550, 56: 0x10000 - 1})


@asynccontextmanager
async def serving(registers: list[int]) -> AsyncIterator[tuple[int, AsyncModbusTcpClient]]:
    """Pymodbus's server with these registers; its port, and a client that may change them."""
    port = free_port()
    data = SimData(BASE, values=registers, datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(1, simdata=[data]), address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    try:
        assert await client.connect()
        yield port, client
    finally:
        client.close()
        await server.shutdown()


def meter(port: int, told: list[str] | None = None, **other: Any) -> ModbusMeter:
    settings = Modbus.model_validate(
        {"kind": "modbus", "host": "127.0.0.1", "port": port, "every_s": 0.2, **other}
    )
    return ModbusMeter(settings, Clock(), Bounds(), (told if told is not None else []).append)


async def test_a_meter_and_a_battery(tmp_path: Path) -> None:
    async with serving(device(COMMON, METER, BANK)) as (port, client):
        readings = aiter(meter(port).readings(None))
        first = await anext(readings)
        assert (first.import_total_wh, first.export_total_wh, first.battery_wh) == (65_536, 2_000, 5_500)
        at = BASE + 2 + 68 + 47
        await client.write_register(at, 40, device_id=1)
        second = await anext(readings)
        assert second.import_total_wh == 65_576
        await readings.aclose()  # type: ignore[attr-defined]


async def test_an_inverter_alone_counts_exports() -> None:
    inverter = (103, 50, {14: 100, 24: 0, 25: 900, 26: 1})
    async with serving(device(COMMON, inverter)) as (port, _):
        readings = aiter(meter(port).readings(None))
        counted = await anext(readings)
        assert counted[1:3] == (0.0, 9_000)
        await readings.aclose()  # type: ignore[attr-defined]


async def test_the_storage_is_told_what_the_export_lacks_and_the_order_is_taken_back() -> None:
    async with serving(device(COMMON, METER, STORAGE)) as (port, client):
        one = meter(port, steer=True)
        assert isinstance(one, Steered)
        found: list[Counted] = []

        async def listen() -> None:
            async for counted in one.readings(None):
                found.append(counted)

        listening = asyncio.create_task(listen())
        storage = BASE + 2 + 68 + 107
        await one.hold_export(700)

        async def registers() -> list[int]:
            return list((await client.read_holding_registers(storage, count=26, device_id=1)).registers)

        async def control(value: int) -> list[int]:
            async with asyncio.timeout(20):
                while (shown := await registers())[5] != value:  # noqa: ASYNC110 - Modbus gives no notice
                    await asyncio.sleep(0.05)
            return shown

        shown = await control(3)
        assert shown[12] >= 2_000, (
            "300 W are drawn, 700 W are sold: 1,000 W of 5,000 W, in hundredths of a percent"
        )
        assert shown[13] == 0x10000 - shown[12]
        assert shown[15] == 60, "the order lapses a minute after the agent is gone"
        await one.hold_export(None)
        await control(0)
        assert not listening.done()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_devices_that_cannot_be_read() -> None:
    with pytest.raises(MeterFailed, match="does not answer"):
        await anext(aiter(meter(free_port()).readings(None)))
    async with serving([1] * 10) as (port, _):
        with pytest.raises(MeterFailed, match="no SunSpec mark"):
            await anext(aiter(meter(port).readings(None)))
    async with serving(device(COMMON, STORAGE)) as (port, _):
        with pytest.raises(MeterFailed, match="no SunSpec meter or inverter; its models: 124"):
            await anext(aiter(meter(port).readings(None)))


async def test_a_device_that_falls_silent_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(modbus, "_ANSWERS_WITHIN_S", 0.2)

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hears, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(MeterFailed, match="does not answer"):
            await anext(aiter(meter(port).readings(None)))
    assert not [one for one in caplog.records if one.name.startswith("pymodbus")]
