# SPDX-License-Identifier: Apache-2.0
"""The commit hash: a chain over all that blocks did, by which peers can tell that they came to the same state.

Fabric's peers write it into each block's metadata. It is the SHA-256 over the validation codes, what the valid
transactions wrote (public keys and hashed private ones; not what expired), and the commit hash before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from commonwatt_network.embedded.ledger.state import Location, Updates, is_private, split_namespace
from commonwatt_network.embedded.ledger.values import Version
from commonwatt_network.embedded.ledger.wire import bytes_field, order_preserving, varint

# The fields of Fabric's KVWrite message, which is in no published .proto file.
_NAMESPACE, _COLLECTION, _KEY, _IS_DELETE, _VALUE, _VERSION = range(1, 7)
_KVWRITES = 1


def commit_hash(
    codes: bytes, updates: Updates, deletions: Mapping[Location, Version], before: bytes
) -> bytes:
    """The hash after a block with these validation codes and `updates`; `before` is empty for block 1.

    `deletions` tells for each deleted key which transaction deleted it.
    """
    written = b"".join(bytes_field(_KVWRITES, entry) for entry in _entries(updates, deletions))
    return sha256(varint(len(codes)) + codes + written + before).digest()


def _entries(updates: Updates, deletions: Mapping[Location, Version]) -> Iterator[bytes]:
    """A message per key, ordered by chaincode, then the chaincode's own keys before collections, then key.

    Chaincode and collection stand only in the first entry of each.
    """
    keys: dict[str, list[bytes]] = {}
    for namespace, key in updates:
        keys.setdefault(namespace, []).append(key)
    shared = sorted(
        (split_namespace(namespace), namespace) for namespace in keys if not is_private(namespace)
    )
    versions: dict[Version, bytes] = {}  # one for each transaction, which may write thousands of keys
    former = ("", "")
    for names, namespace in shared:
        chaincode = names[0] if names[0] != former[0] else ""
        collection = names[1] if names != former else ""
        former = names
        opening = bytes_field(_NAMESPACE, chaincode.encode()) + bytes_field(_COLLECTION, collection.encode())
        for key in sorted(keys[namespace]):
            value = updates[namespace, key]
            version = deletions[namespace, key] if value is None else value.version
            encoded = versions.get(version)
            if encoded is None:
                encoded = bytes_field(_VERSION, b"".join(map(order_preserving, version)))
                versions[version] = encoded
            written = bytes([_IS_DELETE << 3, 1]) if value is None else bytes_field(_VALUE, value.value)
            yield opening + bytes_field(_KEY, key) + written + encoded
            opening = b""
