# SPDX-License-Identifier: Apache-2.0
"""A chaincode project that passes its tests at once: contract, tests, topology, client, Makefile, README."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from commonwatt_network.errors import UsageError
from commonwatt_network.model.topology_rules import chaincode_name_mistakes

if TYPE_CHECKING:
    import jinja2

LONGEST = 40  # so that servers, packages and lines of the project stay readable
TAKEN = ("client", "conftest", "embedded")  # files of the project, a folder of the network


def check_name(name: str) -> str:
    """The module's name for a chaincode of this name. Raises UsageError with what would be right."""
    if not re.fullmatch(rf"[a-z][a-z0-9-]{{0,{LONGEST - 1}}}", name):
        raise UsageError(
            f"{name!r} is no name for a chaincode: lower-case letters, digits, hyphens; a letter first; "
            f"{LONGEST} characters at most"
        )
    for mistake in chaincode_name_mistakes(name, peers=16, ca="fabric-ca"):
        raise UsageError(mistake)
    module = name.replace("-", "_")
    reserved = keyword.iskeyword(module) or module in sys.stdlib_module_names or module in TAKEN
    if reserved or module.startswith("test_") or importlib.util.find_spec(module) is not None:
        raise UsageError(f"{module} is already the name of a Python module; give the chaincode another name")
    return module


def new_project(name: str, parent: Path) -> Path:
    """Write the project's folder under `parent`, whole or not at all; the folder. Raises UsageError."""
    module = check_name(name)
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise UsageError(
            f"{folder} exists already; nothing was written: choose another name, or move it away"
        )
    contract = "".join(part.capitalize() for part in name.split("-"))
    values = {
        "name": name,
        "module": module,
        "contract": contract
        if contract not in ("Asset", "Contract", "Stub", "Refusal")
        else f"{contract}Contract",
        "title": name.replace("-", " ").capitalize(),
        "python": _python(),
    }
    files = {
        f"{module}.py": "chaincode.py",
        f"test_{module}.py": "test.py",
        "client.py": "client.py",
        "topology.yaml": "topology.yaml",
        "pyproject.toml": "pyproject.toml",
        "Makefile": "Makefile",
        "README.md": "README.md",
        ".gitignore": "gitignore",
    }
    templates = _templates()
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        try:
            for file, template in files.items():
                text = templates.get_template(f"{template}.j2").render(values)
                (draft / file).write_text(text, encoding="utf-8")
            draft.chmod(0o755)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    return folder


def _python() -> str:
    """How to run this Python from the shell: by name where that leads here, else by its path."""
    found = shutil.which("python3")
    return "python3" if found and Path(found).parent == Path(sys.executable).parent else sys.executable


def _templates() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("commonwatt_network.development", "project"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  these are source files, not pages
    )
