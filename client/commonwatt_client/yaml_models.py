# SPDX-License-Identifier: Apache-2.0
"""Models in YAML files: whatever is wrong in one is said with the file, the line and what would be right.

It needs pydantic and PyYAML, the extra `models`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError

from commonwatt_client.bounded_yaml import UnreadableYamlError, read_yaml
from commonwatt_client.exit_codes import UsageError

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]

# What a name must be like, by the pattern that it must match.
_NAMES: dict[str, str] = {}
# Of each kind of mistake that pydantic finds, what is wrong. {input} is what stands there; the rest is the model's.
_WORDS = {
    "missing": "is missing",
    "int_type": "takes a whole number, not {input}",
    "int_parsing": "takes a whole number, not {input}",
    "int_parsing_size": "takes a whole number, not one of so many digits",
    "int_from_float": "takes a whole number, not {input}",
    "finite_number": "takes a whole number, not {input}",
    "bool_type": "takes true or false, not {input}",
    "bool_parsing": "takes true or false, not {input}",
    "string_type": "takes text, not {input}; put it in quotes if it is meant as text",
    "invalid_key": "takes text for a key; put it in quotes",
    "literal_error": "takes {expected}, not {input}",
    "greater_than_equal": "is {ge} or more, not {input}",
    "less_than_equal": "is {le} or less, not {input}",
    "too_short": "takes {min_length} or more entries, not {actual_length}",
    "too_long": "takes {max_length} or fewer entries, not {actual_length}",
    "dict_type": "takes entries of the form NAME: ..., not {input}",
    "model_type": "takes entries of the form KEY: ..., not {input}",
    "list_type": "takes a list, not {input}",
    "ip_v4_address": "takes an IPv4 address such as 192.0.2.1, not {input}",
}


class YamlFileError(UsageError):
    """A file cannot be used; the message names file, line, what is wrong and what would be right, a line each."""


class MistakesError(ValueError):
    """What a model's own rules find: each mistake in words, and the location in the model where it stands."""

    def __init__(self, found: Iterable[tuple[str, Location]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(words for words, _ in self.found))


def named(pattern: str, words: str) -> Any:
    """A field for text that matches `pattern`, which is `words` for a person."""
    _NAMES[pattern] = words
    return Field(pattern=pattern, description=words)


def refuse(mistakes: Iterable[tuple[str, Location]]) -> None:
    """Raise MistakesError where there are any."""
    found = tuple(mistakes)
    if found:
        raise MistakesError(found)


def parse_model(
    model: type[M],
    text: str,
    where: str,
    expected: str,
    folder: Path | None = None,
    wrong: type[UsageError] = YamlFileError,
) -> M:
    """The `model` in a YAML text; `expected` says what stands there. Raises `wrong`, one line per mistake.

    `folder`: the text's own, in which files that it names are looked for.
    """
    try:
        content, root = read_yaml(text, unique_keys=True)
    except UnreadableYamlError as error:
        raise wrong(f"{where}:{error.line}: {error.problem}") from error
    if not isinstance(content, dict):
        raise wrong(f"{where}:1: {expected}")
    try:
        return model.model_validate(content, context={"folder": folder} if folder else None)
    except ValidationError as error:
        mistakes = [
            line
            for item in error.errors()
            if item["type"] != "default_factory_not_called"  # for another mistake that is told
            for line in _mistakes(model, item, root, where)
        ]
        raise wrong("\n".join(dict.fromkeys(mistakes))) from error


def line_of(text: str, location: Location) -> int:
    """The line of a YAML text where `location` stands, or the innermost part of it that is there."""
    return _line(read_yaml(text, unique_keys=True)[1], list(location))


def words_of(item: Mapping[str, Any]) -> str:
    """One of pydantic's errors (an entry of `ValidationError.errors()`) in words for a person."""
    context = item.get("ctx", {})
    if item["type"] == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"{_shown(item['input'])} is not a valid name here: {_NAMES.get(pattern, pattern)}"
    if item["type"] in _WORDS:
        return _WORDS[item["type"]].format(**{**context, "input": _shown(item["input"])})
    return str(context.get("error") or f"cannot be {_shown(item['input'])}")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "entries"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return "nothing" if value is None else (repr(value) if isinstance(value, str) else str(value))[:60]


def _mistakes(
    model: type[BaseModel], item: Mapping[str, Any], root: yaml.Node | None, where: str
) -> list[str]:
    location = list(item["loc"])
    if location[-1:] == ["[key]"]:
        location = [*location[:-2], item["input"]]
    error = item.get("ctx", {}).get("error")
    if isinstance(error, MistakesError):
        return [f"{where}:{_line(root, [*location, *rest])}: {words}" for words, rest in error.found]
    path = ".".join(map(str, location)) or "file"
    prefix = f"{where}:{_line(root, location)}: "
    if item["type"] == "extra_forbidden":
        key, allowed = str(location[-1]), _allowed_keys(model, location[:-1])
        close = difflib.get_close_matches(key, allowed, n=1)
        hint = f"did you mean {close[0]}?" if close else f"allowed here: {', '.join(allowed)}"
        return [f"{prefix}unknown key {path}; {hint}"]
    return [f"{prefix}{path}: {words_of(item)}"]


def _allowed_keys(root: type[BaseModel], location: list[Any]) -> list[str]:
    """The keys of the model at `location`, found by walking the annotations."""
    model: Any = root
    for part in location:
        annotation = (
            model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else model
        )
        models = [entry for entry in (annotation, *_inner(annotation)) if _is_model(entry)]
        model = models[-1] if models else annotation
    return sorted(model.model_fields) if _is_model(model) else []


def _inner(annotation: Any) -> list[Any]:
    return [found for entry in get_args(annotation) for found in (entry, *_inner(entry))]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _line(node: yaml.Node | None, location: list[Any]) -> int:
    """The line of what stands at `location`, or of the innermost part of it that is there."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            # The last of a name counts: reading put the entries of `<<: *other` before the mapping's own.
            pair = next((pair for pair in reversed(node.value) if _is_key(pair[0], part)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _is_key(node: yaml.Node, part: object) -> bool:
    words = yaml.SafeLoader.bool_values
    if isinstance(part, bool) and isinstance(node, yaml.ScalarNode):
        return words.get(node.value.lower()) is part
    return bool(node.value == str(part)) or (part is None and node.tag == "tag:yaml.org,2002:null")
