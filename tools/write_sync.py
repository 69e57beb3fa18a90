# SPDX-License-Identifier: Apache-2.0
"""Writes the synchronous half of the client and its tests from the asynchronous half: `make sync`.

`write_sync.py` writes; `write_sync.py --check` writes nothing and ends with 1 where a file is not what it would write.
Two ways lead from one half to the other:

- What asks the network through the core's effects differs in nothing but `async` and `await`: its text is rewritten.
  `sync/_threads.py`, which performs the effects, is written by hand, as `_aio.py` is.
- Administration and Fabric CA speak through asynchronous libraries: their classes and functions are wrapped, with the
  same signatures and texts, and run in an event loop in the background (`sync/_background.py`).

Every other public name does no I/O, and is the same object in both halves.
"""

from __future__ import annotations

import ast
import copy
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "client" / "commonwatt_client"
TESTS = ROOT / "tests" / "unit" / "client"

REWRITTEN = ("transaction", "events", "contract", "network", "gateway", "connecting")
REWRITTEN_TESTS = ("test_calls",)
WRAPPED = {
    "admin.peer": ("PeerAdmin",),
    "admin.participation": ("OrdererAdmin",),
    "admin.ordering": ("OrderingClient",),
    "admin.configuration.update": ("sign_update", "assemble_update", "wait_for_config"),
    "fabric_ca": ("FabricCA",),
}
PACKAGES = ("", "admin", "admin.configuration", "fabric_ca")
"""Modules of which the synchronous half offers every public name."""

SPDX = "# SPDX-License-Identifier: Apache-2.0\n"
HEADING = SPDX + "# Written by `make sync` from {source}: change that file.\n"
INTRODUCTION = {
    "": '''"""The same client without `await`: for plain scripts, notebooks (whatever loop runs there) and threads.

::

    from commonwatt_client.sync import connect_network_file

    with connect_network_file(".commonwatt/network.json", "newtown", "operator") as gateway:
        market = gateway.get_network("newtown").get_contract("market")
        house = '{"home": "house1", "home_class": "consumer"}'
        print(market.submit_transaction("register_home", house))

Every public name of `commonwatt_client` is here too; values, errors, identities, signers and policies are the same
objects. A gateway and what it gives may be used by several threads at once; one event stream by one thread, while any
other may close it. Administration is in `sync.admin`, Fabric CA in `sync.fabric_ca`.
"""
''',
    "admin": '''"""Administration without `await`: every public name of `commonwatt_client.admin`.

::

    from commonwatt_client.sync.admin import PeerAdmin

    with PeerAdmin(Peer("127.0.0.1:7051", "tlsca/ca.crt"), identity=identity, signer=signer) as peer:
        print(peer.get_chain_info("newtown").height)
"""
''',
    "admin.configuration": '"""Changing a channel\'s configuration, without `await`."""\n',
}
CONTEXT = """
def __enter__(self) -> Self:
    return self

def __exit__(self, *exc_info: object) -> None:
    self.close()
"""


# Rewriting.

