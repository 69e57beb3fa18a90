# SPDX-License-Identifier: Apache-2.0
"""A transaction's view of its peer: the proposal, the ledger, other chaincodes.

Names follow Fabric's ChaincodeStubInterface. Reads answer from the committed state at the start of the
transaction, so a transaction never reads its own writes. Writes are kept until the transaction returns and
are then sent together (in one message where the peer takes batches); a refused transaction sends none.
If the peer refuses a call, it raises PeerError.
"""

import os
from collections.abc import Mapping, Sequence

from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, proposal_response_pb2

from . import keys
from .endorsement import VALIDATION_PARAMETER
from .errors import ChaincodeCallError, InvalidRequest, PeerError
from .exchange import Exchange
from .identity import ClientIdentity, parse_creator
from .proposal import SignedProposal
from .queries import Query, history_query, key_value
from .results import KeyModification, KeyValue, Page, Timestamp

_Message = chaincode_shim_pb2.ChaincodeMessage
_PUBLIC = ""  # the collection's name in requests for the world state


class Stub:
    """One transaction as its chaincode sees it. Use it from the transaction's own task and its children.

    Concurrent awaits are allowed; the peer takes one request of a transaction at a time, in order.
    """

    def __init__(
        self,
        exchange: Exchange,
        arguments: Sequence[bytes],
        proposal: SignedProposal,
        decorations: Mapping[str, bytes],
    ) -> None:
        self._exchange = exchange
        self._proposal = proposal
        self.channel_id: str = exchange.channel_id
        self.transaction_id: str = exchange.transaction_id
        self.arguments: list[bytes] = list(arguments)
        """Everything the caller sent; the first is the name of the transaction."""
        self.decorations: Mapping[str, bytes] = decorations
        """What the peer's decorator plugins added, by name."""

    # The proposal

    @property
    def function(self) -> str:
        """The transaction's name: the first argument as text, empty if there is none."""
        return self.arguments[0].decode("utf-8", "replace") if self.arguments else ""

    @property
    def mspid(self) -> str:
        """The MSP id of the organisation whose peer runs this: CORE_PEER_LOCALMSPID. InvalidRequest if it is not set.

        It differs between endorsers: use it to choose a collection or to refuse, and write nothing of it.
        """
        mspid = os.environ.get("CORE_PEER_LOCALMSPID")
        if not mspid:
            raise InvalidRequest(
                "CORE_PEER_LOCALMSPID is not set: the peer's MSP id is unknown to this server"
            )
        return mspid

    @property
    def creator(self) -> ClientIdentity:
        """The proposal's signer, with the attributes of the certificate."""
        return parse_creator(self._proposal.creator)

    @property
    def creator_bytes(self) -> bytes:
        """The creator as a serialized identity (msp.SerializedIdentity)."""
        return self._proposal.creator

    @property
    def timestamp(self) -> Timestamp:
        """The time that the client put into the proposal: equal on every peer, but only its word."""
        return self._proposal.timestamp

    @property
    def transient(self) -> Mapping[str, bytes]:
        """Values that came beside the arguments and stay off the ledger; secrets, never logged."""
        return self._proposal.transient

    @property
    def binding(self) -> bytes:
        """SHA-256 of nonce, creator and epoch: ties application data to this very proposal."""
        return self._proposal.binding

    @property
    def signed_proposal(self) -> SignedProposal:
        """The proposal's bytes, signature and fields as the client signed them."""
        return self._proposal

    # World state

    async def get_state(self, key: str) -> bytes | None:
        """The committed value of ``key``, None if it has none."""
        return await self._value(_PUBLIC, key)

    async def get_states(self, names: Sequence[str]) -> list[bytes | None]:
        """The committed values of several keys in their order: one round trip where the peer offers it."""
        return await self._values(_PUBLIC, names)

    async def put_state(self, key: str, value: bytes) -> None:
        """Write ``value`` when the transaction ends. An empty one is refused: it would read back as none."""
        self._exchange.writes.put(_PUBLIC, key, value)

    async def delete_state(self, key: str) -> None:
        """Delete ``key`` when the transaction ends; it need not exist."""
        self._exchange.writes.delete(_PUBLIC, key)

    def get_state_by_range(self, start_key: str, end_key: str) -> Query[KeyValue]:
        """Keys from ``start_key`` up to but without ``end_key``, in key order; empty bounds are open.

        The range is part of the read set: a commit in between that adds, changes or deletes a key of it
        invalidates the transaction. Composite keys are never among the rows.
        """
        return self._range(keys.simple_range(start_key, end_key))

    async def get_state_by_range_with_pagination(
        self, start_key: str, end_key: str, page_size: int, bookmark: str = ""
    ) -> Page[KeyValue]:
        """At most ``page_size`` rows from ``bookmark`` on. For evaluation: not protected against phantoms."""
        return await self._range(keys.simple_range(start_key, end_key)).page(page_size, bookmark)

    def get_state_by_partial_composite_key(
        self, object_type: str, attributes: Sequence[str] = ()
    ) -> Query[KeyValue]:
        """Every composite key that begins with this object type and these attributes, in key order."""
        return self._range(keys.partial_composite_range(object_type, attributes))

    async def get_state_by_partial_composite_key_with_pagination(
        self, object_type: str, attributes: Sequence[str], page_size: int, bookmark: str = ""
    ) -> Page[KeyValue]:
        """One page of the composite keys that begin with these parts. For evaluation, as every page is."""
        bounds = keys.partial_composite_range(object_type, attributes)
        return await self._range(bounds).page(page_size, bookmark)

    def get_query_result(self, query: str) -> Query[KeyValue]:
        """A rich query (CouchDB's Mango, JSON text); a peer on LevelDB refuses it.

        The rows are part of the read set. Rows that are new at commit are not noticed: there is no phantom check.
        """
        return self._rich_query(_PUBLIC, query)

    async def get_query_result_with_pagination(
        self, query: str, page_size: int, bookmark: str = ""
    ) -> Page[KeyValue]:
        """One page of a rich query."""
        return await self._rich_query(_PUBLIC, query).page(page_size, bookmark)

    def get_history_for_key(self, key: str) -> Query[KeyModification]:
        """Every committed change of ``key``, newest first. Not checked at commit: for evaluation."""
        return history_query(self._exchange, keys.checked_key(key))

    # Private data

    async def get_private_data(self, collection: str, key: str) -> bytes | None:
        """The private value of ``key``, None if it has none. Only members of the collection have it."""
        return await self._value(_named(collection), key)

    async def get_private_data_states(self, collection: str, names: Sequence[str]) -> list[bytes | None]:
        """The private values of several keys in their order: one round trip where the peer offers it."""
        return await self._values(_named(collection), names)

    async def get_private_data_hash(self, collection: str, key: str) -> bytes | None:
        """SHA-256 of the private value, which every peer of the channel knows; None if there is no value."""
        request = chaincode_shim_pb2.GetState(key=keys.checked_key(key), collection=_named(collection))
        return await self._exchange.ask(_Message.GET_PRIVATE_DATA_HASH, request.SerializeToString()) or None

    async def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        """Write a private value when the transaction ends; the ledger keeps its hash."""
        self._exchange.writes.put(_named(collection), key, value)

    async def delete_private_data(self, collection: str, key: str) -> None:
        """Delete a private value when the transaction ends; its history stays on the members' peers."""
        self._exchange.writes.delete(_named(collection), key)

    async def purge_private_data(self, collection: str, key: str) -> None:
        """Delete a private value and remove every former value of the key from the members' peers."""
        self._exchange.writes.purge(_named(collection), key)

    def get_private_data_by_range(self, collection: str, start_key: str, end_key: str) -> Query[KeyValue]:
        """As get_state_by_range, in a collection. Fabric does not check private ranges for phantoms."""
        return self._range(keys.simple_range(start_key, end_key), _named(collection))

    def get_private_data_by_partial_composite_key(
        self, collection: str, object_type: str, attributes: Sequence[str] = ()
    ) -> Query[KeyValue]:
        """As get_state_by_partial_composite_key, in a collection."""
        return self._range(keys.partial_composite_range(object_type, attributes), _named(collection))

    def get_private_data_query_result(self, collection: str, query: str) -> Query[KeyValue]:
        """A rich query on a collection."""
        return self._rich_query(_named(collection), query)

    # State-based endorsement

    async def get_state_validation_parameter(self, key: str) -> bytes | None:
        """The key's own endorsement policy (read it with KeyEndorsementPolicy), None if it has none."""
        return await self._validation_parameter(_PUBLIC, key)

    async def set_state_validation_parameter(self, key: str, policy: bytes) -> None:
        """Give ``key`` an endorsement policy of its own, in place of the chaincode's."""
        self._exchange.writes.put_metadata(_PUBLIC, key, VALIDATION_PARAMETER, policy)

    async def get_private_data_validation_parameter(self, collection: str, key: str) -> bytes | None:
        """The private key's own endorsement policy, None if it has none."""
        return await self._validation_parameter(_named(collection), key)

    async def set_private_data_validation_parameter(self, collection: str, key: str, policy: bytes) -> None:
        """Give a private key an endorsement policy of its own, in place of the collection's."""
        self._exchange.writes.put_metadata(_named(collection), key, VALIDATION_PARAMETER, policy)

    # Keys, other chaincodes, events

    @staticmethod
    def create_composite_key(object_type: str, attributes: Sequence[str]) -> str:
        """One key of several parts, found again by its leading parts."""
        return keys.create_composite_key(object_type, attributes)

    @staticmethod
    def split_composite_key(key: str) -> tuple[str, tuple[str, ...]]:
        """The object type and the attributes of a composite key."""
        return keys.split_composite_key(key)

    async def invoke_chaincode(
        self, chaincode: str, arguments: Sequence[bytes | str], channel: str = ""
    ) -> bytes:
        """Call another chaincode within this transaction and give back its payload.

        On the same channel its reads and writes join this transaction's; on another ``channel`` its writes
        are dropped. A status of 400 or more is raised as ChaincodeCallError.
        """
        name = f"{chaincode}/{channel}" if channel else chaincode
        spec = chaincode_pb2.ChaincodeSpec(
            chaincode_id=chaincode_pb2.ChaincodeID(name=name),
            input=chaincode_pb2.ChaincodeInput(
                args=[part.encode() if isinstance(part, str) else part for part in arguments]
            ),
        )
        await self.flush_writes()
        try:
            answer = await self._exchange.ask(_Message.INVOKE_CHAINCODE, spec.SerializeToString())
        except PeerError as error:
            raise ChaincodeCallError(name, 500, error.message) from error
        inner = _Message.FromString(answer)
        if inner.type != _Message.COMPLETED:
            raise ChaincodeCallError(name, 500, inner.payload.decode("utf-8", "replace"))
        response = proposal_response_pb2.Response.FromString(inner.payload)
        if response.status >= 400:
            raise ChaincodeCallError(name, response.status, response.message)
        payload: bytes = response.payload
        return payload

    def set_event(self, name: str, payload: bytes) -> None:
        """The one event that is published when this transaction commits; a later call replaces it."""
        if not name:
            raise InvalidRequest("an event needs a name")
        self._exchange.event = (name, payload)

    async def flush_writes(self) -> None:
        """Send the writes so far now, to learn now whether the peer takes them."""
        await self._exchange.flush_writes()

    async def _value(self, collection: str, key: str) -> bytes | None:
        request = chaincode_shim_pb2.GetState(key=keys.checked_key(key), collection=collection)
        return await self._exchange.ask(_Message.GET_STATE, request.SerializeToString()) or None

    async def _values(self, collection: str, names: Sequence[str]) -> list[bytes | None]:
        size = self._exchange.offers.get_multiple
        if not size:
            return [await self._value(collection, key) for key in names]
        values: list[bytes | None] = []
        for first in range(0, len(names), size):
            wanted = [keys.checked_key(key) for key in names[first : first + size]]
            request = chaincode_shim_pb2.GetStateMultiple(keys=wanted, collection=collection)
            answer = await self._exchange.ask(_Message.GET_STATE_MULTIPLE, request.SerializeToString())
            values += (
                value or None for value in chaincode_shim_pb2.GetStateMultipleResult.FromString(answer).values
            )
        return values

    async def _validation_parameter(self, collection: str, key: str) -> bytes | None:
        request = chaincode_shim_pb2.GetStateMetadata(key=keys.checked_key(key), collection=collection)
        answer = await self._exchange.ask(_Message.GET_STATE_METADATA, request.SerializeToString())
        for entry in chaincode_shim_pb2.StateMetadataResult.FromString(answer).entries:
            if entry.metakey == VALIDATION_PARAMETER:
                value: bytes = entry.value
                return value or None
        return None

    def _range(self, bounds: tuple[str, str], collection: str = _PUBLIC) -> Query[KeyValue]:
        def request(metadata: bytes) -> bytes:
            return bytes(
                chaincode_shim_pb2.GetStateByRange(
                    startKey=bounds[0], endKey=bounds[1], collection=collection, metadata=metadata
                ).SerializeToString()
            )

        return Query(self._exchange, _Message.GET_STATE_BY_RANGE, request, key_value)

    def _rich_query(self, collection: str, query: str) -> Query[KeyValue]:
        def request(metadata: bytes) -> bytes:
            return bytes(
                chaincode_shim_pb2.GetQueryResult(
                    query=query, collection=collection, metadata=metadata
                ).SerializeToString()
            )

        return Query(self._exchange, _Message.GET_QUERY_RESULT, request, key_value)


def _named(collection: str) -> str:
    """Refuse the empty name, by which peers would take the world state's keys."""
    if not collection:
        raise InvalidRequest("a private data collection needs a name")
    return collection
