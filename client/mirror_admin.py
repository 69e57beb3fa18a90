"""Writes `commonwatt_client/sync/admin.py` from the async administration: `python client/mirror_admin.py`.

Each class and function there has the signature and the text of its async original and hands the call to it, in an
event loop that runs in the background (`sync/_background.py`). A test holds the mirror to its source.
"""

import ast
import builtins
import copy
import re
from pathlib import Path

PACKAGE = Path(__file__).parent / "commonwatt_client"
MIRRORED = {
    "peer": ("PeerAdmin",),
    "participation": ("OrdererAdmin",),
    "ordering": ("OrderingClient",),
    "config_update": ("sign_update", "assemble_update", "wait_for_config"),
}
HEADING = '''# Written by client/mirror_admin.py from commonwatt_client/admin; change the files there.
"""Administration without `await`: the names, arguments, results and errors of `commonwatt_client.admin`.

::

    from commonwatt_client.sync.admin import PeerAdmin

    with PeerAdmin("127.0.0.1:7051", identity=identity, signer=signer, tls_ca=tls_ca) as peer:
        print(peer.get_chain_info("newtown").height)

Everything else of `commonwatt_client.admin` (values, edits of a configuration, packages, checks) does no I/O and is
used as it is.
"""
'''
CONTEXT = """
def __enter__(self) -> Self:
    return self

def __exit__(self, *exc_info: object) -> None:
    self.close()
"""


def written() -> str:
    """The text of the sync module, not yet formatted."""
    definitions: list[ast.stmt] = []
    imports: dict[str, str] = {}
    for module, names in MIRRORED.items():
        tree = ast.parse((PACKAGE / "admin" / f"{module}.py").read_text(encoding="utf-8"))
        imports |= _imports(tree)
        imports |= {
            node.name: f"from commonwatt_client.admin.{module} import {node.name}"
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name not in names
        }
        imports |= {
            target.id: f"from commonwatt_client.admin.{module} import {target.id}"
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        found = {
            node.name: node
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef) and node.name in names
        }
        for name in names:
            node = found[name]
            definitions.append(_class(node) if isinstance(node, ast.ClassDef) else _call(node, "admin"))
    body = "\n\n\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in definitions)
    used = {node.id for each in definitions for node in ast.walk(each) if isinstance(node, ast.Name)}
    needed = sorted({imports[name] for name in used if name in imports and name not in dir(builtins)})
    ours = [
        "from commonwatt_client import admin",
        "from commonwatt_client.sync._background import awaited, iterate, made, run",
    ]
    exported = ", ".join(f'"{name}"' for names in MIRRORED.values() for name in names)
    return "\n".join([HEADING, *needed, *ours, "", f"__all__ = [{exported}]", "", "", body, ""])


def _imports(tree: ast.Module) -> dict[str, str]:
    return {
        alias.name: f"from {node.module} import {alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    } | {"Iterator": "from collections.abc import Iterator"}


def _class(original: ast.ClassDef) -> ast.ClassDef:
    members: list[ast.stmt] = []
    for node in original.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            members.append(_constructor(node, original.name))
        elif isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and not node.name.startswith("_"):
            members.append(_call(node, "self._admin"))
    text = ast.get_docstring(original) or ""
    context = ast.parse(CONTEXT).body
    return ast.ClassDef(
        original.name,
        [],
        [],
        [ast.Expr(ast.Constant(_text(text, 4))), members[0], *context, *members[1:]],
        [],
    )


def _constructor(original: ast.FunctionDef, name: str) -> ast.FunctionDef:
    call = f"admin.{name}({_passed(original.args)})"
    body = ast.parse(f"self.address = {original.args.args[1].arg}\nself._admin = made(lambda: {call})").body
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
    lines = docstring.replace("async with", "with").replace("await ", "").split("\n")
    text = margin.join(line for line in lines)
    text = re.sub(r"[ \t]+\n", "\n", text)
    return text + margin if len(lines) > 1 else text


def main() -> None:
    """Write the mirror."""
    (PACKAGE / "sync" / "admin.py").write_text(written(), encoding="utf-8")


if __name__ == "__main__":
    main()