WITHOUT_AWAIT = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\banext\(", "next("),
    (r"commonwatt_client\._aio\b", "commonwatt_client.sync._threads"),
    (rf"commonwatt_client\.({'|'.join(REWRITTEN)}|admin|fabric_ca)(?=[. ])", r"commonwatt_client.sync.\1"),
    (r"from commonwatt_client import", "from commonwatt_client.sync import"),
    (r"of the async client", "of the sync client"),
    (r"\(((?:\w+\.)+\w+\([^()\n]*\))\)\.", r"\1."),  # a bracket that held an `await`
)


def without_await(text: str) -> str:
    """Asynchronous code, or a page's example of it, as a plain script has it."""
    for pattern, replacement in WITHOUT_AWAIT:
        text = re.sub(pattern, replacement, text)
    return text


def rewritten(module: str) -> str:
    """The text of a rewritten module, not yet formatted."""
    text = (PACKAGE / f"{module}.py").read_text(encoding="utf-8").removeprefix(SPDX)
    own = re.sub(r"from commonwatt_client import (?=_)", "from commonwatt_client IMPORT ", text)
    return _heading(f"commonwatt_client/{module}.py") + without_await(own).replace(" IMPORT ", " import ")


def rewritten_test(name: str) -> str:
    """The text of a rewritten module of tests, not yet formatted."""
    text = (TESTS / "gateway" / f"{name}.py").read_text(encoding="utf-8").removeprefix(SPDX)
    return _heading(f"tests/unit/client/gateway/{name}.py") + without_await(text)


def _heading(source: str) -> str:
    return HEADING.format(source=source)


# Wrapping.


def wrapped(module: str) -> str:
    """The text of a wrapped module, not yet formatted."""
    path = PACKAGE / f"{module.replace('.', '/')}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = WRAPPED[module]
    found = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef) and node.name in names
    }
    package, _, name = f"commonwatt_client.{module}".rpartition(".")
    definitions = [
        _class(node) if isinstance(node, ast.ClassDef) else _call(node, "original")
        for node in (found[each] for each in names)
    ]
    body = "\n\n\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in definitions)
    used = {node.id for each in definitions for node in ast.walk(each) if isinstance(node, ast.Name)}
    imports = {**_imports(tree), **_defined(tree, module)}
    tools = [each for each in ("awaited", "iterate", "made", "run") if each in used]
    offered = public_names(module) if module in PACKAGES else ()
    same = [each for each in offered if each not in names]
    needed = sorted({imports[each] for each in used - {*names, *same} if each in imports})
    return "\n".join(
        [
            _heading(f"commonwatt_client/{module.replace('.', '/')}.py")
            + f'"""What `commonwatt_client.{module}` does, without `await`."""\n',
            *needed,
            f"from {package} import {name} as original",
            *([f"from commonwatt_client.{module} import {', '.join(same)}"] if same else []),
            f"from commonwatt_client.sync._background import {', '.join(tools)}",
            *([f"\n__all__ = {sorted(offered)!r}"] if offered else []),
            "\n",
            body,
            "",
        ]
    )


def _defined(tree: ast.Module, module: str) -> dict[str, str]:
    """How to import what an asynchronous module defines itself."""
    names = [
        name
        for node in tree.body
        for name in (
            [node.name]
            if isinstance(node, ast.ClassDef)
            else [each.id for each in node.targets if isinstance(each, ast.Name)]
            if isinstance(node, ast.Assign)
            else []
        )
    ]
    return {name: f"from commonwatt_client.{module} import {name}" for name in names}


