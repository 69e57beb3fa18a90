# SPDX-License-Identifier: Apache-2.0
"""Equal sets of words stand in one order everywhere.

`typing` takes `Literal["a", "b"]` for equal to `Literal["b", "a"]`, and `Literal[...] | None` is cached: the order in
help and schemas would be that of the module that a process imports first.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("audit", "chaincode", "client", "community", "loadgen", "network")


def literals(source: str) -> list[tuple[int, tuple[str, ...]]]:
    """Line and words of each `Literal`."""
    return [
        (node.lineno, tuple(ast.unparse(word) for word in node.slice.elts))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value).rpartition(".")[2] == "Literal"
        and isinstance(node.slice, ast.Tuple)
    ]


def test_equal_words_stand_in_one_order() -> None:
    orders: defaultdict[frozenset[str], defaultdict[tuple[str, ...], list[str]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for part in PARTS:
        for file in sorted((ROOT / part / f"commonwatt_{part}").rglob("*.py")):
            for line, words in literals(file.read_text("utf-8")):
                orders[frozenset(words)][words].append(f"{file.relative_to(ROOT)}:{line}")
    assert len(orders) > 20
    assert [dict(places) for places in orders.values() if len(places) > 1] == []
