# SPDX-License-Identifier: Apache-2.0
"""Challenges of a login: each counts for a minute and once. None is stored before it is used."""

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable

from commonwatt_chaincode.messages.base64url import decoded, encoded

from .clock import now_s
from .problems import Problem

CHALLENGE_S = 60


class Challenges:
    """128 bits: when it ends (32), random (32), and a MAC of this process's own key (64)."""

    def __init__(self, clock: Callable[[], int] = now_s) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._used: set[str] = set()
        self._ends: deque[tuple[int, str]] = deque()

    def new(self) -> tuple[str, int]:
        """A challenge in 22 characters, and until when it counts (epoch seconds)."""
        expires_s = self._clock() + CHALLENGE_S
        head = expires_s.to_bytes(4, "big") + secrets.token_bytes(4)
        return encoded(head + self._mac(head)), expires_s

    def use(self, challenge: str) -> None:
        """Problem for one that is none of ours, has ended, or was used."""
        content = decoded(challenge) or b""
        head, mac = content[:8], content[8:]
        if len(content) != 16 or not hmac.compare_digest(mac, self._mac(head)):
            raise Problem(
                "challenge_expired", "the challenge is not one that this service gave out since its start"
            )
        now, expires_s = self._clock(), int.from_bytes(head[:4], "big")
        if now >= expires_s:
            raise Problem("challenge_expired", f"a challenge counts for {CHALLENGE_S} s: ask for a new one")
        while self._ends and self._ends[0][0] <= now:
            self._used.discard(self._ends.popleft()[1])
        if challenge in self._used:
            raise Problem("challenge_used", "the challenge was used: ask for a new one for each login")
        self._used.add(challenge)
        self._ends.append((expires_s, challenge))

    def _mac(self, head: bytes) -> bytes:
        return hmac.digest(self._key, head, hashlib.sha256)[:8]
