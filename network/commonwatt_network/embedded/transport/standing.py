# SPDX-License-Identifier: Apache-2.0
"""Whether a connection has shown that a member speaks on it.

A server gives the least room to connections that never did: they cost a stranger nothing. Within a call, a member's
signature that holds vouches for the connection that the call came on.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Speaker(Protocol):
    """A connection; `is_known` says whether a member has spoken on it."""

    is_known: bool


speaker: ContextVar[Speaker | None] = ContextVar("speaker", default=None)
"""The connection whose call the present task answers."""


def vouch() -> None:
    """A member's signature holds: it stands for the connection whose call is being answered, if any is."""
    connection = speaker.get()
    if connection is not None:
        connection.is_known = True
