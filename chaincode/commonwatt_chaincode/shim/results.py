# SPDX-License-Identifier: Apache-2.0
"""Rows that queries give back."""

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Row = TypeVar("Row")


class Timestamp(NamedTuple):
    """Seconds and nanoseconds since 1970-01-01 UTC, without leap seconds."""

    seconds: int
    nanos: int


EPOCH = Timestamp(0, 0)


class KeyValue(NamedTuple):
    """One key of the world state and its value."""

    key: str
    value: bytes


class KeyModification(NamedTuple):
    """One committed change of a key: who made it, when, and the value it left (empty if deleted)."""

    transaction_id: str
    value: bytes
    timestamp: Timestamp
    is_delete: bool


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a query; pass ``bookmark`` to the next call, an empty one says that no rows are left."""

    rows: tuple[Row, ...]
    bookmark: str


@dataclass(frozen=True)
class Response:
    """What a chaincode answers: status 200, or 400 and more for a refusal, which keeps nothing."""

    status: int
    message: str = ""
    payload: bytes = b""
