# SPDX-License-Identifier: Apache-2.0
"""One transaction simulated as a peer does: requests answered from the committed state, effects collected."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_shim_pb2

from ...mango import MangoError, Search, parse_query
from .state import Place, Version, WorldState

_Message = chaincode_shim_pb2.ChaincodeMessage
_Record = chaincode_shim_pb2.WriteRecord

MOST_ROWS = 100_000  # Fabric's totalQueryLimit, as networks of the kit set it


class Refused(Exception):
    """The peer's ERROR, in Fabric's words."""


@dataclass(frozen=True)
class RangeRead:
    """A range that the transaction read, and the rows (key, version) that it found there."""

    namespace: str
    start: str
    end: str
    rows: tuple[tuple[str, Version], ...]


@dataclass
class Simulation:
    """The read-write set of one transaction, over every chaincode that it calls."""

    state: WorldState
    transaction_id: str
    collections: frozenset[str] = frozenset()
    reads: dict[Place, Version | None] = field(default_factory=dict)
    ranges: list[RangeRead] = field(default_factory=list)
    writes: dict[Place, bytes | None] = field(default_factory=dict)
    purges: set[Place] = field(default_factory=set)
    metadata_writes: dict[Place, dict[str, bytes]] = field(default_factory=dict)
    _private_queries: bool = False
    _pages: bool = False

    def answer(self, namespace: str, kind: int, payload: bytes) -> bytes:
        """The payload of the RESPONSE to a request; Refused if the peer would say ERROR."""
        handle = _HANDLERS.get(kind)
        if handle is None:
            raise Refused(f"{_Message.Type.Name(kind)} is not supported by the in-memory ledger")
        try:
            return handle(self, namespace, payload)
        except Refused as refused:
            raise Refused(
                f"{_Message.Type.Name(kind)} failed: transaction ID: {self.transaction_id}: {refused}"
            ) from None

    def _place(self, namespace: str, collection: str, key: str) -> Place:
        if collection and collection not in self.collections:
            raise Refused(f"collection config not defined for collection [{collection}]")
        return Place(namespace, collection, key)

    def _read(self, place: Place) -> bytes:
        self.reads[place] = self.state.version(place)
        return self.state.value(place) or b""

    def _get(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetState.FromString(payload)
        return self._read(self._place(namespace, request.collection, request.key))

    def _get_multiple(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetStateMultiple.FromString(payload)
        values = [self._read(self._place(namespace, request.collection, key)) for key in request.keys]
        return _bytes(chaincode_shim_pb2.GetStateMultipleResult(values=values))

    def _get_hash(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetState.FromString(payload)
        place = self._place(namespace, request.collection, request.key)
        self.reads[place] = self.state.version(place)
        return self.state.hash(place) or b""

    def _get_metadata(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetStateMetadata.FromString(payload)
        place = self._place(namespace, request.collection, request.key)
        self.reads[place] = self.state.version(place)
        entries = [
            chaincode_shim_pb2.StateMetadata(metakey=name, value=value)
            for name, value in sorted(self.state.metadata.get(place, {}).items())
        ]
        return _bytes(chaincode_shim_pb2.StateMetadataResult(entries=entries))

    def _range(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetStateByRange.FromString(payload)
        wanted = chaincode_shim_pb2.QueryMetadata.FromString(request.metadata)
        start = wanted.bookmark or request.startKey
        if request.collection:
            self._before_private_query(namespace, request.collection)
        rows = self.state.range(namespace, request.collection, start, request.endKey)
        metadata, end = b"", request.endKey
        if wanted.pageSize:
            self._before_page()
            bookmark = rows[wanted.pageSize][0] if len(rows) > wanted.pageSize else ""
            rows, end = rows[: wanted.pageSize], bookmark or end
            about = chaincode_shim_pb2.QueryResponseMetadata(
                fetched_records_count=len(rows), bookmark=bookmark
            )
            metadata = _bytes(about)
        elif len(rows) > MOST_ROWS:  # as a peer does, without saying so
            rows = rows[:MOST_ROWS]
            end = f"{rows[-1][0]}\0"
        if not request.collection:
            seen = tuple((key, version) for key, _, version in rows)
            self.ranges.append(RangeRead(namespace, start, end, seen))
        results = [
            kv_query_result_pb2.KV(namespace=namespace, key=key, value=value) for key, value, _ in rows
        ]
        return _results(results, metadata)

    def _rich_query(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetQueryResult.FromString(payload)
        wanted = chaincode_shim_pb2.QueryMetadata.FromString(request.metadata)
        collection = request.collection
        paged = not collection and bool(wanted.pageSize or wanted.bookmark)
        if collection:
            self._before_private_query(namespace, collection)
        elif paged:
            self._before_page()
        bookmark = wanted.bookmark if paged else ""
        try:
            search = Search(parse_query(request.query), (paged and wanted.pageSize) or MOST_ROWS, bookmark)
            rows = self.state.range(namespace, collection, search.start_key, "")
            search.offer((key, value) for key, value, _ in rows)
        except MangoError as error:
            raise Refused(str(error)) from error
        results = []
        for key in search.found_keys():
            place = Place(namespace, collection, key)
            value = search.value(key, self.state.value(place) or b"")
            results.append(kv_query_result_pb2.KV(namespace=namespace, key=key, value=value))
            if not collection:
                self.reads[place] = self.state.version(place)
        if not paged:
            return _results(results)
        about = chaincode_shim_pb2.QueryResponseMetadata(
            fetched_records_count=len(results), bookmark=search.bookmark()
        )
        return _results(results, _bytes(about))

    def _before_private_query(self, namespace: str, collection: str) -> None:
        self._place(namespace, collection, "")
        if self.writes or self.metadata_writes:
            raise Refused("Queries on pvt data is supported only in a read-only transaction")
        self._private_queries = True

    def _before_page(self) -> None:
        if self.writes or self.metadata_writes:
            raise Refused("Paginated queries are supported only in a read-only transaction")
        self._pages = True

    def _history(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetHistoryForKey.FromString(payload)
        changes = []
        for change in reversed(self.state.history.get(Place(namespace, "", request.key), [])):
            row = kv_query_result_pb2.KeyModification(
                tx_id=change.transaction_id, value=change.value, is_delete=change.is_delete
            )
            row.timestamp.seconds, row.timestamp.nanos = change.timestamp
            changes.append(row)
        return _results(changes)

    def _write(self, place: Place, value: bytes | None, *, purge: bool = False) -> bytes:
        if not place.key:
            raise Refused("invalid key. Empty string is not supported as a key by leveldb")
        if self._private_queries:
            raise Refused("Transaction has already performed queries on pvt data. Writes are not allowed")
        if self._pages:
            raise Refused("Transaction has already performed a paginated query. Writes are not allowed")
        self.writes[place] = value
        self.purges.discard(place)
        if purge:
            self.purges.add(place)
        return b""

    def _put(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.PutState.FromString(payload)
        return self._write(self._place(namespace, request.collection, request.key), request.value)

    def _delete(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.DelState.FromString(payload)
        return self._write(self._place(namespace, request.collection, request.key), None)

    def _purge(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.PurgePrivateState.FromString(payload)
        if not request.collection:
            raise Refused("only applicable for private data")
        return self._write(self._place(namespace, request.collection, request.key), None, purge=True)

    def _put_metadata(self, namespace: str, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.PutStateMetadata.FromString(payload)
        place = self._place(namespace, request.collection, request.key)
        self.metadata_writes.setdefault(place, {})[request.metadata.metakey] = request.metadata.value
        return b""

    def _batch(self, namespace: str, payload: bytes) -> bytes:
        for record in chaincode_shim_pb2.WriteBatchState.FromString(payload).rec:
            place = self._place(namespace, record.collection, record.key)
            if record.type == _Record.PUT_STATE_METADATA:
                entry = self.metadata_writes.setdefault(place, {})
                entry[record.metadata.metakey] = record.metadata.value
            else:
                value = record.value if record.type == _Record.PUT_STATE else None
                self._write(place, value, purge=record.type == _Record.PURGE_PRIVATE_DATA)
        return b""


_HANDLERS: dict[int, Callable[[Simulation, str, bytes], bytes]] = {
    _Message.GET_STATE: Simulation._get,
    _Message.GET_STATE_MULTIPLE: Simulation._get_multiple,
    _Message.GET_PRIVATE_DATA_HASH: Simulation._get_hash,
    _Message.GET_STATE_METADATA: Simulation._get_metadata,
    _Message.GET_STATE_BY_RANGE: Simulation._range,
    _Message.GET_QUERY_RESULT: Simulation._rich_query,
    _Message.GET_HISTORY_FOR_KEY: Simulation._history,
    _Message.PUT_STATE: Simulation._put,
    _Message.DEL_STATE: Simulation._delete,
    _Message.PURGE_PRIVATE_DATA: Simulation._purge,
    _Message.PUT_STATE_METADATA: Simulation._put_metadata,
    _Message.WRITE_BATCH_STATE: Simulation._batch,
}


def _results(rows: list[Any], metadata: bytes = b"") -> bytes:
    results = [chaincode_shim_pb2.QueryResultBytes(resultBytes=_bytes(row)) for row in rows]
    return _bytes(chaincode_shim_pb2.QueryResponse(results=results, metadata=metadata))


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())
