"""Writes the modules of `commonwatt_client/sync/admin` from the async administration: `python client/mirror_admin.py`.

Each class and function there has the signature and the text of its async original and hands the call to it, in an
event loop that runs in the background (`sync/_background.py`). A test holds the mirror to its source.
"""

import ast
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
HEADING = '''# Written by client/mirror_admin.py from {source}; change that file.
"""What `commonwatt_client.admin.{module}` does, without `await`."""
'''
CONTEXT = """
def __enter__(self) -> Self:
    return self

def __exit__(self, *exc_info: object) -> None:
    self.close()
"""


def written(module: str) -> str:
    """The text of a sync module, not yet formatted."""
    source = PACKAGE / "admin" / f"{module}.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = MIRRORED[module]
    found = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef) and node.name in names
    }
    definitions = [
        _class(node) if isinstance(node, ast.ClassDef) else _call(node, "admin")
        for node in (found[name] for name in names)
    ]
    body = "\n\n\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in definitions)
    used = {node.id for each in definitions for node in ast.walk(each) if isinstance(node, ast.Name)}
    imports = {**_imports(tree), **_defined(tree, module)}
    needed = sorted({imports[name] for name in used - set(names) if name in imports})
    tools = [name for name in ("awaited", "iterate", "made", "run") if name in used]
    return "\n".join(
        [
            HEADING.format(source=f"commonwatt_client/admin/{module}.py", module=module),
            *needed,
            "from commonwatt_client import admin",
            f"from commonwatt_client.sync._background import {', '.join(tools)}",
            "\n",
            body,
            "",
        ]
    )


def _defined(tree: ast.Module, module: str) -> dict[str, str]:
    """How to import what an async module defines itself."""
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
    return {name: f"from commonwatt_client.admin.{module} import {name}" for name in names}


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
    """Write every mirrored module."""
    for module in MIRRORED:
        (PACKAGE / "sync" / "admin" / f"{module}.py").write_text(written(module), encoding="utf-8")


if __name__ == "__main__":
    main()
