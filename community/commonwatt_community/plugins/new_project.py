# SPDX-License-Identifier: Apache-2.0
"""A plug-in's package that passes its tests at once: module, tests, pyproject.toml with its entry point, README."""

import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template

from commonwatt_client.exit_codes import UsageError

from commonwatt_community.plugins.discovery import Kind, kinds, names

KINDS: dict[str, Kind] = {
    "strategy": "strategies",
    "forecast": "forecasts",
    "battery": "batteries",
    "meter": "meters",
    "mechanism": "mechanisms",
    "traces": "traces",
}
"""What a kind is called on the command line."""

LONGEST = 40


def new_plugin(kind: str, name: str, parent: Path) -> Path:
    """Write the package's folder under `parent`, whole or not at all; the folder.

    Raises:
        UsageError: the kind is unknown, the name cannot be a package's or is taken, or the folder cannot be written.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind[:40]} is no kind of plug-in: {', '.join(KINDS)} are")
    if KINDS[kind] not in kinds():
        raise UsageError(
            f"plug-ins of the kind {kind} need commonwatt-loadgen: pip install commonwatt-loadgen"
        )
    module = _module(kind, name)
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise UsageError(
            f"{folder} exists already; nothing was written: choose another name, or move it away"
        )
    values = {
        "name": name,
        "module": module,
        "made": "".join(part.capitalize() for part in name.split("-")),
        "kind": kind,
        "group": KINDS[kind],
        "distribution": "commonwatt-loadgen" if kind == "traces" else "commonwatt-community",
    }
    templates = {
        f"{module}.py": f"{kind}.py.txt",
        f"test_{module}.py": f"test_{kind}.py.txt",
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": f"README_{kind}.md.txt",
    }
    source = files("commonwatt_community.plugins") / "project"
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        try:
            for file, template in templates.items():
                text = Template((source / template).read_text("utf-8")).substitute(values)
                (draft / file).write_text(text, encoding="utf-8")
            draft.chmod(0o755)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    return folder


def _module(kind: str, name: str) -> str:
    if not re.fullmatch(rf"[a-z][a-z0-9-]{{0,{LONGEST - 1}}}", name):
        raise UsageError(
            f"{name[:60]!r} is no name for a plug-in: lower-case letters, digits, hyphens; a letter first; "
            f"{LONGEST} characters at most"
        )
    if name in names(KINDS[kind]):
        raise UsageError(f"there is a {kind} {name} already; give the plug-in another name")
    module = name.replace("-", "_")
    taken = keyword.iskeyword(module) or module in sys.stdlib_module_names or module.startswith("test_")
    if taken or importlib.util.find_spec(module) is not None:
        raise UsageError(f"{module} is already the name of a Python module; give the plug-in another name")
    return module
