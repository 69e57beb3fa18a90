# SPDX-License-Identifier: Apache-2.0
"""Templates in a package's connection.json, filled in as by Fabric's own builder for chaincode as a service.

The values are those of CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG, a JSON object; `peername` is the peer's name where that
gives none. Of Go's templates, `{{.name}}` and `{{.outer.inner}}` are taken. (ccaas_builder/cmd/build/main.go)
Run as a program, it is the build step of real peers: SOURCE OUTPUT, both folders with a connection.json.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG"
FIELDS = {
    "address": "Address",
    "dial_timeout": "DialTimeout",
    "root_cert": "RootCert",
    "client_key": "ClientKey",
    "client_cert": "ClientCert",
}
ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
PATH = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_]*)+")
LARGEST_VALUES = 1 << 20


class TemplateError(Exception):
    """A template cannot be filled in; the message is that of Fabric's builder where it has one."""


def builder_values(peer: str, setting: str | None) -> dict[str, object]:
    """The values for one peer. `setting`: what CHAINCODE_AS_A_SERVICE_BUILDER_CONFIG says. Raises TemplateError."""
    if not setting:
        return {"peername": peer}
    try:
        values = json.loads(setting) if len(setting) <= LARGEST_VALUES else None
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"{VARIABLE} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise TemplateError(f"{VARIABLE} is not a JSON object")
    return {"peername": peer, **values}


def fill_connection(connection: Mapping[str, object], values: Mapping[str, object]) -> dict[str, object]:
    """The fields of a connection.json with their templates filled in. Raises TemplateError naming the field."""
    filled = dict(connection)
    for field, name in FIELDS.items():
        text = connection.get(field)
        if isinstance(text, str) and "{{" in text:
            try:
                filled[field] = ACTION.sub(lambda match: _value(match[1], values), text)
            except TemplateError as error:
                raise TemplateError(f"Failed to parse the {name} field template: {error}") from error
    return filled


def _value(action: str, values: Mapping[str, object]) -> str:
    if not PATH.fullmatch(action):
        raise TemplateError(f"{{{{{action}}}}} is more than {{{{.name}}}}, which is all that is taken")
    found: object = values
    for key in action.split(".")[1:]:
        if not isinstance(found, Mapping) or key not in found:
            raise TemplateError(f'map has no entry for key "{key}" ({VARIABLE})')
        found = found[key]
    if isinstance(found, bool):
        return str(found).lower()
    if not isinstance(found, str | int | float):
        raise TemplateError(f"{action} is no text or number")
    return str(found)


def main() -> int:
    source, output = (Path(folder) / "connection.json" for folder in sys.argv[1:3])
    try:
        connection = json.loads(source.read_bytes())
        if not isinstance(connection, dict):
            raise TemplateError("connection.json is not a JSON object")
        values = builder_values("", os.environ.get(VARIABLE))
        output.write_text(json.dumps(fill_connection(connection, values)))
    except (OSError, ValueError, TemplateError) as error:
        print(f"::Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
