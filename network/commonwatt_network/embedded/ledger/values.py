# SPDX-License-Identifier: Apache-2.0
"""Versions and versioned values, as Fabric's state database holds them."""

from __future__ import annotations

from typing import NamedTuple


class Version(NamedTuple):
    """The transaction that wrote a key last: its block and its position in the block."""

    block_number: int
    transaction_number: int


class VersionedValue(NamedTuple):
    """A key's value, its metadata (serialized KVMetadataWrite entries, or empty) and its version."""

    value: bytes
    metadata: bytes
    version: Version
