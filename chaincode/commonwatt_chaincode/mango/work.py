# SPDX-License-Identifier: Apache-2.0
"""A bound on the work of one query, in steps: a query from a stranger must not keep a peer from its other work."""

from __future__ import annotations

from .errors import MangoError

STEPS_PER_QUERY = 10_000_000


class Work:
    """Steps that a query may still take: one for each condition and each JSON value that it looks at."""

    def __init__(self, steps: int = STEPS_PER_QUERY) -> None:
        self._limit = steps
        self._left = steps

    def spend(self, steps: int) -> None:
        """Raises MangoError where the steps are used up."""
        self._left -= steps
        if self._left < 0:
            raise MangoError(f"the query needs more than {self._limit} steps; ask for less at once")
