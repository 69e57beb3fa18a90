# SPDX-License-Identifier: Apache-2.0
"""Checks the English of pages, help texts, errors and docstrings against tools/prose.yaml, and wraps pages.

`check_prose.py` prints each sentence and line that breaks a rule; it then ends with 1. `check_prose.py PAGE ...` checks
only these pages; `check_prose.py --wrap PAGE ...` first wraps their paragraphs at the widest line.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from program_texts import docstrings, error_texts, help_texts

ROOT = Path(__file__).parents[1]
STYLE = yaml.safe_load((ROOT / "tools" / "prose.yaml").read_text("utf-8"))
PAGES = (":(glob)*.md", ":(glob)docs/**/*.md", ":(glob)*/README.md", ":(glob)examples/*/README.md")
SENTENCE = re.compile(r"(?<=[.?!])(?:[\"”)*]*)\s+(?=[\"“(*]*[A-Z`\d“])")
CODE = "`code`"
OUT = "\n## Words that stay out\n"
TEXT_WIDE = re.compile(r"`+[^`]*`+\S*|\S*\]\([^)\s]*\)\S*|\S+")
STARTS_A_BLOCK = re.compile(r"^(?:[-+*]|>.*|#+|=+|-+|\d+[.)])$")


@dataclass(frozen=True)
class Passage:
    """A paragraph, heading, item or cell of a page, as readers see it."""

    line: int
    text: str
    lines: tuple[int, int]
    kind: str


def passages(markdown: str) -> Iterator[Passage]:
    """The passages of a page. Blocks of code are none; code within a sentence reads `code`."""
    kinds: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.nesting == 1:
            kinds.append(token.type.removesuffix("_open"))
        elif token.nesting == -1:
            kinds.pop()
        elif token.type == "inline" and token.map is not None:
            first, after = token.map
            yield Passage(first + 1, _plain(token), (first, after), kinds[-1])


def _plain(token: Token) -> str:
    words = {"text": lambda one: one.content, "code_inline": lambda one: CODE, "softbreak": lambda one: " "}
    return "".join(words[one.type](one) for one in token.children or () if one.type in words)


def sentences(text: str) -> list[str]:
    """The sentences of a passage."""
    return [one for one in SENTENCE.split(" ".join(text.split())) if one]


def faults(sentence: str, forbidden: dict[str, str], kind: str = "paragraph") -> Iterator[str]:
    """How one sentence breaks the style. Rules may leave out kinds of passages: a cell's phrase has no subject."""
    for rule in STYLE["rules"]:
        if kind not in rule.get("not_in", ()) and re.search(rule["pattern"], sentence, re.IGNORECASE):
            yield f"{rule['name']}: {rule['say']}"
    count = len(re.findall(r"[\w`$€£][^\s]*", sentence))
    if count > STYLE["longest_sentence"]:
        yield f"{count} words: at most {STYLE['longest_sentence']} a sentence, one thought each"
    for word, better in forbidden.items():
        if re.search(rf"(?<![\w./-]){word}\b", sentence, re.IGNORECASE):
            yield f'"{word}": the glossary has {better}'


def forbidden_words() -> dict[str, str]:
    """The words that the glossary keeps out, with those that it has in their place."""
    section = (ROOT / "docs" / "glossary.md").read_text("utf-8").split(OUT)[1]
    rows = re.findall(r"^\| (?!not \|)([^|]+?) \| ([^|]+?) \|$", section, re.MULTILINE)
    return {word: better for words, better in rows for word in words.split(", ")}


def check(name: str, markdown: str, forbidden: dict[str, str], *, columns: bool = True) -> Iterator[str]:
    """A line for each fault of a page."""
    markdown = markdown.split(OUT)[0]
    lines = markdown.splitlines()
    for one in passages(markdown):
        for sentence in sentences(one.text):
            for fault in faults(sentence, forbidden, one.kind):
                yield f"{name}:{one.line}: {fault}\n    {sentence}"
        if columns and one.kind == "paragraph":
            for number in range(*one.lines):
                width = len(lines[number])
                if width > STYLE["widest_line"] and len(TEXT_WIDE.findall(lines[number])) > 1:
                    yield f"{name}:{number + 1}: {width} columns: at most {STYLE['widest_line']}"


