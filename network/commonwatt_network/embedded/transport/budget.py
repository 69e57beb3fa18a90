# SPDX-License-Identifier: Apache-2.0
"""The memory of all unfinished requests of the process.

Limits of each connection alone would let a hundred connections take a hundred times as much.
"""

from __future__ import annotations

from typing import Protocol

MOST_UNFINISHED_BYTES = 256 << 20
STREAM_COST_BYTES = 2048  # an open call without any content, about
MESSAGE_COST_BYTES = 64  # a message's object, besides its content


class Holder(Protocol):
    """A connection with unfinished requests."""

    is_known: bool
    received_bytes: int

    def give_up(self) -> None:
        """End the connection with all its requests."""


class RequestBudget:
    """Counts what the unfinished requests of all its connections hold."""

    def __init__(self) -> None:
        self.used_bytes = 0
        self._holders: set[Holder] = set()

    def change(self, holder: Holder, change_bytes: int) -> None:
        """`holder` keeps so many bytes more or less than before."""
        holder.received_bytes += change_bytes
        self.used_bytes += change_bytes
        if holder.received_bytes:
            self._holders.add(holder)
        else:
            self._holders.discard(holder)

    def keep(self) -> None:
        """End connections until the rest is within the limit: those of strangers first, the greediest of them first."""
        while self.used_bytes > MOST_UNFINISHED_BYTES:
            max(self._holders, key=lambda holder: (not holder.is_known, holder.received_bytes)).give_up()


UNFINISHED = RequestBudget()
"""The one budget of this process: its peers' and orderers' servers share it."""
