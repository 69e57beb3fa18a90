# SPDX-License-Identifier: Apache-2.0
"""The chaincode's side of one peer's stream: many transactions at once, each an asyncio task of its own.

It knows messages but no transport: the caller gives messages that arrive to ``receive``; those to be sent go to
``send``.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, chaincode_shim_pb2, proposal_response_pb2

from .contract import Handler
from .errors import ChaincodeCallError, InvalidRequest, PeerError, Refusal, StreamClosed
from .exchange import MAX_MESSAGE_BYTES, Exchange, Offers
from .proposal import read_signed_proposal
from .results import Response
from .stub import Stub

log = logging.getLogger(__name__)

_Message = chaincode_shim_pb2.ChaincodeMessage
_ANSWERS = frozenset((_Message.RESPONSE, _Message.ERROR))
_TRANSACTIONS = frozenset((_Message.TRANSACTION, _Message.INIT))
LONGEST_REFUSAL = 500_000
"""Characters of a refusal's message: a peer passes it on in HTTP/2 headers, of which clients take 16 MiB at most."""

STOPPING = "the chaincode server is stopping; send the transaction again"


class Session(Protocol):
    """One peer's stream, wherever its transactions run."""

    def receive(self, message: bytes) -> None:
        """Take a serialized ChaincodeMessage from the peer."""

    async def drain(self) -> None:
        """Refuse new transactions and return when none is running."""

    def close(self) -> None:
        """The stream has ended: cancel what runs."""


class LocalSession:
    """A session whose transactions run in this process and event loop."""

    def __init__(self, handler: Handler, send: Callable[[bytes], None]) -> None:
        self._handler = handler
        self._send = send
        self._offers = Offers()
        self._running: dict[tuple[str, str], tuple[Exchange, asyncio.Task[None]]] = {}
        self._draining = False

    def receive(self, message: bytes) -> None:
        """Take a serialized ChaincodeMessage from the peer."""
        received = _Message.FromString(message)
        kind = received.type
        if kind in _ANSWERS:
            running = self._running.get((received.channel_id, received.txid))
            if running is not None:
                running[0].answer(kind, received.payload)
        elif kind in _TRANSACTIONS:
            self._start(received)
        elif kind == _Message.READY:
            self._offers = Offers.from_ready(received.payload)
        elif kind == _Message.KEEPALIVE:
            self._send(message)

    async def drain(self) -> None:
        """Refuse new transactions and return when none is running."""
        self._draining = True
        while self._running:
            await asyncio.wait([task for _, task in self._running.values()])

    def close(self) -> None:
        """The stream has ended: cancel what runs."""
        for exchange, task in self._running.values():
            task.cancel()  # first, so that no future is left with an exception that nobody awaits
            exchange.close()

    def _start(self, received: Any) -> None:
        key = (received.channel_id, received.txid)
        if self._draining:
            self._send(completed(*key, Response(503, STOPPING)))
            return
        if key in self._running:  # the peer gave the first run up, and forgot it
            former, task = self._running[key]
            task.cancel()
            former.close()
        exchange = Exchange(*key, self._offers, self._send)
        task = asyncio.get_running_loop().create_task(self._run(exchange, received))
        self._running[key] = (exchange, task)

    async def _run(self, exchange: Exchange, received: Any) -> None:
        key = (exchange.channel_id, exchange.transaction_id)
        try:
            self._send(await self._answer(exchange, received))
        except StreamClosed:
            log.info("transaction %s ended with its stream", key[1][:12])
        finally:
            running = self._running.get(key)
            if running is not None and running[0] is exchange:
                del self._running[key]

    async def _answer(self, exchange: Exchange, received: Any) -> bytes:
        """Run the handler, send its writes, and turn whatever goes wrong into a response."""
        key = (exchange.channel_id, exchange.transaction_id)
        try:
            given = chaincode_pb2.ChaincodeInput.FromString(received.payload)
            proposal = read_signed_proposal(received.proposal)
            stub = Stub(exchange, given.args, proposal, given.decorations)
            response = await self._handler(stub)
            if response.status < 400:
                await exchange.flush_writes()
            answer = completed(*key, response, exchange.event if response.status < 400 else None)
            if len(answer) <= MAX_MESSAGE_BYTES:
                return answer
            response = Response(500, f"a result of {len(answer)} bytes is more than peers take")
        except StreamClosed:
            raise
        except Refusal as refusal:
            log.info("transaction %s on %s refused: %s", key[1][:12], key[0], refusal.code)
            response = Response(refusal.status, _text(refusal))
        except (PeerError, ChaincodeCallError, InvalidRequest) as error:
            response = Response(500, _text(error))
        except Exception as error:
            where = "".join(traceback.format_tb(error.__traceback__))
            # The error's own text may hold values of the proposal, so only a debug log shows it.
            text = f": {error}" if log.isEnabledFor(logging.DEBUG) else ""
            name = type(error).__qualname__
            log.error("transaction %s failed with %s%s\n%s", exchange.transaction_id[:12], name, text, where)
            response = Response(500, f"the chaincode failed with {name}; its log says where")
        return completed(*key, response)


def _text(error: Exception) -> str:
    """An error's text as UTF-8 can carry it: a lone surrogate of some argument may not cost the answer."""
    return str(error).encode("utf-8", "replace").decode()


def completed(
    channel_id: str, transaction_id: str, response: Response, event: tuple[str, bytes] | None = None
) -> bytes:
    """The message that ends a transaction."""
    text = response.message
    if response.status >= 400 and len(text) > LONGEST_REFUSAL:
        text = f"{text[:LONGEST_REFUSAL]} ... (the first {LONGEST_REFUSAL} of {len(text)} characters)"
    answer = proposal_response_pb2.Response(status=response.status, message=text, payload=response.payload)
    message = _Message(
        type=_Message.COMPLETED,
        txid=transaction_id,
        channel_id=channel_id,
        payload=answer.SerializeToString(),
    )
    if event is not None:
        name, payload = event
        message.chaincode_event.CopyFrom(
            chaincode_event_pb2.ChaincodeEvent(tx_id=transaction_id, event_name=name, payload=payload)
        )
    return bytes(message.SerializeToString())


def register(chaincode_id: str) -> bytes:
    """The first message of a stream: which chaincode this is."""
    name = chaincode_pb2.ChaincodeID(name=chaincode_id).SerializeToString()
    return bytes(_Message(type=_Message.REGISTER, payload=name).SerializeToString())
