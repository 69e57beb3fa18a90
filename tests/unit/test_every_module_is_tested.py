# SPDX-License-Identifier: Apache-2.0
"""Every module is imported by a test, itself or through a package that offers its names, or has a reason not to be."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from .tested_through_others import WHY_NOT

PARTS = ("chaincode", "client", "network", "audit", "community", "loadgen")
WRITTEN = "commonwatt_client.sync."  # by tools/write_sync.py, whose tests are written beside it


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file of all that the parts hold."""
    found = {}
    for part in PARTS:
        for path in (root / part / f"commonwatt_{part}").rglob("*.py"):
            names = path.relative_to(root / part).with_suffix("").parts
            found[".".join(names[:-1] if names[-1] == "__init__" else names)] = path
    return found


def written(folder: Path) -> Iterator[Path]:
    """Python files that are ours: what npm installs beside tests has tens of thousands of files."""
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "node_modules"]
        yield from (Path(above) / name for name in files if name.endswith(".py"))


def imported(path: Path, package: str = "") -> Iterator[tuple[str, str]]:
    """(module, name) of each import; the name of `import a.b` is empty."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def imported_by_tests(root: Path, known: dict[str, Path]) -> set[str]:
    offered = {
        (package, name): module
        for package, path in known.items()
        if path.name == "__init__.py"
        for module, name in imported(path, package)
    }
    found = set()
    for path in written(root / "tests"):
        for module, name in imported(path):
            while (module, name) in offered and offered[module, name] != module:
                module = offered[module, name]
            found |= {module, f"{module}.{name}"}
    return found


def test_a_module_is_imported_by_a_test_or_has_a_reason(repository: Path) -> None:
    known = modules(repository)
    untested = known.keys() - imported_by_tests(repository, known)
    untested = {
        name for name in untested if known[name].name != "__init__.py" and not name.startswith(WRITTEN)
    }
    excused = {name for names in WHY_NOT.values() for name in names.split()}
    missing = sorted(untested - excused)
    assert not missing, (
        f"write a test that imports these, or say in tested_through_others.py why none does: {missing}"
    )
    stale = sorted(excused - untested)
    assert not stale, (
        f"tests import these by now, or they are gone: tested_through_others.py names them: {stale}"
    )
