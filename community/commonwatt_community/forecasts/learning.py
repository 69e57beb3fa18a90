# SPDX-License-Identifier: Apache-2.0
"""A forecast that learns from the home's own past, once a day, and gives way where a simple one errs less.

Ridge regression on the features of `features.py`: what a home uses beyond its usual at that time. Its error on each
day that is over, which the model has not seen, is measured beside those of the simple forecasts (`errors_wh`). The
forecast with the smallest error of the last seven days serves the next day. Equal pasts give equal forecasts: the only
draw, how
far ahead each example of the past is predicted, follows `seed`.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from commonwatt_community.forecasts.errors import errors_wh
from commonwatt_community.forecasts.features import Table, features
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forward.forecast import (
    Past,
    PeriodForecast,
    Persistence,
    WeekdayMean,
    Yesterday,
)

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

LEARNT = "learnt"
LEAST_DAYS = 4
"""Whole days that must be known: a day to measure on, and before it examples that have a yesterday themselves."""

DAYS_MEASURED = 7
_LONGEST_LEAD_MIN = 36 * 60
_MOST_EXAMPLES = 20_000
_ALPHA = 10.0

_log = logging.getLogger(__name__)


class Learnt:
    """Predicts the net use of periods to come by a model of the home's last four weeks."""

    days = 28

    def __init__(self, seed: int = 1) -> None:
        self.errors_wh: dict[str, float] = {}
        """Mean absolute errors of the last days, in Wh a period: the model's and those of the simple forecasts."""
        self._measured: deque[dict[str, float]] = deque(maxlen=DAYS_MEASURED)
        self._seed = seed
        self._simple: dict[str, PeriodForecast] = {
            "persistence": Persistence(),
            "yesterday": Yesterday(),
            "weekday-mean": WeekdayMean(),
        }
        self.serves = "weekday-mean"
        """The forecast that answers today: the one with the smallest error."""
        self._serving = self._simple[self.serves]
        self._learnt_on: int | None = None

    def expect(self, minutes: Sequence[int], past: Past, actual: Callable[[int], int]) -> list[int]:
        today = past.newest // MINUTES_PER_DAY
        if today != self._learnt_on:
            self._learnt_on = today
            self._learn(past, today)
        return self._serving.expect(minutes, past, actual)

    def _learn(self, past: Past, today: int) -> None:
        """Measure yesterday's errors, and let the best forecast serve from now on."""
        first = min(past.net_wh, default=past.newest) // MINUTES_PER_DAY
        if today - first < LEAST_DAYS:
            return
        yesterday = today - 1
        before = {minute: wh for minute, wh in past.net_wh.items() if minute < yesterday * MINUTES_PER_DAY}
        measured = errors_wh({LEARNT: fitted(before, self._seed), **self._simple}, past, yesterday)
        if measured:
            self._measured.append(measured)
        if not self._measured:
            return
        self.errors_wh = {name: fmean(day[name] for day in self._measured) for name in self._measured[0]}
        self.serves = min(self.errors_wh, key=lambda name: self.errors_wh[name])
        self._serving = (
            fitted(past.net_wh, self._seed) if self.serves == LEARNT else self._simple[self.serves]
        )
        _log.info("%s", self)

    def __str__(self) -> str:
        """The errors in words, the smallest first."""
        if not self.errors_wh:
            return f"learnt: fewer than {LEAST_DAYS} whole days are known; {self.serves} serves"
        ordered = sorted(self.errors_wh.items(), key=lambda one: one[1])
        said = ", ".join(f"{name} {error:.1f} Wh" for name, error in ordered)
        days = len(self._measured)
        return f"mean error of a period, last {days} day{'s' * (days > 1)}: {said}; {self.serves} serves"


class Fitted:
    """A model of the home's past until a moment. It asks what the home did since, and learns no more."""

    days = Learnt.days

    def __init__(self, model: "Pipeline") -> None:
        self._model = model
        self._known: Table | None = None

    def expect(self, minutes: Sequence[int], past: Past, actual: Callable[[int], int]) -> list[int]:
        if not past.net_wh:
            return [past.last_wh] * len(minutes)
        table = self._table(past)
        ahead = np.asarray(minutes, np.int64)
        rows = features(table, ahead, np.full(len(ahead), past.newest, np.int64))
        return [round(wh) for wh in (rows[:, 0] + self._model.predict(rows)).tolist()]

    def _table(self, past: Past) -> Table:
        """What is known; from one forecast to the next only new periods are added."""
        table = self._known
        if table is None or past.newest < table.newest:
            table = Table(past.net_wh)
        newest = table.newest
        new = list(takewhile(lambda minute: minute > newest, reversed(past.net_wh)))
        if not all(table.add(minute, past.net_wh[minute]) for minute in reversed(new)):
            table = Table(past.net_wh)
        self._known = table
        return table


def fitted(net_wh: Mapping[int, int], seed: int) -> Fitted:
    """A model of these periods: their net use in Wh by the local minute of their start, of at least two of them."""
    from sklearn.linear_model import Ridge  # takes a second to load, and is an extra
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = Table(net_wh)
    minutes = np.sort(np.fromiter(net_wh, np.int64, len(net_wh)))
    length_min = int(np.diff(minutes).min())
    draws = np.random.default_rng(seed)
    targets = minutes[minutes >= minutes[0] + MINUTES_PER_DAY]
    if len(targets) > _MOST_EXAMPLES:
        targets = np.sort(draws.choice(targets, _MOST_EXAMPLES, replace=False))
    most = _LONGEST_LEAD_MIN // length_min
    leads = np.exp(draws.uniform(0, np.log(most), len(targets))).astype(np.int64)
    places = np.searchsorted(minutes, targets - leads * length_min, side="right") - 1
    origins = minutes[np.maximum(places, 0)]
    rows = features(table, targets, origins)
    net = table.at(targets, targets)
    model = make_pipeline(StandardScaler(), Ridge(alpha=_ALPHA, solver="cholesky"))
    model.fit(rows, net - rows[:, 0])
    return Fitted(model)
