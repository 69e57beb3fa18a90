# SPDX-License-Identifier: Apache-2.0
"""PEM as Fabric's nodes read it (Go's ``encoding/pem``), in time linear in its length whatever it holds."""

import binascii

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"\n-----END ", b"-----"


def first_block(content: bytes) -> bytes | None:
    """The bytes within the first PEM block, whatever its label; None where there is no block.

    ::

        assert first_block(b"-----BEGIN X-----\\naGk=\\n-----END X-----\\n") == b"hi"
    """
    position = 0
    while (end := content.find(_END, position)) >= 0:
        begin = content.rfind(_BEGIN, position, end)
        if begin == position or (begin > position and content[begin - 1] == ord("\n")):
            found = _block(content, begin + len(_BEGIN), end)
            if found is not None:
                return found
        position = end + len(_END)
    return None


def _block(content: bytes, start: int, end: int) -> bytes | None:
    """What stands between a line that begins at `start` with its label and the line that follows `end`."""
    first, position = _line(content, start)
    if not first.endswith(_DASHES):
        return None
    after_label = end + len(_END) + len(first)
    if content[end + len(_END) : after_label] != first or _line(content, after_label)[0]:
        return None
    while position <= end:  # headers, as in "Proc-Type: 4,ENCRYPTED"
        line, following = _line(content, position)
        if b":" not in line:
            break
        if following > end:
            return None
        position = following
    body = content[position:end].translate(None, b" \t\r\n")
    try:
        return binascii.a2b_base64(body, strict_mode=True) if len(body) % 4 == 0 else None
    except binascii.Error:
        return None


def _line(content: bytes, start: int) -> tuple[bytes, int]:
    """A line without white space at its end, and where the next one begins."""
    end = content.find(b"\n", start)
    if end < 0:
        return content[start:].rstrip(b" \t"), len(content)
    return content[start:end].removesuffix(b"\r").rstrip(b" \t"), end + 1
