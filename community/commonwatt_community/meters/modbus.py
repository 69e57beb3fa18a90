# SPDX-License-Identifier: Apache-2.0
"""A SunSpec meter over Modbus TCP, and storage that takes set points (extra `modbus`).

The storage is told a power that it keeps for as long as the agent repeats it: an order lapses when the agent is gone.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from .clock import Clock
from .counted import Counted, MeterFailed, Tell
from .counting import Bounds, Counter
from .settings import Modbus
from .sunspec import END, MARK, MODELS, Model, register_of, rollover_wh, value_of

METERS = (201, 202, 203, 204, 211, 212, 213, 214)
INVERTERS = (101, 102, 103, 111, 112, 113)
_ANSWERS_WITHIN_S = 5.0
_MOST_MODELS = 100
_MOST_REGISTERS = 120  # what one request may read
_CHARGE, _DISCHARGE = 1, 2
_LAPSES_S = 60

# It dumps frames where a device is slow: no lines for a household, which hears from us what failed.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class ModbusMeter:
    """Reads the first meter model that a device has, or else its inverter, whose generation is the home's export."""

    def __init__(
        self,
        settings: Modbus,
        clock: Clock,
        bounds: Bounds,
        tell: Tell,
        battery_capacity_wh: int | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._bounds = bounds
        self._tell = tell
        self._capacity_wh = battery_capacity_wh
        self._held_w: int | None = None
        self._holds = False
        self._given_w = 0.0

    async def hold_export(self, power_w: int | None) -> None:
        """See `Steered`: the next reading's set point follows it."""
        self._held_w = power_w

    async def readings(self, after: Counted | None) -> AsyncIterator[Counted]:
        """See `Meter`. MeterFailed where the device does not answer, or has no such model."""
        settings = self._settings
        client = AsyncModbusTcpClient(
            settings.host, port=settings.port, timeout=_ANSWERS_WITHIN_S, retries=1, reconnect_delay=0
        )
        try:
            if not await client.connect():
                raise MeterFailed(f"meter: {self._name} does not answer over Modbus TCP")
            found = await self._models(client, settings.meter_unit)
            meter = next((one for one in found if one.id in METERS), None) or next(
                (one for one in found if one.id in INVERTERS), None
            )
            if meter is None:
                ids = ", ".join(str(one.id) for one in found) or "none"
                raise MeterFailed(f"meter: {self._name} has no SunSpec meter or inverter; its models: {ids}")
            stores = found
            if settings.storage_unit is not None and settings.storage_unit != settings.meter_unit:
                stores = await self._models(client, settings.storage_unit)
            async for counted in self._counted(client, meter, stores, after):
                yield counted
        except (ModbusException, OSError, TimeoutError) as error:
            raise MeterFailed(
                f"meter: {self._name} does not answer: {error or type(error).__name__}"
            ) from error
        finally:
            client.close()

    @property
    def _name(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    async def _counted(
        self,
        client: AsyncModbusTcpClient,
        meter: Model,
        stores: Sequence[Model],
        after: Counted | None,
    ) -> AsyncIterator[Counted]:
        first = await self._read(client, meter, self._settings.meter_unit)
        counter = Counter(replace(self._bounds, rollover_wh=rollover_wh(meter, first)), self._tell, after)
        base = next((one for one in stores if one.id == 802), None)
        control = next((one for one in stores if one.id == 124), None)
        unit = self._settings.storage_unit or self._settings.meter_unit
        while True:
            registers = await self._read(client, meter, self._settings.meter_unit)
            imports: float | None = 0.0
            if meter.id in METERS:
                imports = value_of(meter, "import_wh", registers)
                exports = value_of(meter, "export_wh", registers)
            else:
                exports = value_of(meter, "energy_wh", registers)
            held_wh = None
            for store in (base, control):
                if store is not None and held_wh is None:
                    held_wh = self._held_wh(store, await self._read(client, store, unit))
            counted = counter.add(self._clock.now(), imports, exports, held_wh)
            if counted is not None:
                yield counted
            if control is not None and self._settings.steer:
                net_w = value_of(meter, "power_w", registers) or 0.0
                await self._steer(client, control, unit, net_w)
            await self._clock.sleep(self._settings.every_s)

    def _held_wh(self, store: Model, registers: Sequence[int]) -> int | None:
        percent = value_of(store, "charge_percent", registers)
        capacity_wh = self._capacity_wh or value_of(store, "capacity_wh", registers)
        if percent is None or not 0 <= percent <= 100 or capacity_wh is None:
            return None
        return round(capacity_wh * percent / 100)

    async def _steer(self, client: AsyncModbusTcpClient, control: Model, unit: int, net_w: float) -> None:
        """Have the storage give what the export lacks; an order that is over is taken back once."""
        registers = await self._read(client, control, unit)
        most_w = value_of(control, "charge_max_w", registers) or 0.0
        if self._held_w is None or most_w <= 0:
            if self._holds:
                await self._write(client, unit, *register_of(control, "control", 0, registers))
                self._holds, self._given_w = False, 0.0
            return
        self._given_w = min(most_w, max(0.0, self._given_w + net_w + self._held_w))
        percent = 100.0 * self._given_w / most_w
        for name, value in (
            ("revert_s", float(_LAPSES_S)),
            ("discharge_rate", percent),
            ("charge_rate", -percent),  # a negative bound of charging forces the other direction
            ("control", float(_CHARGE | _DISCHARGE)),
        ):
            await self._write(client, unit, *register_of(control, name, value, registers))
        self._holds = True

    async def _models(self, client: AsyncModbusTcpClient, unit: int) -> list[Model]:
        """The models of a device that are known here, in their order."""
        address = self._settings.base
        if tuple(await self._registers(client, address, 2, unit)) != MARK:
            raise MeterFailed(f"meter: {self._name} has no SunSpec mark at register {address}; set `base`")
        address += 2
        found = []
        for _ in range(_MOST_MODELS):
            model_id, length = await self._registers(client, address, 2, unit)
            if model_id == END:
                break
            if model_id in MODELS:
                found.append(Model(model_id, address, length))
            address += length + 2
        return found

    async def _read(self, client: AsyncModbusTcpClient, model: Model, unit: int) -> list[int]:
        return await self._registers(client, model.address, min(_MOST_REGISTERS, model.registers), unit)

    async def _registers(
        self, client: AsyncModbusTcpClient, address: int, count: int, unit: int
    ) -> list[int]:
        answer = await client.read_holding_registers(address, count=count, device_id=unit)
        if answer.isError() or len(answer.registers) != count:
            raise MeterFailed(
                f"meter: {self._name} gives no registers {address} to {address + count - 1}: {answer}"
            )
        return list(answer.registers)

    async def _write(self, client: AsyncModbusTcpClient, unit: int, address: int, value: int) -> None:
        answer = await client.write_register(address, value, device_id=unit)
        if answer.isError():
            raise MeterFailed(f"meter: {self._name} does not take register {address}: {answer}")
