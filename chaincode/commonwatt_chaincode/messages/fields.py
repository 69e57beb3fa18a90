# SPDX-License-Identifier: Apache-2.0
"""The one table of what each type of message says: typ by fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .base64url import decoded
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

    pattern: str

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True, slots=True)
class Random:
    """128 random bits in base64url without padding: 22 characters."""

    def fits(self, value: object) -> bool:
        if not isinstance(value, str) or len(value) != 22:
            return False
        return len(decoded(value) or b"") == NONCE_BYTES


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public key; MessageRefused (``bad_key``) for an object that is none."""

    def fits(self, value: object) -> bool:
        return isinstance(value, dict) and bool(public_key(value))


Field = Integer | Text | Random | Jwk

ENERGY, TRADED = Integer(0, 10**9), Integer(1, 10**9)
SHA256_HEX, INSTANT = Text("[0-9a-f]{64}"), Integer(0, 10**10)
PRICE = Integer(-(10**9), 10**9)  # a feed-in tariff may be negative, and a price reaches down to it
TOTAL = Integer(0, 2**53 - 1)  # the largest that every JSON reader keeps exact

EVERYWHERE: Mapping[str, Field] = {
    "net": Text(r"[A-Za-z0-9_-]{1,64}"),
    "channel": Text(r"[a-z][a-z0-9.-]{0,248}"),
    "home": Text(r"[A-Za-z0-9._-]{1,64}"),
    "nonce": Random(),
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
        "quality": Text("measured|substituted|estimated"),
        "import_total_wh": TOTAL,
        "export_total_wh": TOTAL,
    },
    KEY: {
        **EVERYWHERE,
        "author": Text("home|meter|operator|carrier"),
        "version": Integer(1, 10**6),
        "key": Jwk(),
    },
    LOGIN: {**EVERYWHERE, "service": Text(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?"), "challenge": Random()},
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
