# SPDX-License-Identifier: Apache-2.0
"""The chaincode's parser and the audit's: both accept what is right, and refuse each fault with the same code."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from commonwatt_chaincode.messages import message as message_module
from commonwatt_chaincode.messages.keys import PublicKey
from commonwatt_chaincode.messages.message import LONGEST_HEADER_KEPT, Message, read
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from .making import (
    CURVE_ORDER,
    EC_KEY,
    EVERYWHERE,
    NET,
    NONCE,
    OKP_JWK,
    OKP_KEY,
    PAYLOADS,
    agree,
    b64,
    both,
    compact,
    first,
    header,
    message,
    signature,
    signed,
    unb64,
)

REQUEST = PAYLOADS["cw-request"]
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def payload(content: bytes, typ: str = "cw-request", key: PublicKey = OKP_KEY) -> bytes:
    return signed(key, compact(header(key, typ)), content)


@pytest.mark.parametrize("key", [EC_KEY, OKP_KEY], ids=["ES256", "EdDSA"])
@pytest.mark.parametrize("typ", PAYLOADS)
def test_each_type_is_accepted(typ: str, key: PublicKey) -> None:
    content = message(typ, key=key)
    assert both(content, key) == "accepted"
    assert both(content, key, typs={typ}) == "accepted"
    assert both(content, key, typs=PAYLOADS.keys() - {typ}) == "wrong_typ"
    assert both(content, key, net="another") == "wrong_net"
    assert both(content, key, channel="oldtown") == "wrong_channel"


def test_headers_of_any_length_are_read_and_only_short_ones_are_kept() -> None:
    longest = max(len(b64(compact(header(EC_KEY, typ)))) for typ in PAYLOADS)
    assert longest <= LONGEST_HEADER_KEPT
    before = message_module._kept_header.cache_info()
    padded = compact(header(EC_KEY, "cw-request")).replace(b",", b"," + b" " * 200)
    content = compact(REQUEST)
    for _ in range(2):
        assert read(signed(EC_KEY, padded, content)).kid == EC_KEY.kid
    assert message_module._kept_header.cache_info() == before
    read(message("cw-request", key=EC_KEY))
    read(message("cw-request", key=EC_KEY))
    assert message_module._kept_header.cache_info().hits > before.hits


def test_what_a_message_says() -> None:
    said = read(message("cw-request"))
    assert (said.typ, said.kind, said.net, said.channel, said.home, said.period, said.seq) == (
        "cw-request",
        "bid",
        NET,
        "newtown",
        "h-4f2a",
        29_400_000,
        1,
    )
    assert [read(message(typ)).kind for typ in PAYLOADS] == ["bid", "bid", "bid", "reading", None, None, None]


@pytest.mark.parametrize("typ", PAYLOADS)
def test_each_member_is_needed_and_no_other_is_taken(typ: str) -> None:
    whole = PAYLOADS[typ]
    for name in whole:
        rest = {other: value for other, value in whole.items() if other != name}
        optional = name in ("import_total_wh", "export_total_wh")
        assert both(message(typ, rest)) == ("accepted" if optional else "bad_payload"), name
        for wrong in (None, True, 1.0, [], ["x"]):
            assert both(message(typ, {**whole, name: wrong})) == "bad_payload", (name, wrong)
        for wrong in ("", -(10**9) - 1, 10**30, {}, {"x": "y"}, "x" * 260, "ab c"):
            code = "bad_field"
            if isinstance(wrong, dict) and typ == "cw-key":  # one object at most may stand inside
                code = "bad_key" if name == "key" else "bad_payload"
            assert both(message(typ, {**whole, name: wrong})) == code, (name, wrong)
    assert both(message(typ, {**whole, "author_": "home"})) == "bad_payload"
    others = {name for other in PAYLOADS.values() for name in other} - whole.keys()
    for name in others:
        assert both(message(typ, {**whole, name: 1})) == "bad_payload", name


@pytest.mark.parametrize(
    ("typ", "name", "right", "wrong"),
    [
        ("cw-request", "seq", (1, 32), (0, 33, -1)),
        ("cw-request", "period", (0, 166_666_666), (-1, 166_666_667)),
        ("cw-request", "energy_wh", (1, 10**9), (0, 10**9 + 1)),
        ("cw-request", "limit_uaud_per_kwh", (-(10**9), 0, 10**9), (-(10**9) - 1, 10**9 + 1)),
        ("cw-offer", "price_uaud_per_kwh", (-(10**9), 10**9), (-(10**9) - 1, 10**9 + 1)),
        ("cw-reading", "import_wh", (0, 10**9), (-1, 10**9 + 1)),
        ("cw-reading", "export_wh", (0, 10**9), (-1, 10**9 + 1)),
        ("cw-reading", "import_total_wh", (0, 2**53 - 1), (-1, 2**53)),
        ("cw-reading", "export_total_wh", (0, 2**53 - 1), (-1, 2**53)),
        ("cw-reading", "quality", ("measured", "substituted", "estimated"), ("Measured", "measured\n")),
        ("cw-key", "version", (1, 10**6), (0, 10**6 + 1)),
        ("cw-key", "author", ("home", "meter", "operator", "carrier"), ("grid", "homes")),
        ("cw-receipt", "digest", ("0" * 64,), ("0" * 63, "0" * 65, "A" * 64, "g" * 64)),
        ("cw-receipt", "message", ("f" * 64,), ("f" * 63, "F" * 64)),
        ("cw-receipt", "received_at", (0, 10**10), (-1, 10**10 + 1)),
        ("cw-receipt", "deliver_by", (0, 10**10), (-1, 10**10 + 1)),
        ("cw-login", "service", ("a.example", "a:1"), ("https://a", "A.example", "a:", "a:123456", "a/b")),
        ("cw-login", "challenge", (NONCE,), (NONCE + "A", NONCE[:-1], NONCE[:-1] + "x")),
        (
            "cw-withdraw",
            "nonce",
            ("A" * 22,),
            ("A" * 21, "A" * 23, "A" * 21 + "B", "A" * 20 + "==", "A" * 21 + "+"),
        ),
        ("cw-withdraw", "net", ("a", "a" * 64), ("a" * 65, "a.b")),
        ("cw-withdraw", "channel", ("a", "a" * 249), ("a" * 250, "A", "1a", "a_b")),
        ("cw-withdraw", "home", ("a", "A" * 64), ("a" * 65, "a b", "é")),
    ],
)
def test_bounds(typ: str, name: str, right: tuple[Any, ...], wrong: tuple[Any, ...]) -> None:
    for value in right:
        said = {**PAYLOADS[typ], name: value}
        assert both(message(typ, said), net=said["net"], channel=said["channel"]) == "accepted", value
    for value in wrong:
        expected = (
            "bad_payload"
            if (isinstance(value, str) and not value.isprintable()) or value == "é"
            else "bad_field"
        )
        assert both(message(typ, {**PAYLOADS[typ], name: value})) == expected, value


def test_a_message_has_1024_bytes_at_most() -> None:
    head, said = compact(header(OKP_KEY, "cw-request")), compact(REQUEST)
    lengths = set()
    for before in range(
        3
    ):  # base64url has no text of 4n + 1 characters: two parts together reach every length
        for after in range(440, 480):
            content = signed(OKP_KEY, head + b" " * before, said + b" " * after)
            assert both(content) == ("accepted" if len(content) <= 1_024 else "too_large"), len(content)
            lengths.add(len(content))
    assert {1_022, 1_023, 1_024, 1_025, 1_026} <= lengths


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"alg": "Ed25519"},
        {"alg": "eddsa"},
        {"alg": 1},
        {"alg": ""},
    ],
    ids=str,
)
def test_other_algorithms_are_refused(change: dict[str, Any]) -> None:
    assert (
        both(signed(OKP_KEY, compact(header(OKP_KEY, "cw-request") | change), compact(REQUEST))) == "bad_alg"
    )


@pytest.mark.parametrize("typ", ["JWT", "cw-Request", "cw-", "", 1, "cw-request ", "application/cw-request"])
def test_other_types_are_refused(typ: Any) -> None:
    assert both(signed(OKP_KEY, compact(header(OKP_KEY, typ)), compact(REQUEST))) == "bad_typ"


@pytest.mark.parametrize(
    "others",
    [
        {"crit": "exp"},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": 0},
        {"jwk": OKP_JWK},
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/chain"},
        {"x5c": ["MII"]},
        {"x5t": "AA"},
        {"x5t#S256": "AA"},
        {"cty": "JWT"},
        {"zip": "DEF"},
        {"": ""},
        {"Alg": "none"},
    ],
    ids=str,
)
def test_other_members_of_the_header_are_refused(others: dict[str, Any]) -> None:
    assert (
        both(signed(OKP_KEY, compact(header(OKP_KEY, "cw-request", **others)), compact(REQUEST)))
        == "bad_header"
    )


def test_headers_that_are_none() -> None:
    whole = header(OKP_KEY, "cw-request")
    for name in whole:
        assert (
            both(signed(OKP_KEY, compact({k: v for k, v in whole.items() if k != name}), compact(REQUEST)))
            == "bad_header"
        )
    twice = compact(whole)[:-1] + b',"alg":"EdDSA"}'
    for content in (
        b"",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        twice,
        compact(whole) + b"x",
        b"\xef\xbb\xbf" + compact(whole),
    ):
        assert both(signed(OKP_KEY, content, compact(REQUEST))) == "bad_header", content
    for kid in ("", "A" * 42, "A" * 44, OKP_KEY.kid[:-1] + "l", OKP_KEY.kid + "=", 5, {}):
        assert both(signed(OKP_KEY, compact(whole | {"kid": kid}), compact(REQUEST))) == "bad_header", kid
    assert both(signed(OKP_KEY, compact(whole | {"kid": "A" * 43}), compact(REQUEST))) == "wrong_key"


def test_no_key_answers_for_another_algorithm() -> None:
    """The classic confusions: an HMAC keyed with the public key, the header of one key over the other's signature."""
    for key in (EC_KEY, OKP_KEY):
        signing_input = (
            b64(compact(header(key, "cw-request") | {"alg": "HS256"})) + b"." + b64(compact(REQUEST))
        )
        for secret in (unb64(key.jwk["x"]), compact(dict(key.jwk))):
            mac = hmac.digest(secret, signing_input, "sha256")
            assert first(signing_input + b"." + b64(mac), key) == "bad_alg"
            assert first(signing_input + b"." + b64(mac * 2), key) == "bad_alg"
    assert both(message("cw-request", key=EC_KEY), OKP_KEY) == "wrong_key"
    assert both(message("cw-request", key=OKP_KEY), EC_KEY) == "wrong_key"
    claimed = compact(header(EC_KEY, "cw-request"))
    assert both(signed(OKP_KEY, claimed, compact(REQUEST)), EC_KEY) == "bad_signature"
    crossed = compact({"alg": "ES256", "kid": OKP_KEY.kid, "typ": "cw-request"})
    assert both(signed(OKP_KEY, crossed, compact(REQUEST)), OKP_KEY) == "wrong_key"


