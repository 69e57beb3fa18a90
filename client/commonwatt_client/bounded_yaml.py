# SPDX-License-Identifier: Apache-2.0
"""YAML from files that others wrote: read in time and memory that the text's length bounds, whatever it says."""

from typing import Any

import yaml

LONGEST_TEXT = 4 << 20
DEEPEST = 50
MOST_ENTRIES = 50_000


class UnreadableYamlError(Exception):
    """The text is no YAML, or more than any file of this kit holds: `problem` on `line`, in one line."""

    def __init__(self, line: int, problem: str) -> None:
        self.line, self.problem = line, " ".join(problem.split())[:300]
        super().__init__(f"line {line}: {self.problem}")


def read_yaml(text: str, *, unique_keys: bool = False) -> tuple[Any, yaml.Node | None]:
    """What the text says, and its nodes, which know their lines. Raises UnreadableYamlError.

    unique_keys: refuse a key that stands twice in one mapping, of which YAML itself would take the last.
    """
    if len(text) > LONGEST_TEXT:
        raise UnreadableYamlError(1, f"longer than {LONGEST_TEXT} characters")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None, None
        if unique_keys:
            _refuse_duplicates(root)
        return loader.construct_document(root), root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UnreadableYamlError(line, f"not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableYamlError(line, f"not YAML: the character U+{error.character:04X}") from error


def _refuse_duplicates(node: yaml.Node) -> None:
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            _refuse_duplicates(entry)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = _line(key)
                if key.value in seen:
                    problem = f"key {key.value} was given already on line {seen[key.value]}"
                    raise UnreadableYamlError(line, problem)
                seen[key.value] = line
            _refuse_duplicates(value)


class _Loader(yaml.SafeLoader):
    """Counts entries as they will be once aliases stand for what they name."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth, self.deepest, self.entries = 0, 0, 0
        self.sizes: dict[str, tuple[int, int]] = {}  # anchor -> entries and levels of what it names

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        alias = isinstance(event, yaml.AliasEvent)
        if alias and event.anchor in self.anchors and event.anchor not in self.sizes:
            raise UnreadableYamlError(_line(event), f"*{event.anchor} stands inside what it names")
        entries, levels = self.sizes.get(event.anchor, (1, 1)) if alias else (1, 1)
        entries_before, deepest_before = self.entries, self.deepest
        self.entries += entries
        self.deepest = self.depth + levels
        if self.entries > MOST_ENTRIES:
            raise UnreadableYamlError(_line(event), f"more than {MOST_ENTRIES} entries, aliases written out")
        if self.deepest > DEEPEST:
            raise UnreadableYamlError(_line(event), f"nested deeper than {DEEPEST} levels")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        if event.anchor and not alias:
            self.sizes[event.anchor] = (self.entries - entries_before, self.deepest - self.depth)
        self.deepest = max(self.deepest, deepest_before)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, AttributeError, LookupError, OverflowError) as error:
            # A day 32, a number of 5,000 digits, `!!int x`: the library's constructors fail in ways of their own.
            kind = str(node.tag).rpartition(":")[2]
            problem = f"{str(node.value)[:40]!r} is no {kind}; put it in quotes if it is meant as text"
            raise UnreadableYamlError(_line(node), problem) from error


def _line(place: Any) -> int:
    """The line on which an event or node begins."""
    return int(place.start_mark.line) + 1
