# SPDX-License-Identifier: Apache-2.0
"""What chaincode may ask of its peer during a transaction, message by message, with Fabric's answers and errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from typing import Any

from commonwatt_chaincode.mango import MangoError
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.lifecycle.records import RecordError
from commonwatt_network.embedded.peer.chaincode.context import (
    LIMIT_PER_MESSAGE,
    LIMIT_PER_QUERY,
    OpenQuery,
    TransactionContext,
)
from commonwatt_network.embedded.peer.chaincode.link import ChaincodeError
from commonwatt_network.embedded.peer.chaincode.rich_queries import rich_query
from commonwatt_network.embedded.simulation import SimulationError

Message = chaincode_shim_pb2.ChaincodeMessage
_query_ids = count(1)


class RequestError(Exception):
    """A request is refused; the message is Fabric's."""


def answer(context: TransactionContext, message: Any) -> Any | Awaitable[Any]:
    """The RESPONSE or ERROR to one request of a running transaction."""
    if message.type == Message.INVOKE_CHAINCODE:
        return _answer_invocation(context, message)
    handle = HANDLERS.get(message.type)
    try:
        if handle is None:
            raise RequestError("the peer does not handle this message")
        response = handle(context, message.payload)
        if isinstance(response, Awaitable):
            return _answer_later(message, response)
        return _response(message, response)
    except (RequestError, SimulationError, RecordError) as error:
        return _failure(message, str(error))
    except DecodeError as error:
        return _failure(message, f"unmarshal failed: {error}")


async def _answer_later(message: Any, response: Awaitable[bytes]) -> Any:
    try:
        return _response(message, await response)
    except (RequestError, SimulationError, RecordError, MangoError) as error:
        return _failure(message, str(error))
    except DecodeError as error:
        return _failure(message, f"unmarshal failed: {error}")


async def _answer_invocation(context: TransactionContext, message: Any) -> Any:
    try:
        specification = chaincode_pb2.ChaincodeSpec.FromString(message.payload)
        name, _, channel_id = specification.chaincode_id.name.partition("/")
        name = name.partition(":")[0]
        result = await context.invoke(context, name, channel_id or context.channel_id, specification.input)
        return _response(message, result.SerializeToString())
    except (RequestError, ChaincodeError, SimulationError) as error:
        return _failure(message, str(error))
    except DecodeError as error:
        return _failure(message, f"unmarshal failed: {error}")


def _response(request: Any, payload: bytes) -> Any:
    return Message(type=Message.RESPONSE, payload=payload, txid=request.txid, channel_id=request.channel_id)


def _failure(request: Any, text: str) -> Any:
    name = Message.Type.Name(request.type)
    payload = f"{name} failed: transaction ID: {request.txid}: {text}".encode()
    return Message(type=Message.ERROR, payload=payload, txid=request.txid, channel_id=request.channel_id)


# Reads


