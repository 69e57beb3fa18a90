# SPDX-License-Identifier: Apache-2.0
"""Texts of times as minutes since 1970: ISO 8601, seconds since 1970, or a format that the user names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

_EARLIEST_S, _LATEST_S = -70 * 365 * 86_400, 230 * 365 * 86_400  # the years 1900 to 2199, about
_WITH_OFFSET = re.compile(r".*\d[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)", re.DOTALL)
_SINCE_1970 = re.compile(r"\d{9,10}(?:\d{3})?")


def distinct_of(texts: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Texts, in a sequence or a pandas Categorical, as places in a list of the distinct ones: many rows share one."""
    if isinstance(texts, pd.Categorical):
        return texts.codes.astype(np.int64), [str(text) for text in texts.categories.tolist()]
    places, distinct = pd.factorize(np.array(texts, dtype=object))
    return places, [str(text) for text in distinct]


class TimeError(ValueError):
    """A time cannot be what the others are; `row` says which one."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


@dataclass(frozen=True)
class Instants:
    """How a file writes its times.

    `written_as`: a format of strptime, None for ISO 8601 or seconds (or milliseconds) since 1970. `always_in`: the
    zone without daylight saving in which times without offset stand; None: the home's own local time.
    """

    written_as: str | None = None
    always_in: ZoneInfo | None = None

    @property
    def wanted(self) -> str:
        """What a time should be like, in words."""
        if self.written_as is None:
            return "ISO 8601, whole minutes; others by --columns time=...,format=%d/%m/%Y %H:%M"
        return f"as in {self.written_as}, whole minutes"

    def minutes(
        self, texts: Sequence[str], blank: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Minutes since 1970, which of them are in UTC, and which texts are no time of whole minutes.

        Those marked `blank` are left aside, and stand as 0.
        """
        places, distinct = distinct_of(texts)
        seconds, in_utc, broken = _seconds(self.written_as, tuple(distinct))
        if self.always_in is not None:
            seconds = np.where(in_utc, seconds, seconds - self._offset_s(seconds, broken))
            in_utc = np.ones_like(in_utc)
        broken = broken | (seconds % 60 != 0) | (seconds < _EARLIEST_S) | (seconds >= _LATEST_S)
        broken_rows = broken[places] & ~blank
        minutes = np.where(broken, 0, seconds // 60)[places]
        return np.where(blank, 0, minutes).astype(np.int32), in_utc[places], broken_rows

    def _offset_s(self, seconds: npt.NDArray[np.int64], broken: npt.NDArray[np.bool_]) -> int:
        """The zone's one offset.

        Raises:
            TimeError: the zone changes its offset in these years.
        """
        assert self.always_in is not None
        usable = seconds[~broken]
        if not len(usable):
            return 0
        first = datetime.fromtimestamp(int(np.clip(usable.min(), _EARLIEST_S, _LATEST_S)), UTC)
        offsets = {
            (first + timedelta(days=days)).astimezone(self.always_in).utcoffset()
            for days in range(0, 365, 30)
        }
        if len(offsets) > 1:
            raise TimeError(
                0, f"{self.always_in} has daylight saving: say --zone {self.always_in} without time_in"
            )
        return int((offsets.pop() or timedelta()).total_seconds())


@lru_cache(maxsize=2)  # block after block of a file has the times of the one before
def _seconds(
    written_as: str | None, distinct: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Seconds since 1970, which of them are in UTC, and which texts are no time; nobody may write into them."""
    texts = [text.strip() for text in distinct]
    if written_as is not None:
        parsed = pd.to_datetime(pd.Series(texts), errors="coerce", format=written_as, utc=True)
        in_utc = np.full(len(texts), "%z" in written_as)
    elif texts and all(_SINCE_1970.fullmatch(text) for text in texts if text):
        counts = [int(text or 0) // (1000 if len(text) > 10 else 1) for text in texts]
        present = np.array([bool(text) for text in texts])
        return np.array(counts, dtype=np.int64), np.ones(len(texts), dtype=bool), ~present
    else:
        parsed = pd.to_datetime(pd.Series(texts, dtype=object), errors="coerce", format="ISO8601", utc=True)
        in_utc = np.array([_WITH_OFFSET.fullmatch(text) is not None for text in texts], dtype=bool)
    seconds = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    return seconds, in_utc, parsed.isna().to_numpy()
