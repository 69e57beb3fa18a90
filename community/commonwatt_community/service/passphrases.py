# SPDX-License-Identifier: Apache-2.0
"""Passphrases by argon2id, and time-based codes (RFC 6238) as a second factor."""

import asyncio
import hmac
import time
from collections.abc import Callable

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from .problems import Problem

SHORTEST, LONGEST = 12, 200
ISSUER = "Commonwatt"
_STEP_S = 30
_AT_ONCE = 2  # each takes 19 MiB


class Passphrases:
    """Hashes and verifies, a few at once, so that a flood of logins takes neither memory nor all processors."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._nobodys = self._hasher.hash("no account has this passphrase")

    async def hashed(self, passphrase: str) -> str:
        """The hash to keep; Problem ``weak_passphrase`` for one that is too short."""
        if not SHORTEST <= len(passphrase) <= LONGEST or len(set(passphrase)) < 5:
            raise Problem(
                "weak_passphrase",
                f"a passphrase has {SHORTEST} to {LONGEST} characters, five of them different",
            )
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, passphrase)

    async def matches(self, kept: str | None, passphrase: str) -> bool:
        """Whether a passphrase is that of a hash; as slow for None, which hides the list of accounts."""
        async with self._slots:
            return await asyncio.to_thread(self._verified, kept, passphrase)

    def _verified(self, kept: str | None, passphrase: str) -> bool:
        try:
            return self._hasher.verify(kept or self._nobodys, passphrase) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def new_secret(name: str) -> tuple[str, str]:
    """A seed for an authenticator, and its ``otpauth`` address."""
    secret = pyotp.random_base32()
    return secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(secret: str, code: str, after_step: int, clock: Callable[[], float] = time.time) -> int | None:
    """The time step whose code this is, now or one step off, later than one used before; None where it is none."""
    now = int(clock()) // _STEP_S
    totp = pyotp.TOTP(secret)
    for step in (now - 1, now, now + 1):
        if step > after_step and hmac.compare_digest(totp.at(step * _STEP_S), code):
            return step
    return None
