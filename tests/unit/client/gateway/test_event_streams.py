# SPDX-License-Identifier: Apache-2.0
"""Event streams that are cut: what is asked for next, so that nothing is missed and nothing comes twice."""

from collections.abc import Iterable
from typing import Any

import grpc
import pytest
from commonwatt_client import ConfigurationError, EventsError, InMemoryCheckpointer, ReconnectPolicy
from commonwatt_client._effects import CallFailed, CloseStream, Effect, OpenStream, Read
from commonwatt_client._event_kinds import (
    ChaincodeEvents,
    EventKind,
    Position,
    blocks_and_private_data,
    filtered_blocks,
    full_blocks,
)
from commonwatt_client._event_streams import events, starting_position
from commonwatt_client._messages import start_position
from commonwatt_client._transactions import Party
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2

from ..conftest import Ran, run_scripted

CUT = CallFailed(grpc.StatusCode.UNAVAILABLE, "connection reset")
REFUSED = CallFailed(grpc.StatusCode.PERMISSION_DENIED, "access denied")
AGAIN = ReconnectPolicy()
MARKET = ChaincodeEvents("newtown", "market")


def chaincode_events(block: int, *transactions: str) -> bytes:
    message: bytes = gateway_pb2.ChaincodeEventsResponse(
        block_number=block,
        events=[
            chaincode_event_pb2.ChaincodeEvent(chaincode_id="market", tx_id=name, event_name="Trade")
            for name in transactions
        ],
    ).SerializeToString()
    return message


def filtered(number: int) -> bytes:
    block = events_pb2.FilteredBlock(channel_id="newtown", number=number)
    message: bytes = events_pb2.DeliverResponse(filtered_block=block).SerializeToString()
    return message


def deliver_status(code: int) -> bytes:
    message: bytes = events_pb2.DeliverResponse(status=code).SerializeToString()
    return message


def run(
    party: Party,
    kind: EventKind,
    start: Position,
    *streams: Iterable[Any],
    policy: Any = AGAIN,
    timeout_s: float | None = None,
) -> Ran:
    """Each stream is the messages it gives; an exception in its place is its cut. The last stream is refused."""
    opened = iter([*streams, [REFUSED]])
    ran = Ran(None, [], [])

    def answer(effect: Effect) -> Any:
        if isinstance(effect, OpenStream):
            return iter(next(opened))
        assert isinstance(effect, Read)
        return next(effect.stream, None)

    with pytest.raises(EventsError) as caught:
        flow = events(party, kind, kind.new_request(party, start), start, timeout_s, policy)
        run_scripted(flow, answer, ran)
    ran.result = caught.value
    return ran


def asked(ran: Ran) -> list[Any]:
    """The start position of each chaincode events request that was sent."""
    requests = [
        gateway_pb2.ChaincodeEventsRequest.FromString(
            gateway_pb2.SignedChaincodeEventsRequest.FromString(effect.request).request
        )
        for effect in ran.effects
        if isinstance(effect, OpenStream)
    ]
    return [(request.start_position.specified.number, request.after_transaction_id) for request in requests]


def test_chaincode_events_go_on_after_the_last_transaction(party: Party) -> None:
    ran = run(
        party,
        MARKET,
        Position(3),
        [chaincode_events(3, "a", "b"), chaincode_events(5, "c"), CUT],
        [chaincode_events(5, "d"), CUT],
    )
    assert [event.transaction_id for event in ran.emitted] == ["a", "b", "c", "d"]
    assert asked(ran) == [(3, ""), (5, "c"), (5, "d")]


def test_what_a_peer_sends_again_is_dropped(party: Party) -> None:
    ran = run(
        party,
        MARKET,
        Position(3),
        [chaincode_events(3, "a", "b"), CUT],
        [chaincode_events(2, "z"), chaincode_events(3, "a", "b", "c"), CUT],
    )
    assert [event.transaction_id for event in ran.emitted] == ["a", "b", "c"]


def test_an_ended_stream_is_a_cut_one(party: Party) -> None:
    ran = run(party, MARKET, Position(3), [chaincode_events(3, "a")], [chaincode_events(4, "b")])
    assert [event.transaction_id for event in ran.emitted] == ["a", "b"]


