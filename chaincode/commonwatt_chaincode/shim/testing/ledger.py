# SPDX-License-Identifier: Apache-2.0
"""An in-memory channel for unit tests of contracts.

ledger = MemoryLedger(Assets())
result = await ledger.submit("create", {"id": "a"}, creator=caller(role="operator"))
assert result.status == 200 and result.writes["a"] == b"..."
"""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, proposal_response_pb2

from ..contract import Contract, Handler
from ..dispatch import as_handler
from ..results import EPOCH, Timestamp
from ..session import LocalSession
from .messages import answer, argument_bytes, ready, reply, start
from .proposals import caller, signed_proposal
from .simulation import RangeRead, Simulation
from .state import Place, Version, WorldState

_Message = chaincode_shim_pb2.ChaincodeMessage


@dataclass(frozen=True)
class Invocation:
    """What a transaction did.

    ``reads`` gives the version (block, transaction) of each key that was read, None where there was no value;
    ``writes`` the value of each key written, None for a deletion. A key of the public state stands for
    itself, one of a private collection as (collection, key), one of another chaincode as a Place. ``purges`` are
    the keys of ``writes`` that are purged, not just deleted.
    """

    transaction_id: str
    status: int
    message: str = ""
    payload: bytes = b""
    event: tuple[str, bytes] | None = None
    reads: Mapping[Any, Version | None] = field(default_factory=dict)
    ranges: tuple[RangeRead, ...] = ()
    writes: Mapping[Any, bytes | None] = field(default_factory=dict)
    purges: frozenset[Any] = frozenset()
    metadata_writes: Mapping[Any, Mapping[str, bytes]] = field(default_factory=dict)
    timestamp: Timestamp = EPOCH

    def json(self) -> Any:
        """The payload read as JSON (None if empty); AssertionError with the message if it was refused."""
        assert self.status < 400, self.message
        return json.loads(self.payload) if self.payload else None


