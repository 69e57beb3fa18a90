# SPDX-License-Identifier: Apache-2.0
"""Salts of private values: 128 bits that only those derive who know a message's nonce."""

import hashlib
from collections.abc import Iterable


def salt(secret: str, kind: str, number: int) -> str:
    """The salt of a value of some kind about a period or a day, of a nonce or of another salt."""
    return joined([f"{secret}|{kind}|{number}"])


def joined(salts: Iterable[str]) -> str:
    """The salt of what rests on several salted values."""
    return hashlib.sha256("|".join(salts).encode()).hexdigest()[:32]