def test_blocks_go_on_with_the_next(party: Party) -> None:
    ran = run(
        party,
        filtered_blocks("newtown"),
        Position(7),
        [filtered(7), filtered(8), CUT],
        [filtered(8), filtered(9)],
    )
    assert [block.number for block in ran.emitted] == [7, 8, 9]


def test_a_missing_block_is_asked_for(party: Party) -> None:
    ran = run(
        party, filtered_blocks("newtown"), Position(7), [filtered(7), filtered(9)], [filtered(8), filtered(9)]
    )
    assert [block.number for block in ran.emitted] == [7, 8, 9]


def test_the_next_peer_takes_over(party: Party) -> None:
    ran = run(party, MARKET, Position(3), [CUT], [chaincode_events(3, "a"), CUT])
    assert [effect.peer for effect in ran.effects if isinstance(effect, OpenStream)] == [0, 1, 0]


@pytest.mark.parametrize(("timeout_s", "reason"), [(1e-9, "DEADLINE_EXCEEDED"), (60.0, "ACCESS_DENIED")])
def test_a_stream_that_a_peer_resets_at_its_deadline_is_final(
    party: Party, timeout_s: float, reason: str
) -> None:
    reset = CallFailed(grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8")
    assert run(party, MARKET, Position(3), [reset], timeout_s=timeout_s).result.reason == reason


def test_without_a_policy_the_first_cut_ends_it(party: Party) -> None:
    ran = run(party, MARKET, Position(3), [CUT], policy=None)
    assert "connection reset" in str(ran.result)


def test_a_long_outage_ends_it(party: Party) -> None:
    ran = run(party, MARKET, Position(3), [CUT], [CUT], policy=ReconnectPolicy(max_outage_s=-1))
    assert (ran.result.tries, ran.result.reason) == (1, "PEER_UNREACHABLE")


@pytest.mark.parametrize(
    ("code", "reason"), [(common_pb2.FORBIDDEN, "ACCESS_DENIED"), (common_pb2.NOT_FOUND, "NOT_FOUND")]
)
def test_a_refused_deliver_is_final(party: Party, code: int, reason: str) -> None:
    ran = run(party, full_blocks("newtown"), Position(0), [deliver_status(code)])
    assert ran.result.reason == reason
    assert sum(isinstance(effect, OpenStream) for effect in ran.effects) == 1


@pytest.mark.parametrize(
    "kind", [full_blocks("newtown"), filtered_blocks("newtown"), blocks_and_private_data("newtown")]
)
def test_an_unexpected_kind_of_block_is_no_event(party: Party, kind: EventKind) -> None:
    ran = run(party, kind, Position(0), [b"", CUT])
    assert ran.emitted == []


def newest(number: int | CallFailed) -> Any:
    def answer(effect: Effect) -> Any:
        if isinstance(effect, Read):
            return filtered(number) if isinstance(number, int) else number
        assert isinstance(effect, OpenStream | CloseStream)
        return None

    return answer


def test_now_is_the_block_after_the_newest(party: Party) -> None:
    ran = run_scripted(starting_position(party, "newtown", Position(), 5.0), newest(41))
    assert ran.result == Position(42)
    request = next(effect.request for effect in ran.effects if isinstance(effect, OpenStream))
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(request).payload)
    assert ab_pb2.SeekInfo.FromString(payload.data).start.WhichOneof("Type") == "newest"


def test_a_wanted_position_stays(party: Party) -> None:
    for wanted in (Position(7), Position(7, "a"), Position(None, "a")):
        assert run_scripted(starting_position(party, "newtown", wanted, 5.0), newest(41)).result == wanted
    assert (
        run_scripted(starting_position(party, "newtown", Position(), 5.0), newest(REFUSED)).result
        == Position()
    )


def ledger(*blocks: tuple[str, ...] | CallFailed) -> Any:
    """Answers with the newest block, or with the one asked for, by the transactions that each holds."""
    asked_for: list[int] = []

    def answer(effect: Effect) -> Any:
        if isinstance(effect, OpenStream):
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(effect.request).payload)
            start = ab_pb2.SeekInfo.FromString(payload.data).start
            specified = start.WhichOneof("Type") == "specified"
            asked_for.append(start.specified.number if specified else len(blocks) - 1)
            return None
        if not isinstance(effect, Read):
            return None
        number = asked_for[-1]
        block = blocks[number]
        if isinstance(block, CallFailed):
            return block
        transactions = [events_pb2.FilteredTransaction(txid=name) for name in block]
        filtered = events_pb2.FilteredBlock(number=number, filtered_transactions=transactions)
        return events_pb2.DeliverResponse(filtered_block=filtered).SerializeToString()

    return answer


