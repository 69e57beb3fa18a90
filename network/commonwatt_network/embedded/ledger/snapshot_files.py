# SPDX-License-Identifier: Apache-2.0
"""The files of a ledger snapshot, in Fabric's format.

Each `.data` file is a format byte and then records, each preceded by its length (varint); each `.metadata` file says
how many there are, for state by namespace. Two JSON files name the block that the snapshot is of and the SHA-256 of
every other file. Peers of a channel so write equal snapshots of a block, as `ledgerutil compare` checks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from commonwatt_network.embedded.ledger.values import Version, VersionedValue
from commonwatt_network.embedded.ledger.wire import bytes_field, framed, order_preserving, varint

SIGNABLE = "_snapshot_signable_metadata.json"
ADDITIONAL = "_snapshot_additional_metadata.json"
PUBLIC_STATE, PRIVATE_HASHES = "public_state", "private_state_hashes"
TRANSACTION_IDS, COLLECTION_HISTORY = "txids", "confighistory"
STATE_DATABASE = "SimpleKeyValueDB"
_FORMAT = b"\x01"

StateRow = tuple[str, bytes, VersionedValue]


class SnapshotDamaged(Exception):
    """A snapshot's folder does not hold what its metadata names; the message says what."""


@dataclass(frozen=True)
class SnapshotBlock:
    """The block that a snapshot is of."""

    channel_id: str
    number: int
    block_hash: bytes
    previous_hash: bytes
    commit_hash: bytes


def write_files(
    folder: Path,
    block: SnapshotBlock,
    public: Iterable[StateRow],
    hashes: Iterable[StateRow],
    transaction_ids: Sequence[str],
    collections: Sequence[tuple[bytes, bytes]],
) -> None:
    """Write a snapshot into an empty folder. State comes ordered by namespace and key. Raises OSError."""
    digests: dict[str, str] = {}
    for name, rows in ((PUBLIC_STATE, public), (PRIVATE_HASHES, hashes)):
        counts: dict[str, int] = {}
        data = bytearray(_FORMAT)
        for namespace, key, value in rows:
            counts[namespace] = counts.get(namespace, 0) + 1
            data += framed(_encode_record(key, value))
        metadata = varint(len(counts)) + b"".join(
            framed(namespace.encode()) + varint(count) for namespace, count in counts.items()
        )
        if counts:
            _write_pair(folder, name, bytes(data), metadata, digests)
    # A transaction that was invalid may have had no id; Fabric's files leave it out.
    ordered = sorted(filter(None, map(str.encode, transaction_ids)), key=lambda txid: (len(txid), txid))
    if ordered:
        data = bytearray(_FORMAT + b"".join(map(framed, ordered)))
        _write_pair(folder, TRANSACTION_IDS, bytes(data), varint(len(ordered)), digests)
    if collections:
        data = bytearray(_FORMAT + b"".join(framed(key) + framed(value) for key, value in collections))
        _write_pair(folder, COLLECTION_HISTORY, bytes(data), varint(len(collections)), digests)
    signable = _to_json(
        {
            "channel_name": block.channel_id,
            "last_block_number": block.number,
            "last_block_hash": block.block_hash.hex(),
            "previous_block_hash": block.previous_hash.hex(),
            "snapshot_files_raw_hashes": dict(sorted(digests.items())),
            "state_db_type": STATE_DATABASE,
        }
    )
    (folder / SIGNABLE).write_bytes(signable)
    additional = {
        "snapshot_hash": sha256(signable).hexdigest(),
        "last_block_commit_hash": block.commit_hash.hex(),
    }
    (folder / ADDITIONAL).write_bytes(_to_json(additional))


