# SPDX-License-Identifier: Apache-2.0
"""One message: read from the bytes of a stranger, then verified under the key that stands on the ledger."""

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .base64url import decoded
from .fields import BID_TYPS, FIELDS, READING_TYPS, check_fields
from .keys import EDDSA, ES256, SIGNATURE_BYTES, PublicKey
from .refusals import MessageCode, MessageRefused
from .strict_json import NotStrict, strict_object

LARGEST_BYTES = 1_024  # of the whole message: checked before anything is parsed
NOT_COMPACT = "a message is three parts in base64url without padding, with dots between"
HEADER = {"alg", "kid", "typ"}
BID, A_READING = "bid", "reading"
LONGEST_HEADER_KEPT = (
    160  # characters; a header without spaces has 116 at most, and one with spaces is read each time
)
HEADERS_KEPT = 16_384


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says. Nobody knows who says it before `verify` has returned."""

    typ: str
    alg: str
    kid: str
    payload: Mapping[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def net(self) -> str:
        return str(self.payload["net"])

    @property
    def channel(self) -> str:
        return str(self.payload["channel"])

    @property
    def home(self) -> str:
        return str(self.payload["home"])

    @property
    def kind(self) -> str | None:
        """``bid`` or ``reading``, the kinds that have a period and a seq; None for keys and logins."""
        return BID if self.typ in BID_TYPS else A_READING if self.typ in READING_TYPS else None

    @property
    def period(self) -> int:
        """The epoch minute at which the period starts."""
        return int(self.payload["period"])

    @property
    def seq(self) -> int:
        return int(self.payload["seq"])

    @property
    def digest(self) -> str:
        """SHA-256 of the signing input, in hex: another valid signature of the same words is the same message."""
        return hashlib.sha256(self.signing_input).hexdigest()


def read(compact: bytes) -> Message:
    """The message that these bytes hold, **its signature not verified**; MessageRefused for all else."""
    if len(compact) > LARGEST_BYTES:
        raise MessageRefused(MessageCode.TOO_LARGE, f"a message has at most {LARGEST_BYTES} bytes")
    # Their number comes first: a thousand dots would be a thousand values to decode.
    parts = compact.decode("ascii").split(".") if compact.isascii() and compact.count(b".") == 2 else []
    content, signature = (decoded(part) for part in parts[1:]) if len(parts) == 3 else (None, None)
    if content is None or signature is None:
        raise MessageRefused(MessageCode.BAD_FORM, NOT_COMPACT)
    alg, kid, typ = _header(parts[0])
    try:
        payload = strict_object(content)
    except NotStrict as error:
        raise MessageRefused(MessageCode.BAD_PAYLOAD, f"the payload cannot be read: {error}") from None
    check_fields(typ, payload)
    if len(signature) != SIGNATURE_BYTES:
        raise MessageRefused(MessageCode.BAD_SIGNATURE, f"a signature has {SIGNATURE_BYTES} bytes")
    return Message(typ, alg, kid, payload, compact.rpartition(b".")[0], signature)


def verify(message: Message, key: PublicKey, *, net: str, channel: str, typs: Container[str]) -> None:
    """MessageRefused unless the message is one of `typs`, for this network and channel, and signed by `key`.

    The key decides on the algorithm, never the message.
    """
    if message.typ not in typs:
        raise MessageRefused(MessageCode.WRONG_TYP, f"a message of type {message.typ} says nothing here")
    if message.net != net:
        raise MessageRefused(MessageCode.WRONG_NET, "the message is for another network")
    if message.channel != channel:
        raise MessageRefused(MessageCode.WRONG_CHANNEL, "the message is for another channel")
    if message.kid != key.kid or message.alg != key.alg:
        raise MessageRefused(
            MessageCode.WRONG_KEY, "the header names another key, or an algorithm not this key's"
        )
    if not key.verifies(message.signature, message.signing_input):
        raise MessageRefused(MessageCode.BAD_SIGNATURE, "the signature is not this key's")


def accepted(compact: bytes, key: PublicKey, *, net: str, channel: str, typs: Container[str]) -> Message:
    """`read` and `verify` in one."""
    message = read(compact)
    verify(message, key, net=net, channel=channel, typs=typs)
    return message


def _header(spelled: str) -> tuple[str, str, str]:
    """Algorithm, key and type; the messages of one type under one key mostly begin with the same header."""
    return _kept_header(spelled) if len(spelled) <= LONGEST_HEADER_KEPT else _read_header(spelled)


def _read_header(spelled: str) -> tuple[str, str, str]:
    content = decoded(spelled)
    if content is None:
        raise MessageRefused(MessageCode.BAD_FORM, NOT_COMPACT)
    try:
        header = strict_object(content)
    except NotStrict as error:
        raise MessageRefused(MessageCode.BAD_HEADER, f"the header cannot be read: {error}") from None
    if header.keys() != HEADER:
        raise MessageRefused(MessageCode.BAD_HEADER, "the header has exactly the members alg, kid and typ")
    alg, kid, typ = header["alg"], header["kid"], header["typ"]
    if alg not in (ES256, EDDSA):
        raise MessageRefused(MessageCode.BAD_ALG, f"the algorithm is {ES256} or {EDDSA}")
    if not isinstance(kid, str) or len(decoded(kid) or b"") != 32:
        raise MessageRefused(MessageCode.BAD_HEADER, "kid is not a thumbprint of a key")
    if not isinstance(typ, str) or typ not in FIELDS:
        raise MessageRefused(MessageCode.BAD_TYP, f"the type is one of {', '.join(FIELDS)}")
    return alg, kid, typ


_kept_header = lru_cache(maxsize=HEADERS_KEPT)(_read_header)
