# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/gateway.py: change that file.
"""Connecting as an identity, and rebuilding messages that were signed elsewhere."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from commonwatt_client import _event_kinds, _messages, _transactions
from commonwatt_client._connection import ClientCertificate, Peer
from commonwatt_client._event_kinds import BlockEvents, EventKind, Position
from commonwatt_client._transactions import Party
from commonwatt_client.identity import Identity
from commonwatt_client.ledger import Block, BlockAndPrivateData, ChaincodeEvent, FilteredBlock
from commonwatt_client.retry import RetryPolicy, policy_of
from commonwatt_client.signers import Signer
from commonwatt_client.sync._threads import Connection
from commonwatt_client.sync.events import EventsRequest, T
from commonwatt_client.sync.network import Network
from commonwatt_client.sync.transaction import Commit, Proposal, Transaction
from commonwatt_client.timeouts import Timeouts


def connect(
    peers: Peer | Iterable[Peer] | Connection,
    *,
    identity: Identity,
    signer: Signer | None = None,
    timeouts: Timeouts | None = None,
    client_certificate: ClientCertificate | None = None,
    retry: RetryPolicy | bool = False,
) -> "Gateway":
    """A gateway for one identity, over its own connection to the peers or over one that others share.

    ::

        peer = Peer(peers[0].address, ".commonwatt/organizations/newtown/tlsca/ca.crt", "peer0.newtown")
        with connect(peer, identity=identity, signer=signer) as gateway:
            contract = gateway.get_network("newtown").get_contract("market")
            print(contract.evaluate_transaction("get_parameters", "{}"))

    Nothing is sent until the first call. Without a signer every message must be signed elsewhere. Several peers are
    used one at a time: the next one once no connection to the present one can be had. `retry` is for the contracts'
    calls that don't say otherwise. Raises ConfigurationError.
    """
    owned = not isinstance(peers, Connection)
    connection = (
        peers if isinstance(peers, Connection) else Connection(peers, client_certificate=client_certificate)
    )
    party = Party(identity, signer, connection._ring, timeouts or Timeouts(), policy_of(retry))
    return Gateway(connection, party, owns_connection=owned)


class Gateway:
    """One identity's access to the channels of a peer; made by `connect`.

    `with` closes the connection it opened, never one that it shares.

    ::

        with connect(peers, identity=identity, signer=signer) as gateway:
            print(gateway.identity.mspid)
            market = gateway.get_network("newtown").get_contract("market")
            print(market.evaluate_transaction("get_parameters", "{}"))
    """

    def __init__(self, connection: Connection, party: Party, *, owns_connection: bool) -> None:
        self._connection = connection
        self._party = party
        self._owns_connection = owns_connection

    @property
    def identity(self) -> Identity:
        """Who sends."""
        return self._party.identity

    def close(self) -> None:
        """Close the connection, unless it is shared."""
        if self._owns_connection:
            self._connection.close()

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def with_identity(self, identity: Identity, signer: Signer | None = None) -> "Gateway":
        """A gateway for another identity over this one's connection, which this one goes on to own."""
        party = replace(self._party, identity=identity, signer=signer)
        return Gateway(self._connection, party, owns_connection=False)

    def get_network(self, channel: str) -> Network:
        """A channel by its name."""
        return Network(self._connection, self._party, channel)

    def new_proposal(self, serialised: bytes) -> Proposal:
        """A proposal from `Proposal.to_bytes()`, signed or not. Raises MalformedMessageError."""
        return self.new_signed_proposal(serialised, b"")

    def new_signed_proposal(self, serialised: bytes, signature: bytes) -> Proposal:
        """A proposal from its bytes and a signature of its digest. Raises MalformedMessageError."""
        proposed, channel = _messages.read_proposal(serialised, signature)
        return Proposal(self._connection, self._party, proposed, channel)

    def new_transaction(self, serialised: bytes) -> Transaction:
        """A transaction from `Transaction.to_bytes()`, signed or not. Raises MalformedMessageError."""
        return self.new_signed_transaction(serialised, b"")

    def new_signed_transaction(self, serialised: bytes, signature: bytes) -> Transaction:
        """A transaction from its bytes and a signature of its digest. Raises MalformedMessageError."""
        prepared = _messages.read_transaction(serialised, signature)
        return Transaction(self._connection, self._party, prepared)

    def new_commit(self, serialised: bytes) -> Commit:
        """A commit from `Commit.to_bytes()`, signed or not. Raises MalformedMessageError."""
        return self.new_signed_commit(serialised, b"")

    def new_signed_commit(self, serialised: bytes, signature: bytes) -> Commit:
        """A commit from its bytes and a signature of its digest. Raises MalformedMessageError."""
        request, transaction_id = _messages.read_commit(serialised, signature)
        return Commit(self._connection, self._party, request, transaction_id)

    def new_commit_for(self, channel: str, transaction_id: str) -> Commit:
        """A commit by transaction id alone, for asking what became of a transaction after a failure."""
        request = _transactions.new_commit_request(self._party, channel, transaction_id)
        return Commit(self._connection, self._party, request, transaction_id)

    def new_chaincode_events_request(self, serialised: bytes) -> EventsRequest[ChaincodeEvent]:
        """A request from its `to_bytes()`, signed or not. Raises MalformedMessageError."""
        return self.new_signed_chaincode_events_request(serialised, b"")

    def new_signed_chaincode_events_request(
        self, serialised: bytes, signature: bytes
    ) -> EventsRequest[ChaincodeEvent]:
        """A request from its bytes and a signature of its digest. Raises MalformedMessageError."""
        return self._events_request(*_event_kinds.read_chaincode_events_request(serialised), signature)

    def new_block_events_request(self, serialised: bytes) -> EventsRequest[Block]:
        """A request from its `to_bytes()`, signed or not. Raises MalformedMessageError."""
        return self.new_signed_block_events_request(serialised, b"")

    def new_signed_block_events_request(self, serialised: bytes, signature: bytes) -> EventsRequest[Block]:
        """A request from its bytes and a signature of its digest. Raises MalformedMessageError."""
        return self._block_events_request(_event_kinds.full_blocks, serialised, signature)

    def new_filtered_block_events_request(self, serialised: bytes) -> EventsRequest[FilteredBlock]:
        """A request from its `to_bytes()`, signed or not. Raises MalformedMessageError."""
        return self.new_signed_filtered_block_events_request(serialised, b"")

    def new_signed_filtered_block_events_request(
        self, serialised: bytes, signature: bytes
    ) -> EventsRequest[FilteredBlock]:
        """A request from its bytes and a signature of its digest. Raises MalformedMessageError."""
        return self._block_events_request(_event_kinds.filtered_blocks, serialised, signature)

    def new_block_and_private_data_events_request(
        self, serialised: bytes
    ) -> EventsRequest[BlockAndPrivateData]:
        """A request from its `to_bytes()`, signed or not. Raises MalformedMessageError."""
        return self.new_signed_block_and_private_data_events_request(serialised, b"")

    def new_signed_block_and_private_data_events_request(
        self, serialised: bytes, signature: bytes
    ) -> EventsRequest[BlockAndPrivateData]:
        """A request from its bytes and a signature of its digest. Raises MalformedMessageError."""
        return self._block_events_request(_event_kinds.blocks_and_private_data, serialised, signature)

    def _block_events_request(
        self, kind_of: Callable[[str], BlockEvents], serialised: bytes, signature: bytes
    ) -> EventsRequest[T]:
        return self._events_request(*_event_kinds.read_block_events_request(kind_of, serialised), signature)

    def _events_request(
        self, kind: EventKind, request: Any, position: Position, signature: bytes
    ) -> EventsRequest[T]:
        if signature:
            request.signature = signature
        return EventsRequest(self._connection, self._party, kind, request, position)
