# SPDX-License-Identifier: Apache-2.0
"""Sessions: 256 random bits, kept as their hash. A browser's session has a second secret against forged requests."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from commonwatt_chaincode.messages.base64url import encoded

from .caller import COOKIE, TOKEN, Caller, Role
from .clock import now_s
from .store import Store

TOKEN_S = 3_600
COOKIE_S = 12 * 3_600


@dataclass(frozen=True)
class Begun:
    """A new session: its secret, which the caller alone holds, and until when it counts."""

    secret: str
    caller: Caller

    @property
    def expires_s(self) -> int:
        """Epoch seconds."""
        return self.caller.expires_s


async def begin(store: Store, way: str, role: Role, home: str, name: str = "") -> Begun:
    """A new session."""
    secret = secrets.token_urlsafe(32)
    expires_s = now_s() + (TOKEN_S if way == TOKEN else COOKIE_S)
    caller = Caller(way, role, home, name, _hash(secret), expires_s)
    await store.write(
        ("DELETE FROM sessions WHERE expires_s <= ?", (now_s(),)),
        (
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
            (caller.session, way, role, home, name, expires_s),
        ),
    )
    return Begun(secret, caller)


def find(store: Store, way: str, secret: str) -> Caller | None:
    """The session of a secret; None for an unknown secret and for a session that ended."""
    row = store.one(
        "SELECT * FROM sessions WHERE hash = ? AND way = ? AND expires_s > ?", _hash(secret), way, now_s()
    )
    if row is None:
        return None
    return Caller(row["way"], Role(row["role"]), row["home"], row["name"], row["hash"], row["expires_s"])


async def end(store: Store, caller: Caller) -> None:
    """End a session."""
    await store.write(("DELETE FROM sessions WHERE hash = ?", (caller.session,)))


def counts(store: Store, caller: Caller) -> bool:
    """Whether a session that was found before still counts."""
    row = store.one("SELECT 1 FROM sessions WHERE hash = ? AND expires_s > ?", caller.session, now_s())
    return row is not None


def csrf_of(caller: Caller) -> str:
    """The value that a page of the service sends in `X-CW-CSRF`; pages of others can neither read nor guess it."""
    return encoded(hashlib.sha256(b"csrf|" + caller.session).digest()[:16])


def is_forged(caller: Caller, csrf: str | None) -> bool:
    """Whether a request that a browser's cookie came along with lacks the session's second secret."""
    return caller.way == COOKIE and not hmac.compare_digest(csrf_of(caller), csrf or "")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
