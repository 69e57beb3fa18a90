# SPDX-License-Identifier: Apache-2.0
"""`$regex`: what PCRE finds, in time that grows with the text alone."""

from __future__ import annotations

import time

import pytest
from commonwatt_chaincode.mango.errors import MangoError
from commonwatt_chaincode.mango.regular_expressions import compiled
from commonwatt_chaincode.mango.work import Work


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a.c$", "abc", True),
        ("^a.c$", "abc\n", True),  # PCRE's $ is before a last newline too
        ("a$", "a\n\n", False),
        ("(?m)a$", "a\nb", True),
        ("a\\Z", "a\n", True),
        ("[$]", "$", True),
        ("a\\$", "a$", True),
        ("[^]$]", "]", False),
        ("^.$", "é", False),  # bytes, as CouchDB has it
        ("^..$", "é", True),
        ("(?i)ABC", "xabcx", True),
        ("\\bword\\b", "a word", True),
        ("[[:digit:]]{2}", "a12", True),
        ("\\Q$a\\E", "$a", True),
    ],
)
def test_patterns(pattern: str, text: str, found: bool) -> None:
    assert compiled(pattern)(text, Work()) is found


@pytest.mark.parametrize(
    "pattern", ["(", "a(?=b)", "(?<!a)b", "(a)\\1", "a{2,1}", "[z-a]", "*", "a" * 1001, "(?:a{1000}){1000}"]
)
def test_what_re2_does_not_take_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(
        MangoError, match=r"Error:bad_arg,  Status Code:400,  Reason:Bad argument for operator \$regex"
    ):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$b", "(a|aa)+$", "(a*)*b", "(?:a?){500}a{500}", "(.*)*(.*)*(.*)*x", "(?i)(a|A)*b"]
)
def test_no_pattern_takes_longer_than_its_share(pattern: str) -> None:
    began = time.process_time()
    try:
        found = compiled(pattern)
        for length in (30, 30_000, 1_000_000):
            found("a" * length, Work())
    except MangoError:
        pass
    assert time.process_time() - began < 2
