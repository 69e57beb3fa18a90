# SPDX-License-Identifier: Apache-2.0
"""Base64url without padding (RFC 7515, appendix C), in the one spelling that each value has."""

import base64
import binascii

_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/\xff\xff\xff")
"""The alphabet of base64; what base64url does not have becomes a byte that neither of the two has."""

_LAST = {0: None, 2: "AQgw", 3: "AEIMQUYcgkosw048"}
"""By the length modulo 4, the last characters whose tail bits are zero."""


def encoded(value: bytes) -> str:
    """The spelling of a value."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes | None:
    """The value; None for other characters, for padding and for tail bits that are not zero."""
    rest = len(text) % 4
    last = _LAST.get(rest, "")  # no value has a length of 1 modulo 4
    if last is not None and text[-1] not in last:
        return None
    try:
        standard = text.encode("ascii").translate(_TO_STANDARD)
        return binascii.a2b_base64(standard + b"=" * (-rest % 4), strict_mode=True)
    except ValueError:
        return None
