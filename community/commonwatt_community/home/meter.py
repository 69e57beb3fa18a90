# SPDX-License-Identifier: Apache-2.0
"""The meter that home.yaml names. Modules of an extra are imported when a home asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import assert_never

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.battery import Battery
from commonwatt_client.errors import ConfigurationError

from ..meters.clock import Clock
from ..meters.counted import Meter
from ..meters.counting import Bounds
from ..meters.files import FileMeter
from ..meters.http import HttpMeter
from ..meters.replay import ReplayMeter, Trace, read_trace
from ..meters.settings import File, Http, Modbus, Mqtt, Plugin, Replay
from ..plugins import choose
from .book import Book
from .lines import Lines
from .settings import HomeSettings, beside, percent_ppm

_TOLERANCE_PERCENT = 110


def meter_of(settings: HomeSettings, path: Path, book: Book, clock: Clock, lines: Lines) -> Meter:
    """The meter, not yet read. ConfigurationError for one that cannot be right."""
    meter, folder, tell = settings.meter, path.parent, lines.tell
    capacity_wh = None if settings.battery is None else settings.battery.capacity_wh
    most_w = settings.connection_w * _TOLERANCE_PERCENT // 100
    match meter:
        case Replay():
            return _replay(meter, settings, path, book, clock)
        case File():
            return FileMeter(meter, folder, clock, tell)
        case Http():
            return HttpMeter(meter, folder, clock, Bounds(most_w, meter.rollover_wh), tell, capacity_wh)
        case Mqtt():
            with extra("mqtt"):
                from ..meters.mqtt import MqttMeter
            return MqttMeter(meter, folder, clock, Bounds(most_w, meter.rollover_wh), tell, capacity_wh)
        case Modbus():
            with extra("modbus"):
                from ..meters.modbus import ModbusMeter
            return ModbusMeter(meter, clock, Bounds(most_w), tell, capacity_wh)
        case Plugin():
            made: Meter = choose("meters", meter.kind)(meter.model_dump(), tell)
            return made
        case _:
            assert_never(meter)


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Say what to install where the library of an extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{name} needs {error.name}, which is not installed; pip install 'commonwatt-community[{name}]'"
        ) from error


def _replay(meter: Replay, settings: HomeSettings, path: Path, book: Book, clock: Clock) -> Meter:
    file = beside(path, meter.file)
    trace = read_trace(file)
    begins = book.noted("replay begins")
    if begins is None:
        begins = str(int(clock.now()))
        book.note("replay begins", begins)
    return ReplayMeter(
        trace,
        clock,
        begins_s=float(begins),
        from_s=_moment_s(trace, meter, float(begins)),
        speed=meter.speed,
        every_s=meter.every_s,
        battery=battery_of(settings),
    )


def _moment_s(trace: Trace, meter: Replay, begins_s: float) -> float:
    """Where the file begins: at `start`, else at the local time of day of its first run."""
    try:
        time = (
            datetime.fromtimestamp(begins_s).time()
            if meter.start is None
            else datetime.strptime(meter.start, "%H:%M").time()
        )
    except ValueError:
        raise ConfigurationError(f"meter.start: {meter.start} is no time such as 10:00") from None
    moment = datetime.combine(trace.first.date(), time, trace.first.tzinfo)
    return (moment - trace.first).total_seconds() % trace.length_s


def battery_of(settings: HomeSettings) -> Battery | None:
    """The battery that the home has."""
    told = settings.battery
    if told is None:
        return None
    eta_ppm, keep_ppm = percent_ppm(told.efficiency_percent), percent_ppm(told.keep_percent)
    return Battery(told.capacity_wh, eta_ppm, eta_ppm, keep_ppm, PPM, keep_ppm, told.power_w)
