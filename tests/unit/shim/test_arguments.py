# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes a caller sends, an argument is either of its annotated type or refused."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from commonwatt_chaincode.shim import Refusal
from commonwatt_chaincode.shim.arguments import argument_reader, plain
from hypothesis import given
from hypothesis import strategies as st


@dataclass(frozen=True)
class Leaf:
    name: str
    size: int | None = None


@dataclass(frozen=True)
class Tree:
    leaves: list[Leaf]
    kinds: dict[str, Literal["a", "b"]]
    pair: tuple[int, float] = (0, 0.0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["leaves", "kinds", "pair", "name", "size", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
read_tree = argument_reader(Tree)


@given(st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_tree_or_refused(argument: bytes) -> None:
    outcome: Any
    try:
        outcome = read_tree(argument, "tree")
    except Refusal as refusal:
        outcome = refusal
    if isinstance(outcome, Refusal):
        assert outcome.code == "bad_argument"
        assert outcome.sentence.startswith("tree")
    else:
        assert isinstance(outcome, Tree)


@given(
    st.builds(
        Tree,
        st.lists(st.builds(Leaf, st.text(max_size=5), st.none() | st.integers())),
        st.dictionaries(st.text(max_size=3), st.sampled_from(["a", "b"])),
        st.tuples(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    )
)
def test_a_result_reads_back_as_an_argument(tree: Tree) -> None:
    assert read_tree(json.dumps(plain(tree)).encode(), "tree") == tree


@pytest.mark.parametrize("annotation", [set[int], dict[int, str], complex, object()])
def test_annotations_that_json_cannot_fit_are_told(annotation: Any) -> None:
    with pytest.raises(TypeError):
        argument_reader(annotation)