def test_json_that_others_read_differently_is_refused() -> None:
    text = compact(REQUEST)
    body = text[:-1]
    for content in (
        body + b',"seq":1}',
        body + b',"seq":2}',
        body.replace(b'"seq"', b'"s\\u0065q"') + b"}",
        body + b',"s\\u0065q":2}',
        text.replace(b"1200", b"1200.0"),
        text.replace(b"1200", b"12e2"),
        text.replace(b"1200", b"1200E0"),
        text.replace(b"1200", b"01200"),
        text.replace(b"1200", b"+1200"),
        text.replace(b"1200", b"-0"),
        text.replace(b"1200", b"0x4b0"),
        text.replace(b"1200", b"1_200"),
        text.replace(b"1200", b"NaN"),
        text.replace(b"1200", b"Infinity"),
        text.replace(b"1200", b"-Infinity"),
        text.replace(b"1200", "١٢٠٠".encode()),
        text.replace(b"h-4f2a", b"h-\\u0034f2a"),
        text.replace(b"h-4f2a", "h-４f2a".encode()),
        text.replace(b"h-4f2a", b"h-\xff"),
        text.replace(b"h-4f2a", b"h-\x00"),
        text.replace(b"h-4f2a", b"h-\\ud800"),
        text.replace(b'"', b"'"),
        body + b",}",
        body + b"/**/}",
        b"\xef\xbb\xbf" + text,
        text.decode().encode("utf-16"),
        text + b"\x00",
        text + b"{}",
        text + b"\x0b",
        b"\xc2\xa0" + text,
        b"[" + text + b"]",
        b"",
        b"{",
        b"{" * 300,
        b"[" * 500,
        b'{"a":' * 80 + b"1" + b"}" * 80,
    ):
        assert both(payload(content)) == "bad_payload", content
    assert both(payload(text.replace(b"1200", b"1" + b"0" * 300))) == "bad_field"


