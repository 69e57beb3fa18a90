# SPDX-License-Identifier: Apache-2.0
"""The one table of what each type of message says: typ by fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .keys import public_key
from .refusals import MessageCode, MessageRefused

REQUEST, OFFER, WITHDRAW = "cw-request", "cw-offer", "cw-withdraw"
READING, KEY, LOGIN, RECEIPT = "cw-reading", "cw-key", "cw-login", "cw-receipt"
BID_TYPS = frozenset({REQUEST, OFFER, WITHDRAW})
READING_TYPS = frozenset({READING})

HIGHEST_SEQ = 32
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer within bounds, both included."""

    low: int
    high: int

    def fits(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Text:
    """Text that matches a pattern as a whole."""

    pattern: re.Pattern[str]

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and self.pattern.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public key; MessageRefused (``bad_key``) for an object that is none."""

    def fits(self, value: object) -> bool:
        return isinstance(value, dict) and bool(public_key(value))


Field = Integer | Text | Jwk


def _text(pattern: str) -> Text:
    return Text(re.compile(pattern))


RANDOM = _text("[A-Za-z0-9_-]{21}[AQgw]")
"""128 random bits in base64url without padding: of the last character four bits are none of theirs, and zero."""


ENERGY, TRADED = Integer(0, 10**9), Integer(1, 10**9)
SHA256_HEX, INSTANT = _text("[0-9a-f]{64}"), Integer(0, 10**10)
PRICE = Integer(-(10**9), 10**9)  # a feed-in tariff may be negative, and a price reaches down to it
TOTAL = Integer(0, 2**53 - 1)  # the largest that every JSON reader keeps exact

EVERYWHERE: Mapping[str, Field] = {
    "net": _text(r"[A-Za-z0-9_-]{1,64}"),
    "channel": _text(r"[a-z][a-z0-9.-]{0,248}"),
    "home": _text(r"[A-Za-z0-9._-]{1,64}"),
    "nonce": RANDOM,
}
IN_A_PERIOD: Mapping[str, Field] = {
    **EVERYWHERE,
    "period": Integer(0, 10**10 // 60),
    "seq": Integer(1, HIGHEST_SEQ),
}

FIELDS: Mapping[str, Mapping[str, Field]] = {
    REQUEST: {**IN_A_PERIOD, "energy_wh": TRADED, "limit_uaud_per_kwh": PRICE},
    OFFER: {**IN_A_PERIOD, "energy_wh": TRADED, "price_uaud_per_kwh": PRICE},
    WITHDRAW: IN_A_PERIOD,
    READING: {
        **IN_A_PERIOD,
        "import_wh": ENERGY,
        "export_wh": ENERGY,
        "quality": _text("measured|substituted|estimated"),
        "import_total_wh": TOTAL,
        "export_total_wh": TOTAL,
    },
    KEY: {
        **EVERYWHERE,
        "author": _text("home|meter|operator|carrier"),
        "version": Integer(1, 10**6),
        "key": Jwk(),
    },
    LOGIN: {**EVERYWHERE, "service": _text(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?"), "challenge": RANDOM},
    RECEIPT: {
        **EVERYWHERE,
        "digest": SHA256_HEX,
        "message": SHA256_HEX,
        "received_at": INSTANT,
        "deliver_by": INSTANT,
    },
}
OPTIONAL: Mapping[str, frozenset[str]] = {READING: frozenset({"import_total_wh", "export_total_wh"})}


def check_fields(typ: str, payload: Mapping[str, object]) -> None:
    """MessageRefused: ``bad_payload`` for members that are not the typ's, ``bad_field`` for a value out of bounds."""
    table = FIELDS[typ]
    missing = table.keys() - OPTIONAL.get(typ, frozenset()) - payload.keys()
    if missing:
        raise MessageRefused(MessageCode.BAD_PAYLOAD, f"{typ} lacks {', '.join(sorted(missing))}")
    if not payload.keys() <= table.keys():
        raise MessageRefused(
            MessageCode.BAD_PAYLOAD, f"{typ} has only the members {', '.join(sorted(table))}"
        )
    for name, value in payload.items():
        if not table[name].fits(value):
            raise MessageRefused(MessageCode.BAD_FIELD, f"{name} of {typ} is not within its bounds")
