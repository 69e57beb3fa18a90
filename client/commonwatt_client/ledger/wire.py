# SPDX-License-Identifier: Apache-2.0
"""Protocol buffers in and out: every parser of bytes from elsewhere fails with one typed error."""

from typing import Any

from google.protobuf.message import DecodeError

from commonwatt_client.errors import UnexpectedAnswerError


def parse(kind: Any, content: bytes) -> Any:
    """Read a message of this kind. Raises UnexpectedAnswerError for bytes that are none."""
    try:
        return kind.FromString(content)
    except (DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise UnexpectedAnswerError(
            f"these bytes are no {kind.DESCRIPTOR.name}", answer=str(error)
        ) from error


def serialize(message: Any) -> bytes:
    """The message's bytes, maps in the order of their keys."""
    return bytes(message.SerializeToString(deterministic=True))
