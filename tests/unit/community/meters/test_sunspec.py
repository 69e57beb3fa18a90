# SPDX-License-Identifier: Apache-2.0
"""SunSpec registers: integers with scale factors, floats, 32-bit counters, and points that a device does not have."""

from __future__ import annotations

import struct

import pytest
from commonwatt_community.meters.sunspec import MODELS, Model, register_of, rollover_wh, value_of


def test_a_meter_of_integers_with_scale_factors() -> None:
    meter = Model(203, 40_100, 105)
    registers = [0] * meter.registers
    registers[18], registers[22] = 0x10000 - 150, 1
    registers[38:40], registers[46:48], registers[54] = [0x0001, 0x0002], [0, 500], 0x10000 - 1
    assert value_of(meter, "power_w", registers) == -1_500
    assert value_of(meter, "export_wh", registers) == pytest.approx(6_553.8)
    assert value_of(meter, "import_wh", registers) == 50
    assert rollover_wh(meter, registers) == pytest.approx(2**32 / 10)
    registers[18] = 0x8000
    assert value_of(meter, "power_w", registers) is None


def test_a_meter_of_floats() -> None:
    meter = Model(213, 40_100, 124)
    registers = [0] * meter.registers
    registers[68:70] = struct.unpack(">HH", struct.pack(">f", 1_234.5))
    registers[60:62] = struct.unpack(">HH", struct.pack(">f", float("nan")))
    assert value_of(meter, "import_wh", registers) == 1_234.5
    assert value_of(meter, "export_wh", registers) is None
    assert rollover_wh(meter, registers) is None


def test_a_set_point_is_scaled_and_bounded() -> None:
    storage = Model(124, 41_000, 24)
    registers = [0] * storage.registers
    registers[25] = 0x10000 - 2
    assert register_of(storage, "charge_rate", -50.0, registers) == (41_013, 0x10000 - 5_000)
    assert register_of(storage, "control", 3, registers) == (41_005, 3)
    with pytest.raises(ValueError, match="does not fit"):
        register_of(storage, "discharge_rate", 400, registers)


def test_one_request_reads_any_model() -> None:
    assert all(Model(model, 0, 0).registers <= 120 for model in MODELS)
