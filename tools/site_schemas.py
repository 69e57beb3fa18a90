# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas and an OpenAPI document as Markdown tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]
PROBLEM = "[Problem](#problem)"


def schema(content: Json) -> str:
    """A table of the file's members, then one of each kind of object in it."""
    parts = [*_object("The file", content)]
    for name, inner in content.get("$defs", {}).items():
        parts += _object(name, inner)
    return "\n".join(parts)


def routes(content: Json) -> str:
    """A section for each route of an OpenAPI document: what it takes, what it answers; then each kind of value."""
    parts: list[str] = []
    for path, verbs in content["paths"].items():
        for verb, route in verbs.items():
            parts += _route(verb, path, route)
    for name, value in content["components"]["schemas"].items():
        parts += _object(name, value)
    return "\n".join(parts)


def _object(name: str, content: Json) -> Iterator[str]:
    yield from (f"## {name}", "", _text(content.get("description", "")), "")
    members = content.get("properties")
    if not members:
        yield from (f"Value: {_kind(content)}", "")
        return
    yield from ("| member | value | default | meaning |", "|---|---|---|---|")
    for member, value in members.items():
        needed = "needed" if member in content.get("required", ()) else _default(value)
        yield f"| `{member}` | {_kind(value)} | {needed} | {_meaning(value)} |"
    yield ""


def _meaning(value: Json) -> str:
    names = value.get("propertyNames", {}).get("description")
    said = [value.get("description", ""), f"names: {names}" if names else ""]
    return _text("; ".join(one for one in said if one))


def _default(value: Json) -> str:
    default = value.get("default")
    return "" if default is None or default in ({}, []) else f"`{json.dumps(default)}`"


def _kind(value: Json) -> str:
    """What a value may be, with a link to the table of the objects in it."""
    if "$ref" in value:
        name = str(value["$ref"]).rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in value:
            return " or ".join(_kind(one) for one in value[choice] if one.get("type") != "null")
    if "enum" in value or "const" in value:
        return ", ".join(f"`{json.dumps(one)}`" for one in value.get("enum", [value.get("const")]))
    match value.get("type"):
        case "array":
            items = value.get("prefixItems") or [value.get("items", {})]
            return "list of " + ", ".join(_kind(one) for one in items)
        case "object" if isinstance(value.get("additionalProperties"), Mapping):
            return f"names, each with {_kind(value['additionalProperties'])}"
        case "object" if "patternProperties" in value:
            return "names, each with " + " or ".join(map(_kind, value["patternProperties"].values()))
        case None:
            return "any value"
        case kind:
            return f"{kind}{_bounds(value)}"


def _bounds(value: Json) -> str:
    said = [
        f"{words} {value[name]}"
        for name, words in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
            ("minLength", "at least"),
            ("maxLength", "at most"),
        )
        if name in value
    ]
    return f" {' '.join(said)}" if said else ""


def _route(verb: str, path: str, route: Json) -> Iterator[str]:
    yield from (
        f"## {verb.upper()} {path.replace('{', '&#123;')}",
        "",
        _text(route.get("description", "")),
        "",
    )
    parameters = route.get("parameters", ())
    if parameters:
        yield from ("| parameter | in | value | meaning |", "|---|---|---|---|")
    for one in parameters:
        needed = ", needed" if one.get("required") else ""
        meaning = _text(one.get("description", ""))
        yield f"| `{one['name']}` | {one['in']}{needed} | {_kind(one['schema'])} | {meaning} |"
    if body := route.get("requestBody"):
        kinds = [_kind(one["schema"]) for one in body["content"].values()]
        yield from ("", f"The body is {' or '.join(kinds)}.")
    yield from ("", "| answer | content, or codes |", "|---|---|")
    for status, answer in route["responses"].items():
        kinds = [_kind(one.get("schema", {})) for one in answer.get("content", {}).values()]
        content = ", ".join(kind for kind in kinds if kind != PROBLEM)
        yield f"| {status} | {content or _text(answer['description'])} |"
    yield ""


def _text(words: str) -> str:
    """Prose in one line, safe in a table."""
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