def read_block(folder: Path) -> SnapshotBlock:
    """Check every file's hash and say which block this is. Raises SnapshotDamaged in Fabric's words."""
    try:
        signable = json.loads((folder / SIGNABLE).read_bytes())
        additional = json.loads((folder / ADDITIONAL).read_bytes())
    except OSError as error:
        raise SnapshotDamaged(
            f"error while loading metadata: open {error.filename}: {str(error.strerror).lower()}"
        ) from error
    except ValueError as error:
        raise SnapshotDamaged(f"error while unmarshalling metadata: {error}") from error
    try:
        expected: Mapping[str, str] = {
            SIGNABLE: additional["snapshot_hash"],
            **signable["snapshot_files_raw_hashes"],
        }
        block = SnapshotBlock(
            signable["channel_name"],
            int(signable["last_block_number"]),
            bytes.fromhex(signable["last_block_hash"]),
            bytes.fromhex(signable["previous_block_hash"]),
            bytes.fromhex(additional["last_block_commit_hash"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SnapshotDamaged(f"error while unmarshalling metadata: {error!r}") from error
    for name, digest in expected.items():
        if Path(name).name != name:
            raise SnapshotDamaged(f"error while verifying snapshot: {name} is no file of the snapshot")
        try:
            actual = sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise SnapshotDamaged(
                f"error while verifying snapshot: open {error.filename}: {str(error.strerror).lower()}"
            ) from error
        if actual != digest:
            raise SnapshotDamaged(
                f"error while verifying snapshot: hash mismatch for file [{name}]. Expected hash = [{digest}], "
                f"Actual hash = [{actual}]"
            )
    return block


def read_state(folder: Path) -> Iterator[StateRow]:
    """The public state, then the hashes of private data. Raises SnapshotDamaged."""
    for name in (PUBLIC_STATE, PRIVATE_HASHES):
        metadata, data = _read_pair(folder, name)
        for _ in range(metadata.varint()):
            namespace = metadata.framed().decode()
            for _ in range(metadata.varint()):
                key, value = _decode_record(data.framed())
                yield namespace, key, value


def read_transaction_ids(folder: Path) -> Iterator[str]:
    """Raises SnapshotDamaged."""
    metadata, data = _read_pair(folder, TRANSACTION_IDS)
    for _ in range(metadata.varint()):
        yield data.framed().decode()


def read_collections(folder: Path) -> bytes:
    """The records of the collections that chaincodes have had. Raises SnapshotDamaged."""
    return _read_pair(folder, COLLECTION_HISTORY)[1].rest()


def collection_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What `read_collections` gave, record by record: key, serialized CollectionConfigPackage."""
    reader = _Reader(Path(COLLECTION_HISTORY), content)
    while not reader.at_end:
        yield reader.framed(), reader.framed()


class _Reader:
    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content, self._at = path, content, 0

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
            if shift > 63:
                raise SnapshotDamaged(f"{self._path}: a length is out of range")

    def framed(self) -> bytes:
        return self._take(self.varint())

    def rest(self) -> bytes:
        return self._content[self._at :]

    def _take(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        if len(taken) < count:
            raise SnapshotDamaged(f"{self._path} ends early")
        self._at += count
        return taken

    @property
    def at_end(self) -> bool:
        return self._at == len(self._content)

    def order_preserving(self) -> int:
        return int.from_bytes(self._take(self.varint()), "big")


def _read_pair(folder: Path, name: str) -> tuple[_Reader, _Reader]:
    """Readers of a kind's metadata and data; a kind without records has no files."""
    readers = []
    for path in (folder / f"{name}.metadata", folder / f"{name}.data"):
        content = (
            path.read_bytes() if path.exists() else _FORMAT + (b"\x00" if path.suffix == ".metadata" else b"")
        )
        if content[:1] != _FORMAT:
            raise SnapshotDamaged(f"{path}: unexpected data format {content[:1]!r}")
        readers.append(_Reader(path, content[1:]))
    return readers[0], readers[1]


def _write_pair(folder: Path, name: str, data: bytes, metadata: bytes, digests: dict[str, str]) -> None:
    for file, content in ((f"{name}.data", data), (f"{name}.metadata", _FORMAT + metadata)):
        (folder / file).write_bytes(content)
        digests[file] = sha256(content).hexdigest()


def _to_json(value: Any) -> bytes:
    return json.dumps(value, indent=4, ensure_ascii=False).encode()


def _encode_record(key: bytes, value: VersionedValue) -> bytes:
    """Fabric's SnapshotRecord: key, value, metadata, version as fields 1 to 4."""
    version = b"".join(map(order_preserving, value.version))
    fields = enumerate((key, value.value, value.metadata, version), 1)
    return b"".join(bytes_field(number, content) for number, content in fields)


def _decode_record(encoded: bytes) -> tuple[bytes, VersionedValue]:
    reader = _Reader(Path("record"), encoded)
    fields = {1: b"", 2: b"", 3: b"", 4: b""}
    while not reader.at_end:
        number = reader.varint() >> 3
        fields[number] = reader.framed()
    version = _Reader(Path("version"), fields[4])
    return fields[1], VersionedValue(
        fields[2], fields[3], Version(version.order_preserving(), version.order_preserving())
    )