def wrap(markdown: str) -> str:
    """The page with its paragraphs wrapped; tables, code, headings and hard breaks stay as they are."""
    lines = markdown.splitlines()
    for one in reversed([one for one in passages(markdown) if one.kind == "paragraph"]):
        first, after = one.lines
        old = lines[first:after]
        if any(line.endswith(("  ", "\\")) for line in old):
            continue
        lead = _lead(old[0])
        further = (line.lstrip(" >" if ">" in lead else " ") for line in old[1:])
        lines[first:after] = _filled(" ".join([old[0][len(lead) :], *further]), lead)
    return "\n".join(lines) + "\n"


def _lead(line: str) -> str:
    found = re.match(r"\s*(?:(?:[-+*>]|\d+[.)])\s+)*", line)
    return found[0] if found else ""


def _filled(text: str, lead: str) -> list[str]:
    indent = re.sub(r"[^\s>]", " ", lead)
    lines, line = [], lead
    for word in _words(text):
        blank = line in (lead, indent)
        if not blank and len(line) + 1 + len(word) > STYLE["widest_line"]:
            lines.append(line)
            line, blank = indent, True
        line += word if blank else f" {word}"
    return [*lines, line]


def _words(text: str) -> Iterator[str]:
    """The parts that stay on one line: a word, short code, a word and the number after it that would begin a list."""
    words: list[str] = []
    for word in re.findall(r"[^\s`]*(?:`+[^`]+`+[^\s`]*)+|\S+", text):
        words += word.split() if "`" in word and len(word) > 60 else [" ".join(word.split())]
    line = ""
    for word in words:
        if line and not STARTS_A_BLOCK.match(word):
            yield line
            line = word
        else:
            line += f" {word}" if line else word
    yield line


def pages() -> list[Path]:
    """The pages that git knows or would take, in order."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PAGES],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in sorted(set(listed.stdout.splitlines()))]


def check_errors(root: Path, forbidden: dict[str, str]) -> Iterator[str]:
    """A line for each fault of an error's text, whose halves (what failed; what to do) are sentences of their own."""
    for place, text in error_texts(root):
        words = {} if "/embedded/" in place else forbidden  # it answers in Fabric's own words
        for sentence in (one for half in text.split("; ") for one in sentences(half)):
            for fault in faults(sentence, words):
                yield f"{place}: {fault}\n    {sentence}"


def check_docstrings(root: Path, forbidden: dict[str, str]) -> Iterator[str]:
    """A line for each fault of a public docstring, whose first sentence may be a phrase that explains a name."""
    for place, text in docstrings(root, STYLE["docstrings"]):
        kind = "summary"
        for one in passages(text):
            for sentence in sentences(one.text):
                for fault in faults(sentence, forbidden, kind):
                    yield f"{place}: {fault}\n    {sentence}"
                kind = "docstring"


def main(arguments: list[str]) -> int:
    """Check, after wrapping where asked to."""
    wrapping = arguments[:1] == ["--wrap"]
    named = [Path(one).resolve() for one in arguments[wrapping:]]
    if wrapping:
        for path in named:
            path.write_text(wrap(path.read_text("utf-8")), "utf-8")
    forbidden = forbidden_words()
    found = list(_checked(named or pages(), forbidden))
    if not named:
        found += check("commonwatt --help", help_texts(), forbidden, columns=False)
        found += check_errors(ROOT, forbidden)
        found += check_docstrings(ROOT, forbidden)
    print("\n".join(found) or "the prose keeps to the style")
    return 1 if found else 0


def _checked(paths: Iterable[Path], forbidden: dict[str, str]) -> Iterator[Any]:
    for path in paths:
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        yield from check(name, path.read_text("utf-8"), forbidden)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
