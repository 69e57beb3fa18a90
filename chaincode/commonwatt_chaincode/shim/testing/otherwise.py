# SPDX-License-Identifier: Apache-2.0
"""The determinism guard's second process: a moved clock, and the requests that come over its pipes."""

import asyncio
import datetime
import importlib
import importlib.util
import os
import pickle
import struct
import sys
import time
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<I")
_AHEAD_S = 200 * 86_400 + 5_025  # another date, hour, minute and second
_AHEAD = datetime.timedelta(seconds=_AHEAD_S)
_Datetime = datetime.datetime
_Date = datetime.date
_time, _time_ns = time.time, time.time_ns


class _MovedDatetime(_Datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _Datetime.now(tz) + _AHEAD

    @classmethod
    def utcnow(cls) -> Any:
        return _Datetime.now(datetime.UTC).replace(tzinfo=None) + _AHEAD

    @classmethod
    def today(cls) -> Any:
        return _Datetime.now() + _AHEAD


class _MovedDate(_Date):
    @classmethod
    def today(cls) -> Any:
        return _Date.today() + _AHEAD


def move_clock() -> None:
    """Let the chaincode, which is not loaded yet, see another time of day than the first process."""
    moved: Any
    for module, name, moved in (
        (time, "time", lambda: _time() + _AHEAD_S),
        (time, "time_ns", lambda: _time_ns() + _AHEAD_S * 1_000_000_000),
        (datetime, "datetime", _MovedDatetime),
        (datetime, "date", _MovedDate),
    ):
        setattr(module, name, moved)


def serve_requests(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer the first process until it closes its pipe."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a chaincode prints must not mix with answers
    recipe = _read(requests)
    ledger = _ledger(recipe)
    _write(answers, None)
    with asyncio.Runner() as runner:
        while (request := _read(requests)) is not None:
            method, arguments, options = request
            result = getattr(ledger, method)(*arguments, **options)
            _write(answers, runner.run(result) if asyncio.iscoroutine(result) else result)


def _ledger(recipe: dict[str, Any]) -> Any:
    from .ledger import MemoryLedger

    return MemoryLedger(
        _load(*recipe["chaincode"]),
        recipe["channel_id"],
        name=recipe["name"],
        collections=recipe["collections"],
        others={name: _load(*origin) for name, origin in recipe["others"].items()},
    )


def _load(module_name: str, file: str, qualified_name: str, state: bytes) -> Any:
    if module_name == "__main__":
        module_name = "__guarded__"  # what a script does only as __main__ is not done again
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError:  # a test's module, which only its own runner can import by name
        spec = importlib.util.spec_from_file_location(module_name, file)
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = found
        spec.loader.exec_module(found)
    for part in qualified_name.split("."):
        found = getattr(found, part)
    if isinstance(found, type):
        contract: Any = object.__new__(found)
        vars(contract).update(pickle.loads(state))  # noqa: S301 - written by the first process
        return contract
    return found


def _read(pipe: BinaryIO) -> Any:
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    return pickle.loads(pipe.read(length))  # noqa: S301 - written by the first process


def _write(pipe: BinaryIO, answer: Any) -> None:
    data = pickle.dumps(answer)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()
