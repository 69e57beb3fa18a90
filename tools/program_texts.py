# SPDX-License-Identifier: Apache-2.0
"""The English of programs: help texts, the errors that they raise, and the docstrings of public names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PARTS = ("chaincode", "client", "network", "audit", "community", "loadgen")
VALUE = "`code`"
EXAMPLE = re.compile(r"::\n\n(?:(?: {4}.*)?\n)+")
TABLE = re.compile(r"^=+(?: =+)+\n.*^=+(?: =+)+$", re.MULTILINE | re.DOTALL)
MEMBER = re.compile(r"(?:^ *|(?<=\. ))([a-z_]\w*(?:, [a-z_]\w*)*: )", re.MULTILINE)
CONSTANT = re.compile(r"\b(?:None|True|False)\b")


def help_texts() -> str:
    """The help of every command and option as Markdown, without headings."""
    from site_commands import commands

    return re.sub(r"^#+ .*$", "", commands(), flags=re.MULTILINE)


def error_texts(root: Path) -> Iterator[tuple[str, str]]:
    """The place and the text of each error that a part raises; values in it read `code`."""
    for part in PARTS:
        for path in sorted((root / part).glob("commonwatt_*/**/*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    for text in map(_text, node.exc.args):
                        yield f"{path.relative_to(root)}:{node.lineno}", text


def docstrings(root: Path, folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The place and the text of each docstring of a public module, class or function, as Markdown.

    Each member that a docstring describes is a paragraph. Examples and tables are left out.
    """
    for folder in folders:
        for path in sorted((root / folder).glob("**/*.py")):
            if not any(_is_private(part) for part in path.relative_to(root).with_suffix("").parts):
                tree = ast.parse(path.read_text("utf-8"))
                for node in (tree, *_public(tree)):
                    if text := ast.get_docstring(node):
                        text = TABLE.sub("", EXAMPLE.sub(".\n\n", f"{text}\n"))
                        yield (
                            f"{path.relative_to(root)}:{node.body[0].lineno}",
                            CONSTANT.sub(VALUE, MEMBER.sub(r"\n\n\1", text)),
                        )


def _public(tree: ast.AST) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not _is_private(
            node.name
        ):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _text(expression: ast.expr) -> str:
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        return re.sub(r"`[^`]*`", VALUE, expression.value)
    if isinstance(expression, ast.JoinedStr):
        parts = (str(one.value) if isinstance(one, ast.Constant) else VALUE for one in expression.values)
        return re.sub(r"`[^`]*`", VALUE, "".join(parts).replace(f"`{VALUE}`", VALUE))
    return ""
