# SPDX-License-Identifier: Apache-2.0
"""CouchDB's order of JSON values and of strings."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise

import pytest
from commonwatt_chaincode.mango.collation import sort_key, text_key
from commonwatt_chaincode.mango.errors import MangoError
from commonwatt_chaincode.mango.work import Work

ORDERED = [
    None, False, True, -1, 0, 0.5, 1, 2**53 + 1, "", "_", "a", "A", "á", "aa", "b", "B", "ba", [], [1], [1, 2], [2],
    {}, {"a": 1}, {"a": 2}, {"b": 1}, {"b": 1, "c": 1},
]  # fmt: skip

# Every pair of these is in ICU's order: ASCII, and Latin letters with accents.
EXACT = [chr(code) for code in (*range(9, 14), *range(32, 127))] + [
    letter for letter in map(chr, range(0xC0, 0x17F)) if letter not in "ÆæÐðÞþıĸŊŋŒœŦŧŉĲĳſ×÷Ŀŀ"
]


def test_values_are_in_couchdbs_order() -> None:
    keys = [sort_key(value, Work()) for value in ORDERED]
    assert all(before < after for before, after in pairwise(keys))
    assert sort_key(1, Work()) == sort_key(1.0, Work())
    assert sort_key({"b": 1, "a": 2}, Work()) == sort_key({"a": 2, "b": 1}, Work())


def test_control_characters_are_ignored_and_composed_letters_equal_their_parts() -> None:
    assert text_key("a\x00b") == text_key("ab")
    assert text_key("\u00e9") == text_key("e\u0301")


def test_strings_are_in_icus_order() -> None:
    """ICU is in Node: its collation of English is the root collation, which CouchDB uses."""
    if shutil.which("node") is None:
        pytest.skip("Node.js, whose ICU this is compared with, is not installed")
    texts = [*EXACT, "ss", "sS", *(f"{first}{second}" for first in "aA_1é" for second in "bB-2É")]
    script = (
        "const texts = JSON.parse(require('fs').readFileSync(0)); const { compare } = new Intl.Collator('en');"
        "process.stdout.write(JSON.stringify(texts.map((a) => texts.map((b) => Math.sign(compare(a, b))))))"
    )
    answer = subprocess.run(
        ["node", "-e", script], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    keys = [text_key(text) for text in texts]
    wrong = [
        (texts[row], texts[column])
        for row, signs in enumerate(json.loads(answer.stdout))
        for column, sign in enumerate(signs)
        if (keys[row] > keys[column]) - (keys[row] < keys[column]) != sign
    ]
    assert wrong == []


def test_a_comparison_costs_what_it_looks_at() -> None:
    with pytest.raises(MangoError, match="needs more than 1000 steps"):
        sort_key([[0] * 100] * 100, Work(1000))
    with pytest.raises(MangoError):
        sort_key("a" * 100_000, Work(1000))
