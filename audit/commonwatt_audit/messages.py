# SPDX-License-Identifier: Apache-2.0
"""Signed messages, judged a second time: written from ``docs/messages.md``, without code of the chaincode's parser.

The signature comes first here and the meaning last, the other way round than in `commonwatt_chaincode.messages`. Both
accept the same messages; a message with several faults may be refused for another one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

MOST_BYTES = 1_024
Value = str | int | dict[str, str]

_ALPHABET = {c: n for n, c in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")}
_TOKEN = re.compile(rb'[ \t\r\n]*(?:([{}:,])|"([ !#-\[\]-~]*)"|(-?(?:0|[1-9][0-9]*))(?![0-9.eE]))')
_BLANK = re.compile(rb"[ \t\r\n]*")
_ORDER_OF_P256 = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
_ORDER_OF_ED25519 = (1 << 252) + 0x14DEF9DEA2F79CD65812631A5CF5D3ED
_Q = (1 << 255) - 19
# y of the points whose order divides 8, with either x (https://eprint.iacr.org/2020/1244, table 1)
_SMALL_ORDER = {
    0,
    1,
    _Q - 1,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
}


class Unacceptable(Exception):
    """The message counts for nothing; `code` is the chaincode's code for this fault."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Statement:
    """What a verified message says, and the SHA-256 of what was signed, in hex."""

    typ: str
    payload: Mapping[str, Value]
    digest: str


def statement(compact: bytes, signer: "Signer", net: str, channel: str, typs: Collection[str]) -> Statement:
    """The message, if it is signed by this key, for this network and channel, and of one of `typs`.

    Unacceptable for everything else.
    """
    if len(compact) > MOST_BYTES:
        raise Unacceptable("too_large")
    pieces = compact.split(b".")
    if len(pieces) != 3:
        raise Unacceptable("bad_form")
    payload, signature = (_bytes_of(piece) for piece in pieces[1:])
    signed = compact[: -len(pieces[2]) - 1] if pieces[2] else compact[:-1]
    genuine = signer.signed(signed, signature)

    named = _header_of(pieces[0])
    if set(named) != {"alg", "kid", "typ"}:
        raise Unacceptable("bad_header")
    typ, kid = named["typ"], named["kid"]
    if named["alg"] != "ES256" and named["alg"] != "EdDSA":
        raise Unacceptable("bad_alg")
    if not isinstance(kid, str) or len(kid) != 43 or not _is_encoded(kid):
        raise Unacceptable("bad_header")
    rules = _RULES.get(typ) if isinstance(typ, str) else None
    if rules is None:
        raise Unacceptable("bad_typ")
    if (named["alg"], kid) != (signer.alg, signer.kid):
        raise Unacceptable("wrong_key")
    if not genuine:
        raise Unacceptable("bad_signature")

    said = _object_of(payload, "bad_payload")
    _judge(said, rules)
    if said["net"] != net:
        raise Unacceptable("wrong_net")
    if said["channel"] != channel:
        raise Unacceptable("wrong_channel")
    if typ not in typs:
        raise Unacceptable("wrong_typ")
    return Statement(str(typ), said, hashlib.sha256(signed).hexdigest())


@dataclass(frozen=True)
class Unverified:
    """What a message says before anybody has looked at its signature."""

    typ: str
    kid: str
    payload: Mapping[str, Value]
    digest: str


def unverified(compact: bytes) -> Unverified:
    """A message of the right form, **its signature not verified**. Unacceptable for everything else."""
    if len(compact) > MOST_BYTES:
        raise Unacceptable("too_large")
    pieces = compact.split(b".")
    if len(pieces) != 3:
        raise Unacceptable("bad_form")
    named, said = _header_of(pieces[0]), _object_of(_bytes_of(pieces[1]), "bad_payload")
    rules = _RULES.get(str(named.get("typ")))
    if rules is None:
        raise Unacceptable("bad_typ")
    _judge(said, rules)
    signed = compact[: -len(pieces[2]) - 1]
    return Unverified(str(named["typ"]), str(named.get("kid")), said, hashlib.sha256(signed).hexdigest())


def named_key(compact: bytes) -> str:
    """The thumbprint that a message's header names; nothing of the message is verified yet."""
    if len(compact) > MOST_BYTES:
        raise Unacceptable("too_large")
    kid = _header_of(compact.split(b".")[0]).get("kid")
    if not isinstance(kid, str):
        raise Unacceptable("bad_header")
    return kid


