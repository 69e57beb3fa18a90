# SPDX-License-Identifier: Apache-2.0
"""The parts of the documentation's site that come from programs, and the check of what is built."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml
from commonwatt_network.cli.main import build_app
from commonwatt_network.model.topology import json_schema


@pytest.fixture
def tool(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of tools/."""
    monkeypatch.syspath_prepend(str(repository / "tools"))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def pages_of(entries: list[Any]) -> Iterator[str]:
    """The pages of a menu of mkdocs.yml."""
    for entry in entries:
        inside = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(inside, list):
            yield from pages_of(inside)
        else:
            yield inside


def test_the_menu_has_each_page_once(repository: Path) -> None:
    text = (repository / "mkdocs.yml").read_text("utf-8")
    menu = list(pages_of(yaml.safe_load(text[text.index("\nnav:") :])["nav"]))
    assert len(menu) == len(set(menu))
    pages = {str(path.relative_to(repository / "docs")) for path in (repository / "docs").rglob("*.md")}
    assert pages - set(menu) == set(), "add these pages to `nav` of mkdocs.yml"
    assert set(menu) - pages == set(), "`nav` of mkdocs.yml names pages that are not there"


def test_every_part_that_a_page_asks_for_is_made(repository: Path, tool: Any) -> None:
    site = tool("site_pages")
    asked = {
        part
        for path in (repository / "docs").rglob("*.md")
        for part in site.MARK.findall(path.read_text("utf-8"))
    }
    assert asked == site.PARTS.keys()
    for part in asked:
        made = site.on_page_markdown(f"before\n\n<!-- from the programs: {part} -->\n")
        assert made.startswith("before")
        assert "<!--" not in made
        assert made.count("\n## ") > 1
    with pytest.raises(KeyError, match="nothing"):
        site.on_page_markdown("<!-- from the programs: nothing -->")


def verbs(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for verb, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from verbs(command, f"{name} {verb}")
        elif not command.hidden:
            yield f"{name} {verb}", command


def test_commands_are_all_there_with_their_options(tool: Any) -> None:
    page = tool("site_commands").commands()
    sections = {
        found[1]: found[2]
        for found in re.finditer(r"^#+ (commonwatt [^\n]+)\n(.*?)(?=^#+ |\Z)", page, re.DOTALL | re.MULTILINE)
    }
    known = dict(verbs(typer.main.get_group(build_app()), "commonwatt"))
    assert known.keys() <= sections.keys()
    for name, command in known.items():
        shown = {option for option in re.findall(r"`(-[^`]+)`", sections[name]) if option.startswith("-")}
        options = {
            option
            for one in command.params
            if one.param_type_name == "option" and not one.hidden
            for option in one.opts
        }
        assert options <= shown, name
    assert "`COMMONWATT_DIRECTORY`" in sections["commonwatt submit"]


def test_every_member_of_a_topology_has_a_row(tool: Any) -> None:
    schema = json_schema()
    page = tool("site_schemas").schema(schema)
    for name in schema["$defs"]:
        assert f"\n## {name}\n" in page
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert {
        member for one in (schema, *schema["$defs"].values()) for member in one.get("properties", {})
    } == rows
    assert all(line.count(" | ") == 3 for line in page.splitlines() if line.startswith("| `"))


def test_links_and_anchors_that_lead_nowhere_are_named(tmp_path: Path, tool: Any) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1><a href="#top">a</a><a href="#none">b</a><a href="inner/">c</a>'
        '<a href="inner/index.html#here">d</a><a href="inner/#gone">e</a><img src="no.png">'
        '<a href="https://example.org/no#where">f</a><a href="mailto:ada@example.org">g</a>'
    )
    (tmp_path / "inner" / "index.html").write_text(
        '<a name="here" href="../index.html">back</a><a href="../x.md">x</a>'
    )
    assert list(tool("check_site").dead_links(tmp_path)) == [
        "index.html: #none: the page has no such anchor",
        "index.html: inner/#gone: the page has no such anchor",
        "index.html: no.png: there is no such file",
        "inner/index.html: ../x.md: there is no such file",
    ]


def test_examples_of_docstrings_become_blocks(tool: Any) -> None:
    docstrings = tool("docstrings")
    text = "What it does.\n\n::\n\n    async with it:\n        pass\n\nMore.\n\nSo::\n\n    one()"
    assert docstrings.EXAMPLE.sub(docstrings._block, text) == (
        "What it does.\n\n```python\nasync with it:\n    pass\n```\n\nMore.\n\nSo:\n\n```python\none()\n```\n\n"
    )
