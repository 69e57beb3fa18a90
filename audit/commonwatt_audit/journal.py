# SPDX-License-Identifier: Apache-2.0
"""A home's journal as its auditor reads it: messages, admission receipts and commit receipts, none of them verified."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from commonwatt_client.exit_codes import UsageError

from commonwatt_audit.messages import Unacceptable, Unverified, unverified

LONGEST_LINE = 65_536
MOST_LINES = 10_000_000


class Said(NamedTuple):
    """A message of the journal."""

    compact: bytes
    words: Unverified

    @property
    def whole(self) -> str:
        """SHA-256 of the whole message, in hex: what the ledger's index holds."""
        return hashlib.sha256(self.compact).hexdigest()


class Receipt(NamedTuple):
    """A line that says to be a carrier's receipt."""

    line: int
    compact: bytes
    words: Unverified


class Proof(NamedTuple):
    """A line that says to be peers' word that the message of a digest is on the ledger."""

    line: int
    digest: str
    envelope: bytes


@dataclass
class Journal:
    """What a home keeps, by line; messages by the digest of their signing input."""

    said: dict[str, Said] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)


def read_journal(path: Path) -> Journal:
    """UsageError for a file that cannot be read or holds anything else; an unfinished last line is left out."""
    journal = Journal()
    try:
        for number, line in _lines(path):
            try:
                _take(journal, number, json.loads(line))
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError, Unacceptable):
                raise UsageError(
                    f"{path}: line {number} is no message and no receipt of a home's journal"
                ) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name the journal of a home") from error
    return journal


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number in range(1, MOST_LINES + 1):
            line = file.readline(LONGEST_LINE)
            if not line.endswith(b"\n"):
                if len(line) == LONGEST_LINE:
                    raise UsageError(f"{path}: line {number} is longer than any line of a home's journal")
                return
            yield number, line
    raise UsageError(f"{path}: it has more than {MOST_LINES:,} lines; split it")


def _take(journal: Journal, number: int, members: dict[str, str]) -> None:
    if members.keys() == {"committed", "digest"}:
        proof = base64.b64decode(members["committed"], validate=True)
        journal.proofs.append(Proof(number, str(members["digest"]), proof))
        return
    [(kind, text)] = members.items()
    compact = text.encode("ascii")
    words = unverified(compact)
    if kind == "message" and words.typ != "cw-receipt":
        journal.said[words.digest] = Said(compact, words)
    elif kind == "receipt" and words.typ == "cw-receipt":
        journal.receipts.append(Receipt(number, compact, words))
    else:
        raise ValueError(kind)
