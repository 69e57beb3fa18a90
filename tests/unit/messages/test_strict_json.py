# SPDX-License-Identifier: Apache-2.0
"""What of JSON messages are made of, and the sentence for whatever else comes."""

from __future__ import annotations

import pytest
from commonwatt_chaincode.messages.strict_json import NotStrict, strict_object


def test_texts_and_integers() -> None:
    assert strict_object(b' {"b" : "x", "a":-1,\n"n": 0} ') == {"a": -1, "b": "x", "n": 0}
    assert strict_object(b'{"key":{"x":"y"}}') == {"key": {"x": "y"}}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"a":"é"}'.encode(), "it holds characters outside ASCII"),
        (b'{"a":"\\u0041"}', "it holds escapes, arrays, or objects inside each other"),
        (b'{"a":[1]}', "it holds escapes, arrays, or objects inside each other"),
        (b'{"a":{"b":{}}}', "it holds escapes, arrays, or objects inside each other"),
        (b'{"a":', "it is not JSON"),
        (b"5", "it is not an object"),
        (b'{"a":1,"a":1}', "it names a member twice"),
        (b'{"a":true}', "its values have to be text or integers"),
        (b'{"a":null}', "its values have to be text or integers"),
        (b'{"a":-0}', "-0 is not an integer of its own"),
        (b'{"a":1.0}', "its numbers have to be integers"),
        (b'{"a":1e2}', "its numbers have to be integers"),
        (b'{"a":NaN}', "its numbers have to be integers"),
    ],
)
def test_what_is_none(content: bytes, sentence: str) -> None:
    with pytest.raises(NotStrict) as refusal:
        strict_object(content)
    assert str(refusal.value) == sentence
