# SPDX-License-Identifier: Apache-2.0
"""Means with confidence intervals, by Student's t distribution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
Cells = dict[str, int | float | None]


@dataclass(frozen=True)
class Interval:
    """A mean of `count` values, their standard deviation, and the interval that holds the true mean by `LEVEL`.

    `sd`, `low` and `high` are None where one value alone is known.
    """

    count: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def cells(self, level: float = LEVEL) -> Cells:
        """As columns of a table."""
        return {
            "count": self.count,
            "mean": self.mean,
            "sd": self.sd,
            "low": self.low,
            "high": self.high,
            "level": level,
        }


def interval_of(values: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """The mean of independent values and its interval; ValueError without any value."""
    if not len(values):
        raise ValueError("a mean needs one value at least")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(1, mean, None, None, None)
    sd = float(np.std(values, ddof=1))
    if sd == 0:
        return Interval(len(values), mean, 0.0, mean, mean)
    low, high = stats.t.interval(level, len(values) - 1, loc=mean, scale=sd / np.sqrt(len(values)))
    return Interval(len(values), mean, sd, float(low), float(high))
