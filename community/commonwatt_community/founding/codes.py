# SPDX-License-Identifier: Apache-2.0
"""Codes with which a household enrols a home's first key, or a resident opens an account, until they expire.

A code is ``cw1.<home>.<expires_s>.<mac>``. Its MAC follows from a secret of the community, so no party keeps a list
of codes. It is used once: a home that has a key takes no second first one, and the service keeps residents' codes that
were used. Homes and residents have keys of their own, derived from the secret: the service has the residents' alone.
"""

import base64
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Literal

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.exit_codes import CommandError
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Kind = Literal["home", "resident"]
HOME: Kind = "home"
RESIDENT: Kind = "resident"

SECRET_BYTES = 32
LIFE_S = 72 * 3_600
"""How long a code is good for, unless its maker says otherwise."""

LONGEST_CODE = 120
_MAC_LETTERS = 26  # of 5 bits each: 130 bits
_CODE = re.compile(r"cw1\.([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})\.([A-Z2-7]{26})")


class CodeRefused(CommandError):
    """A code is malformed, was made for something else, or has expired."""


def make_secret(path: Path) -> bytes:
    """A new secret of a community in a file of mode 0600. ConfigurationError where a file is already."""
    secret = secrets.token_bytes(SECRET_BYTES)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ConfigurationError(f"{path} exists: a secret is never overwritten") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    return secret


def load_secret(path: Path) -> bytes:
    """The 32 bytes in a file that its owner alone reads; ConfigurationError for all else."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise ConfigurationError(f"others may read {path}; close it with `chmod 600 {path}`")
    if len(secret) != SECRET_BYTES:
        raise ConfigurationError(f"{path} holds no {SECRET_BYTES} bytes; restore it from a backup")
    return secret


def key_of(secret: bytes, kind: Kind) -> bytes:
    """The key of one kind of codes, of 32 bytes; the secret does not follow from it."""
    return HKDF(SHA256(), 32, salt=None, info=kind.encode()).derive(secret)


def new_code(key: bytes, home: str, expires_s: int, kind: Kind = HOME) -> str:
    """A code for a home, good until a time; `key` is `key_of` its kind."""
    return f"cw1.{home}.{expires_s}.{_mac(key, home, expires_s, kind)}"


def check_code(key: bytes, code: str, now_s: float, kind: Kind = HOME) -> str:
    """The home that a code is for. CodeRefused for one that is malformed, foreign or expired."""
    found = _CODE.fullmatch(code) if len(code) <= LONGEST_CODE else None
    if found is None:
        raise CodeRefused("this is no one-time code: copy it whole, or ask the operator for a new one")
    home, expires_s = found[1], int(found[2])
    if not hmac.compare_digest(_mac(key, home, expires_s, kind), found[3]):
        raise CodeRefused("this community made no such code for this purpose: ask the operator for a new one")
    if now_s >= expires_s:
        raise CodeRefused(f"the code of home {home} has expired: ask the operator for a new one")
    return home


def _mac(key: bytes, home: str, expires_s: int, kind: Kind) -> str:
    said = f"{kind}|{home}|{expires_s}".encode()
    return base64.b32encode(hmac.digest(key, said, "sha256")).decode()[:_MAC_LETTERS]
