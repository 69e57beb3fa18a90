# SPDX-License-Identifier: Apache-2.0
"""Messages, right and wrong, under the keys of RFC 7515 (A.3) and RFC 8037 (A.1)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from commonwatt_audit.messages import Signer, Statement, Unacceptable, statement
from commonwatt_chaincode.messages.fields import FIELDS
from commonwatt_chaincode.messages.keys import PublicKey, public_key
from commonwatt_chaincode.messages.message import Message, accepted
from commonwatt_chaincode.messages.refusals import MessageRefused
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

NET, CHANNEL, HOME = "n7Qm2v0aT1", "newtown", "h-4f2a"
EC_JWK = {
    "crv": "P-256",
    "kty": "EC",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
OKP_JWK = {"crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
EC_D, OKP_D = (
    "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
)
NONCE = "AAECAwQFBgcICQoLDA0ODw"
CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

EVERYWHERE: dict[str, Any] = {"net": NET, "channel": CHANNEL, "home": HOME, "nonce": NONCE}
IN_A_PERIOD: dict[str, Any] = {**EVERYWHERE, "period": 29_400_000, "seq": 1}
PAYLOADS: dict[str, dict[str, Any]] = {
    "cw-request": {**IN_A_PERIOD, "energy_wh": 1_200, "limit_uaud_per_kwh": 310_000},
    "cw-offer": {**IN_A_PERIOD, "energy_wh": 800, "price_uaud_per_kwh": 120_000},
    "cw-withdraw": {**IN_A_PERIOD, "seq": 2},
    "cw-reading": {
        **IN_A_PERIOD,
        "import_wh": 640,
        "export_wh": 0,
        "quality": "measured",
        "import_total_wh": 8_123_456,
        "export_total_wh": 2_345_678,
    },
    "cw-key": {**EVERYWHERE, "author": "home", "version": 1, "key": OKP_JWK},
    "cw-login": {**EVERYWHERE, "service": "energy.newtown.example:8443", "challenge": NONCE},
    "cw-receipt": {
        **EVERYWHERE,
        "home": "NewtownMSP.service",
        "digest": "07" * 32,
        "message": "a1" * 32,
        "received_at": 1_763_999_000,
        "deliver_by": 1_763_999_120,
    },
}
EVERY_TYP = frozenset(FIELDS)
SENTENCE = re.compile("[a-z][ -~]{7,250}")


def b64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def unb64(text: bytes | str) -> bytes:
    text = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


EC_PRIVATE = ec.derive_private_key(int.from_bytes(unb64(EC_D), "big"), ec.SECP256R1())
OKP_PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(unb64(OKP_D))
EC_KEY, OKP_KEY = public_key(EC_JWK), public_key(OKP_JWK)


def signature(key: PublicKey, signing_input: bytes) -> bytes:
    if key is OKP_KEY:
        return OKP_PRIVATE.sign(signing_input)
    r, s = decode_dss_signature(EC_PRIVATE.sign(signing_input, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signed(key: PublicKey, header: bytes, payload: bytes) -> bytes:
    """Any two texts, honestly signed: what a registered but hostile home can send."""
    signing_input = b64(header) + b"." + b64(payload)
    return signing_input + b"." + b64(signature(key, signing_input))


def header(key: PublicKey, typ: str, **others: Any) -> dict[str, Any]:
    return {"alg": key.alg, "kid": key.kid, "typ": typ, **others}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def message(typ: str, payload: Mapping[str, Any] | None = None, key: PublicKey = OKP_KEY) -> bytes:
    return signed(key, compact(header(key, typ)), compact(PAYLOADS[typ] if payload is None else payload))


def code_of(refusal: MessageRefused) -> str:
    """The code of a refusal, whose sentence is for people: one short line, whatever bytes were refused."""
    assert SENTENCE.fullmatch(refusal.sentence), refusal.sentence
    return refusal.code.value


def first(
    content: bytes, key: PublicKey = OKP_KEY, net: str = NET, channel: str = CHANNEL, typs: Any = EVERY_TYP
) -> Message | str:
    """What the chaincode's parser says: the message, or the code of its refusal. Anything else escapes."""
    try:
        return accepted(content, key, net=net, channel=channel, typs=typs)
    except MessageRefused as refusal:
        return code_of(refusal)


def second(
    content: bytes, key: PublicKey = OKP_KEY, net: str = NET, channel: str = CHANNEL, typs: Any = EVERY_TYP
) -> Statement | str:
    """The same of the audit's parser."""
    try:
        return statement(content, Signer(key.jwk), net, channel, typs)
    except Unacceptable as refusal:
        return refusal.code


def both(content: bytes, key: PublicKey = OKP_KEY, **of: Any) -> str:
    """``accepted``, or the code of a message with one fault, on which both parsers agree."""
    one, two = first(content, key, **of), second(content, key, **of)
    if isinstance(one, Message) and isinstance(two, Statement):
        assert (one.typ, dict(one.payload), one.digest) == (two.typ, dict(two.payload), two.digest)
        return "accepted"
    assert one == two, content
    return str(one)


def agree(content: bytes, key: PublicKey = OKP_KEY) -> bool:
    """Whether both accept; they say the same of it, whatever number of faults it has."""
    one, two = first(content, key), second(content, key)
    assert isinstance(one, Message) == isinstance(two, Statement), (content, one, two)
    if isinstance(one, Message) and isinstance(two, Statement):
        assert (one.typ, dict(one.payload), one.digest) == (two.typ, dict(two.payload), two.digest)
        return True
    return False
