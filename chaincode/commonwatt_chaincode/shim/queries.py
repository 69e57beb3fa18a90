# SPDX-License-Identifier: Apache-2.0
"""Queries of many rows, fetched from the peer in parts as they are read."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Generic

from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_shim_pb2

from .errors import InvalidRequest
from .exchange import Exchange
from .results import KeyModification, KeyValue, Page, Row, Timestamp

_Message = chaincode_shim_pb2.ChaincodeMessage


class Query(Generic[Row]):
    """Rows to iterate with ``async for``, or all at once with ``await query.rows()``.

    Each iteration asks the peer anew. It closes what an abandoned iteration left open when the transaction ends.
    """

    def __init__(
        self, exchange: Exchange, kind: int, request: Callable[[bytes], bytes], row: Callable[[bytes], Row]
    ) -> None:
        self._exchange = exchange
        self._kind = kind
        self._request = request
        self._row = row

    async def __aiter__(self) -> AsyncIterator[Row]:
        answer = await self._ask(self._kind, self._request(b""))
        while True:
            for result in answer.results:
                yield self._row(result.resultBytes)
            if not answer.has_more:
                return
            request = chaincode_shim_pb2.QueryStateNext(id=answer.id).SerializeToString()
            answer = await self._ask(_Message.QUERY_STATE_NEXT, request)

    async def rows(self) -> list[Row]:
        """Every row."""
        return [row async for row in self]

    async def page(self, page_size: int, bookmark: str) -> Page[Row]:
        """At most ``page_size`` rows from ``bookmark`` on."""
        if not 1 <= page_size < 2**31:
            raise InvalidRequest(f"a page has from 1 to {2**31 - 1} rows, not {page_size}")
        wanted = chaincode_shim_pb2.QueryMetadata(pageSize=page_size, bookmark=bookmark)
        answer = await self._ask(self._kind, self._request(wanted.SerializeToString()))
        about = chaincode_shim_pb2.QueryResponseMetadata.FromString(answer.metadata)
        rows = [self._row(result.resultBytes) for result in answer.results]
        while answer.has_more:
            request = chaincode_shim_pb2.QueryStateNext(id=answer.id).SerializeToString()
            answer = await self._ask(_Message.QUERY_STATE_NEXT, request)
            rows += (self._row(result.resultBytes) for result in answer.results)
        return Page(tuple(rows), about.bookmark)

    async def _ask(self, kind: int, request: bytes) -> Any:
        return chaincode_shim_pb2.QueryResponse.FromString(await self._exchange.ask(kind, request))


def history_query(exchange: Exchange, key: str) -> Query[KeyModification]:
    """Every committed change of one key."""
    request: bytes = chaincode_shim_pb2.GetHistoryForKey(key=key).SerializeToString()
    return Query(exchange, _Message.GET_HISTORY_FOR_KEY, lambda _: request, _key_modification)


def key_value(row: bytes) -> KeyValue:
    """Read one row of a range or rich query."""
    entry = kv_query_result_pb2.KV.FromString(row)
    return KeyValue(entry.key, entry.value)


def _key_modification(row: bytes) -> KeyModification:
    change = kv_query_result_pb2.KeyModification.FromString(row)
    when = Timestamp(change.timestamp.seconds, change.timestamp.nanos)
    return KeyModification(change.tx_id, change.value, when, change.is_delete)
