# SPDX-License-Identifier: Apache-2.0
"""Base64url without padding (RFC 7515, appendix C), in the one spelling that each value has."""

import base64
import binascii


def encoded(value: bytes) -> str:
    """The spelling of a value."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes | None:
    """The value; None for other characters, for padding and for tail bits that are not zero."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # Python drops the tail bits, and takes "+" and "/" beside "-" and "_": the way back tells.
    return value if encoded(value) == text else None
