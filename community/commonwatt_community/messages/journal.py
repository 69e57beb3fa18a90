# SPDX-License-Identifier: Apache-2.0
"""All that an author signed, on disk before anybody else sees it: no seq is used twice, also after a crash."""

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from commonwatt_chaincode.messages.fields import RECEIPT
from commonwatt_chaincode.messages.message import Message, read
from commonwatt_chaincode.messages.refusals import MessageRefused
from commonwatt_client.errors import ConfigurationError

LARGEST_PROOF = 32_768
"""A commit receipt: two peers' endorsements with their certificates."""

LONGEST_LINE = LARGEST_PROOF * 4 // 3 + 1_000

Numbered = tuple[str, str, str, int, str]  # net, channel, home, period, kind


class Journal:
    """A file of mode 0600 with one JSON line for each message and receipt; one process holds it at a time.

    Lines are ``{"message": ...}`` and ``{"receipt": ...}`` in compact form, and ``{"committed": ..., "digest": ...}``:
    the endorsed answer that the message of this digest is on the ledger, in base64.

    An unfinished last line, which a crash leaves, is cut off: its message was never handed out. ConfigurationError for
    a file that another process holds, that cannot be written, or that holds anything else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._highest: dict[Numbered, int] = {}
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise ConfigurationError(f"the journal {path} cannot be opened: {error.strerror}") from error
        try:
            os.fchmod(self._descriptor, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._end = self._read_all()
            os.ftruncate(self._descriptor, self._end)
        except BlockingIOError:
            os.close(self._descriptor)
            raise ConfigurationError(f"another process writes the journal {path}; end it first") from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process write the journal."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def highest_seq(self, net: str, channel: str, home: str, period: int, kind: str) -> int:
        """The highest seq that was used for a period and kind; 0 before the first."""
        return self._highest.get((net, channel, home, period, kind), 0)

    def messages(self) -> Iterator[bytes]:
        """All messages, in the order in which they were signed, in compact form."""
        with self._path.open("rb") as file:
            for line in file:
                message = json.loads(line).get("message") if line.endswith(b"\n") else None
                if message is not None:
                    yield message.encode("ascii")

    def write(self, compact: bytes) -> None:
        """Keep a message. It is on disk when this returns; ConfigurationError, and nothing kept, if it cannot be."""
        if self._descriptor < 0:
            raise ConfigurationError(f"the journal {self._path} is closed")
        message = read(compact)
        self._append({"message": compact.decode("ascii")}, "the message was not sent")
        self._count(message)

    def keep_receipt(self, receipt: bytes) -> None:
        """Keep a carrier's admission receipt, which was judged before."""
        read(receipt)
        self._append({"receipt": receipt.decode("ascii")}, "a receipt was not kept")

    def keep_proof(self, digest: str, proof: bytes) -> None:
        """Keep a commit receipt for the message of this digest, which was judged before."""
        if len(proof) > LARGEST_PROOF:
            raise ConfigurationError(f"a commit receipt has at most {LARGEST_PROOF} bytes")
        members = {"committed": base64.b64encode(proof).decode("ascii"), "digest": digest}
        self._append(members, "a receipt was not kept")

    def _append(self, members: dict[str, str], otherwise: str) -> None:
        if self._descriptor < 0:
            raise ConfigurationError(f"the journal {self._path} is closed")
        line = json.dumps(members).encode() + b"\n"
        try:
            written = os.write(self._descriptor, line)
            if written != len(line):
                raise OSError(None, "the disk took a part alone")
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, self._end)
            raise ConfigurationError(
                f"the journal {self._path} cannot be written: {error.strerror}; {otherwise}"
            ) from error
        self._end += len(line)

    def _count(self, message: Message) -> None:
        if message.kind is not None:
            place = (message.net, message.channel, message.home, message.period, message.kind)
            self._highest[place] = max(message.seq, self._highest.get(place, 0))

    def _take(self, members: dict[str, str]) -> None:
        if set(members) == {"committed", "digest"}:
            base64.b64decode(members["committed"], validate=True)
            return
        [(kind, compact)] = members.items()
        message = read(compact.encode("ascii"))
        if kind == "message":
            self._count(message)
        elif kind != "receipt" or message.typ != RECEIPT:
            raise ValueError(kind)

    def _read_all(self) -> int:
        end = number = 0
        with open(self._descriptor, "rb", closefd=False) as file:
            while line := file.readline(LONGEST_LINE):
                number += 1
                if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
                    break
                try:
                    self._take(json.loads(line))
                except (ValueError, LookupError, TypeError, AttributeError, MessageRefused):
                    raise ConfigurationError(
                        f"line {number} of the journal {self._path} is no message and no receipt; "
                        "restore the file from a backup, or move it away and start with a new key"
                    ) from None
                end += len(line)
        return end
