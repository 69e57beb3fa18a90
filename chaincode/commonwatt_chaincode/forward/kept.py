# SPDX-License-Identifier: Apache-2.0
"""Private values as they stand: checked against their public digests, and found again after homes were forgotten.

Lines, awards and bills are records of many homes. Where one of them is forgotten, the record is purged and what is
left of it stands under the key of a next generation; its public digest is in ``rewritten/<key>``.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from ..shim import Stub
from . import keys
from .records import Rewritten, decode
from .refusals import Code, refuse
from .state import private


class Kept(NamedTuple):
    """A record of several homes. ``value`` is None where this peer does not hold it."""

    name: str
    generation: int
    value: bytes | None

    def checked(self, digest: str | None = None) -> bytes:
        """The value; ``data_not_here`` unless it is there, and the one of its digest as long as it is the first."""
        if self.value is None or (digest is not None and not self.generation):
            return checked(self.value, digest or "", self.name)
        return self.value


async def kept(stub: Stub, names: Sequence[str]) -> list[Kept]:
    """The records under these keys, or under those of their last generations."""
    first = await private(stub, names)
    gone = [name for name, value in zip(names, first, strict=True) if value is None]
    marks = await stub.get_states([keys.rewritten_key(name) for name in gone])
    rewritten = {
        name: decode(Rewritten, mark) for name, mark in zip(gone, marks, strict=True) if mark is not None
    }
    later = [keys.generation_key(name, one.generation) for name, one in rewritten.items()]
    found = {
        one.key: Kept(one.key, one.generation, checked(value, one.digest, one.key))
        for one, value in zip(rewritten.values(), await private(stub, later), strict=True)
    }
    return [found.get(name, Kept(name, 0, value)) for name, value in zip(names, first, strict=True)]


def checked(value: bytes | None, digest: str, name: str) -> bytes:
    """A private value that is the one of its public digest; else ``data_not_here``."""
    if value is None or digest_of(value) != digest:
        raise refuse(
            Code.DATA_NOT_HERE, f"retry: this peer does not hold the private value of {name}, or another one"
        )
    return value


def digest_of(value: bytes) -> str:
    """What stands in public of a private value: its SHA-256 in hex."""
    return hashlib.sha256(value).hexdigest()