def nonce_of(compact: bytes) -> str:
    """The nonce of a message that was verified before."""
    return str(_object_of(_bytes_of(compact.split(b".")[1]), "bad_payload")["nonce"])


class Signer:
    """A public key from its JWK, and what the header of its messages has to say; Unacceptable for no such key."""

    def __init__(self, jwk: Mapping[str, object]) -> None:
        names = sorted(jwk)
        coordinates = [_coordinate(jwk[name]) for name in names if name in ("x", "y")]
        kind = (jwk.get("kty"), jwk.get("crv"))
        self.key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
        if kind == ("EC", "P-256") and names == ["crv", "kty", "x", "y"]:
            self.alg = "ES256"
            try:
                self.key = ec.EllipticCurvePublicKey.from_encoded_point(
                    ec.SECP256R1(), b"\x04" + b"".join(coordinates)
                )
            except ValueError:
                raise Unacceptable("bad_key") from None
        elif kind == ("OKP", "Ed25519") and names == ["crv", "kty", "x"]:
            self.alg = "EdDSA"
            if not _is_of_large_order(coordinates[0]):
                raise Unacceptable("bad_key")
            self.key = ed25519.Ed25519PublicKey.from_public_bytes(coordinates[0])
        else:
            raise Unacceptable("bad_key")
        text = "{" + ",".join(f'"{name}":{json.dumps(jwk[name])}' for name in names) + "}"
        self.kid = _text_of(hashlib.sha256(text.encode()).digest())

    def signed(self, content: bytes, signature: bytes) -> bool:
        if len(signature) != 64:
            return False
        first, second = signature[:32], signature[32:]
        try:
            if isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, content)
                return int.from_bytes(second, "little") < _ORDER_OF_ED25519
            r, s = int.from_bytes(first, "big"), int.from_bytes(second, "big")
            if min(r, s) < 1 or max(r, s) >= _ORDER_OF_P256:
                return False
            self.key.verify(encode_dss_signature(r, s), content, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=16_384)
def _header_of(piece: bytes) -> Mapping[str, Value]:
    """The object of a header: all messages of one type under one key have the same."""
    return _object_of(_bytes_of(piece), "bad_header")


def _coordinate(text: object) -> bytes:
    if not isinstance(text, str) or len(text) != 43 or not _is_encoded(text):
        raise Unacceptable("bad_key")
    return _bytes_of(text.encode())


