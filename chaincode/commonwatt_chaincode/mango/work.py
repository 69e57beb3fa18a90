# SPDX-License-Identifier: Apache-2.0
"""A bound on the work of one query, in steps: a query from a stranger must not keep a peer from its other work."""

from __future__ import annotations

from .errors import MangoError

STEPS_PER_QUERY = 20_000_000  # about twenty seconds of one core: chaincode is given thirty


class Work:
    """Steps that a query may still take: one for each condition, each JSON value that it compares and 8 bytes read."""

    def __init__(self, steps: int | None = None) -> None:
        self._limit = self._left = STEPS_PER_QUERY if steps is None else steps

    def spend(self, steps: int) -> None:
        """Raises MangoError where the steps are used up."""
        self._left -= steps
        if self._left < 0:
            raise MangoError(f"the query needs more than {self._limit} steps; ask for less at once")
