# SPDX-License-Identifier: Apache-2.0
"""Python imports this module at its start where the folder is on PYTHONPATH: the process then sees another time.

The determinism guard starts chaincode's second servers so. Deadlines and TLS go by other clocks and stay right.
"""

from __future__ import annotations

import datetime
import time
from datetime import date, timedelta, tzinfo
from datetime import datetime as real_datetime
from typing import Any

AHEAD_S = 200 * 86_400 + 5_025  # another date, hour, minute and second
AHEAD = timedelta(seconds=AHEAD_S)
_time, _time_ns = time.time, time.time_ns


class _SameType(type):
    """Makes what others have created an instance of the moved classes too."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.__bases__[0])


class _MovedDatetime(real_datetime, metaclass=_SameType):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return real_datetime.now(tz) + AHEAD

    @classmethod
    def utcnow(cls) -> Any:
        return real_datetime.now(datetime.UTC).replace(tzinfo=None) + AHEAD

    @classmethod
    def today(cls) -> Any:
        return real_datetime.now() + AHEAD


class _MovedDate(date, metaclass=_SameType):
    @classmethod
    def today(cls) -> Any:
        return date.today() + AHEAD


setattr(time, "time", lambda: _time() + AHEAD_S)  # noqa: B010 - assignments would be type errors
setattr(time, "time_ns", lambda: _time_ns() + AHEAD_S * 1_000_000_000)  # noqa: B010
setattr(datetime, "datetime", _MovedDatetime)  # noqa: B010
setattr(datetime, "date", _MovedDate)  # noqa: B010
