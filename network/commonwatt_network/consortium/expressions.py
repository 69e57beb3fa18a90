# SPDX-License-Identifier: Apache-2.0
"""What an organisation's manifests leave to its values: put in at once for `kubectl`, or written as Helm's expressions.

Both ways hand the same functions to the templates. `value` and `bare` give what stands at a path of the values, `when`
and `unless` keep or drop a part of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile("\x02(.*?)\x03", re.DOTALL)  # an expression of Helm, until the rest of the text is escaped
Functions = Mapping[str, Callable[..., str]]


def settled(values: Mapping[str, Any]) -> Functions:
    """The functions for manifests in which these values are put."""

    def value(*path: str) -> str:
        return json.dumps(_at(values, path))

    def bare(*path: str) -> str:
        return str(_at(values, path))

    def when(wanted: object, *path: str, caller: Callable[[], str]) -> str:
        return caller() if _holds(wanted, path) else ""

    def unless(wanted: object, *path: str, caller: Callable[[], str]) -> str:
        return "" if _holds(wanted, path) else caller()

    def _holds(wanted: object, path: tuple[str, ...]) -> bool:
        found = _at(values, path)
        return bool(found) if wanted is True else found == wanted

    def annotations(digest: str) -> str:
        return json.dumps({**values["podAnnotations"], "commonwatt-configuration": digest})

    def outside_annotations(node: str, own: Mapping[str, str]) -> str:
        outside = values["outside"]
        return json.dumps({**own, **outside["annotations"], **outside["nodeAnnotations"].get(node, {})})

    return {
        "value": value,
        "bare": bare,
        "when": when,
        "unless": unless,
        "annotations": annotations,
        "outside_annotations": outside_annotations,
    }


def for_helm() -> Functions:
    """The functions for a chart: Helm puts in the values that it is given later."""

    def bare(*path: str) -> str:
        return f"\x02{_index(path)}\x03"

    def value(*path: str) -> str:
        return f"\x02{_index(path)} | toJson\x03"

    def _condition(wanted: object, path: tuple[str, ...]) -> str:
        return _index(path) if wanted is True else f"eq ({_index(path)}) {json.dumps(wanted)}"

    def when(wanted: object, *path: str, caller: Callable[[], str]) -> str:
        return f"\x02if {_condition(wanted, path)}\x03\n{caller()}\x02end\x03\n"

    def unless(wanted: object, *path: str, caller: Callable[[], str]) -> str:
        return f"\x02if not ({_condition(wanted, path)})\x03\n{caller()}\x02end\x03\n"

    def annotations(digest: str) -> str:
        return f'\x02merge (dict "commonwatt-configuration" "{digest}") .Values.podAnnotations | toJson\x03'

    def outside_annotations(node: str, own: Mapping[str, str]) -> str:
        words = " ".join(json.dumps(word) for pair in own.items() for word in pair)
        of_node = f"(default (dict) ({_index(('outside', 'nodeAnnotations', node))}))"
        return f"\x02merge (dict) {of_node} .Values.outside.annotations (dict {words}) | toJson\x03"

    return {
        "value": value,
        "bare": bare,
        "when": when,
        "unless": unless,
        "annotations": annotations,
        "outside_annotations": outside_annotations,
    }


def refusal(reason: str) -> str:
    """Helm stops with the reason where it comes upon this."""
    return f"\x02fail {json.dumps(reason)}\x03"


def as_helm(text: str) -> str:
    """Text with Helm's expressions; braces that are none of them are kept from Helm."""
    escaped = text.replace("{{", '{{ "{{" }}')
    return TOKEN.sub(r"{{ \1 }}", escaped)


def _index(path: tuple[str, ...]) -> str:
    return "index .Values " + " ".join(json.dumps(key) for key in path)


def _at(content: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What stands at the path; None where its last step leads nowhere."""
    found: Any = content
    for key in path[:-1]:
        found = found[key]
    return found.get(path[-1])
