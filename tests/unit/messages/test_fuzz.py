# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes come: both parsers agree, raise nothing but their refusal, and end in bounded time."""

from __future__ import annotations

import random
import time

import pytest
from commonwatt_audit.messages import Signer, Unacceptable
from commonwatt_chaincode.messages.keys import public_key
from commonwatt_chaincode.messages.message import LARGEST_BYTES
from commonwatt_chaincode.messages.refusals import MessageRefused
from hypothesis import given, settings
from hypothesis import strategies as st

from .hostile import hostile, jwk
from .making import EVERY_TYP, OKP_KEY, agree, b64, compact, first, header, message, second, signed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def fuzzed(first_seed: int, count: int) -> int:
    """How many of the messages both parsers accept."""
    return sum(agree(*hostile(seed)) for seed in range(first_seed, first_seed + count))


def test_1000_hostile_messages() -> None:
    taken = fuzzed(0, 1_000)
    assert 100 < taken < 750  # neither all right nor all noise


@pytest.mark.long
@pytest.mark.timeout(600)
def test_100000_hostile_messages() -> None:
    assert fuzzed(10_000, 100_000) > 10_000


@pytest.mark.parametrize(
    "count", [500, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_hostile_keys(count: int) -> None:
    draw = random.Random(count)
    taken = 0
    for _ in range(count):
        made = jwk(draw)
        try:
            code = public_key(made).alg
        except MessageRefused as refusal:
            code = refusal.code
        try:
            second_code = Signer(made).alg
        except Unacceptable as refusal:
            second_code = refusal.code
        assert code == second_code, made
        taken += code != "bad_key"
    assert 0 < taken < count


@given(st.binary(max_size=1_200))
@settings(max_examples=100)
def test_any_bytes(content: bytes) -> None:
    assert not agree(content)


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=100)
def test_any_bytes_signed(head: bytes, payload: bytes) -> None:
    assert not agree(signed(OKP_KEY, head, payload))
    assert not agree(signed(OKP_KEY, compact(header(OKP_KEY, "cw-reading")), payload))


@given(JSON, st.sampled_from(sorted(EVERY_TYP)))
@settings(max_examples=40)
def test_any_json_signed(value: object, typ: str) -> None:
    assert not agree(signed(OKP_KEY, compact(header(OKP_KEY, typ)), compact(value)))
    assert not agree(signed(OKP_KEY, compact(value), compact(value)))


def slow_ones() -> list[bytes]:
    """What parsers are slow at, each as long as a message may be, and far longer ones, which nobody parses."""
    head = compact(header(OKP_KEY, "cw-request"))
    room = 560
    payloads = [
        b"{" * room,
        b"[" * room,
        b'{"a":' * (room // 5),
        b'{"a":' + b"9" * (room - 10) + b"}",
        b'{"a":"' + b"\\" * (room - 10) + b'"}',
        b"{" + b",".join(b'"%d":1' % n for n in range(60)) + b"}",
        b"{" + b'"a":1,' * 80 + b'"a":1}',
        b" " * room,
        b'{"a":1' + b" " * (room - 10),
        b'"' * room,
        b"-" * room,
    ]
    huge = [
        b"A" * 50_000_000,
        b"." * 50_000_000,
        b"\xff" * 50_000_000,
        message("cw-request") + b"." * 50_000_000,
    ]
    made = [signed(OKP_KEY, head, payload) for payload in payloads]
    assert all(len(content) <= LARGEST_BYTES for content in made)
    dotted = [b"." * LARGEST_BYTES, b64(b"\xff" * 700)[:LARGEST_BYTES], b"A." * (LARGEST_BYTES // 2)]
    return made + dotted + huge


@pytest.mark.parametrize("parser", [first, second])
def test_no_message_takes_long(parser: object) -> None:
    for content in slow_ones():
        took = []
        for _ in range(3):
            begun = time.process_time()
            assert isinstance(parser(content), str)  # type: ignore[operator]
            took.append(time.process_time() - begun)
        assert min(took) < 0.02, (content[:40], took)


def test_a_deep_stack_changes_nothing() -> None:
    """A parser that recurses fails where the caller has used the stack up; peers must not differ by that."""

    def below(depth: int) -> bool:
        return (
            agree(signed(OKP_KEY, compact(header(OKP_KEY, "cw-key")), b'{"key":{"x":1}}'))
            if depth == 0
            else below(depth - 1)
        )

    assert not below(800)
