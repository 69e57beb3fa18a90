# SPDX-License-Identifier: Apache-2.0
"""The embedded network's modules import each other in one direction, and so do its folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

ROOT = "commonwatt_network.embedded"


@pytest.fixture(scope="module")
def imports() -> Mapping[str, set[str]]:
    """What each module of the embedded network imports of it, for type checking too."""
    graph = grimp.build_graph("commonwatt_network", exclude_type_checking_imports=False, cache_dir=None)
    modules = {module for module in graph.modules if module.startswith(f"{ROOT}.")}
    return {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}


def circle(imports: Mapping[str, set[str]], place: Callable[[str], str]) -> list[str]:
    """A circle among the places of modules; empty where there is none."""
    places: dict[str, set[str]] = {}
    for module, imported in imports.items():
        places.setdefault(place(module), set()).update(map(place, imported))
    try:
        TopologicalSorter({name: used - {name} for name, used in places.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def folder(module: str) -> str:
    """`peer` for commonwatt_network.embedded.peer.gateway.plans."""
    return module.removeprefix(f"{ROOT}.").split(".")[0]


def test_no_module_takes_part_in_a_circle(imports: Mapping[str, set[str]]) -> None:
    assert len(imports) > 80
    assert not circle(imports, str)


def test_no_folder_takes_part_in_a_circle(imports: Mapping[str, set[str]]) -> None:
    assert {"transport", "trust", "channels", "orderer", "peer", "ledger"} <= set(map(folder, imports))
    assert not circle(imports, folder)


def test_a_circle_is_seen() -> None:
    assert circle({"a.b": {"c.d"}, "c.e": {"a.f"}}, lambda module: module.split(".")[0])
    assert not circle({"a.b": {"c.d"}, "c.e": {"a.f"}}, str)
