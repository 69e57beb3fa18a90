# SPDX-License-Identifier: Apache-2.0
"""Writes of one transaction, kept until it ends."""

from collections.abc import Iterator
from typing import Any

from fabric_protos.peer import chaincode_shim_pb2

from .errors import InvalidRequest
from .keys import checked_key

_Message = chaincode_shim_pb2.ChaincodeMessage
_Record = chaincode_shim_pb2.WriteRecord
_MAX_BATCH_BYTES = 16 * 1024 * 1024  # well below the 100 MB that peers accept in one message


class WriteBuffer:
    """The last write of each key, and the last metadata of each, in the order they first came."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str, str], Any] = {}

    def put(self, collection: str, key: str, value: bytes) -> None:
        """Keep a value for ``key``."""
        if not value:
            raise InvalidRequest(f"the value of {key!r} may not be empty: it would read back as no value")
        self._keep(collection, key, "", _Record(type=_Record.PUT_STATE, value=value))

    def delete(self, collection: str, key: str) -> None:
        """Keep a deletion of ``key``."""
        self._keep(collection, key, "", _Record(type=_Record.DEL_STATE))

    def purge(self, collection: str, key: str) -> None:
        """Keep a purge of a private ``key``."""
        self._keep(collection, key, "", _Record(type=_Record.PURGE_PRIVATE_DATA))

    def put_metadata(self, collection: str, key: str, name: str, value: bytes) -> None:
        """Keep one metadata entry of ``key``."""
        entry = chaincode_shim_pb2.StateMetadata(metakey=name, value=value)
        self._keep(collection, key, name, _Record(type=_Record.PUT_STATE_METADATA, metadata=entry))

    def _keep(self, collection: str, key: str, metakey: str, record: Any) -> None:
        record.key = checked_key(key)
        record.collection = collection
        self._records[collection, key, metakey] = record

    def take(self, batch_size: int) -> Iterator[tuple[int, bytes]]:
        """Empty the buffer into requests (type, payload), in batches of at most ``batch_size`` writes."""
        records = list(self._records.values())
        self._records.clear()
        if not batch_size or len(records) == 1:
            for record in records:
                yield _single(record)
            return
        batch: list[Any] = []
        size = 0
        for record in records:
            length = record.ByteSize()
            if batch and (len(batch) == batch_size or size + length > _MAX_BATCH_BYTES):
                yield _batch(batch)
                batch, size = [], 0
            batch.append(record)
            size += length
        if batch:
            yield _batch(batch)


def _batch(records: list[Any]) -> tuple[int, bytes]:
    state = chaincode_shim_pb2.WriteBatchState(rec=records)
    return _Message.WRITE_BATCH_STATE, state.SerializeToString()


def _single(record: Any) -> tuple[int, bytes]:
    request: Any
    if record.type == _Record.PUT_STATE:
        kind = _Message.PUT_STATE
        request = chaincode_shim_pb2.PutState(
            key=record.key, value=record.value, collection=record.collection
        )
    elif record.type == _Record.DEL_STATE:
        kind = _Message.DEL_STATE
        request = chaincode_shim_pb2.DelState(key=record.key, collection=record.collection)
    elif record.type == _Record.PURGE_PRIVATE_DATA:
        kind = _Message.PURGE_PRIVATE_DATA
        request = chaincode_shim_pb2.PurgePrivateState(key=record.key, collection=record.collection)
    else:
        kind = _Message.PUT_STATE_METADATA
        request = chaincode_shim_pb2.PutStateMetadata(
            key=record.key, collection=record.collection, metadata=record.metadata
        )
    return kind, request.SerializeToString()
