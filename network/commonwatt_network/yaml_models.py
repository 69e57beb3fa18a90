"""Models in YAML files: whatever is wrong in one is said with the file, the line and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from commonwatt_network.errors import UsageError

M = TypeVar("M", bound=BaseModel)


class TopologyError(UsageError):
    """The topology cannot be used; the message names file, line, what is wrong and what would be right."""


def parse_model(model: type[M], text: str, where: str, expected: str) -> M:
    """The `model` in a YAML text; `expected` says what stands there. Raises TopologyError as `parse_topology` does."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_duplicates(root, where)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TopologyError(f"{where}:{line}: not YAML: {error.problem}") from error
    if not isinstance(content, dict):
        raise TopologyError(f"{where}:1: {expected}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise TopologyError(
            "\n".join(_mistake(model, item, root, where) for item in error.errors())
        ) from error


def _mistake(model: type[BaseModel], item: Mapping[str, Any], root: yaml.Node | None, where: str) -> str:
    location = [part for part in item["loc"] if part != "[key]"]
    line = _line(root, location)
    path = ".".join(map(str, location)) or "file"
    if item["type"] == "extra_forbidden":
        key, allowed = str(location[-1]), _allowed_keys(model, location[:-1])
        close = difflib.get_close_matches(key, allowed, n=1)
        hint = f"did you mean {close[0]}?" if close else f"allowed here: {', '.join(allowed)}"
        return f"{where}:{line}: unknown key {path}; {hint}"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "string_pattern_mismatch":
        message = f"{item['input']!r} is not a valid name here ({item['ctx']['pattern']})"
    return f"{where}:{line}: {path}: {message}" if location else f"{where}:{line}: {message}"


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
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                return line
            line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _refuse_duplicates(node: yaml.Node | None, where: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            _refuse_duplicates(entry, where)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise TopologyError(
                    f"{where}:{line}: key {key.value} was given already on line {seen[key.value]}"
                )
            seen[key.value] = line
            _refuse_duplicates(value, where)