def test_whitespace_and_order_are_the_writers_own_and_change_the_digest() -> None:
    text = compact(REQUEST)
    spaced = text.replace(b":", b" :\r\n\t ")
    backwards = compact(dict(reversed(REQUEST.items())))
    contents = [payload(content) for content in (text, spaced, backwards)]
    assert [both(content) for content in contents] == ["accepted"] * 3
    assert len({read(content).digest for content in contents}) == 3


def test_the_form_has_one_spelling() -> None:
    content = message("cw-request")
    head, body, tail = content.split(b".")
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spellings = 0
    for n, part in enumerate((head, body, tail)):
        for letter in letters:  # the same bytes to a reader that ignores the tail's bits
            other = part[:-1] + bytes([letter])
            if other != part and unb64(other) == unb64(part):
                spellings += 1
                assert (
                    both(b".".join([*[head, body, tail][:n], other, *[head, body, tail][n + 1 :]]))
                    == "bad_form"
                )
    assert spellings >= 15
    for wrong in (
        b"",
        b".",
        b"..",
        head + b"." + body,
        content + b".",
        content + b"=",
        content + b"\n",
        b" " + content,
        content.replace(b".", b"..", 1),
        content.replace(b".", b"\xe3\x80\x82", 1),
        content + b"." + tail,
        head + b"." + body[:-1] + b"+." + tail,
        head + b"=." + body + b"." + tail,
        b"\xff" + content,
    ):
        assert first(wrong) in ("bad_form", "bad_header"), wrong
        assert not agree(wrong), wrong
    assert first(head + b"." + body + b".") == "bad_signature" == both(head + b"." + body + b".")
    json_form = compact({"protected": head.decode(), "payload": body.decode(), "signature": tail.decode()})
    assert both(json_form) == "bad_form"


