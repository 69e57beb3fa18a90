# SPDX-License-Identifier: Apache-2.0
"""Faults that a test may switch on while an embedded network runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class PeerFaults:
    """What is to go wrong at one peer. All off at first; a test sets and clears fields as it likes.

    down: the peer answers no other peer. commit_delay_s: wait before each block is committed.
    mismatching: the peer's endorsements differ from the others'. clashes: so many of the coming endorser
    transactions count as MVCC_READ_CONFLICT (set it on every peer, else their ledgers part).
    """

    down: bool = False
    commit_delay_s: float = 0.0
    mismatching: bool = False
    clashes: int = 0
    _streams_dropped: asyncio.Event = field(default_factory=asyncio.Event)

    def drop_event_streams(self) -> None:
        """End every event stream that is open now, as a peer that restarts does."""
        self._streams_dropped.set()
        self._streams_dropped = asyncio.Event()

    @property
    def streams_dropped(self) -> asyncio.Event:
        """Set when the streams that are open now are to end."""
        return self._streams_dropped