def _imports(tree: ast.Module) -> dict[str, str]:
    return {
        alias.name: f"from {node.module} import {alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    } | {"Iterator": "from collections.abc import Iterator"}


def _class(original: ast.ClassDef) -> ast.ClassDef:
    constructor: list[ast.stmt] = []
    members: list[ast.stmt] = []
    for node in original.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            constructor = [_constructor(node, original.name)]
        elif isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and not node.name.startswith("_"):
            members.append(_call(node, "self._original"))
    text = ast.get_docstring(original) or ""
    context = ast.parse(CONTEXT).body
    documentation = ast.Expr(ast.Constant(_text(text, 4)))
    return ast.ClassDef(original.name, [], [], [documentation, *constructor, *context, *members], [])


def _constructor(original: ast.FunctionDef, name: str) -> ast.FunctionDef:
    public = [
        target.attr
        for node in ast.walk(original)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and not target.attr.startswith("_")
    ]
    made = f"self._original = made(lambda: original.{name}({_passed(original.args)}))"
    body = ast.parse("\n".join([made, *(f"self.{each} = self._original.{each}" for each in public)])).body
    return _function(original, original.args, body)


def _call(original: ast.AsyncFunctionDef | ast.FunctionDef, target: str) -> ast.FunctionDef:
    """Hand the call over: to a coroutine, or to a function that gives a stream."""
    arguments = copy.deepcopy(original.args)
    for argument in [*arguments.args, *arguments.kwonlyargs]:
        if argument.annotation is not None:
            argument.annotation = ast.parse(_blocking(ast.unparse(argument.annotation)), mode="eval").body
    call = f"{target}.{original.name}({_passed(original.args)})"
    returned = ast.unparse(original.returns) if original.returns else "None"
    streams = returned.startswith("AsyncIterator")
    handed = f"iterate(lambda: {call})" if streams else f"run({call})"
    text = ast.get_docstring(original) or ""
    body = [
        ast.Expr(ast.Constant(_text(text, 8 if target.startswith("self") else 4))),
        *ast.parse(handed if returned == "None" else f"return {handed}").body,
    ]
    function = _function(original, arguments, body)
    function.returns = ast.parse(_blocking(returned), mode="eval").body
    return function


def _function(
    original: ast.AsyncFunctionDef | ast.FunctionDef, arguments: ast.arguments, body: list[ast.stmt]
) -> ast.FunctionDef:
    return ast.FunctionDef(original.name, arguments, body, [], original.returns)


def _passed(arguments: ast.arguments) -> str:
    """The same arguments, handed on."""
    positional = [_value(each) for each in arguments.args if each.arg != "self"]
    return ", ".join([*positional, *(f"{each.arg}={_value(each)}" for each in arguments.kwonlyargs)])


def _value(argument: ast.arg) -> str:
    annotation = ast.unparse(argument.annotation) if argument.annotation else ""
    return f"awaited({argument.arg})" if "Awaitable" in annotation else argument.arg


def _blocking(annotation: str) -> str:
    return re.sub(r"Awaitable\[([^\]]*)\]", r"\1", annotation.replace("AsyncIterator", "Iterator"))


def _text(docstring: str, indent: int) -> str:
    margin = "\n" + " " * indent
    lines = without_await(docstring).split("\n")
    text = re.sub(r"[ \t]+\n", "\n", margin.join(lines))
    return text + margin if len(lines) > 1 else text


# Packages.


def public_names(module: str) -> tuple[str, ...]:
    """The `__all__` of a module of the asynchronous half."""
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    raise SystemExit(f"{_path(module)} has no __all__")


def _path(module: str) -> Path:
    folder = PACKAGE / module.replace(".", "/")
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def package(module: str) -> str:
    """The text of a package that offers every public name of its asynchronous original, not yet formatted."""
    origin = f"commonwatt_client.{module}".rstrip(".")
    own = {name: f"commonwatt_client.sync.{where}" for where, names in WRAPPED.items() for name in names}
    for where in REWRITTEN:
        tree = ast.parse((PACKAGE / f"{where}.py").read_text(encoding="utf-8"))
        own |= {
            node.name: f"commonwatt_client.sync.{where}"
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
    own["Connection"] = "commonwatt_client.sync._threads"
    if module:  # administration's `Transaction` is one of the ledger
        own.pop("Transaction")
    names = public_names(module)
    imports = [f"from {own.get(name, origin)} import {name}" for name in names]
    path = _path(module).relative_to(PACKAGE.parent)
    return "\n".join(
        [_heading(str(path)) + INTRODUCTION[module], *imports, f"\n__all__ = {sorted(names)!r}", ""]
    )


# Files.


def files() -> dict[Path, str]:
    """Every file of the synchronous half that is written, with its text."""
    sync = PACKAGE / "sync"
    raw = {sync / f"{module}.py": rewritten(module) for module in REWRITTEN}
    raw |= {sync / f"{module.replace('.', '/')}.py": wrapped(module) for module in WRAPPED}
    raw |= {
        sync / module.replace(".", "/") / "__init__.py": package(module)
        for module in PACKAGES
        if module not in WRAPPED
    }
    raw |= {TESTS / "sync" / f"{name}.py": rewritten_test(name) for name in REWRITTEN_TESTS}
    return {path: formatted(text, path) for path, text in raw.items()}


def formatted(text: str, path: Path) -> str:
    """The text with sorted imports and nothing unused, in the format of the house."""
    for command in (["check", "--fix", "--exit-zero"], ["format"]):
        arguments = [Path(sys.executable).parent / "ruff", *command, "--quiet", "--stdin-filename", path, "-"]
        text = subprocess.run(
            arguments, input=text, capture_output=True, text=True, cwd=ROOT, check=True
        ).stdout
    return text


def main() -> None:
    """Write, or look whether it is all written."""
    check = sys.argv[1:] == ["--check"]
    stale = {
        path: text
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    if check and stale:
        shown = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"not what `make sync` writes: {shown}")
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
