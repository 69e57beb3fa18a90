# SPDX-License-Identifier: Apache-2.0
"""Server-sent events from lines, as the HTML standard reads them."""

import json
from collections.abc import AsyncIterator

from commonwatt_client.errors import MalformedMessageError

from .values import ServiceEvent

LONGEST_DATA = 1_048_576


async def events_of(lines: AsyncIterator[str]) -> AsyncIterator[ServiceEvent]:
    """Events as they come; comments keep the connection alone. MalformedMessageError for what is no JSON object."""
    fields = {"id": "", "event": "", "data": ""}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            if name in fields:
                value = value.removeprefix(" ")
                fields[name] = f"{fields[name]}{value}" if name == "data" else value
            if len(fields["data"]) > LONGEST_DATA:
                raise MalformedMessageError(f"an event has more than {LONGEST_DATA} characters")
            continue
        if fields["event"]:
            yield ServiceEvent(fields["id"], fields["event"], _object(fields["data"]))
        fields = {"id": "", "event": "", "data": ""}


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MalformedMessageError("an event's data are no JSON") from error
    if not isinstance(value, dict):
        raise MalformedMessageError("an event's data are no JSON object")
    return value
