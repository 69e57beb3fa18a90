# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/events.py: change that file.
"""Event streams of the sync client."""

from typing import Any, Generic, TypeVar

from commonwatt_client import _event_streams
from commonwatt_client._event_kinds import EventKind, Position
from commonwatt_client._messages import EventsRequestMessage
from commonwatt_client._transactions import Party, timeout_of
from commonwatt_client.retry import ReconnectPolicy, reconnect_policy_of
from commonwatt_client.sync._threads import Connection, StreamedValues

T = TypeVar("T")


class EventStream(Generic[T]):
    """Events as they are committed, from the start position on, each once and in order.

    ::

        network = gateway.get_network("newtown")
        with network.chaincode_events("market") as events:  # from here on no event is missed
            house = '{"home": "house1", "home_class": "consumer"}'
            network.get_contract("market").submit_transaction("register_home", house)
            for event in events:
                print(event.event_name, event.block_number)
                break

    Without `with` it starts at the first event asked for. A stream that is cut comes back by itself, at another
    peer where there are several, and goes on after the last event it handed over. Raises EventsError where it cannot.
    """

    def __init__(
        self,
        connection: Connection,
        party: Party,
        kind: EventKind,
        position: Position,
        *,
        timeout_s: float | None,
        reconnect: ReconnectPolicy | None,
        signed_request: Any = None,
    ) -> None:
        self._connection = connection
        self._party = party
        self._kind = kind
        self._position = position
        self._timeout_s = timeout_s
        self._reconnect = reconnect
        self._request = signed_request
        self._values: StreamedValues[T] | None = None

    def __enter__(self) -> "EventStream[T]":
        self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __iter__(self) -> "EventStream[T]":
        return self

    def __next__(self) -> T:
        if self._values is None:
            self._open()
        assert self._values is not None
        return next(self._values)

    def close(self) -> None:
        """End the stream; other streams of the same connection go on."""
        if self._values is not None:
            self._values.close()

    def _open(self) -> None:
        if self._values is not None:
            return
        if self._request is None:
            self._position = self._connection._run(
                _event_streams.starting_position(
                    self._party, self._kind.channel, self._position, self._party.timeouts.evaluate_s
                )
            )
            self._request = self._kind.new_request(self._party, self._position)
        self._values = self._connection._stream(
            _event_streams.events(
                self._party, self._kind, self._request, self._position, self._timeout_s, self._reconnect
            )
        )


class EventsRequest(EventsRequestMessage, Generic[T]):
    """A request for an event stream, to be signed here or elsewhere.

    ::

        request = gateway.get_network("newtown").new_block_events_request(start_block=0)
        signed = gateway.new_signed_block_events_request(request.to_bytes(), signer.sign(request.digest))
        with signed.events() as blocks:
            for block in blocks:
                print(block.number)
                break
    """

    def __init__(
        self, connection: Connection, party: Party, kind: EventKind, request: Any, position: Position
    ) -> None:
        super().__init__(party, kind, request, position)
        self._connection = connection

    def events(
        self, *, timeout_s: float | None = None, reconnect: ReconnectPolicy | bool = True
    ) -> EventStream[T]:
        """The stream of events. One signed elsewhere cannot be asked for anew, so it ends when it is cut."""
        may_sign = self._party.signer is not None and not self._request.signature
        return EventStream(
            self._connection,
            self._party,
            self._kind,
            self._position,
            timeout_s=timeout_of(timeout_s, self._party.timeouts.events_s),
            reconnect=reconnect_policy_of(reconnect) if may_sign else None,
            signed_request=None if may_sign else self._request,
        )