def start(party: Party, wanted: Position, *blocks: tuple[str, ...] | CallFailed) -> Ran:
    return run_scripted(starting_position(party, "newtown", wanted, 5.0), ledger(*blocks))


@pytest.mark.parametrize(
    "wanted", [Position(0, "a", True), Position(1, "c", True), Position(1, "", True), Position(2, "", True)]
)
def test_a_checkpoint_of_this_ledger_is_taken(party: Party, wanted: Position) -> None:
    ran = start(party, wanted, ("a",), ("b", "c"))
    assert (ran.result, ran.pauses_s) == (wanted, [])


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Position(3, "", True), "block 3, but the newest block of channel newtown is 1"),
        (
            Position(57, "x", True),
            "block 57 after transaction x, but the newest block of channel newtown is 1",
        ),
        (Position(2, "x", True), "the newest block of channel newtown is 1"),
        (Position(1, "x", True), "block 1 of channel newtown does not hold that transaction"),
    ],
)
def test_a_checkpoint_of_another_ledger_is_refused(party: Party, wanted: Position, said: str) -> None:
    """A network that was reset: the stream would wait for ever, or skip what it never saw."""
    with pytest.raises(EventsError, match=said) as caught:
        start(party, wanted, ("a",), ("b", "c"))
    assert caught.value.reason == "CHECKPOINT_OF_ANOTHER_LEDGER"
    assert "delete the checkpoint" in caught.value.advice


def test_a_peer_that_is_behind_is_waited_for(party: Party) -> None:
    grown = iter([41, 42, 43])

    def answer(effect: Effect) -> Any:
        return filtered(next(grown)) if isinstance(effect, Read) else None

    wanted = Position(44, "", True)
    ran = run_scripted(starting_position(party, "newtown", wanted, 5.0), answer)
    assert (ran.result, len(ran.pauses_s)) == (wanted, 2)
    assert [effect.peer for effect in ran.effects if isinstance(effect, OpenStream)] == [0, 1, 0]


def test_a_checkpoint_that_cannot_be_compared_is_taken(party: Party) -> None:
    """Of an identity that may not read blocks, or older than the snapshot that the peer joined by."""
    gone = CallFailed(grpc.StatusCode.NOT_FOUND, "")
    wanted = Position(0, "a", True)
    assert start(party, wanted, gone, ("b",)).result == wanted
    assert start(party, wanted, REFUSED).result == wanted


def test_a_start_block_yet_to_come_is_waited_for(party: Party) -> None:
    assert start(party, Position(57), ("a",)).result == Position(57)


@pytest.mark.parametrize("number", [-1, 2**64 - 1, 2**64, 10**30, 1.0, "1", True])
def test_what_is_no_block_number_is_refused(number: Any) -> None:
    class Foreign:
        block_number = number
        transaction_id = ""

    for given in (
        {"start_block": number, "checkpoint": None},
        {"start_block": None, "checkpoint": Foreign()},
    ):
        with pytest.raises(ConfigurationError, match="is a block number from 0 to 18446744073709551614"):
            start_position(**given)


def test_what_is_no_transaction_id_is_refused() -> None:
    class Foreign:
        block_number = 1
        transaction_id = "\ud800"

    with pytest.raises(ConfigurationError, match="transaction_id is text in hex"):
        start_position(None, Foreign())
    assert start_position(2**64 - 2, InMemoryCheckpointer()) == Position(2**64 - 2)


def test_no_peer_at_all_is_told_at_once(party: Party) -> None:
    down = CallFailed(grpc.StatusCode.UNAVAILABLE, "failed to connect")
    with pytest.raises(EventsError) as caught:
        run_scripted(starting_position(party, "newtown", Position(), 5.0), newest(down))
    assert caught.value.reason == "PEER_UNREACHABLE"
