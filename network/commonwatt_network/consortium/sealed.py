"""Files sealed with a passphrase: AES-256-GCM in chunks, the key by scrypt; cut, swapped or changed chunks are noticed.

Layout: a magic line, 16 bytes of salt, 7 of nonce prefix, then chunks of a 4-byte length and as many bytes. A chunk's
nonce is the prefix, its number (4 bytes) and 1 for the last chunk, 0 otherwise (the STREAM construction, Hoang,
Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015).
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from commonwatt_network.errors import UsageError

MAGIC = b"commonwatt backup 1\n"
SALT_BYTES, PREFIX_BYTES, TAG_BYTES = 16, 7, 16
CHUNK_BYTES = 1 << 20
SHORTEST_PASSPHRASE = 12


class SealError(UsageError):
    """The file cannot be opened: another passphrase, damage, or no sealed file at all."""


def check_passphrase(passphrase: str) -> None:
    """Raise SealError for one that is soon guessed."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise SealError(f"the passphrase is too short: use {SHORTEST_PASSPHRASE} characters or more")


class SealingWriter(io.RawIOBase):
    """Seals what is written to it into `file`. Only `close` after everything was written makes it whole."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        check_passphrase(passphrase)
        salt, self._prefix = os.urandom(SALT_BYTES), os.urandom(PREFIX_BYTES)
        self._header = MAGIC + salt + self._prefix
        self._cipher = AESGCM(_key(passphrase, salt))
        self._file, self._pending, self._number = file, bytearray(), 0
        file.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._pending += content
        while len(self._pending) > CHUNK_BYTES:
            self._seal(bytes(self._pending[:CHUNK_BYTES]), last=False)
            del self._pending[:CHUNK_BYTES]
        return len(content)

    def finish(self) -> None:
        """Write the last chunk; without it the file cannot be opened."""
        self._seal(bytes(self._pending), last=True)
        self._pending.clear()

    def _seal(self, content: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._prefix, self._number, last), content, self._header)
        self._file.write(len(sealed).to_bytes(4) + sealed)
        self._number += 1


class SealedReader(io.RawIOBase):
    """Opens what a SealingWriter wrote. Raises SealError as soon as something is wrong."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        self._header = file.read(len(MAGIC) + SALT_BYTES + PREFIX_BYTES)
        if len(self._header) < len(MAGIC) + SALT_BYTES + PREFIX_BYTES or not self._header.startswith(MAGIC):
            raise SealError("this is no backup of `commonwatt org backup`")
        salt = self._header[len(MAGIC) : len(MAGIC) + SALT_BYTES]
        self._prefix = self._header[-PREFIX_BYTES:]
        self._cipher = AESGCM(_key(passphrase, salt))
        self._file, self._ready, self._number, self._ended = file, b"", 0, False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while (size < 0 or len(self._ready) < size) and not self._ended:
            self._ready += self._open()
        wanted = len(self._ready) if size < 0 else size
        content, self._ready = self._ready[:wanted], self._ready[wanted:]
        return content

    def _open(self) -> bytes:
        length = int.from_bytes(self._file.read(4))
        sealed = self._file.read(min(length, CHUNK_BYTES + TAG_BYTES))
        for last in (False, True):
            try:
                nonce = _nonce(self._prefix, self._number, last)
                content = self._cipher.decrypt(nonce, sealed, self._header)
            except InvalidTag:
                continue
            if len(sealed) != length or (last and self._file.read(1)):
                break
            self._number += 1
            self._ended = last
            return content
        why = (
            "the passphrase is another one, or the file is damaged" if self._number == 0 else "it is damaged"
        )
        raise SealError(f"the backup cannot be opened: {why}")


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4) + bytes([last])


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(passphrase.encode())
