# SPDX-License-Identifier: Apache-2.0
"""The files of a chaincode's code, by which a change under the same version is noticed.

Endorsers that run different code under one version give different results, and nobody sees why.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.topology import Topology
from commonwatt_network.model.topology_chaincode import ChaincodeProgram

# A program by one of these names runs what is in its folder: all files of its language are its code.
LANGUAGES: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (
        frozenset(("npm", "npx", "yarn", "pnpm", "fabric-chaincode-node")),
        frozenset((".js", ".mjs", ".cjs", ".ts", "package.json", "package-lock.json")),
    ),
    (frozenset(("go",)), frozenset((".go", "go.mod", "go.sum"))),
    (frozenset(("mvn", "gradle", "gradlew")), frozenset((".java", ".kt", ".gradle", ".kts", "pom.xml"))),
)
NOT_CODE = frozenset(("node_modules", "__pycache__", "venv", "target", "build", "test", "tests"))
SCRIPTS = (".js", ".mjs", ".cjs", ".ts")
NODE_IMPORT = re.compile(rb"""(?:from|require\(|import\(|import)\s*['"](\.{1,2}/[^'"\n]+)['"]""")
MOST_FILES = 10_000


@dataclass(frozen=True)
class Code:
    """The code that was deployed as a version: each file's SHA-256 by its path in the chaincode's folder."""

    version: str
    files: Mapping[str, str]


def require_programs(topology: Topology) -> None:
    """Raise UsageError for a chaincode whose folder, module or command is not there."""
    for name, settings in topology.chaincodes.items():
        folder = settings.folder
        if folder is not None and not folder.is_dir():
            raise UsageError(f"chaincode {name}: there is no folder {folder}; put it back, or name another")
        if settings.command is not None:
            require_command(name, settings.command[0], folder)
        if (
            settings.module is not None
            and folder is not None
            and not _module_is_there(settings.module, folder)
        ):
            raise UsageError(
                f"chaincode {name}: there is no Python module {settings.module} in {folder}, nor is it installed here; "
                "name another, or the folder that holds it (folder)"
            )


def require_command(chaincode: str, program: str, folder: Path | None) -> None:
    """Raise UsageError where the program isn't there: one named by a path is looked for in the folder."""
    path = str(folder / program) if folder is not None and "/" in program else program
    if shutil.which(path) is None:
        where = f" in {folder or Path.cwd()}" if "/" in program else " on PATH"
        raise UsageError(
            f"chaincode {chaincode}: its command {program} is no program{where}; install it, or name another command"
        )


def refuse_changed_code(layout: Layout, topology: Topology) -> None:
    """Raise UsageError for a chaincode whose code is not what was deployed as its version."""
    for name, (version, changed) in changed_code(layout, topology).items():
        shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise UsageError(
            f"chaincode {name}: its code changed since version {version} was deployed ({shown}); give it another "
            "version and run `commonwatt apply`, put the code back, or work on it with `commonwatt chaincode dev`"
        )


def changed_code(layout: Layout, topology: Topology) -> dict[str, tuple[str, list[str]]]:
    """Chaincode -> its version, and the files that are no more as they were deployed under that same version."""
    found = {}
    for name, deployed in read_code(layout).items():
        settings = topology.chaincodes.get(name)
        if settings is None or settings.version != deployed.version:
            continue
        now = code_of(settings)
        changed = sorted(
            path for path in {*now, *deployed.files} if now.get(path) != deployed.files.get(path)
        )
        if changed:
            found[name] = (deployed.version, changed)
    return found


def note_code(
    layout: Layout, topology: Topology, *, anew: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Note the code of each deployed chaincode; a version that was noted before keeps its note.

    `anew`: chaincodes whose version was deployed again, with the code that they have now, as of `code_of`.
    """
    known = {name: code for name, code in read_code(layout).items() if name in topology.chaincodes}
    deployed = {name for channel in topology.channels.values() for name in channel.chaincodes}
    for name in sorted(deployed):
        settings = topology.chaincodes[name]
        if anew and name in anew:
            known[name] = Code(settings.version, anew[name])
        elif name not in known or known[name].version != settings.version:
            known[name] = Code(settings.version, code_of(settings))
    content = {name: {"version": code.version, "files": dict(code.files)} for name, code in known.items()}
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    if not layout.code_file.exists() or layout.code_file.read_text() != text:
        write_atomically(layout.code_file, text)


def read_code(layout: Layout) -> dict[str, Code]:
    """The notes of `note_code`, empty before the first `network up`. Raises UsageError for a damaged file."""
    try:
        content = json.loads(layout.code_file.read_bytes())
        return {
            name: Code(str(entry["version"]), {str(path): str(sha) for path, sha in entry["files"].items()})
            for name, entry in content.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{layout.code_file} cannot be read; delete it: the next start notes the chaincodes' code anew"
        ) from error


def code_of(settings: ChaincodeProgram) -> dict[str, str]:
    """The SHA-256 of each file of the chaincode's code by its path; empty for chaincode without a `folder`.

    Raises UsageError for more than MOST_FILES files, and for one that is unreadable.
    """
    if settings.folder is None:
        return {}
    folder = settings.folder
    if settings.command is not None:
        found = _files_of_command(folder, settings.command)
    else:
        found = _files_of_module(folder, settings.module or "")
    files = {}
    for number, path in enumerate(dict.fromkeys(found)):
        if number >= MOST_FILES:
            raise UsageError(
                f"{folder} holds more than {MOST_FILES} files of code; name its own folder (folder)"
            )
        try:
            with path.open("rb") as file:
                files[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}; it is code of a chaincode") from error
    return files


def _files_of_command(folder: Path, command: list[str]) -> Iterator[Path]:
    """The files that the command names, and all that they import from the same folder."""
    program = Path(command[0]).name
    if program.startswith("python") and "-m" in command[:-1]:
        yield from _files_of_module(folder, command[command.index("-m") + 1])
    for word in command:
        path = folder / word
        if not path.is_file() or folder not in path.resolve().parents:
            continue
        yield path.resolve()
        if path.suffix == ".py":
            yield from (file for file in _files_of_module(path.parent, path.stem) if folder in file.parents)
        elif path.suffix in SCRIPTS:
            yield from _files_of_script(folder, path.resolve())
    for programs, suffixes in LANGUAGES:
        if program in programs:
            yield from _below(folder, suffixes)


def _files_of_script(folder: Path, script: Path) -> Iterator[Path]:
    """Node's script, what it imports by relative paths, and the list of the packages that it needs."""
    yield from (path for name in ("package.json", "package-lock.json") if (path := folder / name).is_file())
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path in seen or folder not in path.parents:
            continue
        seen.add(path)
        yield path
        with suppress(OSError):
            for named in NODE_IMPORT.findall(path.read_bytes()):
                target = (path.parent / os.fsdecode(named)).resolve()
                places = [
                    target,
                    *(target.with_name(target.name + end) for end in SCRIPTS),
                    target / "index.js",
                ]
                waiting += [place for place in places if place.is_file()][:1]


def _below(root: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for directory, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in NOT_CODE and not name.startswith("."))
        for name in sorted(names):
            if name in suffixes or Path(name).suffix in suffixes:
                yield Path(directory) / name


def _files_of_module(folder: Path, module: str) -> Iterator[Path]:
    """The module, and all that it imports from the same folder."""
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        for path in _module_files(folder, waiting.pop()):
            if path not in seen:
                seen.add(path)
                yield path
                waiting += _imported(path)


def _module_files(folder: Path, module: str) -> list[Path]:
    """The file of a module of the folder, or all of its package's; none where it is of elsewhere."""
    top = module.partition(".")[0]
    if top.isidentifier() and (folder / top).is_dir():
        return list(_below(folder / top, frozenset((".py",))))
    file = folder / f"{top}.py"
    return [file] if top.isidentifier() and file.is_file() else []


def _imported(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []  # the file itself is counted; Python says what is wrong with it
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return names


def _module_is_there(module: str, folder: Path) -> bool:
    if _module_files(folder, module):
        return True
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False
