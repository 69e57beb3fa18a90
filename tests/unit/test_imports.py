# SPDX-License-Identifier: Apache-2.0
"""The imports of the six parts go one way: no circle of modules, and no wing of network/ knows one above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp
import pytest

PARTS = (
    "commonwatt_chaincode",
    "commonwatt_client",
    "commonwatt_network",
    "commonwatt_audit",
    "commonwatt_community",
    "commonwatt_loadgen",
)


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports, for types alone too."""
    graph = grimp.build_graph(*PARTS, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}


def circles(arrows: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """The strongly connected components of more than one node (Tarjan's algorithm, without recursion)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    for root in arrows:
        if root in order:
            continue
        work = [(root, iter(sorted(arrows[root])))]
        order[root] = lowest[root] = len(order)
        path.append(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in order:
                    order[target] = lowest[target] = len(order)
                    path.append(target)
                    work.append((target, iter(sorted(arrows.get(target, ())))))
                    break
                if target in path:
                    lowest[node] = min(lowest[node], order[target])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    found = path[path.index(node) :]
                    del path[path.index(node) :]
                    if len(found) > 1:
                        yield sorted(found)


def test_circles_are_found() -> None:
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"f", "a"}, "f": {"g"}, "g": {"e"}}
    assert sorted(circles(arrows)) == [["b", "c"], ["e", "f", "g"]]


def test_no_circle_of_modules(imports: dict[str, set[str]]) -> None:
    assert list(circles(imports)) == []


def test_no_circle_of_wings(imports: dict[str, set[str]]) -> None:
    """A wing is a folder of commonwatt_network, or a module beside the folders."""
    wings: dict[str, set[str]] = {}
    for module, targets in imports.items():
        names = [name.split(".") for name in (module, *targets)]
        own, *others = [name[1] for name in names if name[0] == "commonwatt_network" and len(name) > 1] or [
            ""
        ]
        if names[0][0] == "commonwatt_network":
            wings.setdefault(own, set()).update(set(others) - {own})
    assert {"model", "trust", "channels", "programs", "backends", "cli", "embedded"} <= set(wings)
    assert list(circles(wings)) == []


def test_backends_alone_know_their_names(repository: Path) -> None:
    """Nobody else compares with, or looks up by, what `COMMONWATT_BACKEND=` calls a backend.

    The command line lists them as an option's choices.
    """
    names = {"embedded", "native", "compose", "kubernetes"}
    folder = repository / "network" / "commonwatt_network"
    found = [
        f"{path.relative_to(folder)}:{node.lineno}"
        for path in sorted(folder.rglob("*.py"))
        if path.relative_to(folder).parts[0] not in ("backends", "embedded")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare | ast.Subscript | ast.Dict | ast.Match)
        and not ast.unparse(node).startswith(("Literal[", "Annotated["))
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and constant.value in names
    ]
    assert found == []
