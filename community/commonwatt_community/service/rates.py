# SPDX-License-Identifier: Apache-2.0
"""Limits of requests for each caller, and for each address without a session: buckets that fill up again."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from .problems import Problem

_MOST_BUCKETS = 50_000


@dataclass(frozen=True)
class Rate:
    """So many at once, and then so many per second."""

    burst: float
    per_s: float


@dataclass(frozen=True)
class Rates:
    """The service's limits.

    Attributes:
        caller: requests of one session.
        messages: messages of one home.
        stranger: requests without a session, of one address.
        guess: tries of a passphrase, an invitation or a code, of one address.
        account: tries of one account's passphrase, from everywhere.
    """

    caller: Rate = Rate(200, 20)
    messages: Rate = Rate(3_000, 20)
    stranger: Rate = Rate(300, 20)
    guess: Rate = Rate(30, 0.2)
    account: Rate = Rate(10, 0.05)


class Buckets:
    """A bucket for each key; the longest unused one goes where they become too many."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, count: float = 1) -> None:
        """Problem ``too_many_requests`` where the bucket holds less."""
        now = self._clock()
        left, at = self._left.get(key, (self._rate.burst, now))
        left = min(self._rate.burst, left + (now - at) * self._rate.per_s)
        if left < count:
            wait_s = math.ceil((count - left) / self._rate.per_s)
            raise Problem("too_many_requests", f"too many requests: try again in {wait_s} s", wait_s)
        self._left[key] = (left - count, now)
        self._left.move_to_end(key)
        while len(self._left) > _MOST_BUCKETS:
            self._left.popitem(last=False)