def _get_state(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.GetState.FromString(payload)
    if request.collection:
        _demand_read(context, request.collection)
        return context.simulator.get_private(context.namespace, request.collection, request.key) or b""
    return context.simulator.get_state(context.namespace, request.key) or b""


def _get_states(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.GetStateMultiple.FromString(payload)
    simulator, namespace, collection = context.simulator, context.namespace, request.collection
    if collection:
        _demand_read(context, collection)
        found = simulator.get_privates(namespace, collection, request.keys)
    else:
        found = simulator.get_states(namespace, request.keys)
    return _encode(chaincode_shim_pb2.GetStateMultipleResult(values=[value or b"" for value in found]))


def _get_private_hash(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.GetState.FromString(payload)
    _demand_no_init(context)
    return context.simulator.get_private_hash(context.namespace, request.collection, request.key) or b""


def _get_metadata(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.GetStateMetadata.FromString(payload)
    if request.collection:
        _demand_read(context, request.collection)
        found = context.simulator.get_private_metadata(context.namespace, request.collection, request.key)
    else:
        found = context.simulator.get_metadata(context.namespace, request.key)
    result = chaincode_shim_pb2.StateMetadataResult()
    for name, value in sorted(found.items()):
        result.entries.add(metakey=name, value=value)
    return _encode(result)


# Writes


def _put_state(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.PutState.FromString(payload)
    _write(context, request.collection, request.key, request.value)
    return b""


def _delete_state(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.DelState.FromString(payload)
    _write(context, request.collection, request.key, b"")
    return b""


def _write(context: TransactionContext, collection: str, key: str, value: bytes) -> None:
    if collection:
        _demand_write(context, collection)
        context.simulator.set_private(context.namespace, collection, key, value)
    else:
        context.simulator.set_state(context.namespace, key, value)


def _purge_private(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.DelState.FromString(payload)
    _purge(context, request.collection, request.key)
    return b""


def _purge(context: TransactionContext, collection: str, key: str) -> None:
    if not collection:
        raise RequestError("only applicable for private data")
    _demand_write(context, collection)
    context.simulator.set_private(context.namespace, collection, key, b"", purge=True)


def _put_metadata(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.PutStateMetadata.FromString(payload)
    _write_metadata(context, request.collection, request.key, request.metadata)
    return b""


def _write_metadata(context: TransactionContext, collection: str, key: str, metadata: Any) -> None:
    entries = {metadata.metakey: metadata.value}
    if collection:
        _demand_write(context, collection)
        context.simulator.set_private_metadata(context.namespace, collection, key, entries)
    else:
        context.simulator.set_metadata(context.namespace, key, entries)


def _write_batch(context: TransactionContext, payload: bytes) -> bytes:
    kinds = chaincode_shim_pb2.WriteRecord
    for record in chaincode_shim_pb2.WriteBatchState.FromString(payload).rec:
        if record.type == kinds.PUT_STATE:
            _write(context, record.collection, record.key, record.value)
        elif record.type == kinds.DEL_STATE:
            _write(context, record.collection, record.key, b"")
        elif record.type == kinds.PURGE_PRIVATE_DATA:
            _purge(context, record.collection, record.key)
        elif record.type == kinds.PUT_STATE_METADATA:
            _write_metadata(context, record.collection, record.key, record.metadata)
        else:
            raise RequestError("unknown operation type")
    return b""


# Queries


def _get_range(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.GetStateByRange.FromString(payload)
    page = chaincode_shim_pb2.QueryMetadata.FromString(request.metadata)
    simulator, namespace = context.simulator, context.namespace
    start, end = request.startKey, request.endKey
    if request.collection:
        _demand_read(context, request.collection)
        entries = simulator.private_range(namespace, request.collection, start, end)
        return _open_query(context, OpenQuery(_encoded_entries(namespace, entries)))
    if not page.pageSize and not page.bookmark:
        return _open_query(
            context, OpenQuery(_encoded_entries(namespace, simulator.range(namespace, start, end)))
        )
    start = page.bookmark or start
    last_key = [""]

    def remembering() -> Iterator[tuple[str, bytes]]:
        for key, value in simulator.range(namespace, start, end, page=True):
            last_key[0] = key
            yield key, value

    def bookmark() -> str:
        return simulator.next_key(namespace, last_key[0] + "\x00" if last_key[0] else start, end)

    query = OpenQuery(_encoded_entries(namespace, remembering()), bookmark)
    limit = min(page.pageSize, LIMIT_PER_QUERY) if page.pageSize > 0 else LIMIT_PER_QUERY
    return _page(query, limit)


def _encoded_entries(namespace: str, entries: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    for key, value in entries:
        yield _encode(kv_query_result_pb2.KV(namespace=namespace, key=key, value=value))


def _get_history(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.GetHistoryForKey.FromString(payload)
    changes = context.history(context.namespace, request.key)
    return _open_query(context, OpenQuery(_encode(change) for change in changes))


async def _get_query_result(context: TransactionContext, payload: bytes) -> bytes:
    request = chaincode_shim_pb2.GetQueryResult.FromString(payload)
    page = chaincode_shim_pb2.QueryMetadata.FromString(request.metadata)
    namespace, collection = context.namespace, request.collection
    paged = not collection and bool(page.pageSize or page.bookmark)
    if collection:
        _demand_read(context, collection)
    if not context.rich_queries:
        raise RequestError(f"ExecuteQuery{'WithPagination' if paged else ''} not supported for leveldb")
    if not paged:
        rows = await rich_query(context.simulator, namespace, collection, request.query, LIMIT_PER_QUERY)
        return _open_query(context, OpenQuery(_encoded_entries(namespace, rows.rows)))
    limit = min(page.pageSize, LIMIT_PER_QUERY) if page.pageSize > 0 else LIMIT_PER_QUERY
    rows = await rich_query(context.simulator, namespace, "", request.query, limit, page.bookmark, page=True)
    return _page(OpenQuery(_encoded_entries(namespace, rows.rows), lambda: rows.bookmark), limit)


def _open_query(context: TransactionContext, query: OpenQuery) -> bytes:
    query_id = str(next(_query_ids))
    context.queries[query_id] = query
    return _next_results(context, query_id, query)


def _query_next(context: TransactionContext, payload: bytes) -> bytes:
    query_id = chaincode_shim_pb2.QueryStateNext.FromString(payload).id
    query = context.queries.get(query_id)
    if query is None:
        raise RequestError("query iterator not found")
    return _next_results(context, query_id, query)


def _query_close(context: TransactionContext, payload: bytes) -> bytes:
    query_id = chaincode_shim_pb2.QueryStateClose.FromString(payload).id
    context.queries.pop(query_id, None)
    return _encode(chaincode_shim_pb2.QueryResponse(has_more=False, id=query_id))


def _next_results(context: TransactionContext, query_id: str, query: OpenQuery) -> bytes:
    """Up to 100 results. One more is taken from the query to know whether there are more, as a real peer does,
    which also decides what the read set says of the range."""
    while query.returned < LIMIT_PER_QUERY:
        result = next(query.results, None)
        if result is None:
            break
        query.returned += 1
        query.pending.append(result)
        if len(query.pending) > LIMIT_PER_MESSAGE:
            batch, query.pending = query.pending[:LIMIT_PER_MESSAGE], query.pending[LIMIT_PER_MESSAGE:]
            return _query_response(batch, query_id, has_more=True)
    del context.queries[query_id]
    return _query_response(query.pending, query_id)


def _page(query: OpenQuery, limit: int) -> bytes:
    while query.returned < limit and (result := next(query.results, None)) is not None:
        query.returned += 1
        query.pending.append(result)
    metadata = chaincode_shim_pb2.QueryResponseMetadata(
        fetched_records_count=query.returned, bookmark=query.bookmark()
    )
    return _query_response(query.pending, str(next(_query_ids)), metadata=_encode(metadata))


def _query_response(
    results: list[bytes], query_id: str, has_more: bool = False, metadata: bytes = b""
) -> bytes:
    response = chaincode_shim_pb2.QueryResponse(has_more=has_more, id=query_id, metadata=metadata)
    for result in results:
        response.results.add(resultBytes=result)
    return _encode(response)


# Permissions


def _demand_no_init(context: TransactionContext) -> None:
    if context.is_init:
        raise RequestError("private data APIs are not allowed in chaincode Init()")


def _permissions(context: TransactionContext, collection: str) -> tuple[bool, bool]:
    _demand_no_init(context)
    known = context.permissions.get(collection)
    if known is None:
        known = context.permissions[collection] = context.may_access(collection)
    return known


def _demand_read(context: TransactionContext, collection: str) -> None:
    if not _permissions(context, collection)[0]:
        raise _no_access(context, collection, "read")


def _demand_write(context: TransactionContext, collection: str) -> None:
    if not _permissions(context, collection)[1]:
        raise _no_access(context, collection, "write")


def _no_access(context: TransactionContext, collection: str, kind: str) -> RequestError:
    return RequestError(
        f"tx creator does not have {kind} access permission on privatedata in "
        f"chaincodeName:{context.namespace} collectionName: {collection}"
    )


def _encode(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


HANDLERS: dict[int, Callable[[TransactionContext, bytes], bytes | Awaitable[bytes]]] = {
    Message.GET_STATE: _get_state,
    Message.GET_STATE_MULTIPLE: _get_states,
    Message.GET_PRIVATE_DATA_HASH: _get_private_hash,
    Message.GET_STATE_METADATA: _get_metadata,
    Message.PUT_STATE: _put_state,
    Message.DEL_STATE: _delete_state,
    Message.PURGE_PRIVATE_DATA: _purge_private,
    Message.PUT_STATE_METADATA: _put_metadata,
    Message.WRITE_BATCH_STATE: _write_batch,
    Message.GET_STATE_BY_RANGE: _get_range,
    Message.GET_HISTORY_FOR_KEY: _get_history,
    Message.GET_QUERY_RESULT: _get_query_result,
    Message.QUERY_STATE_NEXT: _query_next,
    Message.QUERY_STATE_CLOSE: _query_close,
}
