# SPDX-License-Identifier: Apache-2.0
"""Refusals of a query in the words of CouchDB and of Fabric's peer."""

from __future__ import annotations

from typing import Any

LONGEST_TERM = 500


class MangoError(Exception):
    """The query is refused; the text is what a Fabric peer with CouchDB says."""


def refusal(code: str, reason: str, status: int = 400) -> MangoError:
    """CouchDB's answer as Fabric's peer passes it on."""
    return MangoError(
        f"error handling CouchDB request. Error:{code},  Status Code:{status},  Reason:{reason}"
    )


def erlang_term(value: Any) -> str:
    """`value` as CouchDB prints it in its errors (Erlang's ~w), cut where it is long."""
    text = _term(value, LONGEST_TERM)
    return text if len(text) <= LONGEST_TERM else text[:LONGEST_TERM] + "..."


def _term(value: Any, room: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "<<" + ",".join(str(byte) for byte in value[:room].encode("utf-8", "replace")) + ">>"
    if isinstance(value, list):
        return "[" + ",".join(_term(entry, room // 2) for entry in value[: room // 2]) + "]"
    if isinstance(value, dict):
        pairs = list(value.items())[: room // 4]
        return (
            "{["
            + ",".join("{" + _term(name, room) + "," + _term(entry, room // 2) + "}" for name, entry in pairs)
            + "]}"
        )
    return str(value)
