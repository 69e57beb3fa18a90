# SPDX-License-Identifier: Apache-2.0
"""YAML of strangers: every refusal names its line, and no text costs more than its length allows."""

import contextlib

import pytest
from commonwatt_client.bounded_yaml import DEEPEST, LONGEST_TEXT, UnreadableYamlError, read_yaml
from hypothesis import given
from hypothesis import strategies as st

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: [", 2, "not YAML: "),
        ("a: 1\nb: \x07", 2, "not YAML: the character U+0007"),
        ("a: 1\nb: 2012-02-32", 2, "'2012-02-32' is no timestamp; put it in quotes"),
        ("a: &a [*a]", 1, "*a stands inside what it names"),
        ("[" * (DEEPEST + 1), 1, f"nested deeper than {DEEPEST} levels"),
        (BOMB, 5, "more than 50000 entries, aliases written out"),
        (" " * (LONGEST_TEXT + 1), 1, f"longer than {LONGEST_TEXT} characters"),
        ("a: 1\nb: 2\na: 3", 3, "key a was given already on line 1"),
    ],
)
def test_a_refusal_names_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(UnreadableYamlError) as refused:
        read_yaml(text, unique_keys=True)
    assert refused.value.line == line
    assert refused.value.problem.startswith(problem)


def test_values_come_with_their_nodes() -> None:
    value, node = read_yaml("a: [1, x]\n")
    assert value == {"a": [1, "x"]}
    assert node is not None
    assert read_yaml("") == (None, None)


@given(st.text(alphabet="ab:-[]{}&*!'\"\n 0123456789#|>", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnreadableYamlError):
        read_yaml(text)
