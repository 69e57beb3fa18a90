# SPDX-License-Identifier: Apache-2.0
"""From fields to the bytes of a signed message."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.messages.fields import NONCE_BYTES
from commonwatt_chaincode.messages.message import read

from .signing_key import SigningKey


def signed_message(key: SigningKey, typ: str, payload: Mapping[str, Any]) -> bytes:
    """The message in compact form; MessageRefused for a payload that every reader would refuse."""
    header = {"alg": key.public.alg, "kid": key.public.kid, "typ": typ}
    signing_input = f"{_part(header)}.{_part(payload)}".encode("ascii")
    compact = signing_input + b"." + encoded(key.sign(signing_input)).encode("ascii")
    read(compact)
    return compact


def new_nonce() -> str:
    """128 random bits: the hash of a message cannot be guessed from its few likely words."""
    return encoded(secrets.token_bytes(NONCE_BYTES))


def _part(members: Mapping[str, Any]) -> str:
    return encoded(json.dumps(members, separators=(",", ":")).encode())