def _is_of_large_order(encoded: bytes) -> bool:
    y = int.from_bytes(encoded, "little") % (1 << 255)
    if y >= _Q or y in _SMALL_ORDER:
        return False
    # x^2 = u/v has a root exactly if u*v is a square (Euler); v is never 0, and u is 0 for points of small order alone.
    u, v = y * y - 1, (-121665 * y * y + 121666) * 121666
    return pow(u * v, (_Q - 1) // 2, _Q) == 1


def _bytes_of(text: bytes) -> bytes:
    """Base64url by arithmetic: six bits a character, and what is left over has to be fewer than six bits, all zero."""
    number = 0
    for character in text:
        if character not in _ALPHABET:
            raise Unacceptable("bad_form")
        number = number << 6 | _ALPHABET[character]
    count, over = divmod(6 * len(text), 8)
    if over == 6 or number & (1 << over) - 1:
        raise Unacceptable("bad_form")
    return (number >> over).to_bytes(count, "big")


def _text_of(value: bytes) -> str:
    letters = bytes(_ALPHABET)
    count = -(-8 * len(value) // 6)
    number = int.from_bytes(value, "big") << 6 * count - 8 * len(value)
    return bytes(letters[number >> 6 * at & 63] for at in reversed(range(count))).decode()


def _is_encoded(text: str) -> bool:
    if not text.isascii():
        return False
    try:
        _bytes_of(text.encode())
    except Unacceptable:
        return False
    return True


def _object_of(content: bytes, code: str) -> dict[str, Value]:
    """The object that fills `content`: text and integers, and at most one such object inside it."""
    tokens = _tokens(content, code)
    if next(tokens) != b"{":
        raise Unacceptable(code)
    found = _members(tokens, code, 1)
    if next(tokens) is not None or sum(isinstance(value, dict) for value in found.values()) > 1:
        raise Unacceptable(code)
    return found


def _members(tokens: Iterator[object], code: str, level: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    name = next(tokens)
    if name == b"}":
        return found
    while isinstance(name, str) and name not in found and next(tokens) == b":":
        value = next(tokens)
        if value == b"{" and level == 1:
            found[name] = _members(tokens, code, 2)  # type: ignore[assignment]
        elif isinstance(value, str | int):
            found[name] = value
        else:
            break
        separator = next(tokens)
        if separator == b"}":
            return found
        if separator != b",":
            break
        name = next(tokens)
    raise Unacceptable(code)


def _tokens(content: bytes, code: str) -> Iterator[object]:
    """Punctuation as bytes, text as str, integers as int, and None for ever after the end."""
    at = 0
    while token := _TOKEN.match(content, at):
        punctuation, text, digits = token.groups()
        if punctuation:
            yield punctuation
        elif digits is None:
            yield text.decode("ascii")
        elif digits == b"-0":
            raise Unacceptable(code)
        else:
            yield int(digits)
        at = token.end()
    if _BLANK.fullmatch(content, at) is None:
        raise Unacceptable(code)
    while True:
        yield None


Rule = Callable[[Value], bool]


def _from_to(low: int, high: int) -> Rule:
    return lambda value: not isinstance(value, str | dict) and low <= value <= high


def _matching(pattern: str) -> Rule:
    whole = re.compile(rf"(?:{pattern})\Z")
    return lambda value: isinstance(value, str) and whole.match(value) is not None


def _random(value: Value) -> bool:
    return isinstance(value, str) and len(value) == 22 and _is_encoded(value)


def _key(value: Value) -> bool:
    if isinstance(value, dict):
        Signer(value)
        return True
    return False


_ID = r"[A-Za-z0-9._-]{1,64}"
_ALWAYS: dict[str, Rule] = {
    "net": _matching("[A-Za-z0-9_-]{1,64}"),
    "channel": _matching("[a-z][a-z0-9.-]{0,248}"),
    "home": _matching(_ID),
    "nonce": _random,
}
_BID = _ALWAYS | {"period": _from_to(0, 166_666_666), "seq": _from_to(1, 32)}
_ENERGY, _PRICE = _from_to(1, 1_000_000_000), _from_to(-1_000_000_000, 1_000_000_000)
_METERED, _REGISTER = _from_to(0, 1_000_000_000), _from_to(0, 9_007_199_254_740_991)
_HASH, _INSTANT = _matching("[0-9a-f]{64}"), _from_to(0, 10_000_000_000)
# typ: (what a payload has to hold, what it may hold besides)
_RULES: dict[str, tuple[dict[str, Rule], dict[str, Rule]]] = {
    "cw-request": (_BID | {"energy_wh": _ENERGY, "limit_uaud_per_kwh": _PRICE}, {}),
    "cw-offer": (_BID | {"energy_wh": _ENERGY, "price_uaud_per_kwh": _PRICE}, {}),
    "cw-withdraw": (_BID, {}),
    "cw-reading": (
        _BID
        | {"import_wh": _METERED, "export_wh": _METERED}
        | {"quality": _matching("measured|substituted|estimated")},
        {"import_total_wh": _REGISTER, "export_total_wh": _REGISTER},
    ),
    "cw-key": (
        _ALWAYS
        | {"author": _matching("home|meter|operator|carrier"), "version": _from_to(1, 1_000_000)}
        | {"key": _key},
        {},
    ),
    "cw-login": (
        _ALWAYS | {"service": _matching("[a-z0-9.-]{1,253}(:[0-9]{1,5})?"), "challenge": _random},
        {},
    ),
    "cw-receipt": (
        _ALWAYS | {"digest": _HASH, "message": _HASH} | {"received_at": _INSTANT, "deliver_by": _INSTANT},
        {},
    ),
}


def _judge(said: Mapping[str, Value], rules: tuple[dict[str, Rule], dict[str, Rule]]) -> None:
    needed, besides = rules
    if not set(needed) <= set(said) or not set(said) <= set(needed) | set(besides):
        raise Unacceptable("bad_payload")
    rule_of = needed | besides
    for name in sorted(said):
        if not rule_of[name](said[name]):
            raise Unacceptable("bad_field")
