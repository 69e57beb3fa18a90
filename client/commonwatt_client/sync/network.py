# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/network.py: change that file.
"""A channel: its contracts and its events."""

from typing import TypeVar

from commonwatt_client import _event_kinds
from commonwatt_client._event_kinds import EventKind
from commonwatt_client._messages import start_position
from commonwatt_client._transactions import Party, timeout_of
from commonwatt_client.checkpoint import Checkpoint
from commonwatt_client.ledger import Block, BlockAndPrivateData, ChaincodeEvent, FilteredBlock
from commonwatt_client.retry import ReconnectPolicy, reconnect_policy_of
from commonwatt_client.sync._threads import Connection
from commonwatt_client.sync.contract import Contract
from commonwatt_client.sync.events import EventsRequest, EventStream

T = TypeVar("T")


class Network:
    """A channel as one identity sees it.

    The event streams start at `start_block`, or after a `checkpoint` that holds anything, or else with what is
    committed from now on. `timeout_s` ends a stream after so long; by default it lives until closed. `reconnect`
    says how it comes back after a cut (see `EventStream`).

    ::

        channel = gateway.get_network("newtown")
        with channel.filtered_block_events(start_block=0) as blocks:
            for block in blocks:
                print(channel.name, block.number, [each.validation_code.name for each in block.transactions])
                break
    """

    def __init__(self, connection: Connection, party: Party, channel: str) -> None:
        self._connection = connection
        self._party = party
        self._channel = channel

    @property
    def name(self) -> str:
        """The channel's name."""
        return self._channel

    def get_contract(self, chaincode: str, contract_name: str | None = None) -> Contract:
        """A chaincode's default contract, or the one named."""
        return Contract(self._connection, self._party, self._channel, chaincode, contract_name)

    def chaincode_events(
        self,
        chaincode: str,
        *,
        start_block: int | None = None,
        checkpoint: Checkpoint | None = None,
        timeout_s: float | None = None,
        reconnect: ReconnectPolicy | bool = True,
    ) -> EventStream[ChaincodeEvent]:
        """The events that a chaincode's valid transactions set."""
        kind = _event_kinds.ChaincodeEvents(self._channel, chaincode)
        return self._stream(kind, start_block, checkpoint, timeout_s, reconnect)

    def block_events(
        self,
        *,
        start_block: int | None = None,
        checkpoint: Checkpoint | None = None,
        timeout_s: float | None = None,
        reconnect: ReconnectPolicy | bool = True,
    ) -> EventStream[Block]:
        """Whole blocks."""
        kind = _event_kinds.full_blocks(self._channel)
        return self._stream(kind, start_block, checkpoint, timeout_s, reconnect)

    def filtered_block_events(
        self,
        *,
        start_block: int | None = None,
        checkpoint: Checkpoint | None = None,
        timeout_s: float | None = None,
        reconnect: ReconnectPolicy | bool = True,
    ) -> EventStream[FilteredBlock]:
        """Blocks without contents: transaction ids, validation codes and event names."""
        kind = _event_kinds.filtered_blocks(self._channel)
        return self._stream(kind, start_block, checkpoint, timeout_s, reconnect)

    def block_and_private_data_events(
        self,
        *,
        start_block: int | None = None,
        checkpoint: Checkpoint | None = None,
        timeout_s: float | None = None,
        reconnect: ReconnectPolicy | bool = True,
    ) -> EventStream[BlockAndPrivateData]:
        """Whole blocks, with the private data that the identity's organisation may see."""
        kind = _event_kinds.blocks_and_private_data(self._channel)
        return self._stream(kind, start_block, checkpoint, timeout_s, reconnect)

    def new_chaincode_events_request(
        self, chaincode: str, *, start_block: int | None = None, checkpoint: Checkpoint | None = None
    ) -> EventsRequest[ChaincodeEvent]:
        """A request for chaincode events, to be signed here or elsewhere."""
        return self._request(_event_kinds.ChaincodeEvents(self._channel, chaincode), start_block, checkpoint)

    def new_block_events_request(
        self, *, start_block: int | None = None, checkpoint: Checkpoint | None = None
    ) -> EventsRequest[Block]:
        """A request for whole blocks, to be signed here or elsewhere."""
        return self._request(_event_kinds.full_blocks(self._channel), start_block, checkpoint)

    def new_filtered_block_events_request(
        self, *, start_block: int | None = None, checkpoint: Checkpoint | None = None
    ) -> EventsRequest[FilteredBlock]:
        """A request for filtered blocks, to be signed here or elsewhere."""
        return self._request(_event_kinds.filtered_blocks(self._channel), start_block, checkpoint)

    def new_block_and_private_data_events_request(
        self, *, start_block: int | None = None, checkpoint: Checkpoint | None = None
    ) -> EventsRequest[BlockAndPrivateData]:
        """A request for blocks with private data, to be signed here or elsewhere."""
        return self._request(_event_kinds.blocks_and_private_data(self._channel), start_block, checkpoint)

    def _stream(
        self,
        kind: EventKind,
        start_block: int | None,
        checkpoint: Checkpoint | None,
        timeout_s: float | None,
        reconnect: ReconnectPolicy | bool,
    ) -> EventStream[T]:
        return EventStream(
            self._connection,
            self._party,
            kind,
            start_position(start_block, checkpoint),
            timeout_s=timeout_of(timeout_s, self._party.timeouts.events_s),
            reconnect=reconnect_policy_of(reconnect),
        )

    def _request(
        self, kind: EventKind, start_block: int | None, checkpoint: Checkpoint | None
    ) -> EventsRequest[T]:
        position = start_position(start_block, checkpoint)
        request = kind.new_request(self._party, position)
        return EventsRequest(self._connection, self._party, kind, request, position)