class MemoryLedger:
    """One channel's world state and the chaincode that changes it, each submitted transaction its own block.

    ``collections`` names the private collections; ``others`` gives chaincodes that may be called, by name.
    ``channels`` are the peer's other channels, by name: their chaincodes may be called, and what they write is dropped.
    Arguments are sent as they are when they are text or bytes, as JSON otherwise.
    """

    def __init__(
        self,
        chaincode: Contract | Handler,
        channel_id: str = "channel",
        *,
        name: str = "chaincode",
        collections: Iterable[str] = (),
        others: Mapping[str, Contract | Handler] | None = None,
    ) -> None:
        self.channel_id = channel_id
        self.state = WorldState()
        self.channels: dict[str, MemoryLedger] = {}
        self._name = name
        self._collections = frozenset(collections)
        programs = {name: chaincode, **(others or {})}
        self._handlers = {each: as_handler(program) for each, program in programs.items()}
        self._proposals = 0

    async def submit(
        self,
        name: str,
        *arguments: Any,
        creator: bytes | None = None,
        transient: Mapping[str, bytes] | None = None,
        timestamp: Timestamp | int | None = None,
        transaction_id: str | None = None,
    ) -> Invocation:
        """Run a transaction and, when it succeeds, commit its writes as one block."""
        done = await self.evaluate(
            name,
            *arguments,
            creator=creator,
            transient=transient,
            timestamp=timestamp,
            transaction_id=transaction_id,
        )
        if done.status < 400:
            self.commit(done)
        return done

    async def evaluate(
        self,
        name: str,
        *arguments: Any,
        creator: bytes | None = None,
        transient: Mapping[str, bytes] | None = None,
        timestamp: Timestamp | int | None = None,
        transaction_id: str | None = None,
    ) -> Invocation:
        """Run a transaction and commit nothing.

        By default its creator has no attributes and its time is 0.
        """
        self._proposals += 1
        number = f"{self.channel_id} {self._proposals}".encode()
        transaction_id = transaction_id or hashlib.sha256(number).hexdigest()
        when = Timestamp(timestamp, 0) if isinstance(timestamp, int) else timestamp or EPOCH
        values = [argument_bytes(argument) for argument in (name, *arguments)]
        proposal = signed_proposal(self.channel_id, creator or caller(), when, transient or {})
        simulation = Simulation(self.state, transaction_id, self._collections)
        answer = await self._run(self._name, values, proposal, simulation)
        response = proposal_response_pb2.Response.FromString(answer.payload)
        event = None
        if answer.HasField("chaincode_event"):
            event = (answer.chaincode_event.event_name, answer.chaincode_event.payload)
        return Invocation(
            transaction_id=transaction_id,
            status=response.status,
            message=response.message,
            payload=response.payload,
            event=event,
            reads={self._key(place): version for place, version in simulation.reads.items()},
            ranges=tuple(simulation.ranges),
            writes={self._key(place): value for place, value in simulation.writes.items()},
            purges=frozenset(map(self._key, simulation.purges)),
            metadata_writes={self._key(place): entry for place, entry in simulation.metadata_writes.items()},
            timestamp=when,
        )

    def commit(self, done: Invocation) -> str:
        """Validate what a transaction read and commit what it wrote: Fabric's validation code.

        VALID, MVCC_READ_CONFLICT if a key it read has another version now, PHANTOM_READ_CONFLICT if a range
        has other rows now; then nothing is written.
        """
        height = self.state.height
        self.state.height += 1
        for key, version in done.reads.items():
            if self.state.version(self._place(key)) != version:
                return "MVCC_READ_CONFLICT"
        for read in done.ranges:
            rows = self.state.range(read.namespace, "", read.start, read.end)
            if tuple((key, version) for key, _, version in rows) != read.rows:
                return "PHANTOM_READ_CONFLICT"
        for key, value in done.writes.items():
            self.state.write(self._place(key), value, (height, 0), done.transaction_id, done.timestamp)
        for key, entry in done.metadata_writes.items():
            if self.state.version(self._place(key)) is not None:
                self.state.metadata.setdefault(self._place(key), {}).update(entry)
        return "VALID"

    def get(self, key: str, collection: str = "") -> bytes | None:
        """The committed value of a key."""
        return self.state.value(Place(self._name, collection, key))

    def keys(self, start: str = "", end: str = "") -> list[str]:
        """The public keys from ``start`` up to but without ``end``, composite keys included."""
        return [key for key, _, _ in self.state.range(self._name, "", start, end)]

    async def _run(self, name: str, arguments: list[bytes], proposal: Any, simulation: Simulation) -> Any:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        calls: set[asyncio.Task[None]] = set()

        async def call(request: Any) -> None:
            spec = chaincode_pb2.ChaincodeSpec.FromString(request.payload)
            called, _, channel = spec.chaincode_id.name.partition("/")
            ledger, inner_simulation = self, simulation
            if channel not in ("", self.channel_id) and channel in self.channels:
                ledger = self.channels[channel]
                inner_simulation = Simulation(ledger.state, simulation.transaction_id, ledger._collections)
            elif channel not in ("", self.channel_id):
                session.receive(reply(_Message.ERROR, request, f"channel {channel} not found".encode()))
                return
            if called not in ledger._handlers:
                session.receive(reply(_Message.ERROR, request, f"chaincode {called} not found".encode()))
                return
            inner = await ledger._run(called, list(spec.input.args), proposal, inner_simulation)
            inner.ClearField("chaincode_event")
            session.receive(reply(_Message.RESPONSE, request, inner.SerializeToString()))

        def send(message: bytes) -> None:
            request = _Message.FromString(message)
            if request.type == _Message.COMPLETED:
                ended.set_result(request)
            elif request.type == _Message.INVOKE_CHAINCODE:
                calls.add(asyncio.ensure_future(call(request)))
            else:
                session.receive(answer(simulation, name, request))

        session = LocalSession(self._handlers[name], send)
        session.receive(ready(1000, 1000))
        session.receive(start(self.channel_id, simulation.transaction_id, arguments, proposal))
        return await ended

    def _key(self, place: Place) -> Any:
        if place.namespace != self._name:
            return place
        return (place.collection, place.key) if place.collection else place.key

    def _place(self, key: Any) -> Place:
        if isinstance(key, Place):
            return key
        return Place(self._name, "", key) if isinstance(key, str) else Place(self._name, *key)
