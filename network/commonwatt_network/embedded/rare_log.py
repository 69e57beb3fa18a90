# SPDX-License-Identifier: Apache-2.0
"""A log of this program's own faults whose size stays small, however often callers provoke them."""

from __future__ import annotations

import logging
import traceback
from collections import Counter


class RareLog:
    """Writes a fault with its traceback where it occurs first, and then that it occurs again, ever more rarely."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._counts: Counter[tuple[str, int]] = Counter()

    def report(self, message: str, error: BaseException | None) -> None:
        """`message` says in a sentence what failed because of `error`."""
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        place = (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
        self._counts[place] += 1
        count = self._counts[place]
        if count == 1:
            self._log.error("%s", message, exc_info=error)
        elif count & (count - 1) == 0:
            self._log.error("%s, %d times so far, at line %d of %s", message, count, place[1], place[0])
