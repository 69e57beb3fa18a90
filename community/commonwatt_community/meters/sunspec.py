# SPDX-License-Identifier: Apache-2.0
"""SunSpec information models as registers: where a model's points stand, and what they say.

Places are registers from a model's own id on (SunSpec Information Model Reference).
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

MARK = (0x5375, 0x6E53)
"""SunS, at the base address."""

END = 0xFFFF
_NONE_16, _NONE_S16 = 0xFFFF, -0x8000


class Point(NamedTuple):
    """A point: its place, how it is written, and the place of its scale factor."""

    place: int
    kind: Literal["int16", "uint16", "acc32", "float32"]
    scale: int | None = None


MODELS: Mapping[int, Mapping[str, Point]] = {
    **{
        model: {"power_w": Point(14, "int16", 15), "energy_wh": Point(24, "acc32", 26)}
        for model in (101, 102, 103)
    },
    **{
        model: {"power_w": Point(22, "float32"), "energy_wh": Point(32, "float32")}
        for model in (111, 112, 113)
    },
    **{
        model: {
            "power_w": Point(18, "int16", 22),
            "export_wh": Point(38, "acc32", 54),
            "import_wh": Point(46, "acc32", 54),
        }
        for model in (201, 202, 203, 204)
    },
    **{
        model: {
            "power_w": Point(28, "float32"),
            "export_wh": Point(60, "float32"),
            "import_wh": Point(68, "float32"),
        }
        for model in (211, 212, 213, 214)
    },
    124: {
        "charge_max_w": Point(2, "uint16", 18),
        "control": Point(5, "uint16"),
        "charge_percent": Point(8, "uint16", 22),
        "discharge_rate": Point(12, "int16", 25),
        "charge_rate": Point(13, "int16", 25),
        "revert_s": Point(15, "uint16"),
    },
    802: {
        "capacity_wh": Point(3, "uint16", 53),
        "discharge_max_w": Point(5, "uint16", 54),
        "charge_percent": Point(11, "uint16", 56),
        "power_w": Point(47, "int16", 63),
    },
}


@dataclass(frozen=True)
class Model:
    """A model as it was found: its id, and the register of that id."""

    id: int
    address: int
    length: int

    @property
    def points(self) -> Mapping[str, Point]:
        """What is known of it."""
        return MODELS[self.id]

    @property
    def registers(self) -> int:
        """As many registers as hold all its known points."""
        places = [
            point.place + (2 if point.kind in ("acc32", "float32") else 1) for point in self.points.values()
        ]
        places += [point.scale + 1 for point in self.points.values() if point.scale is not None]
        return max(places)


def value_of(model: Model, name: str, registers: Sequence[int]) -> float | None:
    """A point's value in its unit; None where the device has none, or the registers are too few."""
    point = model.points.get(name)
    if point is None or point.place + 1 >= len(registers) + 1:
        return None
    if point.kind == "float32":
        [value] = struct.unpack(">f", struct.pack(">HH", *registers[point.place : point.place + 2]))
        return None if value != value else float(value)
    if point.kind == "acc32":
        raw = registers[point.place] << 16 | registers[point.place + 1]
        return _scaled(float(raw), point, registers)
    raw = registers[point.place]
    if point.kind == "int16":
        raw = signed(raw)
        return None if raw == _NONE_S16 else _scaled(float(raw), point, registers)
    return None if raw == _NONE_16 else _scaled(float(raw), point, registers)


def register_of(model: Model, name: str, value: float, registers: Sequence[int]) -> tuple[int, int]:
    """Where a point is written, and what: ValueError for a value that the register cannot hold."""
    point = model.points[name]
    raw = round(value / _factor(point, registers))
    low, high = (-0x7FFF, 0x7FFF) if point.kind == "int16" else (0, 0xFFFE)
    if not low <= raw <= high:
        raise ValueError(f"{name}: {value} does not fit into its register")
    return model.address + point.place, raw & 0xFFFF


def rollover_wh(model: Model, registers: Sequence[int]) -> float | None:
    """Where the model's counters start again from 0; None for those that do not."""
    counters = [point for name, point in model.points.items() if name.endswith("_wh")]
    if not counters or counters[0].kind != "acc32":
        return None
    return 2.0**32 * _factor(counters[0], registers)


def signed(register: int) -> int:
    """A register as a signed number."""
    return register - 0x1_0000 if register & 0x8000 else register


def _scaled(raw: float, point: Point, registers: Sequence[int]) -> float:
    return raw * _factor(point, registers)


def _factor(point: Point, registers: Sequence[int]) -> float:
    if point.scale is None:
        return 1.0
    exponent = signed(registers[point.scale])
    return float(10.0**exponent) if -10 <= exponent <= 10 else 1.0
