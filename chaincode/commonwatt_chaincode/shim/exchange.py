# SPDX-License-Identifier: Apache-2.0
"""One transaction's conversation with its peer: a request, its answer, the next request."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2

from .errors import InvalidRequest, PeerError, StreamClosed
from .writes import WriteBuffer

MAX_MESSAGE_BYTES = 100 * 1024 * 1024
"""What peers accept in one message, and what we accept of them."""

_ENVELOPE_BYTES = 1024  # more than the fields of a message around its payload take
_Message = chaincode_shim_pb2.ChaincodeMessage


@dataclass(frozen=True)
class Offers:
    """What the peer takes beyond single requests: the largest batch of each kind, 0 if it takes none."""

    write_batch: int = 0
    get_multiple: int = 0

    @classmethod
    def from_ready(cls, payload: bytes) -> "Offers":
        """Read READY's payload (peers before Fabric 3.1 send none)."""
        params = chaincode_pb2.ChaincodeAdditionalParams.FromString(payload)
        return cls(
            write_batch=params.max_size_write_batch if params.use_write_batch else 0,
            get_multiple=params.max_size_get_multiple_keys if params.use_get_multiple_keys else 0,
        )


class Exchange:
    """Requests of one transaction, one at a time: a peer drops a second one that comes before its answer."""

    def __init__(
        self, channel_id: str, transaction_id: str, offers: Offers, send: Callable[[bytes], None]
    ) -> None:
        self.channel_id = channel_id
        self.transaction_id = transaction_id
        self.offers = offers
        self.writes = WriteBuffer()
        self.event: tuple[str, bytes] | None = None
        self._send = send
        self._pending: deque[tuple[int, bytes, asyncio.Future[bytes]]] = deque()
        self._closed = False

    def ask(self, kind: int, request: bytes) -> "asyncio.Future[bytes]":
        """Send a request; the future gives the answer's payload, or raises PeerError or StreamClosed."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if len(request) > MAX_MESSAGE_BYTES - _ENVELOPE_BYTES:
            raise InvalidRequest(f"a request of {len(request)} bytes is more than peers take")
        if self._closed:
            future.set_exception(StreamClosed("the peer's stream has ended"))
            return future
        self._pending.append((kind, request, future))
        if len(self._pending) == 1:
            self._send_first()
        return future

    def answer(self, kind: int, payload: bytes) -> None:
        """Take the peer's RESPONSE or ERROR to the oldest request."""
        if not self._pending:
            return  # an answer to nobody: the peer timed the transaction out and said so
        request, _, future = self._pending.popleft()
        if self._pending:
            self._send_first()
        if future.done():
            return
        if kind == _Message.ERROR:
            future.set_exception(PeerError(_Message.Type.Name(request), payload.decode("utf-8", "replace")))
        else:
            future.set_result(payload)

    async def flush_writes(self) -> None:
        """Send every write so far: in batches where the peer takes them, else one by one."""
        for kind, request in self.writes.take(self.offers.write_batch):
            await self.ask(kind, request)

    def close(self) -> None:
        """The stream ended: each waiting call gets StreamClosed."""
        self._closed = True
        while self._pending:
            _, _, future = self._pending.popleft()
            if not future.done():
                future.set_exception(StreamClosed("the peer's stream has ended"))

    def _send_first(self) -> None:
        kind, request, _ = self._pending[0]
        message = _Message(type=kind, payload=request, txid=self.transaction_id, channel_id=self.channel_id)
        self._send(message.SerializeToString())
