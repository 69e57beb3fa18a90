# SPDX-License-Identifier: Apache-2.0
"""The English that programs print: help texts, and the errors that they raise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PARTS = ("chaincode", "client", "network", "audit", "community", "loadgen")
VALUE = "`code`"


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


def _text(expression: ast.expr) -> str:
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        return re.sub(r"`[^`]*`", VALUE, expression.value)
    if isinstance(expression, ast.JoinedStr):
        parts = (str(one.value) if isinstance(one, ast.Constant) else VALUE for one in expression.values)
        return re.sub(r"`[^`]*`", VALUE, "".join(parts).replace(f"`{VALUE}`", VALUE))
    return ""
