# SPDX-License-Identifier: Apache-2.0
"""PEM is read as Go reads it; each expectation was seen to hold for its ``encoding/pem``."""

from __future__ import annotations

from itertools import pairwise

import pytest
from commonwatt_client.pem import first_block
from hypothesis import given
from hypothesis import strategies as st

PLAIN = b"-----BEGIN X-----\naGk=\n-----END X-----\n"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (PLAIN, b"hi"),
        (PLAIN.replace(b"\n", b"\r\n"), b"hi"),
        (PLAIN.rstrip(), b"hi"),
        (b"words before\n" + PLAIN + b"words after", b"hi"),
        (b"-----BEGIN Y-----\n" * 3 + PLAIN, b"hi"),
        (PLAIN.replace(b"aGk=", b"Key: value\n\naGk="), b"hi"),
        (PLAIN.replace(b"aGk=", b" a\tGk =\n"), b"hi"),
        (PLAIN.replace(b"aGk=", b"!!!!") + PLAIN, b"hi"),
        (b"-----BEGIN X-----\n-----END X-----\n", b""),
        (b"", None),
        (b"\xef\xbb\xbf" + PLAIN, None),
        (b" " + PLAIN, None),
        (PLAIN.replace(b"END X", b"END Y"), None),
        (PLAIN.replace(b"END X-----", b"END X-----x"), None),
        (PLAIN.replace(b"aGk=", b"aGk"), None),
        (PLAIN.replace(b"aGk=", b"aGk=="), None),
        (PLAIN.replace(b"aGk=\n", b"aGk="), None),
    ],
)
def test_the_first_block(content: bytes, found: bytes | None) -> None:
    assert first_block(content) == found


PARTS = (b"-----BEGIN ", b"\n-----END ", b"-----", b"X", b"\n", b"\r\n", b" ", b"aGk=", b":", b"=", PLAIN)


@given(st.lists(st.sampled_from(PARTS)).map(b"".join))
def test_anything_is_read_or_refused(content: bytes) -> None:
    first_block(content)


@pytest.mark.parametrize(
    "part", [b"-----BEGIN X-----\n", b"\n-----END X-----", b"a: b\n", PLAIN.replace(b"aGk=", b"!!!!")]
)
def test_the_work_grows_with_the_length_alone(part: bytes) -> None:
    """Counted in bytes that were looked at: twice as long is at most about twice the work."""

    class Counted(bytes):
        looked_at = 0

        def find(self, *arguments: object) -> int:  # type: ignore[override]
            start = int(arguments[1]) if len(arguments) > 1 else 0  # type: ignore[call-overload]
            place = super().find(*arguments)  # type: ignore[arg-type]
            Counted.looked_at += (len(self) if place < 0 else place) - start
            return place

    work = []
    for length in (1_000, 2_000, 4_000):
        Counted.looked_at = 0
        first_block(Counted(b"-----BEGIN X-----\n" + part * length))
        work.append(Counted.looked_at)
    assert all(longer <= 2.2 * shorter + 100 for shorter, longer in pairwise(work))
