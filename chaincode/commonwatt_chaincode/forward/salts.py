# SPDX-License-Identifier: Apache-2.0
"""Salts: what makes hashes of private values unguessable, derived so that every endorser derives the same."""

import hashlib

SALT_DIGITS = 32
"""128 bits in hex."""


def salt(nonce: str, kind: str, number: int) -> str:
    """The salt of a value that rests on a message: of its nonce, the kind of value, and a period's id or a local day.

    The three are joined by ``|``, which none of them holds.
    """
    return _digest(f"{nonce}|{kind}|{number}")


def salt_of_all(salts: list[str]) -> str:
    """The salt of a value that rests on many salted ones, in their order."""
    return _digest("|".join(salts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SALT_DIGITS]