def test_another_signature_of_the_same_words_is_the_same_message() -> None:
    content = message("cw-request", key=EC_KEY)
    signing_input, _, tail = content.rpartition(b".")
    value = unb64(tail)
    other_s = (CURVE_ORDER - int.from_bytes(value[32:], "big")).to_bytes(32, "big")
    other = signing_input + b"." + b64(value[:32] + other_s)
    assert other != content
    assert both(content, EC_KEY) == both(other, EC_KEY) == "accepted"
    assert read(content).digest == read(other).digest


def test_signatures_out_of_range_are_refused() -> None:
    for key, order in ((EC_KEY, CURVE_ORDER), (OKP_KEY, ED25519_ORDER)):
        endian: Any = "big" if key is EC_KEY else "little"
        signing_input, _, tail = message("cw-request", key=key).rpartition(b".")
        value = unb64(tail)
        one, two = value[:32], value[32:]
        s = int.from_bytes(two, endian)
        wrong = [
            b"",
            value[:-1],
            value + b"\x00",
            bytes(64),
            one + bytes(32),
            bytes(32) + two,
            b"\xff" * 64,
            two + one,
            one + order.to_bytes(32, endian),
        ]
        if s + order < 2**256:
            wrong.append(one + (s + order).to_bytes(32, endian))  # the same S to a reader that reduces it
        if key is EC_KEY:
            wrong.append(encode_dss_signature(int.from_bytes(one, "big"), s))
        for signature_ in wrong:
            assert both(signing_input + b"." + b64(signature_), key) == "bad_signature", signature_


def test_one_signature_never_serves_two_types() -> None:
    for typ, said in PAYLOADS.items():
        signing_input, _, tail = message(typ, said).rpartition(b".")
        for other in PAYLOADS.keys() - {typ}:
            body = signing_input.split(b".")[1]
            forged = b64(compact(header(OKP_KEY, other))) + b"." + body + b"." + tail
            assert first(forged) in ("bad_payload", "bad_signature")
            assert not agree(forged)


def test_every_changed_bit_is_noticed() -> None:
    for key in (EC_KEY, OKP_KEY):
        content = message("cw-withdraw", key=key)
        for at in range(len(content)):
            changed = bytearray(content)
            changed[at] ^= 1 << at % 7
            assert not isinstance(first(bytes(changed), key), Message), at


def test_a_message_without_members_of_its_own() -> None:
    assert both(message("cw-withdraw", EVERYWHERE)) == "bad_payload"
    assert both(message("cw-withdraw", {})) == "bad_payload"


def test_six_bits_that_make_no_byte_are_refused_also_when_signed() -> None:
    head = b64(compact(header(OKP_KEY, "cw-request")))
    (whole,) = (text for n in range(3) if len(text := b64(compact(REQUEST) + b" " * n)) % 4 == 0)
    signing_input = head + b"." + whole + b"A"
    assert both(signing_input + b"." + b64(signature(OKP_KEY, signing_input))) == "bad_form"
