# SPDX-License-Identifier: Apache-2.0
"""The standards' own examples: RFC 7515 A.3 (ES256), RFC 8037 A.3 and A.4 (Ed25519), RFC 7638 3.1 (thumbprints)."""

from __future__ import annotations

import base64
import itertools

import pytest
from commonwatt_chaincode.messages.base64url import decoded, encoded
from commonwatt_chaincode.messages.keys import PublicKey, thumbprint
from commonwatt_chaincode.messages.strict_json import NotStrict, strict_object

from .making import EC_KEY, EC_PRIVATE, OKP_KEY, OKP_PRIVATE, unb64

ES256_EXAMPLE = (
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
EDDSA_EXAMPLE = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
RSA_MODULUS = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
    "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5h"
    "ajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)


@pytest.mark.parametrize(("key", "example"), [(EC_KEY, ES256_EXAMPLE), (OKP_KEY, EDDSA_EXAMPLE)])
def test_signatures(key: PublicKey, example: str) -> None:
    signing_input, _, signature = example.encode().rpartition(b".")
    assert key.verifies(unb64(signature), signing_input)
    assert not key.verifies(unb64(signature), signing_input + b"A")


def test_the_private_halves_that_the_tests_sign_with_are_the_examples() -> None:
    assert EC_PRIVATE.public_key().public_numbers().x.to_bytes(32, "big") == unb64(EC_KEY.jwk["x"])
    assert OKP_PRIVATE.public_key().public_bytes_raw() == unb64(OKP_KEY.jwk["x"])


def test_thumbprints() -> None:
    rsa = {"kty": "RSA", "n": RSA_MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(rsa) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert OKP_KEY.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_base64url() -> None:
    assert encoded(bytes([3, 236, 255, 224, 193])) == "A-z_4ME"  # RFC 7515, appendix C
    assert decoded("A-z_4ME") == bytes([3, 236, 255, 224, 193])
    assert decoded("") == b""
    for wrong in (
        "A-z_4MF",
        "A-z_4ME=",
        "A+z/4ME",
        "A-z_4",
        "A-z_ 4ME",
        "A-z_4ME\n",
        "Ä-z_4ME",
        "A",
        "A-z\x00",
    ):
        assert decoded(wrong) is None, wrong


def test_objects_of_text_and_integers() -> None:
    assert strict_object(b' {"a": -5, "b": "x",\n"c": {"d": "y"}}') == {"a": -5, "b": "x", "c": {"d": "y"}}
    for wrong in (
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":-0}',
        b'{"a":{"b":{}}}',
        b"5",
        b'{"a":NaN}',
        b"{",
    ):
        with pytest.raises(NotStrict):
            strict_object(wrong)


def test_every_ending_has_one_spelling() -> None:
    for value in (b"", b"\x00", b"\x00\x00", b"\x00\x00\x17", b"\x00\x00\x3d", b"\xff\xff\xff"):
        assert encoded(value) == base64.urlsafe_b64encode(value).decode().replace("=", "")
        assert decoded(encoded(value)) == value


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_text_has_a_value_only_if_it_is_the_values_spelling(length: int) -> None:
    """Characters with tail bits and without, of both alphabets and of none, and padding."""
    texts = {"".join(some) for some in itertools.product("AQgwEIBZaz09-_+/=\n \0\xe9", repeat=length)}
    values = (value.to_bytes(length - 1, "big") for value in range(256 ** (length - 1)))
    assert {text for text in texts if decoded(text) is not None} == texts & {*map(encoded, values)}
