# SPDX-License-Identifier: Apache-2.0
"""The style of pages, help texts and errors: its rules find what is bad, and our own texts keep to it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

RULES = yaml.safe_load((Path(__file__).parents[2] / "tools" / "prose.yaml").read_text("utf-8"))["rules"]
BAD = [(rule["name"], text) for rule in RULES for text in rule["bad"]]
GOOD = [(rule["name"], text) for rule in RULES for text in rule["good"]]
LONG = "A home " + "that reads its meter and its plan " * 5 + "bids."


@pytest.fixture(scope="module")
def prose(repository: Path) -> Any:
    """The checker, as a module."""
    sys.path.insert(0, str(repository / "tools"))
    try:
        yield importlib.import_module("check_prose")
    finally:
        sys.path.remove(str(repository / "tools"))


@pytest.mark.parametrize(("rule", "text"), BAD)
def test_a_bad_sentence_is_found_wherever_it_stands(prose: ModuleType, rule: str, text: str) -> None:
    for page in (text, f"The gate closes. {text}", f"- {text}", f"> {text}\n", f"1. One.\n\n   {text}"):
        [found] = [one for one in prose.check("page.md", page, {}) if f": {rule}: " in one]
        assert found.endswith(text)


@pytest.mark.parametrize(("rule", "text"), GOOD)
def test_a_good_sentence_passes(prose: ModuleType, rule: str, text: str) -> None:
    assert list(prose.check("page.md", text, {})) == []


def test_a_long_sentence_is_found_in_tables_too(prose: ModuleType) -> None:
    assert ": 38 words: " in next(prose.check("page.md", LONG, {}, columns=False))
    table = f"| a | b |\n|---|---|\n| c | {LONG} |\n"
    [found] = prose.check("page.md", table, {})
    assert found.startswith("page.md:3: 38 words")


def test_columns_count_in_text_and_not_in_tables_and_code(prose: ModuleType) -> None:
    wide = "Homes bid. " * 10
    [found] = prose.check("page.md", f"Homes bid.\n\n{wide}\n", {})
    assert found == "page.md:3: 110 columns: at most 100" or found == "page.md:3: 109 columns: at most 100"
    for text in (f"| {wide} |\n|---|\n", f"    {wide}\n", f"```\n{wide}\n```\n"):
        assert list(prose.check("page.md", text, {})) == []


def test_code_and_addresses_are_no_prose(prose: ModuleType) -> None:
    assert (
        list(prose.check("page.md", "Run `whoever is there keeps name and keys` once.", {"keys": "-"})) == []
    )
    assert list(prose.check("page.md", "```\nWhoever is there keeps name and keys.\n```\n", {})) == []


def test_the_glossary_keeps_words_out(prose: ModuleType) -> None:
    forbidden = prose.forbidden_words()
    assert forbidden["blockchain"] == "ledger"
    assert forbidden["utilise"] == forbidden["utilize"] == "use"
    [found] = prose.check("page.md", "A blockchain holds the bills.", forbidden)
    assert "the glossary has ledger" in found


def test_wrapping_changes_no_page(prose: ModuleType) -> None:
    page = (
        "# Homes\n\nA home bids for energy in the year 2026 and again later, up to a limit that its owner set at "
        "the portal in\n2027. It pays `a price that stands as one word in code` - or less.\n\n"
        f"- An item of a list that is far too long for one line of a page and so goes on and on, and on {'x ' * 20}\n"
        "  with a second line\n\n> quoted " + "words " * 30 + "\n\n```\n" + "code " * 40 + "\n```\n"
    )
    wrapped = prose.wrap(page)
    html = MarkdownIt("commonmark").render
    assert html(wrapped).split() == html(page).split()
    assert prose.wrap(wrapped) == wrapped
    assert max(len(line) for line in wrapped.splitlines() if "code code" not in line) <= 100


def test_an_error_is_read_half_by_half(prose: ModuleType, tmp_path: Path) -> None:
    part = tmp_path / "network" / "commonwatt_network"
    part.mkdir(parents=True)
    (part / "up.py").write_text(
        'def up(name):\n    raise UsageError(f"{name} is stopped; never does {name} start by itself")\n'
    )
    [found] = prose.check_errors(tmp_path, {})
    assert found.startswith("network/commonwatt_network/up.py:2: inversion")


DOCSTRINGS = '''"""What a home pays."""


def bill(home, day):
    """Bill a day.

    home: the home's id; None for all. day: the local day.

    ::

        print(bill("ada", 20_000))  # never is this prose
    """


class Bill:
    """A bill."""

    def total(self):
        """The total. Never does it change."""

    def _sum(self):
        """Never is this read."""
'''


def test_public_docstrings_are_read_and_their_first_sentence_may_be_a_phrase(
    prose: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prose.STYLE, "docstrings", ["billing"])
    (tmp_path / "billing").mkdir()
    for name in ("bills.py", "_private.py"):
        (tmp_path / "billing" / name).write_text(DOCSTRINGS)
    [found] = prose.check_docstrings(tmp_path, {})
    place = f"billing/bills.py:{1 + DOCSTRINGS[: DOCSTRINGS.index('The total')].count(chr(10))}"
    assert found.startswith(f"{place}: inversion")
    assert found.endswith("Never does it change.")


def test_the_check_fails_where_one_page_is_bad(repository: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    command = [sys.executable, repository / "tools" / "check_prose.py", page]
    page.write_text("Never does a peer sign it.\n")
    bad = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (bad.returncode, "inversion" in bad.stdout) == (1, True)
    page.write_text("A peer never signs it.\n")
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def test_our_own_texts_keep_to_the_style(repository: Path) -> None:
    ran = subprocess.run(
        [sys.executable, repository / "tools" / "check_prose.py"], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout
