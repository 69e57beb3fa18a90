# SPDX-License-Identifier: Apache-2.0
"""The `$regex` operator on RE2, whose time grows with the text alone: no pattern of a stranger can stop a peer.

CouchDB has PCRE, byte by byte. Everything that both know means the same here; back-references and look-around are
refused, because RE2 has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .errors import erlang_term, refusal
from .work import Work

LONGEST_PATTERN = 1000
MEMORY_BYTES = 1 << 20

# PCRE's $ and \Z also match before a newline that ends the text; RE2's $ does not.
_PARTS = re.compile(r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\$", re.DOTALL)
_MULTILINE = re.compile(r"\(\?[a-zA-Z]*m")


def compiled(pattern: str) -> Callable[[str, Work], bool]:
    """(text, work) -> whether the pattern is found in it. Raises MangoError."""
    try:
        import re2
    except ImportError as error:  # pragma: no cover - the extra is part of the development environment
        raise RuntimeError("$regex needs RE2: pip install 'commonwatt-chaincode[mango]'") from error
    if len(pattern) > LONGEST_PATTERN:
        raise refusal(
            "bad_arg", f"Bad argument for operator $regex: longer than {LONGEST_PATTERN} characters"
        )
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    options.never_capture = True  # whether, not where: then RE2 needs no slower automaton
    try:
        program = re2.compile(_in_re2(pattern).encode(), options)
    except re2.error as error:
        raise refusal("bad_arg", f"Bad argument for operator $regex: {erlang_term(pattern)}") from error
    steps = max(1, program.programsize // 16)

    def found(text: str, work: Work) -> bool:
        data = text.encode()
        work.spend(1 + len(data) * steps // 32)
        return program.search(data) is not None

    return found


def _in_re2(pattern: str) -> str:
    multiline = _MULTILINE.search(pattern) is not None

    def translated(part: re.Match[str]) -> str:
        if part.group() == r"\Z" or (part.group() == "$" and not multiline):
            return r"(?:\n?\z)"
        return part.group()

    return _PARTS.sub(translated, pattern)
