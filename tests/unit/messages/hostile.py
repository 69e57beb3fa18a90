# SPDX-License-Identifier: Apache-2.0
"""Messages with random faults, most of them honestly signed: an unsigned fault is refused without being read."""

from __future__ import annotations

import json
import random
from typing import Any

from commonwatt_chaincode.messages.keys import PublicKey

from .making import EC_JWK, EC_KEY, OKP_JWK, OKP_KEY, PAYLOADS, b64, compact, header, message, signature

VALUES: tuple[Any, ...] = (
    0, 1, -1, 33, 2**53, 10**40, 1.5, True, None, "", "x", "A" * 22, "A" * 21 + "B", [], {},
    EC_JWK, OKP_JWK, "none",
)  # fmt: skip
SCRAPS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b" ", b"\n", b"\x0b", b"\x00", b"\x7f", b"0", b"-", b"-0", b"1",
    b".0", b"e1", b"NaN", b"null", b"true", b"\\u0061", b'"seq":1,', b"\xc3\xa9", b"\xff", b"\xe2\x80\xa8",
    b"\xef\xbb\xbf", b"{}", b'"x":{}', b"'", b"//", b"9" * 30,
)  # fmt: skip
KEYS = (EC_KEY, OKP_KEY)


def hostile(seed: int) -> tuple[bytes, PublicKey]:
    """A message and the key of its author; about one in six is right."""
    draw = random.Random(seed)
    key = draw.choice(KEYS)
    typ = draw.choice(list(PAYLOADS))
    shape = draw.random()
    if shape < 0.08:
        return draw.randbytes(draw.randrange(0, 300)), key
    if shape < 0.2:
        return _edited(draw, message(typ, key=key)), key
    head, said = dict(header(key, typ)), dict(PAYLOADS[typ])
    if draw.random() < 0.2:
        _change(draw, head)
    if draw.random() < 0.5:
        _change(draw, said)
    if typ == "cw-key" and draw.random() < 0.5:
        said["key"] = jwk(draw)
    texts = [_written(draw, head), _written(draw, said)]
    if draw.random() < 0.3:
        texts[draw.random() < 0.8] = _edited(draw, texts[draw.random() < 0.8])
    parts = [b64(text) for text in texts]
    if draw.random() < 0.05:
        parts[draw.randrange(2)] = _edited(draw, parts[draw.randrange(2)])
    signing_input = b".".join(parts)
    return signing_input + b"." + b64(signature(key, signing_input)), key


def jwk(draw: random.Random) -> dict[str, Any]:
    """A public key with random coordinates, members and points, now and then a right one."""
    made: dict[str, Any] = dict(draw.choice((EC_JWK, OKP_JWK)))
    for _ in range(draw.randrange(3)):
        name = draw.choice(("x", "y", "crv", "kty", "d", "kid"))
        number = draw.choice((0, 1, draw.getrandbits(256), 2**255 - 19 - 1, 2**255 - 18, draw.getrandbits(8)))
        made[name] = draw.choice(
            (b64(number.to_bytes(32, draw.choice(("big", "little")))).decode(), *VALUES[:15])
        )
    return made


def _change(draw: random.Random, members: dict[str, Any]) -> None:
    name = draw.choice(list(members))
    match draw.randrange(4):
        case 0:
            del members[name]
        case 1:
            members[
                draw.choice(("crit", "b64", "jwk", "seq", "period", "home", "price_uaud_per_kwh", "x5c", ""))
            ] = 1
        case 2:
            members[name] = draw.choice(VALUES)
        case _:
            members[name] = draw.choice(list(members.values()))


def _written(draw: random.Random, members: dict[str, Any]) -> bytes:
    if draw.random() < 0.7:
        return compact(members)
    items = list(members.items())
    draw.shuffle(items)
    return json.dumps(dict(items), indent=draw.choice((None, 1)), ensure_ascii=draw.random() < 0.5).encode()


def _edited(draw: random.Random, content: bytes) -> bytes:
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at = draw.randrange(len(content) + 1)
        upto = min(len(content), at + draw.choice((0, 0, 1, 1, 2, 10)))
        content = (
            content[:at]
            + draw.choice((b"", draw.choice(SCRAPS), draw.randbytes(1), content[at:upto] * 2))
            + content[upto:]
        )
    return content
