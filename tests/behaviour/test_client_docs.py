"""Every Python example of docs/client.md and the client's README runs, in order, on every backend."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import CodeType
from typing import Any

import pytest


def examples(page: Path) -> list[tuple[int, str]]:
    """The line and text of each Python example of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text[: match.start()].count("\n") + 2, match[1]) for match in found]


def compiled(page: Path, line: int, text: str) -> CodeType:
    """An example with `await` allowed at its top, as `python -m asyncio` does."""
    return compile("\n" * (line - 1) + text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_examples_run(
    network: Any, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(network.path.parent.parent)
    page = repository / "docs" / "client.md"
    names: dict[str, Any] = {}
    for line, text in examples(page):
        outcome = eval(compiled(page, line, text), names)
        if inspect.isawaitable(outcome):
            await outcome
    await names["gateway"].close()
    printed = capsys.readouterr().out
    assert "is open until" in printed
    assert printed.count("VALID") >= 3
    assert "unknown_round" in printed


def test_readme_examples_are_python(repository: Path) -> None:
    page = repository / "client" / "README.md"
    assert [compiled(page, line, text) for line, text in examples(page)]
