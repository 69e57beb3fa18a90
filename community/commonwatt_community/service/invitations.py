# SPDX-License-Identifier: Apache-2.0
"""Invitations to residents and operators: ``cw1.<home or name>.<expiry>.<mac>``, made with a key.

The operator's program and the service share the key of residents' invitations, not that of homes' codes. An
invitation travels in an address's fragment, which browsers send to no server; the service keeps the hash of a used one.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from .caller import Role
from .clock import now_s
from .problems import Problem

VALID_S = 72 * 3_600
SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,64}")
FORM = r"cw1\.([A-Za-z0-9._-]{1,64})\.([0-9]{1,11})\.([A-Z2-7]{26})"
_MAC_CHARACTERS = 26
_KINDS = {"resident": Role.RESIDENT, "operator": Role.OPERATOR}


@dataclass(frozen=True)
class Invitation:
    """An invitation that is genuine and has not ended: for which role, and which home or operator."""

    role: Role
    subject: str
    expires_s: int
    hash: bytes


class Invitations:
    """Makes and checks invitations: residents' with the key that the operator shares, operators' with its own."""

    def __init__(self, residents_key: bytes, operators_key: bytes | None = None) -> None:
        self._keys = {
            "resident": residents_key,
            "operator": operators_key or secrets.token_bytes(32),
        }

    def new(self, role: Role, subject: str) -> tuple[str, int]:
        """An invitation, and until when it counts (epoch seconds)."""
        kind = next(kind for kind, of in _KINDS.items() if of is role)
        expires_s = now_s() + VALID_S
        return f"cw1.{subject}.{expires_s}.{self._mac(kind, subject, expires_s)}", expires_s

    def read(self, text: str) -> Invitation:
        """Problem for a forged or an expired one. The store knows whether it was used."""
        found = re.fullmatch(FORM, text)
        if found is not None:
            subject, expires_s = found[1], int(found[2])
            for kind, role in _KINDS.items():
                if hmac.compare_digest(self._mac(kind, subject, expires_s), found[3]):
                    if now_s() >= expires_s:
                        raise Problem(
                            "invitation_expired",
                            "the invitation has expired: ask your operator for a new one",
                        )
                    return Invitation(role, subject, expires_s, hashlib.sha256(text.encode()).digest())
        raise Problem("bad_invitation", "the invitation is not one of this community: copy the whole address")

    def _mac(self, kind: str, subject: str, expires_s: int) -> str:
        said = f"{kind}|{subject}|{expires_s}".encode()
        mac = hmac.digest(self._keys[kind], said, hashlib.sha256)
        return base64.b32encode(mac).decode("ascii")[:_MAC_CHARACTERS]
